"""Names of ``typing`` that Python 3.8 lacks, and the type of JSON values.

The names come from ``typing`` if it has them. Importing ``typing_extensions`` takes a fifth of the time that urllib3
takes, so only interpreters that need it import it.
"""

import sys
from typing import TYPE_CHECKING, Any, Dict, Mapping, Sequence, Union

if sys.version_info >= (3, 11):
    from typing import Annotated, Literal, NotRequired, TypedDict, Unpack, dataclass_transform
else:
    from typing_extensions import Annotated, Literal, NotRequired, TypedDict, Unpack, dataclass_transform

__all__ = ["Annotated", "Json", "JsonObject", "Literal", "NotRequired", "TypedDict", "Unpack", "dataclass_transform"]

if TYPE_CHECKING:
    #: A parsed JSON document, or a part of one.
    Json = Union[None, bool, int, float, str, Sequence["Json"], Mapping[str, "Json"]]
else:
    Json = object  # creating the union would slow down the import
#: A JSON object that is being built.
JsonObject = Dict[str, Any]

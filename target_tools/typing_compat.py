"""Names of ``typing`` that are missing or incomplete before Python 3.11, and the type of JSON values.

From Python 3.11 on, the names come from ``typing``. Importing ``typing_extensions`` takes a fifth of the time that
urllib3 takes, so only older interpreters import it.
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

"""Names of ``typing`` that Python 3.8 lacks.

They come from ``typing`` if it has them. Importing ``typing_extensions`` takes a fifth of the time that urllib3 takes,
so only interpreters that need it import it.
"""

import sys

if sys.version_info >= (3, 11):
    from typing import Annotated, Literal, NotRequired, TypedDict, Unpack, dataclass_transform
else:
    from typing_extensions import Annotated, Literal, NotRequired, TypedDict, Unpack, dataclass_transform

__all__ = ["Annotated", "Literal", "NotRequired", "TypedDict", "Unpack", "dataclass_transform"]

"""The typing names that are younger than Python 3.8, from ``typing`` wherever it has them.

``typing_extensions`` costs a fifth of the time urllib3 takes to import, so it is
read only on interpreters that need it.
"""

import sys

if sys.version_info >= (3, 11):
    from typing import Annotated, Literal, NotRequired, TypedDict, dataclass_transform
else:
    from typing_extensions import Annotated, Literal, NotRequired, TypedDict, dataclass_transform

__all__ = ["Annotated", "Literal", "NotRequired", "TypedDict", "dataclass_transform"]

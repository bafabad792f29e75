"""Calls ``get_offers`` and ``send_notifications`` of a client if a subclass or a test has replaced them.

In 1.1.0, ``get_attributes`` called ``get_offers``, and on-device decisions were reported by ``send_notifications``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional

from target_tools.attributes_provider import AttributesProvider

if TYPE_CHECKING:
    from target_python_sdk.delivery.call_options import Call

#: A method that takes the options of a call.
Method = Callable[[Dict[str, Any]], Any]


def attributes_function(
    get_offers: Method, options: Optional[Mapping[str, Any]], call: Call
) -> Callable[[], AttributesProvider]:
    """Return a function that passes the options of ``get_attributes``, without callbacks, to ``get_offers``."""
    kept = {name: value for name, value in (options or {}).items() if name not in ("callback", "err_callback")}
    return lambda: AttributesProvider(get_offers({**kept, "request": call.request}))

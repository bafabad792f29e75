"""Builds the ``serverState``, which passes an answer to at.js, so that the page need not call the edge itself."""

import json
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Sequence

from target_tools.schema.model import Model
from target_tools.typing_compat import Json

if TYPE_CHECKING:
    from target_python_sdk.types.request import DeliveryRequest
    from target_python_sdk.types.response import DeliveryResponse

#: Characters that could end a script element or a line of a script, and their escapes in JSON.
_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
#: The parts of requests and responses that at.js 2.2 and newer accepts. Mboxes are not among them.
_PARTS = (("execute", "pageLoad"), ("prefetch", "views"))
# Only these fields are sent to the page. It gets no customer ids and no address.
_REQUEST_FIELDS = ("requestId", "experienceCloud", "property")
_RESPONSE_FIELDS = ("status", "requestId", "client", "edgeHost")
_ID_FIELDS = ("tntId", "marketingCloudVisitorId")
_CONTEXT_FIELDS = ("channel", "timeOffsetInMinutes")
_PRIVATE_PART_FIELDS = frozenset({"address", "profileParameters"})


class ScriptText(str):
    """JSON that is safe inside a ``<script>`` element. Template engines do not escape it again."""

    __slots__ = ()

    def __html__(self) -> str:
        """Return the text itself. Jinja2 and Django call this method instead of escaping the text."""
        return str(self)


def server_state(request: Optional["DeliveryRequest"], response: Optional["DeliveryResponse"]) -> ScriptText:
    """Return the state for ``window.targetGlobalSettings.serverState`` as JSON.

    It contains the executed page load and the prefetched views. If the response has neither, or if the call failed, it
    is ``null``, and at.js makes a call itself.
    """
    sent, received = _json(request), _json(response)
    parts = _parts(received) if received.get("status") else {}
    state: Optional[Dict[str, Any]] = None
    if parts:
        context = _fields(sent.get("context") or {}, _CONTEXT_FIELDS)
        state = {
            "request": {**_fields(sent, _REQUEST_FIELDS), **_id(sent), "context": context, **_parts(sent)},
            "response": {**_fields(received, _RESPONSE_FIELDS), **_id(received), **parts},
        }
    return script_text(state)


def has_page_parts(response: "DeliveryResponse") -> bool:
    """Return whether at.js can take over a part of the response."""
    execute, prefetch = response.execute, response.prefetch
    return (execute is not None and execute.page_load is not None) or (prefetch is not None and bool(prefetch.views))


def script_text(value: Json) -> ScriptText:
    """Return JSON that is safe inside a ``<script>`` element."""
    return ScriptText(json.dumps(value, separators=(",", ":")).translate(_ESCAPES))


def _json(model: Optional[Model]) -> Mapping[str, Any]:
    return {} if model is None else model.to_json()


def _fields(values: Mapping[str, Any], names: Sequence[str]) -> Dict[str, Any]:
    return {name: values[name] for name in names if values.get(name) is not None}


def _id(values: Mapping[str, Any]) -> Dict[str, Any]:
    return {"id": _fields(values.get("id") or {}, _ID_FIELDS)}


def _parts(values: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the executed page load and the prefetched views in ``values``."""
    found = {(mode, name): (values.get(mode) or {}).get(name) for mode, name in _PARTS}
    return {mode: {name: _public(part)} for (mode, name), part in found.items() if part is not None}


def _public(part: Any) -> Any:
    """Return a page load or a list of views without the private fields of the request."""
    if isinstance(part, list):
        return [_public(each) for each in part]
    if not isinstance(part, Mapping):  # an answer can contain null
        return part
    return {name: value for name, value in part.items() if name not in _PRIVATE_PART_FIELDS}

"""Template tags that hand an answer over to at.js. Load them with ``{% load target %}``."""

from typing import Any, Optional

from django import template
from django.utils.html import format_html
from django.utils.safestring import mark_safe

from target_python_sdk.visits.visit import Visit
from target_tools.errors import OptionError

register = template.Library()


def target_server_state(context: Any) -> str:
    """Return the latest answer for at.js, as JSON for a ``<script>`` element; ``null`` if there is none."""
    return _visit_of(context).server_state()


def target_script(context: Any, nonce: Optional[object] = None) -> Any:
    """Return the ``<script>`` element that hands the latest answer over to at.js. Place it before at.js.

    ``nonce`` is that of the Content Security Policy. The default is ``csp_nonce`` of the context, if it has one.
    """
    nonce = context.get("csp_nonce") if nonce is None else nonce
    start = mark_safe("<script>") if nonce is None else format_html('<script nonce="{}">', nonce)
    settings = "Object.assign(window.targetGlobalSettings || {{}}, {{serverState: {} || undefined}})"
    return format_html(
        "{}window.targetGlobalSettings = " + settings + ";</script>", start, target_server_state(context)
    )


def _visit_of(context: Any) -> Visit:
    request = getattr(context, "request", None) or context.get("request")
    visit = getattr(request, "target", None)
    if isinstance(visit, Visit):
        return visit
    problem = "the context has no request" if request is None else "its request has no visit"
    hint = "render the template with the request" if request is None else "add TargetMiddleware to MIDDLEWARE"
    raise OptionError(f"Invalid argument 'context': {problem}; {hint}", "context")


register.simple_tag(target_server_state, takes_context=True)
register.simple_tag(target_script, takes_context=True)

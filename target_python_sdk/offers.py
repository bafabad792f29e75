"""The offers of an answer, in a form for templates: one offer for each mbox and view, and one for the page load."""

from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from target_python_sdk.types.enums import MetricType, OptionType
from target_python_sdk.types.notification import Notification, NotificationMbox, NotificationPageLoad, NotificationView
from target_python_sdk.types.request import DeliveryRequest
from target_python_sdk.types.response import DeliveryResponse, MboxResponse, Option, PageLoadResponse, View
from target_tools.clock import epoch_milliseconds
from target_tools.error_text import invalid, suggestion
from target_tools.errors import OptionError
from target_tools.logger import Log
from target_tools.uuids import random_uuid

#: A part of a response that has options.
Part = Union[MboxResponse, PageLoadResponse, View]

#: Logs mistakes in reading offers, each once in a process. Offers can be pickled, so they have no log of their own.
_LOG = Log()


class Cookie(NamedTuple):
    """A cookie for the response to the visitor's browser."""

    name: str
    """``mbox`` or ``mboxEdgeCluster``."""

    value: str
    """The value. It has only characters that are valid in a cookie."""

    max_age: int
    """Seconds for which the browser keeps it."""

    path: str = "/"
    """The path of the pages to which the browser sends it."""

    same_site: str = "Lax"
    """``Lax``, ``Strict``, or ``None``, which requires ``secure``."""

    secure: bool = False
    """True if the browser sends it over HTTPS only."""

    def as_kwargs(self) -> Dict[str, Any]:
        """Return the arguments of ``set_cookie`` of Flask, Django and Starlette responses."""
        return dict(zip(("key", "value", "max_age", "path", "samesite", "secure"), self))


def check_same_site(same_site: str, secure: Optional[bool]) -> None:
    """Raise ``OptionError`` for an unknown value of ``SameSite``, and for ``None`` without ``secure``."""
    subject, expected = "Invalid option 'same_site'", "'Lax', 'Strict' or 'None'"
    if same_site not in {"Lax", "Strict", "None"}:
        raise OptionError(invalid(subject, expected=expected, got=same_site), "same_site", expected)
    if same_site == "None" and not secure:
        problem = "browsers drop cookies with SameSite=None that are not secure"
        text = invalid(subject, problem, hint="pass secure=True, too")
        raise OptionError(text, "same_site", "'Lax' or 'Strict', or secure=True")


class Offer:
    """The content for one mbox, one view or the page load.

    An offer is falsy if there is no content; then show your default content. It is never None, so templates can
    read its attributes without a check.
    """

    __slots__ = ("_parts", "_problem", "key", "kind", "name")

    def __init__(self, kind: str, name: Optional[str], parts: Sequence[Part], key: Optional[str] = None) -> None:
        #: ``mbox``, ``view`` or ``page_load``.
        self.kind = kind
        #: The name of the mbox or view; None for the page load.
        self.name = name
        #: The key of the view, if it has one.
        self.key = key
        self._parts = tuple(parts)
        #: The mistake that explains why there is no content; usually empty.
        self._problem = ""

    def __bool__(self) -> bool:
        return next(self._content_options(), None) is not None

    def __repr__(self) -> str:
        types = ", ".join(str(option.type) for option in self._content_options())
        return f"<Offer for {self._label}: {types or self._problem or 'no content'}>"

    @property
    def is_answered(self) -> bool:
        """Whether the response contains the mbox, view or page load at all."""
        return bool(self._parts)

    @property
    def options(self) -> List[Option]:
        """Every option, prefetched ones first."""
        return [option for part in self._parts for option in part.options or () if option is not None]

    @property
    def contents(self) -> List[Any]:
        """The content of every option that has any."""
        return [option.content for option in self._content_options()]

    @property
    def html(self) -> Optional[str]:
        """The first HTML content, or None."""
        options = (option for option in self._content_options() if option.type == OptionType.HTML)
        return next((option.content for option in options if isinstance(option.content, str)), None)

    @property
    def json(self) -> Dict[str, Any]:
        """A new dict with the keys of all JSON objects. If two objects have the same key, the later value wins."""
        contents = [option.content for option in self._content_options() if option.type == OptionType.JSON]
        return {key: value for content in contents if isinstance(content, dict) for key, value in content.items()}

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of ``key`` in :attr:`json`, or ``default``."""
        return self.json.get(key, default)

    @property
    def response_tokens(self) -> Dict[str, Any]:
        """The response tokens of all options, by name."""
        tokens = (option.response_tokens for option in self.options)
        return {name: value for each in tokens if isinstance(each, Mapping) for name, value in each.items()}

    @property
    def activity(self) -> Optional[str]:
        """The name of the activity, or its id.

        None if the edge decided, unless Target adds the response tokens ``activity.…``.
        """
        return self._name_or_id("activity")

    @property
    def experience(self) -> Optional[str]:
        """The name of the experience, or its id.

        None if the edge decided, unless Target adds the response tokens ``experience.…``.
        """
        return self._name_or_id("experience")

    def to_json(self) -> Dict[str, Any]:
        """Return a dict for JSON: ``kind``, ``name``, ``key``, and the ``options`` in the form of the API."""
        options = [option.to_json() for option in self.options]
        return {"kind": self.kind, "name": self.name, "key": self.key, "options": options}

    def display(self) -> Notification:
        """Return the notification that this prefetched offer was shown, with an id and the current time.

        Raises ``OptionError`` if there is no content, or if the content was executed instead of prefetched: then the
        call has already counted its display.
        """
        tokens = self._display_tokens()
        reason = self._reason("it was not prefetched, so its display was counted with the call")
        return self._notification(MetricType.DISPLAY, tokens, f"No display of {self._label} can be reported: {reason}")

    @property
    def display_tokens(self) -> List[str]:
        """The tokens with which a page reports that it showed this prefetched offer. There may be none."""
        return list(dict.fromkeys(token for token, _ in self._display_tokens() if token))

    @property
    def click_tokens(self) -> List[str]:
        """The tokens with which a page reports that this offer was clicked.

        There are none if no activity measures clicks on the offer. This is logged at WARNING, once for each name.
        """
        tokens = list(dict.fromkeys(token for token, _ in self._click_tokens() if token))
        if self and not tokens:
            warn_once(self._no_click())
        return tokens

    def click(self) -> Notification:
        """Return the notification that this offer was clicked, with an id and the current time.

        Raises ``OptionError`` if no activity measures clicks on it.
        """
        return self._notification(MetricType.CLICK, self._click_tokens(), self._no_click())

    def _no_click(self) -> str:
        return f"No click on {self._label} can be reported: {self._reason('no activity measures clicks on it')}"

    def _reason(self, reason: str) -> str:
        """Return why there is no content, or ``reason`` if there is content."""
        return reason if self else self._problem or "there is no content"

    def _display_tokens(self) -> List[Tuple[Optional[str], Part]]:
        return [(option.event_token, part) for part in self._parts for option in part.options or () if option]

    def _click_tokens(self) -> List[Tuple[Optional[str], Part]]:
        metrics = [(metric, part) for part in self._parts for metric in part.metrics or () if metric]
        return [(metric.event_token, part) for metric, part in metrics if metric.type == MetricType.CLICK]

    @property
    def _label(self) -> str:
        return "the page load" if self.kind == "page_load" else f"{self.kind} {self.name!r}"

    def _content_options(self) -> Iterator[Option]:
        return (option for option in self.options if option.content is not None)

    def _name_or_id(self, kind: str) -> Optional[str]:
        rules = [getattr(option, "_rule_meta", {}) for option in reversed(self.options)]  # only on-device
        found = [source.get(f"{kind}.{key}") for source in (self.response_tokens, *rules) for key in ("name", "id")]
        return next((str(value) for value in found if value is not None), None)

    def _notification(self, type_: str, tokens: Sequence[Tuple[Optional[str], Part]], problem: str) -> Notification:
        """Return a notification with the tokens. ``problem`` is the text of the error if there are none."""
        known = [(token, part) for token, part in tokens if token]
        if not known:
            raise OptionError(problem)
        state = getattr(known[0][1], "state", None)
        unique = list(dict.fromkeys(token for token, _ in known))
        notification = Notification(id=random_uuid(), type=type_, timestamp=epoch_milliseconds(), tokens=unique)
        if self.kind == "mbox":
            notification.mbox = NotificationMbox(name=self.name, state=state)
        elif self.kind == "view":
            notification.view = NotificationView(name=self.name, key=self.key, state=state)
        else:
            notification.page_load = NotificationPageLoad(state=state)
        return notification


def checked(offer: Offer, request: Optional[DeliveryRequest]) -> Offer:
    """Return ``offer``. If ``request`` does not contain it, log that once, and set the problem of the offer."""
    if request is not None and not offer.is_answered:
        kind = {"mbox": "mboxes", "view": "views"}.get(offer.kind, offer.kind)
        names = [getattr(part, "name", None) for part in _parts(request, kind)]
        # A page load has no name, and a view without a name requests all views.
        if offer.name not in names and None not in names:
            known = [name for name in names if isinstance(name, str)]
            offer._problem = f"it was not requested{suggestion(offer.name or '', known)}"
            warn_once(f"There is no offer for {offer._label}: {offer._problem}")
    return offer


def warn_once(text: str) -> None:
    """Log ``text`` at WARNING, unless this process has already done so."""
    if _LOG.first_time(text):
        _LOG.warning("%s", text)


def mbox_offer(response: Optional[DeliveryResponse], name: str, index: Optional[int] = None) -> Offer:
    """Return the offer for the mbox ``name``. If several mboxes have the name, ``index`` selects one of them."""
    mboxes = _parts(response, "mboxes")
    return Offer("mbox", name, [mbox for mbox in mboxes if mbox.name == name and index in (None, mbox.index)])


def view_offer(response: Optional[DeliveryResponse], name: str, key: Optional[str] = None) -> Offer:
    """Return the offer for the view ``name``. If several views have the name, ``key`` selects one of them."""
    views = [view for view in _parts(response, "views") if view.name == name and key in (None, view.key)]
    return Offer("view", name, views, key or (views[0].key if views else None))


def page_load_offer(response: Optional[DeliveryResponse]) -> Offer:
    """Return the offer for the page load."""
    return Offer("page_load", None, _parts(response, "page_load"))


def offers_of(response: Optional[DeliveryResponse]) -> List[Offer]:
    """Return one offer for each mbox and view in the response, and for the page load."""
    page_load = page_load_offer(response)
    return [
        *([page_load] if page_load.is_answered else []),
        *(Offer("mbox", name, mboxes) for name, mboxes in _by_name(response, "mboxes").items()),
        *(Offer("view", name, views, views[0].key) for name, views in _by_name(response, "views").items()),
    ]


def _by_name(response: Optional[DeliveryResponse], kind: str) -> Dict[Optional[str], List[Any]]:
    """Return the mboxes or the views of a response by name. Leave out those with a name that is not text."""
    found: Dict[Optional[str], List[Any]] = {}
    for part in _parts(response, kind):
        if part.name is None or isinstance(part.name, str):
            found.setdefault(part.name, []).append(part)
    return found


def _parts(response: Union[DeliveryResponse, DeliveryRequest, None], name: str) -> List[Any]:
    """Return the mboxes, the views or the page loads of a response or a request, prefetched ones first."""
    modes = ("prefetch",) if name == "views" else ("prefetch", "execute")
    found = [getattr(getattr(response, mode, None), name, None) for mode in modes]
    parts = [part for each in found for part in (each if isinstance(each, (list, tuple)) else [each])]
    return [part for part in parts if part is not None]

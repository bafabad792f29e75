"""The offers that a visit returns, and the requests for them."""

from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Union

from target_python_sdk.delivery.call_options import CALL_OPTION_NAMES
from target_python_sdk.delivery.conversion import plain
from target_python_sdk.delivery.option_parsers import reject
from target_python_sdk.offers import Offer, mbox_offer, page_load_offer, view_offer
from target_python_sdk.types import (
    DeliveryRequest,
    DeliveryResponse,
    ExecuteRequest,
    MboxRequest,
    PrefetchRequest,
    RequestDetails,
    TargetDeliveryResponse,
    ViewRequest,
)
from target_tools.attributes_provider import AttributesProvider
from target_tools.error_text import invalid
from target_tools.errors import OptionError, TargetError

#: An mbox to request: its name, or the name with parameters and other details, as a model or as a dict.
Mbox = Union[str, MboxRequest, Mapping[str, Any]]
#: The parameters of ``Visit.offers`` that are not options of a call.
_OFFERS_PARAMETERS = ("views", "page_load", "prefetch")


class Offers(Mapping[str, Offer]):
    """The offers of one call, by the name of the mbox. An mbox without content has an offer that is falsy.

    A name that was not requested raises ``KeyError``.
    """

    def __init__(
        self,
        mboxes: Sequence[str],
        answer: Optional[TargetDeliveryResponse],
        error: Optional[TargetError] = None,
    ) -> None:
        self._names = tuple(dict.fromkeys(mboxes))
        #: The answer. None only if the client is closed, its queue is full, or the call was lost to a fork or an exit.
        self.answer = answer
        #: The error if the call failed. All offers are then falsy, except those that a hybrid call still decided.
        self.error: Optional[Exception] = error if answer is None else answer.error

    def __getitem__(self, name: str) -> Offer:
        if name not in self._names:
            raise KeyError(invalid("", f"the mbox {name!r} was not requested", name=name, known=self._names))
        return mbox_offer(self._response, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<Offers {', '.join(map(repr, self.values()))}>"

    @property
    def page_load(self) -> Offer:
        """The offer for the page load, falsy if there is none."""
        return page_load_offer(self._response) if self.answer is None else self.answer.page_load

    def view(self, name: str, key: Optional[str] = None) -> Offer:
        """Return the offer for a view, falsy if there is none."""
        return view_offer(self._response, name, key) if self.answer is None else self.answer.view(name, key)

    @property
    def _response(self) -> Optional[DeliveryResponse]:
        return None if self.answer is None else self.answer.response


def offers_request(
    mboxes: Sequence[Mbox], views: Sequence[str], page_load: bool, prefetch: bool
) -> DeliveryRequest:
    """Return the request for these offers. Views are always prefetched. Raises ``OptionError``."""
    if isinstance(views, str):
        reject("views", "a list of names", views, hint=f"pass views=[{views!r}]")
    requested = [_mbox_request(mbox) for mbox in mboxes]
    parts: Dict[str, Any] = {"mboxes": requested or None, "page_load": RequestDetails() if page_load else None}
    request = DeliveryRequest()
    if requested or page_load:
        if prefetch:
            request.prefetch = PrefetchRequest(**parts)
        else:
            request.execute = ExecuteRequest(**parts)
    if views:
        request.prefetch = request.prefetch or PrefetchRequest()
        request.prefetch.views = [ViewRequest(name=name) for name in views]
    return request


def _mbox_request(mbox: Any) -> Any:
    """Return an mbox of a request. A dict is returned unchanged: the call converts it, and reports its unknown keys."""
    if isinstance(mbox, (MboxRequest, Mapping)):
        return mbox
    name = plain(mbox)
    if not isinstance(name, str):
        expected = "the name of an mbox, a MboxRequest or a dict"
        hint = "pass each mbox as a separate argument" if isinstance(mbox, (list, tuple, set)) else ""
        text = invalid("Invalid argument 'mboxes'", expected=expected, got=mbox, hint=hint)
        raise OptionError(text, "mboxes", expected)
    return MboxRequest(name=name)


def check_call_options(options: Mapping[str, Any], is_for_attributes: bool) -> None:
    """Raise ``OptionError`` for a keyword argument that is not an option of a call that gets offers."""
    for name in options:
        if name == "request":
            hint = "make the call with visit.options(request), and pass its answer to visit.remember"
            raise OptionError(invalid("", "unexpected keyword argument 'request'", hint=hint), name)
        if name not in CALL_OPTION_NAMES:
            known = sorted(CALL_OPTION_NAMES.union(() if is_for_attributes else _OFFERS_PARAMETERS))
            raise OptionError(invalid("", f"unexpected keyword argument {name!r}", name=name, known=known), name)


def names_of(mboxes: Sequence[Mbox]) -> List[str]:
    """Return the names of the requested mboxes."""
    requests = map(_mbox_request, mboxes)
    names = (plain(mbox.get("name") if isinstance(mbox, Mapping) else mbox.name) for mbox in requests)
    return [name for name in names if name]


def no_attributes(error: TargetError) -> AttributesProvider:
    """Return the attributes of a call that failed."""
    envelope = TargetDeliveryResponse(response=DeliveryResponse())
    envelope.error = error
    return AttributesProvider(envelope)

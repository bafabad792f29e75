"""The offers that a visit returns to a view."""

from typing import Iterator, List, Mapping, Optional, Sequence, Union

from target_python_sdk.errors import DeliveryError
from target_python_sdk.offers import Offer, mbox_offer, page_load_offer, view_offer
from target_python_sdk.types import DeliveryResponse, MboxRequest, TargetDeliveryResponse
from target_tools.attributes_provider import AttributesProvider
from target_tools.error_text import invalid


class Offers(Mapping[str, Offer]):
    """The offers of one call, by the name of the mbox. An mbox without content has an offer that is falsy.

    A name that was not requested raises ``KeyError``.
    """

    def __init__(
        self,
        mboxes: Sequence[str],
        answer: Optional[TargetDeliveryResponse],
        error: Optional[DeliveryError] = None,
    ) -> None:
        self._names = tuple(dict.fromkeys(mboxes))
        #: The answer, which is None only if the call failed and the client has ``on_error="raise"``.
        self.answer = answer
        #: The error of a call that failed. All offers are falsy then, except in a hybrid call.
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
        return page_load_offer(self._response)

    def view(self, name: str, key: Optional[str] = None) -> Offer:
        """Return the offer for a view, falsy if there is none."""
        return view_offer(self._response, name, key)

    @property
    def _response(self) -> Optional[DeliveryResponse]:
        return None if self.answer is None else self.answer.response


def names_of(mboxes: Sequence[Union[str, MboxRequest]]) -> List[str]:
    """Return the names of the requested mboxes."""
    names = (mbox.name if isinstance(mbox, MboxRequest) else mbox for mbox in mboxes)
    return [name for name in names if name]


def no_attributes(error: DeliveryError) -> AttributesProvider:
    """Return the attributes of a call that failed."""
    envelope = TargetDeliveryResponse(response=DeliveryResponse())
    envelope.error = error
    return AttributesProvider(envelope)

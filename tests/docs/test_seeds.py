"""The examples of Adobe's documentation run unchanged."""

import sys
import threading
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any, Callable, Dict, List

import pytest

import delivery_api_client
from tests.docs.conftest import Create
from tests.docs.pages import python_blocks

pytestmark = pytest.mark.server

#: The info string of Python blocks in Adobe's pages.
ADOBE_INFO = 'python {line-numbers="true"}'
TIME_LIMIT = 10  # seconds; the event is due after 0.1


class RecordedCallback:
    """A ``client_ready`` callback, and its local variables when it returned."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._returned = threading.Event()
        self._locals: Dict[str, Any] = {}

    def __call__(self) -> None:
        before = sys.getprofile()
        sys.setprofile(self._record_locals)
        try:
            self._callback()
        finally:
            sys.setprofile(before)
            self._returned.set()

    def _record_locals(self, frame: FrameType, event: str, _: object) -> None:
        if event == "return" and frame.f_code is self._callback.__code__:
            self._locals = dict(frame.f_locals)

    def final_locals(self) -> Dict[str, Any]:
        """Wait for the callback; return its local variables."""
        assert self._returned.wait(TIME_LIMIT), "client_ready has not fired"
        return self._locals


def names_on_the_page(create: Create, callbacks: List[RecordedCallback]) -> Dict[str, Any]:
    """Return the names that a page does not import: the wire types, and a ``TargetClient`` that records callbacks."""

    def create_recorded(options: Dict[str, Any]) -> Any:
        events = {name: RecordedCallback(callback) for name, callback in options["events"].items()}
        callbacks.extend(events.values())
        return create({**options, "events": events})

    names = {name: getattr(delivery_api_client, name) for name in dir(delivery_api_client) if name[0].isupper()}
    return {**names, "TargetClient": SimpleNamespace(create=create_recorded)}


def page_of(shared: Path, number: str) -> Path:
    """Return the page whose file name starts with this number."""
    (page,) = (shared / "seeds").glob(number + "*")
    return page


def run_example(page: Path, create: Create) -> Dict[str, Any]:
    """Run the page's example; return the local variables of its ``client_ready_callback``."""
    _signature, example = python_blocks(page, ADOBE_INFO)
    callbacks: List[RecordedCallback] = []
    example.namespace.update(names_on_the_page(create, callbacks))
    example.evaluate()
    (callback,) = callbacks
    return callback.final_locals()


def test_the_get_offers_example_gets_an_offer(shared: Path, create_at_edge: Create) -> None:
    """The visitor gets an experience of a1-serverside-ab."""
    local = run_example(page_of(shared, "002"), create_at_edge)

    answer = local["target_delivery_response"]["response"]
    (mbox,) = answer.execute.mboxes
    assert (answer.status, mbox.name, mbox.index) == (200, "a1-serverside-ab", 1)
    assert mbox.options


def test_the_get_attributes_example_reads_the_flags(shared: Path, create_at_edge: Create) -> None:
    """The values are those in the page's comment."""
    local = run_example(page_of(shared, "001"), create_at_edge)

    assert local["engineering_flags"] == {
        "cdnHostname": "cdn.cloud.corp.net",
        "searchProviderId": 143,
        "hasLegacyAccess": False,
    }
    assert local["search_provider_id"] == 143
    assert local["asset_url"] == "http://cdn.cloud.corp.net/path/to/asset"


@pytest.mark.parametrize("number", ["001", "002"])
def test_the_method_line_is_a_valid_call(shared: Path, create_at_edge: Create, number: str) -> None:
    """The line under "Méthode" runs if its names are defined."""
    signature, _example = python_blocks(page_of(shared, number), ADOBE_INFO)
    signature.namespace.update(
        target_client_instance=create_at_edge({"client": "acmeclient", "organization_id": "1234567890@AdobeOrg"}),
        mbox_names=["demo-engineering-flags"],
        options={"request": delivery_api_client.DeliveryRequest(
            execute=delivery_api_client.ExecuteRequest(
                mboxes=[delivery_api_client.MboxRequest(name="a1-serverside-ab")]))},
    )  # fmt: skip
    signature.evaluate()

"""The examples of Adobe's own documentation run as they stand."""

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

#: How Adobe's pages open a Python block.
ADOBES_FENCE = 'python {line-numbers="true"}'
LONG_ENOUGH = 10  # seconds; the event is due after 0.1


class Watched:
    """A ``client_ready`` callback, and what its local names meant when it returned."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._returned = threading.Event()
        self._locals: Dict[str, Any] = {}

    def __call__(self) -> None:
        before = sys.getprofile()
        sys.setprofile(self._note)
        try:
            self._callback()
        finally:
            sys.setprofile(before)
            self._returned.set()

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        if event == "return" and frame.f_code is self._callback.__code__:
            self._locals = dict(frame.f_locals)

    def locals_in_the_end(self) -> Dict[str, Any]:
        """The callback's local names, once it has run."""
        assert self._returned.wait(LONG_ENOUGH), "client_ready has not fired"
        return self._locals


def names_on_the_page(create: Create, watched: List[Watched]) -> Dict[str, Any]:
    """What a page takes for imported: the wire types, and a ``TargetClient`` whose edge is on this machine."""

    def create_watched(options: Dict[str, Any]) -> Any:
        events = {name: Watched(callback) for name, callback in options["events"].items()}
        watched.extend(events.values())
        return create({**options, "events": events})

    names = {name: getattr(delivery_api_client, name) for name in dir(delivery_api_client) if name[0].isupper()}
    return {**names, "TargetClient": SimpleNamespace(create=create_watched)}


def page_of(shared: Path, number: str) -> Path:
    """The page whose file name starts with that number."""
    (page,) = (shared / "seeds").glob(number + "*")
    return page


def run_example(page: Path, create: Create) -> Dict[str, Any]:
    """Run the page's example; the local names of its ``client_ready_callback`` in the end."""
    _signature, example = python_blocks(page, ADOBES_FENCE)
    watched: List[Watched] = []
    example.namespace.update(names_on_the_page(create, watched))
    example.evaluate()
    (callback,) = watched
    return callback.locals_in_the_end()


def test_the_get_offers_example_gets_an_offer(shared: Path, create_at_edge: Create) -> None:
    """The visitor is given one experience of a1-serverside-ab."""
    local = run_example(page_of(shared, "002"), create_at_edge)

    answer = local["target_delivery_response"]["response"]
    (mbox,) = answer.execute.mboxes
    assert (answer.status, mbox.name, mbox.index) == (200, "a1-serverside-ab", 1)
    assert mbox.options


def test_the_get_attributes_example_reads_the_flags(shared: Path, create_at_edge: Create) -> None:
    """The values are those that the page's own comment shows."""
    local = run_example(page_of(shared, "001"), create_at_edge)

    assert local["engineering_flags"] == {
        "cdnHostname": "cdn.cloud.corp.net",
        "searchProviderId": 143,
        "hasLegacyAccess": False,
    }
    assert local["search_provider_id"] == 143
    assert local["asset_url"] == "http://cdn.cloud.corp.net/path/to/asset"


@pytest.mark.parametrize("number", ["001", "002"])
def test_the_method_line_is_a_legal_call(shared: Path, create_at_edge: Create, number: str) -> None:
    """The line under "Méthode" runs, given the names in it."""
    signature, _example = python_blocks(page_of(shared, number), ADOBES_FENCE)
    signature.namespace.update(
        target_client_instance=create_at_edge({"client": "acmeclient", "organization_id": "1234567890@AdobeOrg"}),
        mbox_names=["demo-engineering-flags"],
        options={"request": delivery_api_client.DeliveryRequest(
            execute=delivery_api_client.ExecuteRequest(
                mboxes=[delivery_api_client.MboxRequest(name="a1-serverside-ab")]))},
    )  # fmt: skip
    signature.evaluate()

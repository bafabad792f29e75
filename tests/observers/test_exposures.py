"""``ExposureLogger``: which exposures it logs, and what it remembers."""

import logging

import pytest

from target_python_sdk.errors import OptionError
from target_python_sdk.observers import ExposureLogger, Observed
from target_python_sdk.offers import Offer
from target_python_sdk.types import MboxResponse, Option, PageLoadResponse, VisitorId
from tests.conformance.builders import decide, request_json
from tests.observers.edges import Edge, on_device
from tests.support import in_threads

TOKENS = {"activity.name": "Two greetings", "experience.name": "B"}


@pytest.fixture(autouse=True)
def at_info(caplog):
    caplog.set_level(logging.INFO, "adobe.target.exposures")


def exposures(caplog):
    return [record for record in caplog.records if record.name == "adobe.target.exposures"]


def shown(session="s", name="hero", tokens=TOKENS, content="<b>B</b>"):
    option = Option(type="html", content=content, response_tokens=tokens)
    if name is None:
        offer = Offer("page_load", None, [PageLoadResponse(options=[option])])
    else:
        offer = Offer("mbox", name, [MboxResponse(name=name, options=[option])])
    return Observed("get_offers", decided_by="server-side", offers=(offer,), session_id=session)


def test_an_exposure_is_logged_once_for_each_session_and_location(caplog):
    log = ExposureLogger()
    for observed in (shown(), shown(), shown(name=None), shown(session="t"), shown(tokens={"activity.name": "Other"})):
        log(observed)
    records = exposures(caplog)
    assert [record.getMessage() for record in records] == [
        "mbox 'hero': activity 'Two greetings', experience 'B', server-side",
        "page_load: activity 'Two greetings', experience 'B', server-side",
        "mbox 'hero': activity 'Two greetings', experience 'B', server-side",
        "mbox 'hero': activity 'Other', experience None, server-side",
    ]
    assert records[0].target_exposure == {
        "kind": "mbox",
        "name": "hero",
        "activity": "Two greetings",
        "experience": "B",
        "decided_by": "server-side",
    }


def test_a_name_instead_of_a_logger_is_refused():
    with pytest.raises(OptionError, match=r"'logger': expected a logging.Logger, got 'shop'; pass logging.getLogger\("):
        ExposureLogger("shop")


def test_offers_without_content_or_activity_are_skipped(caplog):
    log = ExposureLogger()
    for observed in (shown(content=None), shown(tokens=None), Observed("send_notifications")):
        log(observed)
    assert exposures(caplog) == []


def test_max_remembered_limits_the_remembered_exposures(caplog):
    log = ExposureLogger(max_remembered=4)
    for session in [*range(10), 9, 8, 0]:
        log(shown(session=str(session)))
    assert len(exposures(caplog)) == 11  # session 0 was forgotten
    assert len(log._new) + len(log._old) <= 4


def test_threads_log_an_exposure_once(caplog):
    log = ExposureLogger()
    in_threads(8, lambda number: [log(shown(session=str(session))) for session in range(50)])
    assert len(exposures(caplog)) == 50


def test_nothing_is_remembered_while_nothing_is_logged():
    quiet = logging.getLogger("tests.exposures.quiet")
    quiet.setLevel(logging.WARNING)
    log = ExposureLogger(quiet)
    log(shown())
    assert log._new == {}


def test_exposures_of_a_client_have_no_ids_of_the_visitor(caplog):
    visitor = {"tntId": "visitor-1.35_0", "marketingCloudVisitorId": "12345678901234567890"}
    with on_device(Edge(), ExposureLogger()) as client:
        answer = decide(client, request_json("execute", visitor=visitor), session_id="session-1")
        decide(client, request_json("execute", visitor=visitor), session_id="session-1")
    (record,) = exposures(caplog)
    assert record.getMessage() == "mbox 'home': activity 'Autumn', experience '0', on-device"
    text = str(vars(record))
    assert isinstance(answer.request.id, VisitorId)
    ids = ["session-1", answer.request.request_id, *visitor.values()]
    assert [each for each in ids if each in text] == []

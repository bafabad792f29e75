"""Each call is observed once, in its context, whether it blocks, has a callback or is awaited."""

import asyncio
import contextvars
import gc
import threading
import weakref

import pytest

from target_python_sdk.errors import (
    ArtifactNotAvailable,
    ClientClosed,
    DeadlineExceeded,
    HttpStatusError,
    QueueFull,
)
from target_python_sdk.types import (
    DeliveryRequest,
    ExecuteRequest,
    MboxRequest,
    Notification,
    NotificationMbox,
    PrefetchRequest,
    RequestDetails,
    ViewRequest,
    VisitorId,
)
from tests.conformance.builders import artifact, rule
from tests.observers.edges import Edge, answer_of, on_device, server_side
from tests.support import LONG, eventually, offers

PAGE = contextvars.ContextVar("page", default=None)
WAIT = LONG / 1000
KNOWN = VisitorId(tnt_id="visitor-1.35_0")
DISPLAYED = Notification(type="display", timestamp=1700000000000, tokens=["t"], mbox=NotificationMbox(name="hero"))


class Recorder:
    """An observer that records each observation and the value of ``PAGE``."""

    def __init__(self):
        self.observed = []
        self.pages = []

    def __call__(self, observed):
        self.observed.append(observed)
        self.pages.append(PAGE.get())


@pytest.fixture
def edge():
    return Edge()


@pytest.fixture
def seen():
    return Recorder()


def blocking(client, options):
    return client.get_offers(options)


def with_callback(client, options):
    return client.get_offers({**options, "callback": id}).get(WAIT)


def awaited(client, options):
    return asyncio.run(client.get_offers_async(options))


WAYS = pytest.mark.parametrize("call", [blocking, with_callback, awaited])


@WAYS
def test_a_server_side_call_is_observed_in_its_context(call, edge, seen):
    PAGE.set("home page")
    with server_side(edge, seen) as client:
        answer = call(client, offers(id=KNOWN))
    (observed,) = seen.observed
    assert (observed.kind, observed.decided_by, observed.status, observed.attempts) == (
        "get_offers", "server-side", 200, 1,
    )  # fmt: skip
    assert observed.locations == ("home",)
    assert [offer.html for offer in observed.offers] == ["<b>A</b>"]
    assert (observed.error, observed.new_visitor) == (None, False)
    assert (observed.request_id, observed.session_id) == (answer.request.request_id, answer.session_id)
    assert observed.timings is not None
    assert observed.seconds > 0
    assert seen.pages == ["home page"]


@WAYS
@pytest.mark.parametrize("mode", [ExecuteRequest, PrefetchRequest])
def test_an_on_device_call_is_observed_in_its_context(call, mode, edge, seen):
    PAGE.set("home page")
    field = "execute" if mode is ExecuteRequest else "prefetch"
    request = DeliveryRequest(id=KNOWN, **{field: mode(mboxes=[MboxRequest(name="home")])})
    with on_device(edge, seen) as client:
        call(client, {"request": request})
        assert client.flush(LONG)
    observed = next(each for each in seen.observed if each.kind == "get_offers")
    assert (observed.decided_by, observed.status, observed.attempts) == ("on-device", 200, 0)
    assert [(offer.html, offer.activity) for offer in observed.offers] == [("A", "Autumn")]
    assert observed.timings is None
    assert set(seen.pages) == {"home page"}
    reports = [each for each in seen.observed if each.kind == "send_notifications"]
    assert [each.locations for each in reports] == ([("home",)] if field == "execute" else [])
    assert [each.status for each in reports] == [200] * len(reports)


def test_an_observation_names_all_locations(edge, seen):
    execute = ExecuteRequest(page_load=RequestDetails(), mboxes=[MboxRequest(name="b"), MboxRequest(name="a")])
    prefetch = PrefetchRequest(mboxes=[MboxRequest(name="a")], views=[ViewRequest(name="cart")])
    with server_side(edge, seen) as client:
        client.get_offers({"request": DeliveryRequest(execute=execute, prefetch=prefetch)})
    assert seen.observed[0].locations == ("target-global-mbox", "b", "a", "cart")
    assert repr(seen.observed[0]).startswith("<Observed get_offers server-side ")


@pytest.mark.parametrize("create", [server_side, on_device])
def test_get_attributes_has_its_own_kind(create, edge, seen):
    with create(edge, seen) as client:
        client.get_attributes(["home"], request=DeliveryRequest(id=KNOWN))
        asyncio.run(client.get_attributes_async(["home"]))
        client.flush(LONG)
    observed = [each for each in seen.observed if each.kind != "send_notifications"]
    assert [(each.kind, each.locations, each.new_visitor) for each in observed] == [
        ("get_attributes", ("home",), False),
        ("get_attributes", ("home",), True),
    ]
    assert [len(each.offers) for each in observed] == [1, 1]


def test_notifications_are_observed(edge, seen):
    with server_side(edge, seen) as client:
        client.send_notifications(request=DeliveryRequest(notifications=[DISPLAYED]))
    assert [(each.kind, each.locations, each.decided_by) for each in seen.observed] == [
        ("send_notifications", ("hero",), "server-side")
    ]


@pytest.mark.parametrize(("identity", "is_new"), [(None, True), (VisitorId(), True), (KNOWN, False)])
@pytest.mark.parametrize("create", [server_side, on_device])
def test_a_visitor_without_an_id_is_new(create, identity, is_new, edge, seen):
    with create(edge, seen) as client:
        client.get_offers(offers(id=identity))
    assert [each.new_visitor for each in seen.observed if each.kind == "get_offers"] == [is_new]


@WAYS
@pytest.mark.parametrize("on_error", ["raise", "default"])
def test_an_error_is_observed(call, on_error, edge, seen):
    edge.reply = 500
    with server_side(edge, seen, on_error=on_error) as client:
        if on_error == "raise":
            with pytest.raises(HttpStatusError):
                call(client, offers())
        else:
            assert call(client, offers()).error is seen.observed[0].error
    (observed,) = seen.observed
    assert isinstance(observed.error, HttpStatusError)
    assert (observed.status, observed.attempts) == (500, 1)
    assert "HttpStatusError" in repr(observed)


def test_a_missing_artifact_is_observed(edge, seen):
    edge.request = lambda *_, **__: answer_of(404)
    options = {"decisioning_method": "on-device", "maximum_wait_ready": 20, "polling_interval": 0}
    with server_side(edge, seen, **options) as client, pytest.raises(ArtifactNotAvailable):
        client.get_offers(offers())
    observed = next(each for each in seen.observed if each.kind == "get_offers")
    assert isinstance(observed.error, ArtifactNotAvailable)
    assert (observed.decided_by, observed.attempts) == ("on-device", 0)


def test_a_hybrid_call_without_the_edge_has_offers_and_an_error(edge, seen):
    edge.reply = 500
    document = artifact(home=[rule("A")], changes={"remoteMboxes": ["remote"]})
    request = DeliveryRequest(prefetch=PrefetchRequest(mboxes=[MboxRequest(name="home"), MboxRequest(name="remote")]))
    with on_device(edge, seen, document=document, decisioning_method="hybrid") as client:
        client.get_offers(request=request)
    (observed,) = seen.observed
    assert isinstance(observed.error, HttpStatusError)
    assert observed.decided_by == "on-device"
    assert [offer.name for offer in observed.offers if offer] == ["home"]


def test_a_call_without_consent_is_observed(edge, seen):
    with server_side(edge, seen) as client:
        client.get_offers(**offers(), consent=False)
    assert [(each.decided_by, each.error) for each in seen.observed] == [("on-device", None)]
    assert edge.sent == []


def test_an_answer_with_names_that_are_not_strings_is_observed(edge, seen):
    mboxes = [{"name": ["a"], "options": []}, {"name": "home", "options": [{"type": "html", "content": "A"}]}, None]
    edge.reply = lambda body: answer_of(200, {"status": 200, "execute": {"mboxes": mboxes}})
    with server_side(edge, seen) as client:
        client.get_offers(offers())
    assert [offer.name for offer in seen.observed[0].offers] == ["home"]


def test_the_observer_runs_before_the_callback(edge):
    order = []
    with server_side(edge, lambda observed: order.append("observer")) as client:
        client.get_offers({**offers(), "callback": lambda answer: order.append("callback")}).get(WAIT)
    assert order == ["observer", "callback"]


def hold_answers(edge):
    """Let the edge hold its answers. Return the event that a request sets, and the one that releases the answers."""
    entered, release = threading.Event(), threading.Event()

    def hold(body):
        entered.set()
        release.wait(WAIT)
        return answer_of()

    edge.reply = hold
    return entered, release


def test_refused_and_dropped_calls_are_observed(edge, seen):
    entered, release = hold_answers(edge)
    with server_side(edge, seen, max_workers=1, max_pending=1) as client:
        running = client.get_offers({**offers(), "callback": id})
        assert entered.wait(WAIT)
        dropped = client.get_offers({**offers("dropped"), "callback": id})
        refused = client.get_offers({**offers("refused"), "callback": id})
        with pytest.raises(QueueFull):
            refused.get(WAIT)
        client.close(1)
        with pytest.raises(ClientClosed):
            dropped.get(WAIT)
        release.set()
        running.get(WAIT)
    observed = {each.locations[0]: (type(each.error), each.attempts) for each in seen.observed}
    assert observed == {"refused": (QueueFull, 0), "dropped": (ClientClosed, 0), "home": (type(None), 1)}
    assert len(seen.observed) == 3


def test_a_call_that_waited_too_long_is_observed_once(edge, seen, monkeypatch):
    entered, release = hold_answers(edge)
    with server_side(edge, seen, max_workers=1) as client:
        client.get_offers({**offers(), "callback": id})
        assert entered.wait(WAIT)
        runtime = client._processes.get()
        monkeypatch.setattr(runtime, "settings", runtime.settings._replace(queue_timeout=0.1))
        late = client.get_offers({**offers("late"), "callback": id})
        with pytest.raises(DeadlineExceeded):
            late.get(WAIT)
        release.set()
        assert client.flush(LONG)
    assert [(each.locations[0], type(each.error)) for each in seen.observed] == [
        ("home", type(None)),
        ("late", DeadlineExceeded),
    ]


def test_an_observed_call_leaves_no_reference_cycle(edge):
    errors = []

    def remember(observed):
        errors.append(weakref.ref(observed.error))

    edge.reply = 500
    with server_side(edge, remember) as client:
        gc.collect()
        gc.disable()
        try:
            for call in (blocking, with_callback):
                with pytest.raises(HttpStatusError):
                    call(client, offers())
            assert eventually(lambda: not any(error() for error in errors))
            assert len(errors) == 2
        finally:
            gc.enable()


def test_a_base_exception_of_a_test_double_is_observed(edge, seen):
    class Interrupted(BaseException):
        pass

    def interrupt(body):
        raise Interrupted

    edge.reply = interrupt
    with server_side(edge, seen) as client, pytest.raises(Interrupted):
        client.get_offers(offers())
    assert [type(each.error) for each in seen.observed] == [Interrupted]

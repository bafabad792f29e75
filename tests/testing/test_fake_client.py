"""``FakeTargetClient`` runs the code of a client without a network. No test here may open a socket."""

import _thread
import asyncio
import copy
import json
import pickle
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

from target_python_sdk import ExperienceCloudVisitor, TargetClient, TargetDeliveryResponse
from target_python_sdk.errors import (
    ArtifactNotAvailable,
    ClientClosed,
    ConnectionFailed,
    DeadlineExceeded,
    HttpStatusError,
    OptionError,
    QueueFull,
    RedirectRefused,
)
from target_python_sdk.testing import FakeTargetClient, make_answer, make_artifact
from target_python_sdk.types import (
    DeliveryRequest,
    DeliveryResponse,
    ExecuteRequest,
    MboxRequest,
    Notification,
    NotificationMbox,
    PrefetchRequest,
    RequestDetails,
    ViewRequest,
)

METHODS = ("server-side", "hybrid", "on-device")
GREETINGS: Dict[str, Any] = {
    "activities": [
        {
            "id": 7,
            "name": "Greetings",
            "locations": ["greeting"],
            "audience": {"==": [{"var": "mbox.member"}, "gold"]},
            "experiences": [
                {"name": "A", "share": 50, "offer": {"html": "Hello"}},
                {"name": "B", "share": 50, "offer": {"html": "Hi"}},
            ],
        }
    ]
}


@pytest.fixture
def target() -> Iterator[FakeTargetClient]:
    with FakeTargetClient.create() as client:
        yield client


@pytest.fixture(params=METHODS)
def any_target(request: pytest.FixtureRequest) -> Iterator[FakeTargetClient]:
    """A client of each decisioning method."""
    with FakeTargetClient.create(decisioning_method=request.param) as client:
        yield client


def executing(*mboxes: str) -> DeliveryRequest:
    return DeliveryRequest(execute=ExecuteRequest(mboxes=[MboxRequest(name=name) for name in mboxes]))


def prefetching(*mboxes: str) -> DeliveryRequest:
    return DeliveryRequest(prefetch=PrefetchRequest(mboxes=[MboxRequest(name=name) for name in mboxes]))


def html_of(client: TargetClient, mbox: str = "hero") -> Any:
    return client.get_offers(request=executing(mbox)).offer(mbox).html


# Offers


def test_every_visitor_gets_an_offer_that_is_shown(any_target: FakeTargetClient) -> None:
    any_target.show("hero", html="<b>B</b>", activity="Heroes", experience="B")
    offer = any_target.get_offers(request=executing("hero")).offer("hero")
    assert (offer.html, offer.activity, offer.experience) == ("<b>B</b>", "Heroes", "B")
    assert any_target.displayed == ["hero"]

    any_target.show("hero", html="<b>C</b>")
    assert html_of(any_target) == "<b>C</b>"
    any_target.hide("hero")
    assert html_of(any_target) is None
    assert any_target.displayed == ["hero", "hero"]


def test_attributes_are_those_that_were_set(any_target: FakeTargetClient) -> None:
    any_target.set_attributes("flags", {"cart": "new", "steps": 3})
    attributes = any_target.get_attributes(["flags"])
    assert attributes.as_object("flags") == {"cart": "new", "steps": 3}


def test_every_kind_of_content_and_location_can_be_shown(any_target: FakeTargetClient) -> None:
    any_target.show("moved", redirect="https://example.com/")
    any_target.show("remote", dynamic="https://example.com/offer")
    any_target.show("target-global-mbox", html="page")
    any_target.show("cart", view=True, actions=[{"type": "setHtml", "selector": "#a", "content": "x"}])
    request = executing("moved", "remote")
    assert request.execute is not None
    request.execute.page_load = RequestDetails()
    request.prefetch = PrefetchRequest(views=[ViewRequest(name="cart")])
    answer = any_target.get_offers(request=request)
    assert [answer.offer(name).options[0].type for name in ("moved", "remote")] == ["redirect", "dynamic"]
    assert answer.page_load.html == "page"
    assert answer.view("cart").contents[0][0]["selector"] == "#a"
    assert sorted(any_target.displayed) == ["moved", "remote", "target-global-mbox"]


def test_prefetched_offers_count_as_displayed_and_clicked_when_reported(any_target: FakeTargetClient) -> None:
    any_target.show("hero", html="B")
    answer = any_target.get_offers(request=prefetching("hero"))
    assert (any_target.displayed, any_target.clicked) == ([], [])

    hero = answer.offer("hero")
    notifications = [hero.display(), hero.click()]
    any_target.send_notifications(request=DeliveryRequest(notifications=notifications))
    assert (any_target.displayed, any_target.clicked) == (["hero"], ["hero"])


def test_loaded_activities_are_decided_and_offers_of_show_take_precedence(
    any_target: FakeTargetClient, tmp_path: Path
) -> None:
    path = tmp_path / "activities.json"
    path.write_text(json.dumps(GREETINGS), encoding="utf-8")
    any_target.show("hero", html="B")
    any_target.load(str(path))
    gold = MboxRequest(name="greeting", parameters={"member": "gold"})
    request = DeliveryRequest(execute=ExecuteRequest(mboxes=[gold]))
    assert any_target.get_offers(request=request).offer("greeting").html in ("Hello", "Hi")
    assert html_of(any_target, "greeting") is None
    assert html_of(any_target) == "B"

    any_target.show("greeting", html="Welcome")
    assert html_of(any_target, "greeting") == "Welcome"
    any_target.hide("greeting")
    assert html_of(any_target, "greeting") is None


def test_a_loaded_artifact_is_decided_and_offers_of_show_take_precedence(any_target: FakeTargetClient) -> None:
    artifact = make_artifact({"hero": {"html": "from the artifact"}, "flags": {"json": {"a": 1}}}, client="other")
    artifact["remoteMboxes"] = ["cart", "basket"]
    any_target.load(artifact)
    any_target.show("cart", html="cart")
    assert html_of(any_target) == "from the artifact"
    assert html_of(any_target, "cart") == "cart"
    any_target.show("hero", html="B")
    assert html_of(any_target) == "B"
    assert any_target.get_attributes(["flags"]).get_value("flags", "a") == 1


def test_an_experience_is_forced_for_every_visitor(any_target: FakeTargetClient) -> None:
    any_target.load(GREETINGS)
    with any_target.force("Greetings", "B"):
        assert {html_of(any_target, "greeting") for _ in range(5)} == {"Hi"}
    assert html_of(any_target, "greeting") is None
    with pytest.raises(OptionError, match="unknown experience 'C'"):
        any_target.force("Greetings", "C")


def test_the_edge_decides_a_remote_activity_even_if_it_is_forced() -> None:
    remote = {"activities": [{**GREETINGS["activities"][0], "remote": True}]}
    with FakeTargetClient.create(decisioning_method="hybrid") as target:
        target.load(remote)
        target.force(7, "B")
        answer = target.get_offers(request=executing("greeting"))
    assert (answer.offer("greeting").html, answer.meta["decisioning_method"]) == ("Hi", "server-side")


# Failures


@pytest.mark.parametrize("method", ["server-side", "hybrid"])
@pytest.mark.parametrize(
    "error",
    [DeadlineExceeded(), ConnectionFailed("", "refused"), ConnectionFailed, 503, RedirectRefused(302, "", {}, "")],
    ids=repr,
)
def test_a_call_fails_with_the_error_and_recovers(method: str, error: Any) -> None:
    with FakeTargetClient.create(decisioning_method=method) as target:
        target.show("hero", html="B")
        target.fail_with(error)
        failed: List[Any] = [target.get_offers(request=executing("other"), on_error="default").error for _ in range(9)]
        kind = HttpStatusError if error == 503 else error if isinstance(error, type) else type(error)
        assert {type(each) for each in failed} == {kind}
        assert len({id(each) for each in failed}) == 9
        assert (failed[0].attempts, failed[0].request.execute.mboxes[0].name) == (1, "other")
        assert [len(target.requests), target.displayed] == [9, []]
        target.fail_with(None)
        assert html_of(target) == "B"


def test_a_status_error_keeps_its_status_headers_and_body(target: FakeTargetClient) -> None:
    given = HttpStatusError(429, "Too Many Requests", {"Retry-After": "7"}, "slow down")
    with target.fail_with(given), pytest.raises(HttpStatusError) as caught:
        html_of(target)
    assert caught.value is not given
    assert (caught.value.status, caught.value.headers, caught.value.body) == (429, {"Retry-After": "7"}, "slow down")
    with target.fail_with(599), pytest.raises(HttpStatusError, match="599"):
        html_of(target)


def test_on_device_calls_fail_only_without_an_artifact() -> None:
    with FakeTargetClient.create(decisioning_method="on-device") as target:
        target.show("hero", html="B")
        with target.fail_with(ConnectionFailed):
            assert html_of(target) == "B"
        assert target.displayed == []
        with target.fail_with(ArtifactNotAvailable), pytest.raises(ArtifactNotAvailable):
            html_of(target)
        assert html_of(target) == "B"


def test_a_hybrid_call_without_an_artifact_goes_to_the_edge() -> None:
    with FakeTargetClient.create(decisioning_method="hybrid") as target, target.fail_with(ArtifactNotAvailable()):
        target.show("hero", html="B")
        answer = target.get_offers(request=executing("hero"))
    assert (answer.offer("hero").html, answer.meta["decisioning_method"]) == ("B", "server-side")


def test_a_slow_edge_answers_unless_the_delay_exceeds_the_deadline(target: FakeTargetClient) -> None:
    target.show("hero", html="B")
    with target.slow(30):
        assert html_of(target) == "B"
    with target.slow(60_000), pytest.raises(DeadlineExceeded, match="no answer within 3000 ms"):
        html_of(target)
    assert html_of(target) == "B"


@pytest.mark.parametrize(
    "error", [ValueError(), QueueFull("full"), 200, True, HttpStatusError, "503", ArtifactNotAvailable], ids=repr
)
def test_an_error_that_no_call_raises_is_refused(target: FakeTargetClient, error: Any) -> None:
    with pytest.raises(OptionError, match="Invalid argument 'error'"):
        target.fail_with(error)
    assert html_of(target) is None


# Requests


def test_requests_contains_the_sent_requests_as_models(target: FakeTargetClient) -> None:
    target.show("hero", html="B")
    answer = target.get_offers(request=executing("hero"), session_id="session-1", customer_ids=None)
    (sent,) = target.requests
    assert sent.execute is not None
    assert sent.execute.mboxes is not None
    assert (sent.execute.mboxes[0].name, sent.execute.mboxes[0].index) == ("hero", 0)
    assert sent.request_id == answer.request.request_id
    assert sent.context is not None
    assert sent.context.channel == "web"


def test_the_cookie_keeps_the_session_and_the_device_of_a_visitor(any_target: FakeTargetClient) -> None:
    first = any_target.get_offers(request=executing("hero"))
    second = any_target.get_offers(request=executing("hero"), target_cookie=first.target_cookie["value"])
    assert second.session_id == first.session_id
    assert second.request.id is not None
    assert second.request.id.tnt_id
    assert f"#{second.request.id.tnt_id}#" in first.target_cookie["value"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"request": DeliveryRequest()},
        {"request": executing("hero"), "timeout": "soon"},
        {"request": {"notifications": [{"type": "swipe", "mbox": {"name": "hero"}}]}},
        {"request": executing("hero"), "force": {"Greetings": "A"}},
    ],
    ids=["no request", "no parts", "timeout", "type", "force"],
)
def test_invalid_options_of_a_call_are_refused_and_nothing_is_recorded(target: FakeTargetClient, options: Any) -> None:
    with pytest.raises(OptionError):
        target.get_offers(options)
    assert target.requests == []


def test_a_notification_with_an_unknown_token_is_refused(target: FakeTargetClient) -> None:
    notification = Notification(type="display", mbox=NotificationMbox(name="hero"), tokens=["not a token"])
    with pytest.raises(HttpStatusError, match="unknown token"):
        target.send_notifications(request=DeliveryRequest(notifications=[notification]))


@pytest.mark.parametrize(
    ("show", "problem"),
    [
        (lambda target: target.show("hero"), "No offer for 'hero': expected exactly one of .*, got none of them"),
        (lambda target: target.show("hero", html="a", json={}), "exactly one of .*, got html= and json="),
        (lambda target: target.show("hero", html=3), "the offer of 'hero'.html: expected a non-empty string, got 3"),
        (lambda target: target.show("hero", json="text"), "the offer of 'hero'.json"),
        (lambda target: target.show("", html="a"), "Invalid argument 'location'"),
        (lambda target: target.set_attributes("flags", ["a"]), "Invalid argument 'attributes': expected a dict"),
        (lambda target: target.load({"activities": [{}]}), r"activities\[0\]: missing key 'id'"),
        (lambda target: target.load([1]), "expected an object"),
        (lambda target: target.load({"version": "9", "rules": {}}), "not a rule artifact"),
        (lambda target: target.slow(-1), "delay"),
        (lambda target: target.intercept("client"), "Invalid argument 'client': expected a TargetClient"),
    ],
)
def test_a_mistake_is_named_and_changes_nothing(target: FakeTargetClient, show: Any, problem: str) -> None:
    target.show("hero", html="B")
    with pytest.raises(OptionError, match=problem):
        show(target)
    assert html_of(target) == "B"


def test_options_are_parsed_as_those_of_a_client(caplog: pytest.LogCaptureFixture) -> None:
    create: Any = FakeTargetClient.create
    with pytest.raises(OptionError, match="Invalid Decisioning Method"):
        create({"decisioning_method": "somewhere"})
    with pytest.raises(OptionError):
        FakeTargetClient()
    create(pollin_interval=3).close()
    assert "pollin_interval" in caplog.text


# Callbacks, coroutines and events


def test_callbacks_and_awaited_calls_work(any_target: FakeTargetClient) -> None:
    any_target.show("hero", html="B")
    answers: List[TargetDeliveryResponse] = []
    any_target.get_offers({"request": executing("hero"), "callback": answers.append}).get()

    async def gather() -> List[TargetDeliveryResponse]:
        return await asyncio.gather(*(any_target.get_offers_async(request=executing("hero")) for _ in range(5)))

    answers += asyncio.run(gather())
    assert [answer.offer("hero").html for answer in answers] == ["B"] * 6
    assert any_target.displayed == ["hero"] * 6


def test_events_are_emitted() -> None:
    seen: List[str] = []
    events = {"artifact_download_succeeded": lambda event: seen.append(event["type"])}
    with FakeTargetClient.create(decisioning_method="on-device", events=events) as target:
        target.show("hero", html="B")
        assert seen == ["artifact_download_succeeded"] * 2


def test_blocking_calls_start_no_thread(
    any_target: FakeTargetClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The artifact is downloaded in the calling thread."""
    started: List[Any] = []
    monkeypatch.setattr(_thread, "start_new_thread", lambda *arguments: started.append(arguments))
    with FakeTargetClient.create(decisioning_method="on-device") as other, other.intercept(any_target):
        other.show("hero", html="B")
        for client in (any_target, other):
            assert client.get_offers(request=prefetching("hero")).offer("hero").html == "B"
        assert started == []


def test_a_client_can_be_created_by_a_coroutine() -> None:
    async def use() -> Any:
        async with FakeTargetClient.create_async(decisioning_method="on-device") as target:
            target.show("hero", html="B")
            answer = await target.get_offers_async(request=executing("hero"))
        return answer.offer("hero").html, target.displayed

    assert asyncio.run(use()) == ("B", ["hero"])


def test_the_options_of_the_artifact_have_no_effect(tmp_path: Path) -> None:
    """The artifact contains only what the test shows."""
    (tmp_path / "rules.json").write_text("{}", encoding="utf-8")
    for options in (
        {"artifact_location": str(tmp_path / "rules.json")},
        {"artifact_payload": make_artifact({"hero": {"html": "from the payload"}})},
        {"artifact_cache": str(tmp_path), "artifact_format": "bin", "cdn_base_path": "https://cdn.example/path"},
    ):
        given: Any = options
        with FakeTargetClient.create(decisioning_method="on-device", **given) as target:
            assert html_of(target) is None
            target.show("hero", html="B")
            assert html_of(target) == "B"
    assert [path.name for path in tmp_path.iterdir()] == ["rules.json"]


def test_reset_forgets_everything(any_target: FakeTargetClient) -> None:
    any_target.load(GREETINGS)
    any_target.force("Greetings", "B")
    any_target.show("hero", html="B")
    html_of(any_target)
    html_of(any_target, "greeting")
    any_target.slow(60_000)
    any_target.fail_with(503)
    any_target.reset()
    assert (any_target.displayed, any_target.requests) == ([], [])
    assert html_of(any_target) is html_of(any_target, "greeting") is None


def test_a_closed_client_refuses_calls_and_keeps_its_records(target: FakeTargetClient) -> None:
    target.show("hero", html="B")
    html_of(target)
    target.close()
    assert target.displayed == ["hero"]
    with pytest.raises(ClientClosed):
        html_of(target)


def test_a_copy_has_the_same_offers_and_a_pickle_is_refused(target: FakeTargetClient) -> None:
    target.show("hero", html="B")
    for copied in (copy.copy(target), copy.deepcopy({"client": target})["client"]):
        assert html_of(copied) == "B"
    assert target.displayed == ["hero", "hero"]
    with pytest.raises(TypeError, match="a FakeTargetClient cannot be pickled"):
        pickle.dumps(target)


# Other clients


@pytest.mark.parametrize("method", METHODS)
def test_the_calls_of_another_client_are_answered(target: FakeTargetClient, method: Any) -> None:
    """The client keeps its options, and has its own network again afterwards."""
    with FakeTargetClient.create(
        client="shop", decisioning_method=method, property_token="p-1", server_domain="edge.example", timeout=700
    ) as client:
        genuine = client._processes
        target.show("hero", html="B")
        with target.intercept(client) as intercepted:
            assert intercepted is client
            assert html_of(client) == "B"
            target.show("hero", html="C")
            assert html_of(client) == "C"
            assert target.displayed == ["hero", "hero"]
            assert [each["property"]["token"] for each in map(DeliveryRequest.to_json, target.requests)] == ["p-1"] * 2
            with target.slow(60_000), pytest.raises(DeadlineExceeded, match="no answer within 700 ms"):
                client.send_notifications(request=_display_of(client))
        assert client._processes is genuine
        assert html_of(client) is None
    assert html_of(target) == "C"


@pytest.mark.parametrize("method", METHODS)
def test_the_calls_of_new_clients_are_answered(target: FakeTargetClient, method: Any) -> None:
    target.show("hero", html="B")
    create = TargetClient.__init__
    with target.intercept(TargetClient):
        client = TargetClient.create(client="shop", organization_id="AB@AdobeOrg", decisioning_method=method)
        with FakeTargetClient.create() as other:
            assert html_of(other) is None
    assert TargetClient.__init__ is create
    assert html_of(client) == "B"
    assert target.displayed == ["hero"]
    client.close()


def _display_of(client: TargetClient) -> DeliveryRequest:
    return DeliveryRequest(notifications=[client.get_offers(request=prefetching("hero")).offer("hero").display()])


def test_intercept_restores_the_network_after_an_error_in_its_block(target: FakeTargetClient) -> None:
    client = TargetClient.create(client="shop", organization_id="AB@AdobeOrg")
    genuine = client._processes
    with pytest.raises(LookupError), target.intercept(client):
        raise LookupError
    assert client._processes is genuine


def test_a_call_with_an_experience_cloud_visitor_sends_its_data(target: FakeTargetClient) -> None:
    visitor = ExperienceCloudVisitor("1234567890@AdobeOrg")
    target.get_offers(request=executing("hero"), visitor=visitor)
    assert target.requests[0].experience_cloud is not None


# Factories


def test_make_answer_returns_an_answer_to_any_request() -> None:
    answer = make_answer({"hero": {"html": "B"}, "target-global-mbox": {"html": "page"}}, default_content=["other"])
    response = DeliveryResponse.from_dict(json.loads(json.dumps(answer)))
    envelope = TargetDeliveryResponse(response=response)
    assert (envelope.offer("hero").html, envelope.page_load.html) == ("B", "page")
    assert (bool(envelope.offer("other")), envelope.offer("other").is_answered) == (False, True)
    assert "requestId" not in answer

    answer = make_answer({"a": {"html": "x"}}, prefetch=True)
    prefetched = TargetDeliveryResponse(response=DeliveryResponse.from_dict(answer))
    assert prefetched.offer("a").display_tokens
    assert prefetched.offer("a").click_tokens


def test_the_result_of_make_artifact_can_be_a_payload() -> None:
    artifact = make_artifact({"hero": {"json": {"a": 1}}}, client="shop")
    assert artifact["meta"]["clientCode"] == "shop"
    client = TargetClient.create(
        client="shop",
        organization_id="AB@AdobeOrg",
        decisioning_method="on-device",
        artifact_payload=artifact,
        polling_interval=0,
        target_location_hint="35",
    )
    assert client.get_offers(request=prefetching("hero")).offer("hero").json == {"a": 1}


def test_repr_shows_the_locations_with_offers_and_those_that_were_requested(target: FakeTargetClient) -> None:
    assert repr(target) == "<FakeTargetClient acmeclient>"
    target.show("Hero", html="B")
    html_of(target)
    html_of(target)
    assert repr(target) == "<FakeTargetClient acmeclient; shown: 'Hero'; requested: 'hero'>"
    target.close()
    assert repr(target).startswith("<FakeTargetClient acmeclient (closed); shown: ")

"""The observer for OpenTelemetry: spans, feature-flag events and metrics."""

import asyncio
import re
from typing import Any, Callable, Dict, Iterator, List

import pytest

from tests.support import LONG, client_of, eventually, installing, offers

pytest.importorskip("opentelemetry.sdk", reason="opentelemetry-sdk is not installed: " + installing("test"))

from opentelemetry import trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from target_python_sdk import Observed, TargetClient
from target_python_sdk.errors import HttpStatusError
from target_python_sdk.integrations.opentelemetry import OpenTelemetry
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.types import (
    DeliveryRequest,
    ExecuteRequest,
    MboxRequest,
    Notification,
    NotificationMbox,
    VisitorId,
)

DURATION = "adobe.target.call.duration"
NEW_VISITORS = "adobe.target.new_visitors"
DOWNLOADS = "adobe.target.artifact.download.duration"
AGE = "adobe.target.artifact.age"
CIRCUITS = "adobe.target.circuits.open"
VISITOR = VisitorId(tnt_id="visitor-3.35_0", third_party_id="jane@example.com")
ACTIVITIES = {
    "activities": [
        {"id": 7, "name": "Autumn", "locations": ["hero"], "experiences": [{"name": "Red", "offer": {"html": "red"}}]},
    ]
}


class Recorded:
    """Providers that store spans, logs and metrics in memory, and an observer that uses them."""

    def __init__(self, **options: Any) -> None:
        self.spans_exporter = InMemorySpanExporter()
        self.logs_exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        self.tracers, logs = TracerProvider(), LoggerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans_exporter))
        logs.add_log_record_processor(SimpleLogRecordProcessor(self.logs_exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])
        self.observer = OpenTelemetry(
            tracer_provider=self.tracers, meter_provider=self.meters, logger_provider=logs, **options
        )

    @property
    def spans(self) -> List[ReadableSpan]:
        return list(self.spans_exporter.get_finished_spans())

    def span(self, name: str) -> ReadableSpan:
        (found,) = [span for span in self.spans if span.name == name]
        return found

    @property
    def events(self) -> List[Any]:
        return [each.log_record for each in self.logs_exporter.get_finished_logs()]

    def points(self, name: str) -> List[Any]:
        """Return the data points of a metric."""
        data = self.reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        found = [metric for scope in scopes for metric in scope.metrics if metric.name == name]
        return [point for metric in found for point in metric.data.data_points]


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
def edge() -> Iterator[LocalEdge]:
    with LocalEdge(ACTIVITIES) as edge:
        yield edge


def client_at(edge: LocalEdge, recorded: Recorded, **options: Any) -> TargetClient:
    return client_of(edge, cdn_base_path="http://" + edge.domain, observers=[recorded.observer], **options)


def blocking(client: TargetClient, call: Dict[str, Any]) -> object:
    return client.get_offers(call)


def with_callback(client: TargetClient, call: Dict[str, Any]) -> object:
    return client.get_offers({**call, "callback": id}).get(LONG / 1000)


def awaited(client: TargetClient, call: Dict[str, Any]) -> object:
    return asyncio.run(client.get_offers_async(call))


WAYS = pytest.mark.parametrize("way", [blocking, with_callback, awaited])


@pytest.mark.server
@WAYS
@pytest.mark.parametrize("method", ["server-side", "on-device"])
def test_the_span_of_a_call_is_a_child_span_and_has_an_event_for_each_mbox(
    way: Callable[[TargetClient, Dict[str, Any]], object], method: str, recorded: Recorded, edge: LocalEdge
) -> None:
    """No recorded span or event contains an id of the visitor or the session."""
    mboxes = [MboxRequest(name="hero", index=0), MboxRequest(name="none", index=1)]
    request = DeliveryRequest(id=VISITOR, execute=ExecuteRequest(mboxes=mboxes))
    with client_at(edge, recorded, decisioning_method=method) as client:
        with recorded.tracers.get_tracer("test").start_as_current_span("page") as page:
            way(client, {"request": request, "session_id": "session-1"})
            assert trace.get_current_span() is page
        assert client.flush(LONG)
    page_span, span = recorded.span("page"), recorded.span("Target get_offers")
    assert span.parent is not None and page_span.context is not None and span.context is not None
    assert span.parent.span_id == page_span.context.span_id
    on_device = method == "on-device"
    assert span.kind is (SpanKind.INTERNAL if on_device else SpanKind.CLIENT)
    attributes = dict(span.attributes or {})
    assert attributes.pop("adobe.target.request.id")
    assert attributes == {
        "adobe.target.operation": "get_offers",
        "adobe.target.locations": ("hero", "none"),
        "adobe.target.decided_by": method,
        "adobe.target.visitor.new": False,
        **({} if on_device else {"adobe.target.attempts": 1, "http.response.status_code": 200}),
    }
    assert span.status.status_code is StatusCode.UNSET
    assert [(event.event_name, dict(event.attributes)) for event in recorded.events] == [
        (
            "feature_flag.evaluation",
            {
                "feature_flag.key": "hero",
                "feature_flag.provider.name": "Adobe Target",
                "feature_flag.result.reason": "split" if on_device else "targeting_match",
                "feature_flag.result.variant": "Red",
                "adobe.target.activity": "Autumn",
            },
        ),
        (
            "feature_flag.evaluation",
            {
                "feature_flag.key": "none",
                "feature_flag.provider.name": "Adobe Target",
                "feature_flag.result.reason": "default",
            },
        ),
    ]
    assert {(event.trace_id, event.span_id) for event in recorded.events} == {
        (span.context.trace_id, span.context.span_id)
    }
    texts = [*(each.to_json() for each in recorded.spans), *(str(event.attributes) for event in recorded.events)]
    assert [text for text in texts if re.search("visitor-3|jane|session-1", text)] == []


@pytest.mark.server
def test_events_can_be_recorded_on_the_span(edge: LocalEdge) -> None:
    recorded = Recorded(span_events=True)
    with client_at(edge, recorded) as client:
        client.get_offers(offers("hero", id=VISITOR))
    (event,) = recorded.span("Target get_offers").events
    assert event.name == "feature_flag.evaluation"
    assert event.attributes is not None and event.attributes["feature_flag.result.variant"] == "Red"
    assert recorded.events == []


@pytest.mark.server
@WAYS
@pytest.mark.parametrize("on_error", ["raise", "default"])
def test_an_error_is_recorded_by_its_type(
    way: Callable[[TargetClient, Dict[str, Any]], object], on_error: str, recorded: Recorded, edge: LocalEdge
) -> None:
    edge.fail(500)
    with client_at(edge, recorded, on_error=on_error, retries=1) as client:
        if on_error == "raise":
            with pytest.raises(HttpStatusError):
                way(client, offers("hero", id=VISITOR))
        else:
            way(client, offers("hero", id=VISITOR))
    span = recorded.span("Target get_offers")
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    attributes = dict(span.attributes or {})
    assert (attributes["error.type"], attributes["http.response.status_code"]) == ("HttpStatusError", 500)
    (event,) = recorded.events
    assert dict(event.attributes) == {
        "feature_flag.key": "hero",
        "feature_flag.provider.name": "Adobe Target",
        "feature_flag.result.reason": "error",
        "error.type": "general",
        "error.message": "HttpStatusError",
    }
    (point,) = recorded.points(DURATION)
    assert point.count == 1
    assert dict(point.attributes) == {
        "adobe.target.operation": "get_offers",
        "adobe.target.decided_by": "server-side",
        "error.type": "HttpStatusError",
    }


@pytest.mark.server
def test_a_missing_artifact_is_recorded_as_provider_not_ready(recorded: Recorded, edge: LocalEdge) -> None:
    options = {"decisioning_method": "on-device", "maximum_wait_ready": 30, "polling_interval": 0}
    edge.fail(404)
    with client_at(edge, recorded, on_error="default", retries=1, **options) as client:
        client.get_offers(offers("hero"))
    errors = [event.attributes["error.type"] for event in recorded.events]
    assert errors == ["provider_not_ready"]


@pytest.mark.server
def test_calls_and_new_visitors_are_counted(recorded: Recorded, edge: LocalEdge) -> None:
    with client_at(edge, recorded) as client:
        client.get_offers(offers("hero", id=VISITOR))
        client.get_offers(offers("hero"))
        client.get_attributes(["hero"])
        displayed = Notification(type="display", mbox=NotificationMbox(name="hero"), timestamp=1)
        client.send_notifications(request=DeliveryRequest(notifications=[displayed]))
    counts = {each.attributes["adobe.target.operation"]: each.count for each in recorded.points(DURATION)}
    assert counts == {"get_offers": 2, "get_attributes": 1, "send_notifications": 1}
    new = {each.attributes["adobe.target.operation"]: each.value for each in recorded.points(NEW_VISITORS)}
    assert new == {"get_offers": 1, "get_attributes": 1}


@pytest.mark.server
def test_a_download_has_a_span_and_is_measured(recorded: Recorded, edge: LocalEdge) -> None:
    assert recorded.points(AGE) == []
    options = {"decisioning_method": "on-device", "polling_interval": 1, "retries": 1}
    with client_at(edge, recorded, **options):
        assert eventually(lambda: recorded.spans)
        edge.fail(500)
        assert eventually(lambda: recorded.spans[-1].status.status_code is StatusCode.ERROR)
        first, last = recorded.spans[0], recorded.spans[-1]
        errors = {each.attributes.get("error.type") for each in recorded.points(DOWNLOADS)}
    assert {(span.name, span.kind) for span in (first, last)} == {("Target artifact", SpanKind.CLIENT)}
    artifact = {"adobe.target.operation": "artifact", "adobe.target.attempts": 1}
    assert first.attributes == {**artifact, "http.response.status_code": 200}
    assert last.attributes == {**artifact, "http.response.status_code": 500, "error.type": "HttpStatusError"}
    assert errors == {None, "HttpStatusError"}
    (age,) = recorded.points(AGE)
    assert 0 <= age.value < LONG / 1000
    assert recorded.events == []


@pytest.mark.server
def test_open_circuits_are_counted(recorded: Recorded, edge: LocalEdge) -> None:
    options = {"circuit_breaker": {"failures": 2, "cooldown": 1}, "retries": 1, "on_error": "default"}
    host, _, port = edge.domain.partition(":")
    with client_at(edge, recorded, **options) as client:
        with edge.fail(503):
            client.get_offers(offers())
            client.get_offers(offers())
            (point,) = recorded.points(CIRCUITS)
            assert (point.value, dict(point.attributes)) == (1, {"server.address": host, "server.port": int(port)})
        assert eventually(lambda: client.get_offers(offers()).error is None)
    (point,) = recorded.points(CIRCUITS)
    assert point.value == 0


@pytest.mark.server
def test_calls_work_without_an_opentelemetry_sdk(edge: LocalEdge, caplog: pytest.LogCaptureFixture) -> None:
    with client_of(edge, observers=[OpenTelemetry()]) as client:
        assert client.get_offers(offers("hero")).offer("hero").html == "red"
        assert not trace.get_current_span().get_span_context().is_valid
    assert [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == []


def test_an_observer_without_downloads_does_not_hide_the_artifact_age_of_another(recorded: Recorded) -> None:
    observers = [OpenTelemetry(meter_provider=recorded.meters) for _ in range(2)]
    assert recorded.points(AGE) == []
    for _ in range(2):
        observers[1](Observed("artifact"))
    (point,) = recorded.points(AGE)
    assert point.value >= 0

"""Monitors: ``page`` starts a span of the application, and ``children`` returns the child spans of its requests."""

import contextlib
import os
from typing import Any, Dict, Iterator, List

#: Maps the name of each span of the application to its child spans. A child span is given as the header line that
#: its request must contain.
Children = Dict[str, List[str]]


class OpenTelemetry:
    """OpenTelemetry's instrumentation of urllib3, and of threads if ``threads`` is true."""

    def __init__(self, threads: bool = False) -> None:
        from opentelemetry import trace  # noqa: PLC0415
        from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: PLC0415

        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        trace.set_tracer_provider(provider)
        URLLib3Instrumentor().instrument()
        if threads:
            from opentelemetry.instrumentation.threading import ThreadingInstrumentor  # noqa: PLC0415

            ThreadingInstrumentor().instrument()
        self._tracer = trace.get_tracer("tests")

    @contextlib.contextmanager
    def page(self, name: str) -> Iterator[None]:
        with self._tracer.start_as_current_span(name):
            yield

    def children(self, pages: List[str]) -> Children:
        spans: List[Any] = list(self._exporter.get_finished_spans())
        found: Children = {}
        for page in pages:
            parent = next(span.context.span_id for span in spans if span.name == page)
            child_spans = [span for span in spans if span.parent is not None and span.parent.span_id == parent]
            found[page] = [
                f"traceparent: 00-{each.context.trace_id:032x}-{each.context.span_id:016x}" for each in child_spans
            ]
        return found


class OpenTelemetryWithThreads(OpenTelemetry):
    def __init__(self) -> None:
        super().__init__(threads=True)


class Sentry:
    """Sentry's default integrations. Each request must leave a breadcrumb and a span."""

    def __init__(self) -> None:
        import sentry_sdk  # noqa: PLC0415
        from sentry_sdk.transport import Transport  # noqa: PLC0415

        events: List[Any] = []

        class Recording(Transport):
            def capture_envelope(self, envelope: Any) -> None:
                events.append(envelope.get_transaction_event())

        self._sdk = sentry_sdk
        self._events = events
        self._crumbs: Dict[str, List[Any]] = {}
        self._page = ""
        sentry_sdk.init(
            dsn="http://key@127.0.0.1:9/1",
            traces_sample_rate=1.0,
            transport=Recording,
            before_breadcrumb=self._keep_crumb,
        )

    def _keep_crumb(self, crumb: Any, _: Any) -> Any:
        if crumb["category"] == "httplib":
            self._crumbs.setdefault(self._page, []).append(crumb)
        return crumb

    @contextlib.contextmanager
    def page(self, name: str) -> Iterator[None]:
        self._page = name
        with self._sdk.isolation_scope(), self._sdk.start_transaction(name=name):
            yield

    def children(self, pages: List[str]) -> Children:
        found: Children = {}
        for page in pages:
            event = next(event for event in self._events if event and event["transaction"] == page)
            spans = [span for span in event["spans"] if span["op"] == "http.client"]
            parent = event["contexts"]["trace"]["span_id"]
            found[page] = [
                f"sentry-trace: {span['trace_id']}-{span['span_id']}"
                for span, _ in zip(spans, self._crumbs.get(page, []))
                if span["parent_span_id"] == parent
            ]
        return found


class ElasticApm:
    def __init__(self) -> None:
        import elasticapm  # noqa: PLC0415

        events: List[Any] = []

        class Recording(elasticapm.Client):  # type: ignore[misc, name-defined, unused-ignore]
            def queue(self, event_type: str, data: Any, flush: bool = False) -> None:
                events.append((event_type, data))

        self._events = events
        self._client = Recording(
            service_name="tests",
            disable_send=True,
            cloud_provider="none",
            central_config=False,
            metrics_interval="0ms",
            # By default, short spans of requests to the same host are merged or dropped.
            span_compression_enabled=False,
            exit_span_min_duration="0ms",
        )
        elasticapm.instrument()

    @contextlib.contextmanager
    def page(self, name: str) -> Iterator[None]:
        self._client.begin_transaction("page")
        yield
        self._client.end_transaction(name, "done")

    def children(self, pages: List[str]) -> Children:
        found: Children = {}
        for page in pages:
            root = next(data for kind, data in self._events if kind == "transaction" and data["name"] == page)
            spans = [data for kind, data in self._events if kind == "span" and data["parent_id"] == root["id"]]
            found[page] = [f"traceparent: 00-{span['trace_id']}-{span['id']}" for span in spans]
        return found


class Datadog:
    def __init__(self) -> None:
        os.environ["DD_INSTRUMENTATION_TELEMETRY_ENABLED"] = "false"
        os.environ["DD_REMOTE_CONFIGURATION_ENABLED"] = "false"
        os.environ["DD_TRACE_STARTUP_LOGS"] = "false"
        from ddtrace import patch  # noqa: PLC0415
        from ddtrace.trace import TraceFilter, tracer  # noqa: PLC0415

        spans: List[Any] = []

        class Recording(TraceFilter):
            def process_trace(self, trace: List[Any]) -> None:
                spans.extend(trace)

        self._spans = spans
        self._tracer = tracer
        tracer.configure(trace_processors=[Recording()])
        patch(urllib3=True, raise_errors=True)

    @contextlib.contextmanager
    def page(self, name: str) -> Iterator[None]:
        with self._tracer.trace(name):
            yield

    def children(self, pages: List[str]) -> Children:
        found: Children = {}
        for page in pages:
            root = next(span for span in self._spans if span.name == page)
            found[page] = [
                f"x-datadog-parent-id: {span.span_id}" for span in self._spans if span.parent_id == root.span_id
            ]
        return found

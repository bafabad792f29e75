"""A site with traces, metrics and error reports, as a WSGI application, ``wsgi``, and an ASGI application, ``asgi``.

The environment variable ``EDGE`` is the host and port of the edge. The observers for Prometheus and Sentry are those of
``docs/opentelemetry.md``.
"""

import asyncio
import json
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, List

import sentry_sdk
from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware as AsgiTracing
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware as WsgiTracing
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import generate_latest
from sentry_sdk.integrations.asgi import SentryAsgiMiddleware
from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware
from sentry_sdk.transport import Transport

from target_python_sdk import Observed
from target_python_sdk.integrations.opentelemetry import OpenTelemetry
from tests.support import client_of, offers

DOCS = Path(__file__).resolve().parents[2] / "docs" / "opentelemetry.md"


def recipe(name: str) -> Callable[[Observed], None]:
    """Return the observer that a block of ``docs/opentelemetry.md`` defines."""
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if f"def {name}(" in block]
    names: Dict[str, Any] = {"Observed": Observed}
    exec(block, names)
    observer: Callable[[Observed], None] = names[name]
    return observer


# The client is created before the providers are set, as in a preforking server.
client = client_of(
    SimpleNamespace(domain=os.environ["EDGE"]), observers=[OpenTelemetry(), recipe("prometheus"), recipe("sentry")]
)

spans, logs = InMemorySpanExporter(), InMemoryLogRecordExporter()
tracer_provider, logger_provider = TracerProvider(), LoggerProvider()
tracer_provider.add_span_processor(SimpleSpanProcessor(spans))
logger_provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
trace.set_tracer_provider(tracer_provider)
set_logger_provider(logger_provider)
metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()]))
URLLib3Instrumentor().instrument(url_filter=lambda url: url.partition("?")[0])

reports: List[Any] = []


class KeepingTransport(Transport):
    """Keep the events of Sentry."""

    def capture_envelope(self, envelope: Any) -> None:
        reports.append(envelope.get_event())


sentry_sdk.init(dsn="http://key@127.0.0.1/1", transport=KeepingTransport, default_integrations=False)


def blocking() -> Any:
    """Make a blocking call."""
    return client.get_offers(offers("hero"))


def with_callback() -> Any:
    """Make a call with a callback, and wait for it."""
    answers: List[Any] = []
    client.get_offers({**offers("hero"), "callback": answers.append}).get(60)
    return answers[0]


async def awaited() -> Any:
    """Await a call."""
    return await client.get_offers_async(offers("hero"))


def page_of(answer: Any) -> str:
    """Report an error after the call, and return the page."""
    sentry_sdk.capture_message("an error of the page")
    content: str = answer.offer("hero").html
    return content


def recorded() -> str:
    """Return the finished spans, the events and Sentry's flags as JSON."""
    return json.dumps({
        "spans": [json.loads(span.to_json()) for span in spans.get_finished_spans()],
        "events": [
            {"name": event.event_name, "span_id": f"0x{event.span_id:016x}", "attributes": dict(event.attributes or {})}
            for event in (each.log_record for each in logs.get_finished_logs())
        ],
        "flags": [report["contexts"]["flags"]["values"] for report in reports],
    })


def data_of(path: str) -> str:
    """Return the metrics in Prometheus's format, or the recorded spans, events and flags."""
    return generate_latest().decode() if path == "/metrics" else recorded()


def serve_wsgi(environ: Dict[str, Any], start_response: Callable[..., object]) -> List[bytes]:
    """Serve a page, the metrics, or the recorded data."""
    calls = {"/blocking": blocking, "/callback": with_callback, "/awaited": lambda: asyncio.run(awaited())}
    path = environ["PATH_INFO"]
    body = page_of(calls[path]()) if path in calls else data_of(path)
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [body.encode()]


async def serve_asgi(scope: Any, receive: Any, send: Any) -> None:
    """Serve a page whose call is awaited, the metrics, or the recorded data."""
    body = page_of(await awaited()) if scope["path"] == "/awaited" else data_of(scope["path"])
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})


wsgi = WsgiTracing(SentryWsgiMiddleware(serve_wsgi))
asgi = AsgiTracing(SentryAsgiMiddleware(serve_asgi))

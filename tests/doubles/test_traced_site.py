"""Traces, metrics and error reports of requests to a site under gunicorn and uvicorn."""

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

from tests.doubles.cells import missing_modules
from tests.servers.processes import Process, free_port, listens

pytestmark = pytest.mark.server

NEEDED = (
    "gunicorn", "opentelemetry.exporter.prometheus", "opentelemetry.instrumentation.asgi",
    "opentelemetry.instrumentation.urllib3", "opentelemetry.instrumentation.wsgi", "prometheus_client", "sentry_sdk",
    "uvicorn",
)  # fmt: skip
ACTIVITIES = {
    "activities": [
        {"id": 7, "name": "Autumn", "locations": ["hero"], "experiences": [{"name": "Red", "offer": {"html": "red"}}]},
    ]
}
#: The arguments of Python with which each server serves the site. Gunicorn has one worker, which keeps the spans.
COMMANDS = {
    "gunicorn": ["-m", "gunicorn", "--workers", "1", "--bind", "127.0.0.1:{port}", "tests.doubles.traced_site:wsgi"],
    "uvicorn": ["-m", "uvicorn", "--lifespan", "off", "--port", "{port}", "tests.doubles.traced_site:asgi"],
}
PAGES = {"gunicorn": ["/blocking", "/callback", "/awaited"], "uvicorn": ["/awaited"]}
REQUESTS = [(server, page) for server, pages in PAGES.items() for page in pages]


class Site:
    """A running site."""

    def __init__(self, port: int) -> None:
        self._port = port

    def get(self, path: str) -> str:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self._port}{path}", timeout=60) as answer:
            text: str = answer.read().decode()
        return text

    def recorded(self) -> Any:
        return json.loads(self.get("/recorded"))


@pytest.fixture(scope="module", params=COMMANDS)
def site(request: pytest.FixtureRequest, root: Path) -> Iterator[Site]:
    lacking = missing_modules(NEEDED)
    if lacking:
        pytest.skip(f"{', '.join(lacking)} cannot be imported; `make doubles` installs the doubles and runs this")
    from target_python_sdk.local_edge import LocalEdge  # noqa: PLC0415 - only if the site can run

    port = free_port()
    argv = [sys.executable, *(argument.format(port=port) for argument in COMMANDS[request.param])]
    with LocalEdge(ACTIVITIES) as edge, Process(argv, cwd=root, EDGE=edge.domain) as process:
        process.until(lambda: listens(port), what="the server listens")
        yield Site(port)


def children(spans: List[Dict[str, Any]], parent: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Return the direct children of the span ``parent``."""
    ids = parent["context"]
    return [
        span
        for span in spans
        if span["parent_id"] == ids["span_id"] and span["context"]["trace_id"] == ids["trace_id"]
    ]


@pytest.fixture
def pages(site: Site, request: pytest.FixtureRequest) -> List[str]:
    """The pages of the server."""
    return PAGES[request.node.callspec.params["site"]]


def test_the_spans_of_page_call_and_request_are_nested(site: Site, pages: List[str]) -> None:
    """The event of the call names the activity and the experience, as does the flag in Sentry's report of the page."""
    for page in pages:
        before = site.recorded()
        assert site.get(page) == "red"
        after = site.recorded()
        spans = after["spans"]
        call = [span for span in spans if span["name"] == "Target get_offers"][-1]
        (page_span,) = [span for span in spans if span["context"]["span_id"] == call["parent_id"]]
        assert (page_span["kind"], page_span["parent_id"]) == ("SpanKind.SERVER", None)
        assert page in str(page_span["attributes"])
        assert call in children(spans, page_span)
        assert call["kind"] == "SpanKind.CLIENT"
        (request_span,) = children(spans, call)
        assert (request_span["name"], request_span["kind"]) == ("POST", "SpanKind.CLIENT")
        assert "/rest/v1/delivery" in str(request_span["attributes"])
        assert "sessionId" not in json.dumps(spans)
        (event,) = after["events"][len(before["events"]) :]
        assert (event["name"], event["span_id"]) == ("feature_flag.evaluation", call["context"]["span_id"])
        assert event["attributes"]["feature_flag.key"] == "hero"
        assert event["attributes"]["feature_flag.result.variant"] == "Red"
        assert event["attributes"]["adobe.target.activity"] == "Autumn"
        assert after["flags"][len(before["flags"]) :] == [[{"flag": "hero/Autumn/Red", "result": True}]]


def test_prometheus_parses_the_metrics(site: Site) -> None:
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 - it may be missing

    def samples() -> Dict[str, float]:
        families = text_string_to_metric_families(site.get("/metrics"))
        return {
            sample.name: sample.value
            for family in families
            for sample in family.samples
            if "operation" not in sample.labels or sample.labels["adobe_target_operation"] == "get_offers"
        }

    site.get("/awaited")
    before = samples()
    site.get("/awaited")
    after = samples()
    counted = ("adobe_target_call_duration_seconds_count", "target_call_seconds_count", "target_new_visitors_total")
    assert [after[name] - before[name] for name in counted] == [1, 1, 1]
    assert after["adobe_target_call_duration_seconds_sum"] > before["adobe_target_call_duration_seconds_sum"]

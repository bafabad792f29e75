"""Records the calls of a client as spans, events and metrics of OpenTelemetry::

    TargetClient.create(..., observers=[OpenTelemetry()])

The events are those of the semantic conventions for feature flags. Nothing that is recorded identifies a visitor.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Dict, Iterator, Mapping, Optional, Sequence, Union
from urllib.parse import urlsplit

from opentelemetry import context, metrics, trace
from opentelemetry._logs import get_logger
from opentelemetry.trace import SpanKind, Status, StatusCode

from target_python_sdk.errors import ArtifactNotAvailable
from target_python_sdk.protocol import DEFAULT_GLOBAL_MBOX
from target_python_sdk.version import __version__
from target_tools.enums import DecisioningMethod

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry._logs import LoggerProvider
    from opentelemetry.context import Context
    from opentelemetry.metrics import CallbackOptions, MeterProvider
    from opentelemetry.trace import Span, TracerProvider

    from target_python_sdk.observers import CallStart, Finish, Observed
    from target_python_sdk.offers import Offer

__all__ = ["OpenTelemetry"]

Attributes = Dict[str, Union[str, bool, int, Sequence[str]]]

_SCOPE = "target_python_sdk"
_EVENT = "feature_flag.evaluation"
_PROVIDER = "Adobe Target"
#: The limits of the buckets in seconds: those of the conventions for HTTP, and shorter ones for on-device decisions.
_BUCKETS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_ARTIFACT = "artifact"
_CIRCUITS = {"circuit_opened": 1, "circuit_closed": -1}
#: The kinds of calls that return offers.
_DECIDING = ("get_offers", "get_attributes")


class OpenTelemetry:
    """An observer that records spans, feature-flag events and metrics.

    By default, it uses the global providers, even if they are set later. ``span_events=True`` records the events on
    the span, for backends without logs.
    """

    def __init__(
        self,
        *,
        tracer_provider: Optional[TracerProvider] = None,
        meter_provider: Optional[MeterProvider] = None,
        logger_provider: Optional[LoggerProvider] = None,
        span_events: bool = False,
    ) -> None:
        self._tracer = trace.get_tracer(_SCOPE, __version__, tracer_provider)
        self._logger = None if span_events else get_logger(_SCOPE, __version__, logger_provider)
        meter = metrics.get_meter(_SCOPE, __version__, meter_provider)
        self._calls = meter.create_histogram(
            "adobe.target.call.duration", "s", "Duration of calls", explicit_bucket_boundaries_advisory=_BUCKETS
        )
        self._downloads = meter.create_histogram(
            "adobe.target.artifact.download.duration",
            "s",
            "Duration of downloads of the rule artifact",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self._new_visitors = meter.create_counter(
            "adobe.target.new_visitors", "{visitor}", "Number of calls without an id of the visitor"
        )
        self._open_circuits = meter.create_up_down_counter(
            "adobe.target.circuits.open", "{circuit}", "Number of open circuits"
        )
        self._meter = meter
        self._downloaded_at: Optional[float] = None

    def start(self, call: CallStart) -> Finish:
        """Start a span, make it the current one, and return the function that ends it."""
        attributes: Attributes = {"adobe.target.operation": call.kind}
        if call.locations:
            attributes["adobe.target.locations"] = call.locations
        is_on_device = call.decided_by == DecisioningMethod.ON_DEVICE.value
        kind = SpanKind.INTERNAL if is_on_device else SpanKind.CLIENT
        span = self._tracer.start_span(f"Target {call.kind}", kind=kind, attributes=attributes)
        return partial(self._finish, span, context.attach(trace.set_span_in_context(span)))

    def __call__(self, observed: Observed) -> None:
        """Record a change of a circuit. The function that ``start`` returns records calls and downloads."""
        self._record_metrics(observed)

    def _finish(self, span: Span, token: Token[Context], observed: Observed) -> None:
        try:
            if span.is_recording():
                span.set_attributes(_span_attributes(observed))
                if observed.error is not None:  # no description, because the text may contain data of the application
                    span.set_status(Status(StatusCode.ERROR))
            self._record_metrics(observed)
            for attributes in _evaluations(observed):
                if self._logger is None:
                    span.add_event(_EVENT, attributes)
                else:
                    self._logger.emit(event_name=_EVENT, attributes=attributes)
        finally:
            span.end()
            context.detach(token)

    def _record_metrics(self, observed: Observed) -> None:
        attributes = _error_attributes(observed.error)
        if observed.kind in _CIRCUITS:
            self._open_circuits.add(_CIRCUITS[observed.kind], _server_attributes(observed.origin))
        elif observed.kind == _ARTIFACT:
            self._downloads.record(observed.seconds, attributes)
            if observed.error is None:
                is_first, self._downloaded_at = self._downloaded_at is None, time.monotonic()
                if is_first:
                    self._create_age_gauge()
        else:
            self._calls.record(observed.seconds, {**_method_attributes(observed), **attributes})
            if observed.new_visitor and observed.kind in _DECIDING:
                self._new_visitors.add(1, _method_attributes(observed))

    def _create_age_gauge(self) -> None:
        """Create the gauge of the artifact's age.

        A meter keeps only the first gauge of a name, so the observer of a client without an artifact must create none.
        """
        name, description = "adobe.target.artifact.age", "Time since the last download of the rule artifact"
        self._meter.create_observable_gauge(name, [self._artifact_age], "s", description)

    def _artifact_age(self, _: CallbackOptions) -> Iterator[metrics.Observation]:
        if self._downloaded_at is not None:
            yield metrics.Observation(time.monotonic() - self._downloaded_at)


def _method_attributes(observed: Observed) -> Attributes:
    attributes: Attributes = {"adobe.target.operation": observed.kind}
    if observed.decided_by is not None:
        attributes["adobe.target.decided_by"] = observed.decided_by
    return attributes


def _error_attributes(error: Optional[BaseException]) -> Attributes:
    return {} if error is None else {"error.type": type(error).__qualname__}


def _server_attributes(origin: Optional[str]) -> Attributes:
    parts = urlsplit(origin or "")
    attributes: Attributes = {"server.address": parts.hostname or ""}
    if parts.port is not None:
        attributes["server.port"] = parts.port
    return attributes


def _span_attributes(observed: Observed) -> Attributes:
    attributes = {**_method_attributes(observed), **_error_attributes(observed.error)}
    if observed.request_id is not None:
        attributes["adobe.target.request.id"] = observed.request_id
    if observed.kind in _DECIDING:
        attributes["adobe.target.visitor.new"] = observed.new_visitor
    if observed.attempts:
        attributes["adobe.target.attempts"] = observed.attempts
        if observed.status is not None:
            attributes["http.response.status_code"] = observed.status
    return attributes


def _evaluations(observed: Observed) -> Iterator[Attributes]:
    """Yield the attributes of one event for each mbox and view, and for the page load."""
    if observed.kind in _DECIDING:
        offers: Mapping[str, Offer] = {offer.name or DEFAULT_GLOBAL_MBOX: offer for offer in observed.offers}
        for key in dict.fromkeys((*observed.locations, *offers)):
            yield _evaluation(key, offers.get(key), observed.error)


def _evaluation(key: str, offer: Optional[Offer], error: Optional[BaseException]) -> Attributes:
    attributes: Attributes = {"feature_flag.key": key, "feature_flag.provider.name": _PROVIDER}
    if offer:
        activity, experience = offer.activity, offer.experience
        types = {getattr(option, "_rule_meta", {}).get("activity.type") for option in offer.options}  # only on-device
        attributes["feature_flag.result.reason"] = "split" if "ab" in types else "targeting_match"
        if experience is not None:
            attributes["feature_flag.result.variant"] = experience
        if activity is not None:
            attributes["adobe.target.activity"] = activity
    elif error is None:
        attributes["feature_flag.result.reason"] = "default"
    else:
        is_not_ready = isinstance(error, ArtifactNotAvailable)
        attributes["feature_flag.result.reason"] = "error"
        attributes["error.type"] = "provider_not_ready" if is_not_ready else "general"
        attributes["error.message"] = type(error).__qualname__
    return attributes

"""Reports the downloads of a rule artifact: log lines, and events for the application."""

from typing import Sequence

from target_python_sdk.artifact.download import DownloadedArtifact
from target_python_sdk.artifact.format import parse_artifact
from target_python_sdk.artifact.location import ArtifactLocation
from target_python_sdk.artifact.update import drop_tracebacks
from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.delivery.legacy_messages import DECISIONING_ENGINE_NOT_READY
from target_python_sdk.events import (
    ARTIFACT_DOWNLOAD_FAILED,
    ARTIFACT_DOWNLOAD_SUCCEEDED,
    GEO_LOCATION_UPDATED,
    ArtifactDownloadFailed,
    ArtifactDownloadSucceeded,
    GeoLocationUpdated,
)
from target_tools.errors import ArtifactNotAvailable, HttpStatusError, escape_text
from target_tools.event_provider import EventProvider
from target_tools.logger import Log

#: Maximum number of skipped rules that are logged.
MAX_LOGGED_RULES = 20


def not_available(hint: str) -> ArtifactNotAvailable:
    """Return the error for a call that needs the artifact. ``hint`` is advice about the failed download, or empty."""
    return ArtifactNotAvailable(DECISIONING_ENGINE_NOT_READY + (f" Hint: {hint}" if hint else ""))


class ArtifactReporter:
    """Logs the downloads of one client's artifact, and emits them as events."""

    def __init__(self, client: str, location: ArtifactLocation, events: EventProvider, log: Log) -> None:
        self._client = client
        self._location = location
        self._events = events
        self._log = log
        self._skipped_rules: Sequence[str] = ()
        #: Whether the last artifact contained rules.
        self._had_rules = False

    def success(self, download: DownloadedArtifact) -> None:
        """Report a newer artifact, and the location of this machine according to the CDN."""
        location = self._location
        shown_url = location.parsed_url.redacted
        self._log.debug("The rule artifact was downloaded from %s: %d bytes", shown_url, len(download.body))
        if self._events.has_subscriber(ARTIFACT_DOWNLOAD_SUCCEEDED):
            document = None
            if self._events.needs_payload(ARTIFACT_DOWNLOAD_SUCCEEDED):
                # Subscribers get a separate copy, because they may modify it.
                document = parse_artifact(download.body, location.obfuscated, location.organization_id)
            succeeded = ArtifactDownloadSucceeded(artifact_location=location.url, artifact_payload=document)
            self._events.emit(ARTIFACT_DOWNLOAD_SUCCEEDED, succeeded)
        if download.geo is not None:
            self._events.emit(GEO_LOCATION_UPDATED, GeoLocationUpdated(geo_context=download.geo))

    def failure(self, error: BaseException, has_artifact: bool) -> None:
        """Report a failed download: a warning if an older artifact stays in use, otherwise an error."""
        reason = escape_text(error)
        if isinstance(error, HttpStatusError):
            hint = " (is on-device decisioning enabled for this client?)" if error.status == 403 else ""
            reason = f"{error.status} {escape_text(error.reason)}{hint}"
        if self._location.hint:
            reason += f" ({self._location.hint})"
        if has_artifact:
            log, effect = self._log.warning, "the previous one stays in use"
        else:
            log, effect = self._log.error, "on-device decisions are not possible yet"
        shown_url = self._location.parsed_url.redacted
        log("Could not download the rule artifact from %s: %s; %s", shown_url, reason, effect)
        self._emit_failure(error)

    def invalid_payload(self, error: BaseException) -> None:
        """Report an invalid ``artifact_payload``."""
        self._log.error("Invalid artifact_payload: %s", escape_text(error))
        self._emit_failure(error)

    def _emit_failure(self, error: BaseException) -> None:
        try:
            failed = ArtifactDownloadFailed(artifact_location=self._location.url, error=error)
            self._events.emit(ARTIFACT_DOWNLOAD_FAILED, failed)
        finally:
            drop_tracebacks(error)

    def use_of(self, artifact: Artifact) -> None:
        """Log problems of an artifact that takes effect: skipped rules, a wrong client code, the loss of all rules."""
        self._log_skipped_rules(artifact.skipped_rules)
        code, own_code = artifact.meta.get("clientCode"), self._client
        if isinstance(code, str) and code.lower() != own_code.lower() and self._log.first_time("artifact of a client"):
            self._log.warning("The rule artifact is that of the client %r, not of %r", escape_text(code, 63), own_code)
        if self._had_rules and artifact.is_empty:
            self._log.warning("The new rule artifact contains no rules; the previous one did")
        self._had_rules = not artifact.is_empty

    def _log_skipped_rules(self, skipped: Sequence[str]) -> None:
        """Log the rules that could not be compiled, unless they are the same as in the previous artifact."""
        if skipped == self._skipped_rules:
            return
        self._skipped_rules = skipped
        for text in skipped[:MAX_LOGGED_RULES]:
            self._log.warning("Skipped a rule of the artifact: %s", escape_text(text))
        if len(skipped) > MAX_LOGGED_RULES:
            self._log.warning("Skipped %d more rules of the artifact", len(skipped) - MAX_LOGGED_RULES)

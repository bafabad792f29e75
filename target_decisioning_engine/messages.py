"""1.1.0's messages about artifacts."""

from typing import Any, Dict


def error_max_retry(num_retries: int, err_string: str) -> str:
    """Return the message about an artifact that could not be downloaded after several attempts."""
    return f"Unable to retrieve artifact after {num_retries} retries: {err_string}"


def artifact_version_unsupported(artifact_version: str, supported_major_version: str) -> str:
    """Return the message about an artifact with an unsupported version."""
    return (
        f"The decisioning artifact version ({artifact_version}) is not supported. "
        f"This library is compatible with this major version: {supported_major_version}"
    )


def artifact_fetch_error(reason: str) -> str:
    """Return the message about a failed download of an artifact."""
    return f"Failed to retrieve artifact: {reason}"


def invalid_environment(expected_environment: str, default_environment: str) -> str:
    """Return the message about an unknown environment. The SDK no longer logs it, because it accepts any name."""
    return f"'{expected_environment}' is not a valid target environment, defaulting to '{default_environment}'."


MESSAGES: Dict[str, Any] = {
    "ERROR_MAX_RETRY": error_max_retry,
    "ARTIFACT_NOT_AVAILABLE": "The decisioning artifact is not available",
    "ARTIFACT_VERSION_UNSUPPORTED": artifact_version_unsupported,
    "ARTIFACT_FETCH_ERROR": artifact_fetch_error,
    "ARTIFACT_INVALID": "Invalid Artifact",
    "INVALID_ENVIRONMENT": invalid_environment,
    "NOT_APPLICABLE": "Not Applicable",
    "ARTIFACT_OBFUSCATION_ERROR": "Unable to read artifact JSON",
    "UNKNOWN": "unknown",
}

"""1.1.0's texts about artifacts."""

from typing import Any, Dict


def error_max_retry(num_retries: object, err_string: object) -> str:
    """That no attempt brought an artifact."""
    return "Unable to retrieve artifact after {} retries: {}".format(num_retries, err_string)


def artifact_version_unsupported(artifact_version: object, supported_major_version: object) -> str:
    """That an artifact is of another version."""
    return (
        "The decisioning artifact version ({}) is not supported. "
        "This library is compatible with this major version: {}".format(artifact_version, supported_major_version)
    )


def artifact_fetch_error(reason: object) -> str:
    """Why a download failed."""
    return "Failed to retrieve artifact: {}".format(reason)


def invalid_environment(expected_environment: object, default_environment: object) -> str:
    """That 1.1.0 did not know an environment; this SDK takes any name."""
    return "'{}' is not a valid target environment, defaulting to '{}'.".format(
        expected_environment, default_environment
    )


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

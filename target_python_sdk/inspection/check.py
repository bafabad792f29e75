"""Finds mistakes in rule artifacts and in files of activities."""

from collections.abc import Mapping
from pathlib import Path
from typing import List, Union

from target_python_sdk.decisioning.audience_check import Finding
from target_python_sdk.inspection.activities_check import check_activities
from target_python_sdk.inspection.artifact_check import check_artifact
from target_python_sdk.inspection.findings import wrong
from target_python_sdk.inspection.json_source import Unparsable, parse_json
from target_python_sdk.inspection.source import is_artifact
from target_python_sdk.local_edge.activities import file_path
from target_python_sdk.local_edge.validation import error_at
from target_tools.typing_compat import Json


def check_file(path: Union[str, Path]) -> List[Finding]:
    """Return the mistakes in a file: a rule artifact or activities. Raises ``OptionError`` if it cannot be read."""
    try:
        data = file_path(path).read_bytes()
    except OSError as error:
        raise error_at(str(path), "a readable file", problem=error.strerror or str(error)) from error
    try:
        document, findings = parse_json(data)
    except Unparsable as error:
        return [error.finding]
    return findings + check_document(document)


def check_document(document: Json) -> List[Finding]:
    """Return the mistakes in a rule artifact or a document of activities."""
    if not isinstance(document, Mapping):
        return [wrong("", "an object", document)]
    if "activities" in document:
        return check_activities(document)
    if is_artifact(document) or "version" in document or "meta" in document:
        return check_artifact(document)
    return [Finding("", "expected a rule artifact with the key 'rules', or a file with the key 'activities'")]

"""Reads and writes the parameters of QA links, which show activities to testers.

Target's QA links, and those of a local edge, open a page with parameters such as
``?at_preview_token=…&at_preview_index=1_2``. ``qa_mode_of`` reads them from the URL of the page::

    request = DeliveryRequest(qa_mode=qa_mode_of(page_url), execute=…)

at.js keeps the QA mode of a visitor in a cookie, which ``qa_mode_of_cookie`` reads.

A visitor can send any parameters and any cookie. Therefore malformed and overlong values are ignored, without an error.
"""

import json
import re
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, TypeVar
from urllib.parse import unquote, urlencode

from target_python_sdk.types import QAMode, QAModePreviewIndex

__all__ = ["QA_MODE_COOKIE", "qa_link", "qa_mode_of", "qa_mode_of_cookie"]

#: The name of the cookie in which at.js keeps the QA mode.
QA_MODE_COOKIE = "at_qa_mode"

TOKEN = "at_preview_token"
INDEX = "at_preview_index"
LISTED_ACTIVITIES_ONLY = "at_preview_listed_activities_only"
EVALUATE_AS_TRUE_AUDIENCE_IDS = "at_preview_evaluate_as_true_audience_ids"
_NAMES = frozenset({TOKEN, INDEX, LISTED_ACTIVITIES_ONLY, EVALUATE_AS_TRUE_AUDIENCE_IDS})

#: How many characters of a link or a cookie are read.
MAX_LINK = 16384
#: The maximum number of indexes, and of audiences.
MAX_ITEMS = 100
#: The pattern of a token: printable ASCII.
_TOKEN = re.compile(r"[!-~]{1,1024}")
_INDEX = re.compile(r"([1-9][0-9]{0,5})(?:_([1-9][0-9]{0,5}))?")
_ID = re.compile(r"[0-9]{1,18}")

ItemT = TypeVar("ItemT")


def qa_mode_of(link: Optional[str]) -> Optional[QAMode]:
    """Return the QA mode in the URL of a page or in its query string, or None if there is no usable token.

    Never raises an exception for text. Only the query parameters are read.
    """
    return _qa_mode(_parameters(link[:MAX_LINK])) if isinstance(link, str) else None


def qa_mode_of_cookie(value: Optional[str]) -> Optional[QAMode]:
    """Return the QA mode in the value of the cookie ``at_qa_mode``, or None if there is no usable token.

    The value is a percent-encoded JSON object with the fields of ``QAMode``. Never raises an exception for text.
    """
    try:
        fields = json.loads(unquote(value[:MAX_LINK])) if isinstance(value, str) else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, Mapping):
        return None
    listed_only = fields.get("listedActivitiesOnly")
    indexes = (_index_text(each) for each in _list(fields.get("previewIndexes")))
    parameters = {
        TOKEN: str(fields.get("token") or ""),
        INDEX: ",".join(index for index in indexes if index),
        EVALUATE_AS_TRUE_AUDIENCE_IDS: ",".join(map(str, _list(fields.get("evaluateAsTrueAudienceIds")))),
    }
    if listed_only is not None:
        parameters[LISTED_ACTIVITIES_ONLY] = str(listed_only).lower()
    return _qa_mode(parameters)


def _list(value: Any) -> List[Any]:
    return value[:MAX_ITEMS] if isinstance(value, list) else []


def _index_text(index: Any) -> str:
    """Return an item of ``previewIndexes`` in the form of a link's parameter, or an empty string."""
    if not isinstance(index, Mapping):
        return ""
    activity, experience = index.get("activityIndex"), index.get("experienceIndex")
    return f"{activity}" if experience is None else f"{activity}_{experience}"


def _qa_mode(parameters: Mapping[str, str]) -> Optional[QAMode]:
    token = parameters.get(TOKEN, "")
    if not _TOKEN.fullmatch(token):
        return None
    listed_only = parameters.get(LISTED_ACTIVITIES_ONLY)
    return QAMode(
        token=token,
        listed_activities_only=None if listed_only is None else listed_only == "true",
        evaluate_as_true_audience_ids=_items(parameters.get(EVALUATE_AS_TRUE_AUDIENCE_IDS, ""), _audience_id) or None,
        preview_indexes=_items(parameters.get(INDEX, ""), _preview_index) or None,
    )


def qa_link(url: str, qa_mode: QAMode) -> str:
    """Return ``url`` with the parameters for ``qa_mode``. They replace earlier parameters of QA links."""
    page, hash_mark, fragment = url.partition("#")
    page, _, query = page.partition("?")
    other_parameters = [part for part in query.split("&") if part and part.partition("=")[0] not in _NAMES]
    indexes = [
        str(each.activity_index) + ("" if each.experience_index is None else f"_{each.experience_index}")
        for each in qa_mode.preview_indexes or ()
    ]
    listed_only = qa_mode.listed_activities_only
    values = {
        TOKEN: qa_mode.token,
        INDEX: ",".join(indexes),
        LISTED_ACTIVITIES_ONLY: None if listed_only is None else str(listed_only).lower(),
        EVALUATE_AS_TRUE_AUDIENCE_IDS: ",".join(map(str, qa_mode.evaluate_as_true_audience_ids or ())),
    }
    qa_parameters = urlencode({name: value for name, value in values.items() if value}, safe=",")
    return f"{page}?{'&'.join([*other_parameters, qa_parameters])}{hash_mark}{fragment}"


def _parameters(link: str) -> Dict[str, str]:
    """Return the first value of each parameter of QA links. Plus signs are kept, because tokens can contain them."""
    before, mark, query = link.partition("#")[0].partition("?")
    parameters: Dict[str, str] = {}
    for part in (query if mark else before).split("&"):
        name, _, value = part.partition("=")
        if name in _NAMES:
            parameters.setdefault(name, unquote(value))
    return parameters


def _items(text: str, parse: Callable[[str], Optional[ItemT]]) -> List[ItemT]:
    """Return the usable items of a list, at most ``MAX_ITEMS``."""
    items: Iterator[Optional[ItemT]] = map(parse, text.split(",")[:MAX_ITEMS])
    return [item for item in items if item is not None]


def _audience_id(text: str) -> Optional[int]:
    return int(text) if _ID.fullmatch(text) else None


def _preview_index(text: str) -> Optional[QAModePreviewIndex]:
    match = _INDEX.fullmatch(text)
    if match is None:
        return None
    activity, experience = match.groups()
    return QAModePreviewIndex(
        activity_index=int(activity), experience_index=None if experience is None else int(experience)
    )

"""``names_of_1_1_0.json`` contains every name of the list ``import-surface-of-1.1.0.md``.

``conftest`` excludes this module from the collection if the folder of the list is missing.
"""

import re
from typing import Dict, Iterator, List, Tuple

import pytest

from tests.compatibility.test_old_names import NAMES_OF_1_1_0
from tests.conftest import SHARED

#: A name in the list, and its arguments in brackets, if there are any.
CALL = re.compile(r"(?<![\w\"'@/])([A-Za-z_][\w.]*)((?:\((?:[^()]|\([^()]*\))*\))*)")

#: Words in backticks in the list that are not names of 1.1.0.
NOT_NAMES = re.findall(
    r"\w+",
    """
    Decisioning Enum Final Invalid KeyError Literal Method None NotImplementedError Property ValueError X __init__
    __setitem__ activityId allocation_provider allowable_values args artifact_provider attributes_provider class
    client_info constants context_provider cookies copy d deepcopy delivery_api delivery_api_client dict dumps enums
    event_name event_provider events from geo_provider hashing helper import join lambda limited_key_dict list
    local_delivery_api local_vars_configuration messages meta model_property payload perf_tool pickle
    post_processors property py repr response_helpers send_notification_func setdefault str target
    target_decisioning_engine target_delivery_response target_location_hint target_python_sdk target_tools trace
    type update utils v validate_ validators value visitor_state
    """,
)


@pytest.fixture(scope="module")
def sections() -> Dict[str, str]:
    """The sections 6.1 to 6.8 of the list, by number."""
    text = (SHARED / "reference" / "import-surface-of-1.1.0.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^### (6\.[1-8]) .*?\n(.*?)(?=^### |\Z)", text, re.M | re.S))


def names_in(section: str) -> Iterator[Tuple[str, str]]:
    """Yield the names in backticks, with their arguments if there are any. ``a{b,c}`` stands for two names."""
    for text in re.findall(r"`([^`(][^`]*)`", section):
        for part in _expand_braces(text):
            for name, arguments in CALL.findall(_blank_values(part)):
                yield name.rpartition(".")[2], arguments


def _blank_values(text: str) -> str:
    """Replace the values and strings in ``text``, so that no names are found in them."""
    text = re.sub(r"\"[^\"]*\"|'[^']*'", '""', text)
    return re.sub(r"(?<=\w)=(?:\{[^}]*\}|\[[^\]]*\]|[^,)\s]+)", "=0", text)


def _expand_braces(text: str) -> List[str]:
    braces = re.fullmatch(r"(.*?)\{([\w, ]+)\}(.*)", text, re.S)
    if braces is None:
        return [text]
    before, inner, after = braces.groups()
    if before.endswith("SCHEME"):  # its braces contain the keys of a dict
        return [before + after]
    return [part for each in inner.split(",") for part in _expand_braces(before + each.strip() + after)]


def test_the_committed_names_are_those_of_the_reference(sections: Dict[str, str]) -> None:
    assert list(sections) == [f"6.{number}" for number in range(1, 9)]
    names = {name for number, section in sections.items() if number != "6.3" for name, _ in names_in(section)}
    assert sorted(names.difference(NOT_NAMES)) == NAMES_OF_1_1_0["names"]


def test_the_committed_calls_are_those_of_the_reference(sections: Dict[str, str]) -> None:
    calls = [call for number in ("6.5", "6.6", "6.7") for call in names_in(sections[number])]
    assert sorted({name + arguments for name, arguments in calls if arguments and "…" not in arguments}) == sorted(
        NAMES_OF_1_1_0["calls"]
    )


def test_the_committed_models_are_those_of_the_reference(sections: Dict[str, str]) -> None:
    assert dict(re.findall(r"^\| `(\w+)` \| (\w+)\.py", sections["6.3"], re.M)) == NAMES_OF_1_1_0["models"]

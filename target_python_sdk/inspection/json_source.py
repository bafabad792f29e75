"""Parses JSON, and finds mistakes that JSON parsers often accept: duplicate keys, NaN and infinite numbers."""

import json
import math
from typing import Any, Dict, Iterator, List, Tuple

from target_python_sdk.decisioning.audience_check import Finding
from target_python_sdk.inspection.findings import place_of
from target_tools.error_text import json_problem
from target_tools.typing_compat import Json


class _Object(Dict[str, Any]):
    """A JSON object, and its duplicate keys."""

    duplicates: Tuple[str, ...] = ()


#: The name that findings show for the type of a value.
_Object.__name__ = "object"


class Unparsable(Exception):
    """Raised if a file cannot be parsed as JSON. ``finding`` contains the reason."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


def parse_json(data: bytes) -> Tuple[Json, List[Finding]]:
    """Return the document, and findings about duplicate keys and about numbers that are not JSON.

    Raises ``Unparsable``.
    """
    if not data.strip():
        raise Unparsable(Finding("", "the file is empty"))
    try:
        document = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise Unparsable(Finding(f"line {line}, column {column}", "expected UTF-8")) from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise Unparsable(Finding(place, json_problem(error))) from None
    except ValueError:  # Python refuses integers with thousands of digits
        raise Unparsable(Finding("", "expected JSON with shorter numbers")) from None
    except RecursionError:
        raise Unparsable(Finding("", "expected JSON with less nesting")) from None
    return document, list(_strange_values(document))


def _object(pairs: List[Tuple[str, Any]]) -> _Object:
    result = _Object(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        result.duplicates = tuple(name for name in result if names.count(name) > 1)
    return result


def _strange_values(document: Json) -> Iterator[Finding]:
    stack: List[Tuple[str, Any]] = [("", document)]
    while stack:  # no recursion, because the document may be nested deeply
        place, value = stack.pop()
        if isinstance(value, _Object):
            for name in value.duplicates:
                yield Finding(place_of(place, name), "duplicate key; all values but the last are ignored")
            stack += [(place_of(place, name), item) for name, item in reversed(list(value.items()))]
        elif isinstance(value, list):
            stack += [(f"{place}[{index}]", item) for index, item in reversed(list(enumerate(value)))]
        elif isinstance(value, float) and not math.isfinite(value):
            yield Finding(place, f"{value} is not a JSON number, or too large for one")

"""Read and write the recording of 1.1.0: a line of JSON for each scenario and each model."""

import json
import re
from pathlib import Path
from typing import Any, Dict, List

FOLDER = Path(__file__).parent / "recorded"
SCENARIOS = FOLDER / "scenarios.json"
MODELS = FOLDER / "models.json"
SURFACE = FOLDER / "surface.json"

#: The usual results of comparing, copying, pickling and hashing a model. Only other results are recorded.
USUAL_BEHAVIOR: List[Any] = [True, False, False, False, True, True, True, True, None, None]


def read(file: Path) -> Any:
    """Return the content of a file."""
    return json.loads(file.read_text(encoding="utf-8"))


def write(file: Path, content: Any) -> None:
    """Write each entry on a separate line, so that a diff shows which entries changed."""
    lines = [_line(each) for each in content] if isinstance(content, list) else [
        f"{_line(key)}: {_line(each)}" for key, each in sorted(content.items())
    ]  # fmt: skip
    opening, closing = "[]" if isinstance(content, list) else "{}"
    FOLDER.mkdir(exist_ok=True)
    file.write_text("\n".join([opening, ",\n".join(lines), closing, ""]), encoding="utf-8")


def _line(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


#: Parts of messages about a wrong argument that differ between the versions of Python.
VARIABLE_PARTS = re.compile(r"^\w+\.(?=\w+\(\) )|, got '\w+'$|\. Did you mean '\w+'\?$")


def compact(value: Any) -> Any:
    """Remove attributes that are None and the ``VARIABLE_PARTS`` of messages; abbreviate long runs of a letter."""
    if isinstance(value, list):
        return [compact(each) for each in value]
    if isinstance(value, dict):
        kept = {key: compact(each) for key, each in value.items() if each is not None or "is" not in value}
        return {**kept, "text": VARIABLE_PARTS.sub("", kept["text"])} if "caught as" in kept else kept
    if isinstance(value, str) and len(value) > 30 and len(set(value)) == 1:
        return f"{len(value)} times {value[0]}"
    return value


def compact_model(built: Dict[str, Any]) -> Dict[str, Any]:
    """Return the report about a model in compact form. Leave out its behavior if that is the usual one."""
    kept = {key: value for key, value in built.items() if key != "behavior"}
    behavior = list(built.get("behavior", USUAL_BEHAVIOR))
    if isinstance(behavior[8], dict) and behavior[8].get("caught as") == ["TypeError"]:
        behavior[8] = None  # unhashable; the message differs between the versions of Python
    return dict(compact(kept if behavior == USUAL_BEHAVIOR else {**kept, "behavior": behavior}))

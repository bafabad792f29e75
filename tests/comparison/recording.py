"""1.1.0's side, as it was recorded: one line of JSON for each scenario and for each model."""

import json
import re
from pathlib import Path
from typing import Any, Dict, List

FOLDER = Path(__file__).parent / "recorded"
SCENARIOS = FOLDER / "scenarios.json"
MODELS = FOLDER / "models.json"
SURFACE = FOLDER / "surface.json"

#: How a model usually compares, copies, pickles and hashes; only what is otherwise is written down.
USUAL_MANNERS: List[Any] = [True, False, False, False, True, True, True, True, None, None]


def read(file: Path) -> Any:
    """What was recorded there."""
    return json.loads(file.read_text(encoding="utf-8"))


def write(file: Path, content: Any) -> None:
    """Record it, a line for each entry, so that a change of one is a change of one line."""
    lines = [_line(each) for each in content] if isinstance(content, list) else [
        "{}: {}".format(_line(key), _line(each)) for key, each in sorted(content.items())
    ]  # fmt: skip
    opening, closing = "[]" if isinstance(content, list) else "{}"
    FOLDER.mkdir(exist_ok=True)
    file.write_text("{}\n{}\n{}\n".format(opening, ",\n".join(lines), closing), encoding="utf-8")


def _line(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


#: What newer Pythons say more of a wrong argument.
DIALECT = re.compile(r"^\w+\.(?=\w+\(\) )|, got '\w+'$|\. Did you mean '\w+'\?$")


def compact(value: Any) -> Any:
    """``value`` without a model's attributes that are None, long texts short, errors in no dialect of Python."""
    if isinstance(value, list):
        return [compact(each) for each in value]
    if isinstance(value, dict):
        kept = {key: compact(each) for key, each in value.items() if each is not None or "is" not in value}
        return {**kept, "text": DIALECT.sub("", kept["text"])} if "caught as" in kept else kept
    if isinstance(value, str) and len(value) > 30 and len(set(value)) == 1:
        return "{} times {}".format(len(value), value[0])
    return value


def compact_model(built: Dict[str, Any]) -> Dict[str, Any]:
    """The same for what became of a description, without manners that are the usual ones."""
    kept = {key: value for key, value in built.items() if key != "manners"}
    manners = list(built.get("manners", USUAL_MANNERS))
    if isinstance(manners[8], dict) and manners[8].get("caught as") == ["TypeError"]:
        manners[8] = None  # unhashable, in whatever words this Python has
    return dict(compact(kept if manners == USUAL_MANNERS else {**kept, "manners": manners}))

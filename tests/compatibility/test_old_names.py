"""``docs/old-names.md`` is correct, and lists every name of 1.1.0."""

import enum
import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Set

import pytest

from delivery_api_client import ApiClient, ApiException, Configuration
from target_python_sdk import AttributesProvider, EventProvider
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "old-names.md"
#: The names of 1.1.0, its calls with their arguments, and its models with their modules.
OF_1_1_0 = json.loads(Path(__file__).with_name("names_of_1_1_0.json").read_text(encoding="utf-8"))

ROW = re.compile(r"^\| (?P<names>`.+?) \| (?P<kind>works|kept|not offered) \| (?P<note>.+) \|$")

class Name(NamedTuple):
    """One name on the page."""

    module: str
    name: str
    signature: str
    kind: str
    note: str

    @property
    def whole(self) -> str:
        """The dotted name in 1.1.0."""
        return f"{self.module}.{self.name}"


def names_on(page: str) -> Iterator[Name]:
    """Every name in the tables of the page."""
    module = ""
    for line in page.splitlines():
        row = ROW.match(line)
        if line.startswith("## "):
            module = line[3:]
        elif row:
            for text in re.findall(r"`([^`]+)`", row.group("names")):
                name, bracket, rest = text.partition("(")
                yield Name(module, name, bracket + rest, row.group("kind"), row.group("note"))


NAMES = list(names_on(PAGE.read_text(encoding="utf-8")))
OFFERED = [name for name in NAMES if name.kind != "not offered"]
NOT_OFFERED = [name for name in NAMES if name.kind == "not offered"]


#: Create an instance, for names that only instances have.
INSTANCES: Dict[str, Callable[[], Any]] = {
    "ApiClient": ApiClient,
    "ApiException": lambda: ApiException(status=500, reason="x"),
    "AttributesProvider": lambda: AttributesProvider({}),
    "Configuration": Configuration,
    "EventProvider": EventProvider,
}


def found(module: str, name: str) -> Any:
    """Return the object of that name. Raises ``ImportError`` or ``AttributeError`` if it does not exist."""
    value: Any = importlib.import_module(module)
    for part in name.split("."):
        if inspect.isclass(value) and not hasattr(value, part) and value.__name__ in INSTANCES:
            value = INSTANCES[value.__name__]()
        value = getattr(value, part)
    return value


def signature_of(value: Any) -> str:
    """Return the parameters with their defaults; an empty text for enumerations and objects that are not callable."""
    if not callable(value) or (inspect.isclass(value) and issubclass(value, enum.Enum)):
        return ""
    parameters = inspect.signature(value).parameters.values()
    return "({})".format(", ".join(_parameter(each) for each in parameters if each.name != "self"))


def _parameter(parameter: inspect.Parameter) -> str:
    if parameter.kind is parameter.VAR_POSITIONAL:
        return "*" + parameter.name
    if parameter.kind is parameter.VAR_KEYWORD:
        return "**" + parameter.name
    default: Any = parameter.default
    if default is parameter.empty:
        return parameter.name
    if type(default) is object:  # a sentinel for "not given"
        return f"{parameter.name}=..."
    return f"{parameter.name}={default.__name__ if callable(default) else repr(default)}"


@pytest.mark.parametrize("name", OFFERED, ids=lambda name: name.whole)
def test_a_name_that_is_offered_imports_with_its_signature(name: Name) -> None:
    """Rows of the kinds "works" and "kept". A row with the note "The same object" has no signature."""
    value = found(name.module, name.name)
    if not name.note.startswith("The same object"):
        assert signature_of(value) == name.signature


def test_a_class_is_the_same_object_as_its_new_home() -> None:
    """If a row says "the same object", ``isinstance`` and ``except`` work with either name."""
    same = [name for name in OFFERED if name.note.startswith("The same object")]
    for name in same:
        home = re.findall(r"`([^`]+)`", name.note)[0]
        module, _, own = home.rpartition(".") if "objects as in" not in name.note else (home, "", name.name)
        assert found(name.module, name.name) is found(module, own), name.whole
    assert len(same) > 100


@pytest.mark.parametrize("name", NOT_OFFERED, ids=lambda name: name.whole)
def test_a_name_that_is_not_offered_does_not_import(name: Name) -> None:
    """The row has a note about the replacement."""
    with pytest.raises((ImportError, AttributeError)):
        found(name.module, name.name)
    assert len(name.note) > 20


def test_every_replacement_named_in_a_note_exists() -> None:
    """Each dotted name in a note can be imported."""
    for note in {name.note for name in NOT_OFFERED}:
        for text in re.findall(r"`(target_\w+(?:\.\w+)+)`", note):
            module, _, own = text.rpartition(".")
            assert found_somewhere(module, own), text


def found_somewhere(module: str, name: str) -> bool:
    """Return whether ``module.name`` exists. ``module`` may also be a class in a module."""
    try:
        found(module, name)
    except ImportError:
        above, _, cls = module.rpartition(".")
        return bool(above) and found(above, cls + "." + name) is not None
    return True


def test_no_name_is_in_two_rows() -> None:
    """Each name has one row."""
    whole = [name.whole for name in NAMES]
    assert sorted(whole) == sorted(set(whole))


def test_each_messages_dict_has_the_keys_in_its_note() -> None:
    """The note lists all keys of ``MESSAGES``, and no others."""
    for name in OFFERED:
        if name.name == "MESSAGES":
            assert sorted(found(name.module, name.name)) == sorted(re.findall(r"`([A-Z_]+)`", name.note)), name.whole


# Against the list of 1.1.0's names


def test_the_page_is_complete() -> None:
    """Each name and each model of 1.1.0 is on the page."""
    known: Set[str] = {part for name in NAMES for part in (name.name.split(".")[-1], *name.name.split("."))}
    assert len(OF_1_1_0["models"]) > 55
    assert sorted({*OF_1_1_0["names"], *OF_1_1_0["models"]} - known) == []


def test_our_signatures_accept_the_arguments_of_1_1_0() -> None:
    """There are no fewer parameters, and no new one without a default."""
    ours: Dict[str, List[str]] = {}
    not_ours = {name.name.split(".")[-1] for name in NOT_OFFERED}
    for name in OFFERED:
        if name.signature and name.name.split(".")[-1] not in not_ours:
            ours.setdefault(name.name.split(".")[-1], []).append(name.signature)
    compared = 0
    for call in OF_1_1_0["calls"]:
        name, bracket, rest = call.partition("(")
        if name in ours:
            assert any(_fits(bracket + rest, signature) for signature in ours[name]), (call, ours[name])
            compared += 1
    assert compared > 80


def _fits(theirs: str, own: str) -> bool:
    given, taken = _split(theirs), _split(own)
    if any(each.startswith("*") for each in taken):
        return True
    required = [each for each in taken if "=" not in each]
    must = [each for each in given if "=" not in each]
    return len(given) <= len(taken) and len(required) <= len(must)


def _split(arguments: str) -> List[str]:
    return [each.strip() for each in re.sub(r"\{[^}]*\}", "0", arguments[1:-1]).split(",") if each.strip()]


def test_every_model_has_its_module() -> None:
    """``delivery_api_client.Model.<module>.<Class>`` is the class of ``delivery_api_client``."""
    package = importlib.import_module("delivery_api_client")
    for name, module in OF_1_1_0["models"].items():
        own = importlib.import_module("delivery_api_client.Model." + module)
        assert getattr(own, name) is getattr(package, name), name

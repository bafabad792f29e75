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
NAMES_OF_1_1_0 = json.loads(Path(__file__).with_name("names_of_1_1_0.json").read_text(encoding="utf-8"))

ROW = re.compile(r"^\| (?P<names>`.+?) \| (?P<status>works|kept|not offered) \| (?P<note>.+) \|$")


class Name(NamedTuple):
    """One name on the page."""

    module: str
    name: str
    signature: str
    status: str
    note: str

    @property
    def full_name(self) -> str:
        """The dotted name in 1.1.0."""
        return f"{self.module}.{self.name}"


def names_on(page: str) -> Iterator[Name]:
    """Yield every name in the tables of the page."""
    module = ""
    for line in page.splitlines():
        row = ROW.match(line)
        if line.startswith("## "):
            module = line[3:]
        elif row:
            for text in re.findall(r"`([^`]+)`", row.group("names")):
                name, bracket, rest = text.partition("(")
                yield Name(module, name, bracket + rest, row.group("status"), row.group("note"))


NAMES = list(names_on(PAGE.read_text(encoding="utf-8")))
OFFERED = [name for name in NAMES if name.status != "not offered"]
NOT_OFFERED = [name for name in NAMES if name.status == "not offered"]


#: Functions that create an instance of a class, for attributes that only instances have.
INSTANCES: Dict[str, Callable[[], Any]] = {
    "ApiClient": ApiClient,
    "ApiException": lambda: ApiException(status=500, reason="x"),
    "AttributesProvider": lambda: AttributesProvider({}),
    "Configuration": Configuration,
    "EventProvider": EventProvider,
}


def look_up(module: str, name: str) -> Any:
    """Return the object of this name. Raise ``ImportError`` or ``AttributeError`` if it does not exist."""
    value: Any = importlib.import_module(module)
    for part in name.split("."):
        if inspect.isclass(value) and not hasattr(value, part) and value.__name__ in INSTANCES:
            value = INSTANCES[value.__name__]()
        value = getattr(value, part)
    return value


def signature_of(value: Any) -> str:
    """Return the parameters with their defaults, or an empty string for enumerations and non-callable objects."""
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


@pytest.mark.parametrize("name", OFFERED, ids=lambda name: name.full_name)
def test_an_offered_name_can_be_imported_and_has_its_signature(name: Name) -> None:
    """Names with the status "works" or "kept". A row with the note "The same object …" has no signature."""
    value = look_up(name.module, name.name)
    if not name.note.startswith("The same object"):
        assert signature_of(value) == name.signature


def test_names_of_the_same_object_are_identical() -> None:
    """If a note says "The same object", ``isinstance`` and ``except`` work with either name."""
    aliases = [name for name in OFFERED if name.note.startswith("The same object")]
    for alias in aliases:
        path = re.findall(r"`([^`]+)`", alias.note)[0]
        module, _, name = path.rpartition(".") if "objects as in" not in alias.note else (path, "", alias.name)
        assert look_up(alias.module, alias.name) is look_up(module, name), alias.full_name
    assert len(aliases) > 100


@pytest.mark.parametrize("name", NOT_OFFERED, ids=lambda name: name.full_name)
def test_a_name_that_is_not_offered_cannot_be_imported(name: Name) -> None:
    """The row has a note of more than 20 characters."""
    with pytest.raises((ImportError, AttributeError)):
        look_up(name.module, name.name)
    assert len(name.note) > 20


def test_every_replacement_in_a_note_exists() -> None:
    for note in {name.note for name in NOT_OFFERED}:
        for text in re.findall(r"`(target_\w+(?:\.\w+)+)`", note):
            module, _, name = text.rpartition(".")
            assert exists(module, name), text


def exists(module: str, name: str) -> bool:
    """Return whether ``module``, a module or a class, exists. Raise ``AttributeError`` if it lacks ``name``."""
    try:
        look_up(module, name)
    except ImportError:
        parent, _, cls = module.rpartition(".")
        return bool(parent) and look_up(parent, cls + "." + name) is not None
    return True


def test_no_name_is_in_two_rows() -> None:
    full_names = [name.full_name for name in NAMES]
    assert sorted(full_names) == sorted(set(full_names))


def test_each_messages_dict_has_the_keys_in_its_note() -> None:
    for name in OFFERED:
        if name.name == "MESSAGES":
            keys = re.findall(r"`([A-Z_]+)`", name.note)
            assert sorted(look_up(name.module, name.name)) == sorted(keys), name.full_name


# Comparison with the list of 1.1.0's names


def test_the_page_lists_every_name_of_1_1_0() -> None:
    known: Set[str] = {part for name in NAMES for part in (name.name.split(".")[-1], *name.name.split("."))}
    assert len(NAMES_OF_1_1_0["models"]) > 55
    assert sorted({*NAMES_OF_1_1_0["names"], *NAMES_OF_1_1_0["models"]} - known) == []


def test_our_signatures_accept_the_arguments_of_1_1_0() -> None:
    """No parameter is missing, and each new one has a default."""
    ours: Dict[str, List[str]] = {}
    not_ours = {name.name.split(".")[-1] for name in NOT_OFFERED}
    for name in OFFERED:
        if name.signature and name.name.split(".")[-1] not in not_ours:
            ours.setdefault(name.name.split(".")[-1], []).append(name.signature)
    compared = 0
    for call in NAMES_OF_1_1_0["calls"]:
        name, bracket, rest = call.partition("(")
        if name in ours:
            assert any(_accepts(signature, bracket + rest) for signature in ours[name]), (call, ours[name])
            compared += 1
    assert compared > 80


def _accepts(signature: str, arguments: str) -> bool:
    """Return whether our ``signature`` accepts 1.1.0's ``arguments``, which are written with their defaults."""
    parameters, given = _split(signature), _split(arguments)
    if any(parameter.startswith("*") for parameter in parameters):
        return True
    required = [parameter for parameter in parameters if "=" not in parameter]
    always_given = [argument for argument in given if "=" not in argument]
    return len(given) <= len(parameters) and len(required) <= len(always_given)


def _split(arguments: str) -> List[str]:
    return [each.strip() for each in re.sub(r"\{[^}]*\}", "0", arguments[1:-1]).split(",") if each.strip()]


def test_every_model_has_its_module() -> None:
    """``delivery_api_client.Model.<module>.<Class>`` is the class of ``delivery_api_client``."""
    package = importlib.import_module("delivery_api_client")
    for name, module in NAMES_OF_1_1_0["models"].items():
        model_module = importlib.import_module("delivery_api_client.Model." + module)
        assert getattr(model_module, name) is getattr(package, name), name

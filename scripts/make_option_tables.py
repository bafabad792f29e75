"""Write the tables of ``docs/options.md``::

    .venv/bin/python scripts/make_option_tables.py

Names, types and meanings are those of ``target_python_sdk/delivery/option_types.py``, and defaults are those of
``target_python_sdk/delivery/options.py``. A test fails if the page has other tables.
"""

import ast
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Sequence

from target_python_sdk.delivery import option_types
from target_python_sdk.delivery.options import ByteLimits, ClientSettings
from target_tools.enums import DecisioningMethod
from target_tools.http.policies import BreakerPolicy, RetryPolicy

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "options.md"
BEGIN, END = "<!-- Written by scripts/make_option_tables.py: {} -->", "<!-- End of the table -->"

#: The types of options that type checkers do not check.
UNCHECKED_TYPES = {
    "logger": "object",
    "artifact_cache": "path or object",
    "retries": "int or `urllib3.Retry`",
    "pool_manager": "object",
    "ca_certs": "path",
    "client_cert": "path or tuple",
    "session_id": "str",
    "visitor": "object",
}
#: Words for the names of types in annotations.
TYPES = {
    "Text": "str",
    "FilePath": "URL or path",
    "float": "number",
    "Mapping": "dict",
    "Sequence": "list",
    "Callable": "callable",
    "RequestDict": "dict",
    "CustomerIds": "list or dict",
    "Forced": "dict",
    "DeliveryRequest": "`DeliveryRequest`",
    "DecisioningMethod": "`DecisioningMethod`",
}
#: The section of the documentation about an option, by table.
SECTIONS = {
    "client": {
        "timeout": "transport.md#the-deadline",
        "server_domain": "transport.md#which-host",
        "logger": "logging.md",
        "decisioning_method": "on-device.md",
        "events": "logging.md#events",
        "observers": "observing.md",
        "telemetry_enabled": "telemetry.md",
        "artifact_location": "on-device.md#the-artifact",
        "artifact_cache": "on-device.md#a-copy-for-the-next-start",
        "artifact_bypass_cache": "on-device.md#the-artifact",
        "escape_macros": "on-device.md#macros",
        "max_workers": "callbacks.md#threads",
        "retries": "transport.md#retries",
        "circuit_breaker": "transport.md#circuit-breaker",
        "on_error": "errors.md#falling-back",
        "headers": "transport.md#headers",
        "pool_manager": "transport.md#a-pool-manager-of-your-own",
        "trust_env": "transport.md#proxies",
        "client_cert": "transport.md#tls",
    },
    "call": {
        "request": "calls.md",
        "target_cookie": "calls.md#cookies",
        "target_location_hint": "transport.md#which-host",
        "session_id": "calls.md#sessions-and-visitors",
        "customer_ids": "experience-cloud.md#customer-ids",
        "visitor": "experience-cloud.md#several-calls-of-one-page",
        "visitor_cookie": "experience-cloud.md#the-visitors-cookie",
        "decisioning_method": "on-device.md",
        "timeout": "transport.md#the-deadline",
        "err_callback": "callbacks.md",
        "force": "qa-and-preview.md#forced-experiences",
        "on_error": "errors.md#falling-back",
        "callback": "callbacks.md",
    },
}
#: The classes with the options of each table.
CLASSES = {
    "client": ("_RequiredOptions", "_OptionalOptions"),
    "call": ("_RequestOption", "_CommonCallOptions", "_AnswerCallbackOption"),
}


class Option(NamedTuple):
    """An option as ``option_types`` declares it."""

    name: str
    annotation: ast.expr
    meaning: str


def options_of(classes: Sequence[str]) -> Iterator[Option]:
    """Yield the options of these classes, in order."""
    module = ast.parse(Path(option_types.__file__).read_text(encoding="utf-8"))
    bodies = {node.name: node.body for node in module.body if isinstance(node, ast.ClassDef)}
    for name in classes:
        for field, text in zip(bodies[name], bodies[name][1:]):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                meaning = " ".join(str(ast.literal_eval(text.value)).split()).replace("``", "`")
                yield Option(ast.unparse(field.target), field.annotation, meaning)


def type_names(annotation: ast.expr) -> List[str]:
    """Return the words for each type that an annotation allows, without None."""
    if isinstance(annotation, ast.Subscript):
        outer = ast.unparse(annotation.value)
        if outer not in ("Optional", "Union"):
            return [TYPES[outer]]
        inner = annotation.slice
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        return [name for part in parts for name in type_names(part)]
    written = ast.unparse(annotation)
    return [] if written == "None" else [TYPES.get(written, written)]


def type_of(option: Option) -> str:
    """Return the type of an option, and its unit. All numbers that may have a fraction are milliseconds."""
    if ast.unparse(option.annotation) == "Any":
        return UNCHECKED_TYPES[option.name]
    names = type_names(option.annotation)
    unit = ", ms" if "number" in names else ", bytes" if option.name.endswith("_bytes") else ""
    return " or ".join(dict.fromkeys(names)) + unit


def default_of(option: Option) -> str:
    """Return the default of a client's option, as a user writes it."""
    if option.name not in ClientSettings._field_defaults:
        return "required"
    value: Any = ClientSettings._field_defaults[option.name]
    if "number" in type_names(option.annotation):
        return f"{value * 1000:.0f}"
    return DEFAULTS.get(type(value), str)(value)


def size(limit: int) -> str:
    """Return a number of bytes in words."""
    return f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit >> 10} KiB"


#: How to write the parsed defaults, by their types.
DEFAULTS: Dict[type, Callable[[Any], str]] = {
    str: "`{}`".format,
    frozenset: lambda _: "[]",
    tuple: lambda _: "[]",
    DecisioningMethod: lambda method: f"`{method.value}`",
    RetryPolicy: lambda policy: str(policy.attempts),
    BreakerPolicy: lambda _: "True",
    ByteLimits: lambda limits: ", ".join(map(size, limits)),
}


def table(name: str) -> str:
    """Return the table of the options of the client or of a call."""
    rows = [["Option", "Type, unit", "Default", "Meaning"], ["---"] * 4]
    for option in options_of(CLASSES[name]):
        section = SECTIONS[name].get(option.name)
        title = f"`{option.name}`" if section is None else f"[`{option.name}`]({section})"
        rows.append([title, type_of(option), default_of(option), option.meaning.rstrip(".")])
    if name == "call":  # almost no option of a call has a default
        rows = [[title, type_, meaning] for title, type_, _, meaning in rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def with_tables(text: str) -> str:
    """Return the text of the page with the current tables between their marks."""
    for name in CLASSES:
        begin = BEGIN.format(name)
        before, rest = text.split(begin, 1)
        _, after = rest.split(END, 1)
        text = f"{before}{begin}\n\n{table(name)}\n\n{END}{after}"
    return text


def main() -> None:
    """Write the tables into the page."""
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Reads ``TARGET`` of a project's settings."""

from typing import Any, Callable, Dict, Mapping, NoReturn, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from target_python_sdk.visits.response_headers import CookieOptions
from target_python_sdk.visits.settings import VisitSettings, check_names, visit_settings
from target_tools.error_text import OMITTED, invalid
from target_tools.errors import OptionError

ResultT = TypeVar("ResultT")

#: The keys whose value may be the dotted path of an object.
_IMPORTED = ("client", "has_consent", "is_bot")
_EXAMPLE = 'add TARGET = {"client": "shop.clients.target_client"} to the settings'


class InvalidSetting(OptionError, ImproperlyConfigured):
    """``TARGET`` of the project's settings is invalid."""


def visit_settings_of(settings: Any) -> VisitSettings:
    """Return the settings of visits in the Django settings of a project. Raises :class:`InvalidSetting`."""
    given = getattr(settings, "TARGET", OMITTED)
    if not isinstance(given, Mapping):
        _reject("TARGET", "a dict", given, hint=_EXAMPLE)
    _checked(check_names, given)  # before the imports, because importing the client may fail or open connections
    options = {name: _imported(name, value) if name in _IMPORTED else value for name, value in given.items()}
    if options.get("client") is None:
        _reject("TARGET['client']", "a TargetClient, a function that returns it, or the dotted path of either", None)
    if isinstance(options.get("cookies"), Mapping):
        options["cookies"] = _cookie_options(options["cookies"])
    return _checked(visit_settings, options)


def _checked(check: Callable[[Any], ResultT], options: Mapping[str, Any]) -> ResultT:
    """Return the result of ``check``. If it fails, raise ``InvalidSetting``, which names the setting."""
    try:
        return check(options)
    except OptionError as error:
        name = str(error.option)
        setting = f"TARGET['cookies'][{name!r}]" if name in CookieOptions._fields else f"TARGET[{name!r}]"
        text = str(error).replace(f"option {name!r}", f"setting {setting}")
        raise InvalidSetting(text, setting, error.expected) from None


def _imported(name: str, value: Any) -> Any:
    """Return the object of a dotted path, and any other value unchanged."""
    if not isinstance(value, str):
        return value
    try:
        return import_string(value)
    except ImportError as error:
        setting = f"TARGET[{name!r}]"
        text = invalid(f"Invalid setting {setting}", f"{value!r} cannot be imported", hint=str(error))
        raise InvalidSetting(text, setting) from error


def _cookie_options(given: Mapping[str, Any]) -> CookieOptions:
    for name in given:
        if name not in CookieOptions._fields:
            setting = f"TARGET['cookies'][{name!r}]"
            text = invalid("", f"unknown setting {setting}", name=name, known=CookieOptions._fields)
            raise InvalidSetting(text, setting)
    values: Dict[str, Any] = dict(given)
    return CookieOptions(**values)


def _reject(setting: str, expected: str, value: object, hint: str = "") -> NoReturn:
    text = invalid(f"Invalid setting {setting}", expected=expected, got=value, hint=hint)
    raise InvalidSetting(text, setting, expected)

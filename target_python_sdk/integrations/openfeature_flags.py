"""Reads the values of OpenFeature flags from the JSON offers of mboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, NamedTuple, NoReturn, Optional, Tuple, Union

from openfeature.exception import (
    ErrorCode,
    FlagNotFoundError,
    GeneralError,
    OpenFeatureError,
    ParseError,
    TypeMismatchError,
)
from openfeature.flag_evaluation import FlagResolutionDetails, Reason

from target_python_sdk.decisioning.engine import PARTIAL
from target_python_sdk.outages import one_line
from target_python_sdk.types import OptionType, TargetDeliveryResponse
from target_tools.enums import DecisioningMethod
from target_tools.error_text import invalid
from target_tools.errors import (
    ArtifactNotAvailable,
    ClientClosed,
    DeliveryError,
    HttpStatusError,
    InvalidResponse,
    OptionError,
    TargetError,
)

if TYPE_CHECKING:
    from target_python_sdk.offers import Offer
    from target_python_sdk.types import Option

#: An mbox and an attribute, or ``"mbox.attribute"``.
GivenSource = Union[str, Tuple[str, Optional[str]]]

#: The names of flag metadata, by response token.
_METADATA = {
    "activity.id": "activity_id",
    "activity.name": "activity_name",
    "experience.id": "experience_id",
    "experience.name": "experience_name",
}
#: The type of an activity that assigns visitors to experiences at random.
_AB = "ab"


class FlagSource(NamedTuple):
    """Where the value of a flag is: an attribute of the JSON offers of an mbox, or None for all their attributes."""

    mbox: str
    attribute: Optional[str]


def parse_flags(flags: Mapping[str, GivenSource]) -> Dict[str, FlagSource]:
    """Return the sources of the flags whose keys are not ``mbox.attribute``. Raises ``OptionError``."""
    check_type("flags", "a dict of flag keys", flags, Mapping)
    return {key: _parse_source(key, given) for key, given in flags.items()}


def _parse_source(key: str, given: Any) -> FlagSource:
    if isinstance(given, str) and given.partition(".")[0]:
        return _source_of(given)
    if isinstance(given, (tuple, list)) and len(given) == 2 and given[0]:
        mbox, attribute = given
        if isinstance(mbox, str) and isinstance(attribute, (str, type(None))):
            return FlagSource(mbox, attribute)
    return reject(f"flags[{key!r}]", "'mbox.attribute' or (mbox, attribute)", given)


def find_source(flag_key: str, flags: Mapping[str, FlagSource]) -> FlagSource:
    """Return where the value of a flag is. Raises ``FlagNotFoundError`` for a key that names no mbox."""
    source = flags.get(flag_key) or _source_of(flag_key)
    if not source.mbox or source.attribute == "":
        raise FlagNotFoundError(f"expected a flag key of the form 'mbox.attribute', got {flag_key!r}")
    return source


def _source_of(text: str) -> FlagSource:
    mbox, dot, attribute = text.partition(".")
    return FlagSource(mbox, attribute if dot else None)


def check_type(argument: str, expected: str, given: object, types: Union[type, Tuple[type, ...]]) -> None:
    """Raise ``OptionError`` if an argument of the provider has none of ``types``."""
    if not isinstance(given, types):
        reject(argument, expected, given)


def reject(argument: str, expected: str, got: object) -> NoReturn:
    """Raise ``OptionError`` about an argument of the provider."""
    raise OptionError(invalid(f"Invalid argument '{argument}'", expected=expected, got=got), argument, expected)


class FlagType(NamedTuple):
    """A type of flags."""

    name: str
    #: Returns the value as this type; None if it is of another type.
    convert: Callable[[Any], Any]


def _float(value: Any) -> Optional[float]:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return None


BOOLEAN = FlagType("a boolean", lambda value: value if isinstance(value, bool) else None)
STRING = FlagType("a string", lambda value: value if isinstance(value, str) else None)
INTEGER = FlagType("an integer", lambda v: v if isinstance(v, int) and not isinstance(v, bool) else None)
FLOAT = FlagType("a float", _float)
OBJECT = FlagType("an object or a list", lambda value: value if isinstance(value, (dict, list)) else None)


def read_flag(
    answer: TargetDeliveryResponse, source: FlagSource, kind: FlagType, default: Any, knows_mbox: Callable[[str], bool]
) -> FlagResolutionDetails[Any]:
    """Return the value of a flag in an answer, or ``default`` if Target has no offer for the visitor.

    ``knows_mbox`` returns whether the artifact contains an mbox. Raises an ``OpenFeatureError``.
    """
    is_on_device = answer.meta["decisioning_method"] == DecisioningMethod.ON_DEVICE.value
    is_remote = is_on_device and source.mbox in answer.meta["remote_mboxes"]
    error = answer.error
    if error is not None and (is_remote or answer.response.status != PARTIAL):
        raise openfeature_error(error) from error
    if is_remote:
        raise _not_decided(source.mbox, knows_mbox)
    offer = answer.offer(source.mbox)
    metadata = {"mbox": source.mbox, "decisioning_method": answer.meta["decisioning_method"]}
    if not offer:
        return FlagResolutionDetails(default, reason=Reason.DEFAULT, flag_metadata=metadata)
    option, value = _find_value(offer, source)
    converted = kind.convert(value)
    if converted is None:
        raise TypeMismatchError(f"expected {kind.name}, got {_json_type(value)}")
    tokens = {**getattr(option, "_rule_meta", {}), **(option.response_tokens or {})}
    for token, name in _METADATA.items():
        if isinstance(tokens.get(token), (str, int, float)):
            metadata[name] = tokens[token]
    reason = Reason.SPLIT if tokens.get("activity.type") == _AB else Reason.TARGETING_MATCH
    if answer.meta.get("stale"):
        reason = Reason.STALE
    variant = tokens.get("experience.name", tokens.get("experience.id"))
    return FlagResolutionDetails(
        converted, reason=reason, variant=None if variant is None else str(variant), flag_metadata=metadata
    )


def _not_decided(mbox: str, knows_mbox: Callable[[str], bool]) -> OpenFeatureError:
    """Return the error for an mbox that the rule artifact cannot decide."""
    if knows_mbox(mbox):
        hint = "use the decisioning_method 'hybrid' or 'server-side'"
        return GeneralError(f"only the edge can decide the mbox {mbox!r}; {hint}")
    return FlagNotFoundError(f"the rule artifact does not contain the mbox {mbox!r}")


def _find_value(offer: Offer, source: FlagSource) -> Tuple[Option, Any]:
    """Return the last option that has the attribute, and the value. Without an attribute: the values of all options."""
    options = [option for option in offer.options if option.content is not None]
    objects = [each for each in options if each.type == OptionType.JSON and isinstance(each.content, dict)]
    if not objects:
        types = ", ".join(sorted({str(option.type) for option in options}))
        raise ParseError(f"the offer of the mbox {source.mbox!r} is not a JSON object; its type is {types}")
    if source.attribute is None:
        return objects[-1], offer.json
    for option in reversed(objects):
        if source.attribute in option.content:
            return option, option.content[source.attribute]
    raise FlagNotFoundError(f"the JSON offer of the mbox {source.mbox!r} has no attribute {source.attribute!r}")


def _json_type(value: Any) -> str:
    names = {bool: "a boolean", str: "a string", int: "an integer", float: "a float", dict: "an object", list: "a list"}
    return names.get(type(value), "null")


def openfeature_error(error: Exception) -> OpenFeatureError:
    """Return the OpenFeature error for a failed call. Its message contains no data of the visitor."""
    code = ErrorCode.GENERAL
    if isinstance(error, ArtifactNotAvailable):
        code = ErrorCode.PROVIDER_NOT_READY
    elif isinstance(error, ClientClosed):
        code = ErrorCode.PROVIDER_FATAL
    elif isinstance(error, InvalidResponse):
        code = ErrorCode.PARSE_ERROR
    elif isinstance(error, OptionError):
        code = ErrorCode.INVALID_CONTEXT
    if isinstance(error, HttpStatusError):
        text = f"{type(error).__name__}: status {error.status}"
    elif isinstance(error, TargetError) and not isinstance(error, DeliveryError):
        text = str(error)
    else:
        text = one_line(error)
    request_id = getattr(error, "request_id", None)
    return ErrorCode.to_exception(code, text if request_id is None else f"{text} (request {request_id})")

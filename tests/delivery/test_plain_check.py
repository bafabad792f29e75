"""The check that lets common requests skip the conversion agrees with the conversion."""

import collections
import decimal
import enum
from typing import Any, Type, get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from target_python_sdk.delivery.conversion import _convert_part, _NotConvertible, convert_request, plain_check
from target_python_sdk.types import Address, DeliveryRequest, ExecuteRequest, MboxRequest
from target_tools.errors import OptionError
from target_tools.schema.model import Model, copy_with, fields_of


class Shade(str, enum.Enum):
    DARK = "dark"


class Label(str):
    """A subclass of ``str``."""


ODD_VALUES = (
    Shade.DARK,
    Label("x"),
    decimal.Decimal("1.5"),
    1 << 65,
    float("nan"),
    float("inf"),
    collections.UserString("x"),
    (1, 2),
    {"a": Shade.DARK},
    {Label("a"): "b"},
    {"a": 1},
    [None],
    [Label("x")],
    [Address()],
    Address(),
    Address.from_dict({"url": Label("x")}),
)
any_scalar = st.one_of(st.text(max_size=3), st.booleans(), st.integers(), st.floats())
odd_values = st.sampled_from(ODD_VALUES)
texts = st.dictionaries(st.text(max_size=2), st.text(max_size=2), max_size=2)


def models(cls: Type[Model], others: Any) -> "st.SearchStrategy[Any]":
    """Return a strategy for models of ``cls``. Each field has a value of its declared type, or one of ``others``."""
    fields = {name: st.one_of(values_of(field.kind, others), others) for name, field in fields_of(cls).items()}
    names = st.lists(st.sampled_from(sorted(fields)), max_size=3, unique=True)
    changes = names.flatmap(lambda chosen: st.fixed_dictionaries({name: fields[name] for name in chosen}))
    return changes.map(lambda values: copy_with(cls.from_dict({}), **values))


def values_of(kind: Any, others: Any) -> "st.SearchStrategy[Any]":
    origin = get_origin(kind)
    if origin is dict:
        return texts
    if origin is list:
        return st.lists(values_of(get_args(kind)[0], others), max_size=2)
    if isinstance(kind, type) and issubclass(kind, Model):
        return st.deferred(lambda: models(kind, others))
    return any_scalar


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(models(DeliveryRequest, st.none() | odd_values))
def test_a_request_that_passes_the_check_is_not_changed_by_the_conversion(request: DeliveryRequest) -> None:
    if plain_check(DeliveryRequest)(request):
        assert _convert_part(DeliveryRequest, request) == request
        assert convert_request(request) is request
        assert repr(request.to_json()) == repr(_convert_part(DeliveryRequest, request).to_json())


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(models(DeliveryRequest, st.none()))
def test_a_request_that_the_conversion_changes_does_not_pass_the_check(request: DeliveryRequest) -> None:
    try:
        converted = _convert_part(DeliveryRequest, request)
    except _NotConvertible:
        converted = None
    if converted is None or converted.to_json() != request.to_json():
        assert not plain_check(DeliveryRequest)(request)


def places(cls: Type[Model], path: Any = ()) -> Any:
    """Yield the path of each field in ``cls`` and in its parts. Each step is a pair of a class and a field name."""
    for name, field in fields_of(cls).items():
        kind = field.kind
        yield [*path, (cls, name)]
        part = get_args(kind)[0] if get_origin(kind) is list else kind
        if isinstance(part, type) and issubclass(part, Model):
            yield from places(part, [*path, (cls, name)])


@pytest.mark.parametrize("path", list(places(DeliveryRequest)), ids=lambda path: ".".join(name for _, name in path))
def test_odd_values_in_any_place_fail_the_check(path: Any) -> None:
    for odd in ODD_VALUES:
        value: Any = odd
        for cls, name in reversed(path):
            is_list = get_origin(fields_of(cls)[name].kind) is list
            is_part = isinstance(value, Model) and value is not odd
            value = copy_with(cls.from_dict({}), **{name: [value] if is_list and is_part else value})
        holds_address = fields_of(path[-1][0])[path[-1][1]].kind is Address
        if not (holds_address and odd == Address()):
            assert not plain_check(DeliveryRequest)(value), odd


def test_a_common_request_passes_the_check() -> None:
    request = DeliveryRequest(execute=ExecuteRequest(mboxes=[MboxRequest(name="a", index=1, parameters={"a": "b"})]))
    assert plain_check(DeliveryRequest)(request)


def test_a_request_with_missing_or_reordered_attributes_fails_the_check() -> None:
    request = DeliveryRequest(id=None, execute=ExecuteRequest(mboxes=[]))
    del request.execute, request.id
    assert not plain_check(DeliveryRequest)(request)
    assert convert_request(request) is request
    request.execute = "text"  # type: ignore[assignment]
    request.id = None
    with pytest.raises(OptionError, match=r"request\.execute"):
        convert_request(request)

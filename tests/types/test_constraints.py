"""Values from users are checked against the limits of 1.1.0, and the error texts are those of 1.1.0.

Values from the network are not checked.
"""

import enum
from typing import Any, Tuple

import pytest

from target_python_sdk.types import Application, Context, DeliveryRequest, Geo, Order

from .facts import Limit, limits, minimal_arguments, type_named

WORDS = {
    "maxLength": "length must be less than or equal to `{}`",
    "minLength": "length must be greater than or equal to `{}`",
    "maximum": "must be a value less than or equal to `{}`",
    "minimum": "must be a value greater than or equal to `{}`",
    "pattern": "must be a follow pattern or equal to `/{}/`",
    "required": "must not be `None`",
}

ALL_LIMITS = list(limits())
each_limit = pytest.mark.parametrize("limit", ALL_LIMITS, ids="{0.type}.{0.field} {0.kind}".format)


def within_and_beyond(limit: Limit) -> Tuple[Any, Any]:
    """Return the last value that a limit accepts and the first that it refuses."""
    if limit.kind == "maxLength":
        return "x" * limit.value, "x" * (limit.value + 1)
    if limit.kind == "minLength":
        return "x" * limit.value, "x" * (limit.value - 1)
    if limit.kind == "pattern":
        return "2001:db8::1", "2001:db8::1::2"
    if limit.kind == "required":
        return "x", None
    return limit.value, limit.value + (1 if limit.kind == "maximum" else -1)


def text_of(limit: Limit) -> str:
    return f"Invalid value for `{limit.field}`, {WORDS[limit.kind].format(limit.value)}"


def test_52_of_the_53_limits_of_1_1_0_are_enforced():
    """1.1.0 also required the context of a request."""
    assert len(ALL_LIMITS) == 52


@each_limit
def test_a_constructor_accepts_the_limit_and_refuses_a_value_beyond_it(limit):
    within, beyond = within_and_beyond(limit)
    arguments = minimal_arguments(limit.type)
    valid_model = type_named(limit.type)(**{**arguments, limit.field: within})
    assert getattr(valid_model, limit.field) == within
    with pytest.raises(ValueError) as refusal:
        type_named(limit.type)(**{**arguments, limit.field: beyond})
    assert str(refusal.value) == text_of(limit)
    assert type(refusal.value) is ValueError


@each_limit
def test_an_assignment_beyond_the_limit_is_refused_and_changes_nothing(limit):
    within, beyond = within_and_beyond(limit)
    model = type_named(limit.type)(**minimal_arguments(limit.type))
    setattr(model, limit.field, within)
    with pytest.raises(ValueError) as refusal:
        setattr(model, limit.field, beyond)
    assert str(refusal.value) == text_of(limit)
    assert getattr(model, limit.field) == within


@each_limit
def test_replace_checks_the_limit(limit):
    model = type_named(limit.type)(**minimal_arguments(limit.type))
    with pytest.raises(ValueError) as refusal:
        model.replace(**{limit.field: within_and_beyond(limit)[1]})
    assert str(refusal.value) == text_of(limit)


@each_limit
def test_a_value_from_the_network_may_exceed_the_limit(limit):
    cls, beyond = type_named(limit.type), within_and_beyond(limit)[1]
    wire_name = cls.attribute_map[limit.field]
    assert getattr(cls.from_dict({wire_name: beyond}), limit.field) == beyond


@each_limit
def test_an_omitted_field_is_an_error_only_if_it_is_required(limit):
    if limit.kind == "required":
        others = {name: value for name, value in minimal_arguments(limit.type).items() if name != limit.field}
        with pytest.raises(ValueError, match=f"Invalid value for `{limit.field}`, must not be `None`"):
            type_named(limit.type)(**others)
    else:
        type_named(limit.type)(**minimal_arguments(limit.type))


def test_a_request_may_lack_its_context():
    assert DeliveryRequest().context is None
    request = DeliveryRequest(context=Context(channel="web"))
    request.context = None
    assert request.context is None


@pytest.mark.parametrize("address", ["1.2.3.4", " 255.255.255.255 ", "::1", "fe80::1%eth0", "::ffff:1.2.3.4"])
def test_an_ip_address_is_accepted(address):
    assert Geo(ip_address=address).ip_address == address


@pytest.mark.parametrize("address", ["", "1.2.3", "256.1.1.1", "localhost", "1::2::3"])
def test_an_invalid_ip_address_is_refused(address):
    with pytest.raises(ValueError, match=r"^Invalid value for `ip_address`, must be a follow pattern"):
        Geo(ip_address=address)


@pytest.mark.parametrize("country", ["U", "UNITED STATES"])
def test_a_country_code_of_any_length_is_accepted(country):
    assert Geo(country_code=country, state_code="CALIFORNIA").country_code == country


def test_a_value_without_a_length_is_an_error_that_names_the_field():
    with pytest.raises(ValueError, match=r"^Invalid value for `id`, expected text, got an int \(value not shown\)$"):
        Application(id=5)


def test_only_the_declared_constraints_are_checked():
    assert Order(duplicate="yes", time=5).time == 5


def test_a_member_of_an_enum_is_measured_by_its_value():
    class Names(enum.Enum):
        SHORT = "x"
        LONG = "x" * 251

    assert Application(id=Names.SHORT).id is Names.SHORT
    with pytest.raises(ValueError, match="length must be less than or equal to `250`"):
        Application(id=Names.LONG)


def test_replacing_does_not_check_unchanged_fields_again():
    geo = Geo.from_dict({"city": "x" * 51})
    assert geo.replace(zip="1").city == "x" * 51

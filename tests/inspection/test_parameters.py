"""The messages about parameters that no rule of an artifact reads."""

from typing import Any

import pytest

from target_python_sdk.inspection.parameters import unread_parameters
from target_python_sdk.inspection.source import read_rules
from target_tools.typing_compat import Json


def unread(audience: Json, *names: str, offer: Any = None) -> "list[str]":
    """Return the messages about ``names`` for an activity with this audience and offer."""
    experience = {} if offer is None else {"offer": offer}
    activity = {"id": 1, "locations": ["hero"], "audience": audience, "experiences": [experience]}
    return unread_parameters([read_rules({"activities": [activity]}).artifact], names)


def is_set(name: str) -> Json:
    """Return the condition that a variable is set."""
    return {"!!": [{"var": name}]}


@pytest.mark.parametrize(
    ("audience", "name"),
    [
        (is_set("mbox.plan"), "plan"),
        (is_set("mbox.plan_lc"), "plan"),
        (is_set("mbox.cart.total"), "cart.total"),
        (is_set("mbox.cart.total"), "cart"),
        (is_set("mbox.cart"), "cart.total"),
        ({"missing": ["mbox.plan"]}, "plan"),
        ({"some": [{"var": "mbox.plan"}, {"==": [{"var": ""}, "gold"]}]}, "plan"),
        (is_set("mbox"), "anything"),
        ({"!!": [{"var": [{"cat": ["mbox.", {"var": "page.path"}]}]}]}, "anything"),
    ],
)
def test_a_parameter_that_a_condition_reads_has_no_message(audience: Json, name: str) -> None:
    assert unread(audience, name) == []


@pytest.mark.parametrize(
    "offer",
    [
        {"html": "<b>${plan}</b>"},
        {"html": "${mbox.plan}"},
        {"actions": [{"type": "setHtml", "selector": "b", "content": "${user.mbox.plan}"}]},
    ],
)
def test_a_parameter_that_a_macro_reads_has_no_message(offer: Json) -> None:
    assert unread(None, "plan", offer=offer) == []


def test_each_other_parameter_has_a_message() -> None:
    audience = {"and": [is_set("mbox.plan"), is_set("page.path")]}
    assert unread(audience, "plann", "path", "plan", "plann") == [
        "no rule reads the parameter 'plann'; did you mean 'plan'?",
        "no rule reads the parameter 'path'",
    ]
    assert unread(audience, "PLAN", "plans_lc") == [
        "no rule reads the parameter 'PLAN'; did you mean 'plan'?",
        "no rule reads the parameter 'plans_lc'; did you mean 'plan'?",
    ]

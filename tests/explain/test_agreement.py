"""An explanation agrees with the decision, for any artifact and request."""

import json
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_python_sdk.testing import SocketServer, answer
from tests.conformance.builders import GLOBAL, client_of, decide, option
from tests.conformance.builders import share as allocation_of
from tests.decisioning.test_properties import ARTIFACTS, KNOWN_VISITORS, PROPERTY, REQUESTS, DisabledLogger
from tests.support import ANSWER_BYTES

pytestmark = pytest.mark.server

#: The time of all decisions, in milliseconds since 1970.
NOW = 1790000000000
SHARES = st.tuples(st.integers(0, 100), st.integers(0, 100)).map(lambda ends: allocation_of(*sorted(ends)))


@pytest.fixture(scope="module")
def edge():
    """Yield the address of an edge that accepts every notification."""
    with SocketServer(answer(ANSWER_BYTES)) as server:
        yield server.domain


def with_distinct_offers(document, shares):
    """Return the artifact with a share for some rules, and a distinct name and offer for each rule."""
    remaining = iter(shares)
    for places in document["rules"].values():
        for place, rules in places.items():
            for position, rule in enumerate(rules):
                share = next(remaining, None)
                if share is not None:
                    rule["condition"] = {"and": [share, rule["condition"]]}
                rule["consequence"] = {"name": place, "options": [option(f"{place}/{position}")]}
                rule["meta"]["experience.name"] = f"{place}/{position}"
    return document


def offers_of(envelope):
    """Return a tuple (mode, kind, name, contents of the offers) for each page load, mbox and view."""
    found = []
    for mode in ("execute", "prefetch"):
        part = getattr(envelope.response, mode)
        if part is None:
            continue
        if part.page_load is not None:
            found.append((mode, "page load", GLOBAL, contents(part.page_load)))
        by_index = {}
        for mbox in part.mboxes or ():
            by_index.setdefault((mbox.index, mbox.name), []).extend(contents(mbox))
        found += [(mode, "mbox", name, offers) for (_, name), offers in by_index.items()]
        found += [(mode, "view", view.name, contents(view)) for view in getattr(part, "views", None) or ()]
    return found


def contents(location):
    """Return the contents of the options of a page load, an mbox or a view."""
    return [each.content for each in location.options or ()]


def explained_offers(explanation):
    """Return the offers in an explanation, in the form of ``offers_of``."""
    found, views = [], {}
    for location in explanation.locations:
        offers = [rule.experience for rule in location.chosen]
        if location.kind != "view":
            found.append((location.mode, location.kind, location.name, offers))
        elif offers:
            views.setdefault(location.name, []).extend(offers)
    return found + [("prefetch", "view", name, offers) for name, offers in views.items()]


def in_order(offers):
    """Sort by mode and kind, and keep the order within each kind."""
    return sorted(offers, key=lambda each: each[:2])


@pytest.mark.slow
@PROPERTY
@given(ARTIFACTS, REQUESTS, KNOWN_VISITORS, st.lists(st.none() | SHARES, max_size=12))
def test_the_explanation_of_a_call_agrees_with_its_answer(edge, document, request, visitor, shares):
    document = with_distinct_offers(document, shares)
    visitor_request = {**request, "id": visitor}
    with mock.patch("target_python_sdk.decisioning.context.epoch_milliseconds", lambda: NOW), client_of(
        document, edge, logger=DisabledLogger()
    ) as client:
        explanation = client.explain({"request": visitor_request})
        answer_envelope = decide(client, visitor_request)
    assert in_order(explained_offers(explanation)) == in_order(offers_of(answer_envelope))
    assert [location.name for location in explanation.locations if location.is_remote and location.kind != "view"] == [
        location.name for location in explanation.locations
        if location.name in answer_envelope.meta["remote_mboxes"] and location.kind != "view"
    ]  # fmt: skip
    for rule in explanation.rules:
        assert rule.matches == (rule.in_property and rule.in_share and all(clause.held for clause in rule.clauses))
        assert rule.matches or not rule.chosen
        assert rule.reason
    assert all(line.isprintable() for line in str(explanation).split("\n"))
    json.dumps(explanation.to_dict())

"""Random calls have the same outcome as with the SDK for Node.js, except for the known differences."""

import json
import logging
import os
import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any, List
from typing import Counter as Counts

import pytest

from benchmarks.plan import NodeRelease
from tests.comparison.comparing import Difference
from tests.node_sdk.artifacts import artifact
from tests.node_sdk.calls import calls
from tests.node_sdk.causes import causes, isolated_calls
from tests.node_sdk.comparing import compare
from tests.node_sdk.known_differences import CALLS, EXPERIENCES, KNOWN
from tests.node_sdk.shape import experiences, shape_outcome
from tests.node_sdk.sides import node, results_of_node, results_of_this_sdk

#: The number of calls with one artifact.
CALLS_PER_ARTIFACT = 20
SEED = "2026"


def node_release() -> NodeRelease:
    """Return the SDK for Node.js, or skip the test."""
    program, folder = shutil.which("node"), os.environ.get("TARGET_NODE_SDK", "")
    if program is None:
        pytest.skip("node is not installed: apt-get install nodejs")
    if not (Path(folder) / "node_modules").is_dir():
        pytest.skip("the SDK for Node.js is missing: set TARGET_NODE_SDK (see tests/node_sdk/__init__.py)")
    return NodeRelease(program, str(Path(folder).resolve()))


def find_differences(count: int, seed: str) -> List[Difference]:
    """Return the differences in ``count`` random calls."""
    found: List[Difference] = []
    with node(node_release()) as process:
        for number in range(count // CALLS_PER_ARTIFACT):
            name = f"{seed}-{number}"
            document = artifact(name)
            sample_calls = calls(name, document, CALLS_PER_ARTIFACT)
            found += compare(
                document, sample_calls, lambda *arguments: results_of_node(process, *arguments), results_of_this_sdk
            )
    return found


def unexplained(found: List[Difference]) -> List[str]:
    """Return one text for each kind of difference that is not in ``KNOWN``."""
    kinds = {}
    for difference in found:
        if not any(known.explains(difference) for known in KNOWN):
            kind = "".join(character for character in difference.place if not character.isdigit())
            kinds.setdefault(kind, str(difference))
    return list(kinds.values())


@pytest.mark.process
@pytest.mark.slow
def test_every_difference_is_in_the_list() -> None:
    assert "\n".join(unexplained(find_differences(300, SEED))) == ""


@pytest.mark.process
@pytest.mark.fuzz
def test_every_difference_of_20_000_calls_is_in_the_list_and_every_entry_occurs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "adobe.target")  # otherwise, pytest would show every debug line of a failed test
    found = find_differences(20000, os.environ.get("TARGET_NODE_SEED", SEED))
    assert "\n".join(unexplained(found)) == ""
    used: Counts[str] = Counter()
    for each in found:
        used.update([str(next(known for known in KNOWN if known.explains(each)))])
    for known in KNOWN:
        print(f"{used[str(known)]:7}  {known.number}: {known.place}: {known.why}")  # noqa: T201 - shown with pytest -s
    assert [str(known) for known in KNOWN if not used[str(known)]] == []


def test_the_same_seed_makes_the_same_calls() -> None:
    document = artifact("a")
    assert document == artifact("a")
    assert calls("a", document, 5) == calls("a", document, 5)
    assert calls("b", document, 5) != calls("a", document, 5)


def test_artifacts_and_calls_contain_every_feature() -> None:
    text = json.dumps([[artifact(str(n)), calls(str(n), artifact(str(n)), CALLS_PER_ARTIFACT)] for n in range(60)])
    wanted = [
        "get_offers", "get_attributes", "send_notifications", "on-device", "hybrid", "server-side", "pageLoad", "views",
        "mboxes", "execute", "prefetch", "trace", "notifications", "property", "qaMode", "preview", "propertyTokens",
        "user.browserType", "user.browserVersion", "user.platform", "geo.city", "geo.latitude", "page.domain_lc",
        "referring.path", "mbox.a.b.c", "current_day", "current_time", "current_timestamp", "${campaign.name}",
        "actions", "redirect", "metrics", "analytics", "state", "customerIds", "targetCookie", "ipAddress",
        "clientHints",
    ]  # fmt: skip
    assert [name for name in wanted if name not in text] == []


def outcome(*labels: str, **more: Any) -> Any:
    """Return the outcome of a call for one mbox that shows these experiences."""
    options = [{"type": "html", "content": label} for label in labels]
    mbox = {"name": "home", "index": 0, "options": options, **more}
    response = {"status": 200, "execute": {"mboxes": [mbox]}}
    return {"result": {"response": response, "meta": {"decisioningMethod": "on-device"}}, "sent": []}


def trace_with_browser(value: str) -> Any:
    """Return a trace with one attribute."""
    target = {"campaignId": 1, "context": {"user": {"browserType": value}}}
    conditions = ("matchedRuleConditions", "unmatchedRuleConditions", "matchedSegmentIds", "unmatchedSegmentIds")
    return {"campaigns": [], "evaluatedCampaignTargets": [{**target, **{name: [] for name in conditions}}]}


CALL = {
    "do": "get_offers",
    "method": "on-device",
    "options": {"request": {"context": {}, "execute": {"mboxes": [{"name": "home", "index": 0}]}}},
}
DOCUMENT = {
    "globalMbox": "target-global-mbox",
    "rules": {"mboxes": {"home": [{"condition": {"==": [{"var": "user.browserType"}, "opera"]}}]}, "views": {}},
}


@pytest.mark.parametrize(
    ("theirs", "ours", "place", "explained"),
    [
        ("chrome", "opera", "experience: user.browserType", True),
        ("firefox", "opera", "experience: user.browserType", False),
        ("opera", "opera", "experience: execute.mboxes.home@0", False),
    ],
)
def test_another_experience_needs_a_cause_that_is_in_the_list(
    theirs: str, ours: str, place: str, explained: bool
) -> None:
    def side(label: str, browser: str) -> Any:
        return lambda _, sample_calls: [outcome(label, trace=trace_with_browser(browser)) for _ in sample_calls]

    (found,) = compare(DOCUMENT, [CALL], side("A100001-0", theirs), side("A100001-1", ours))
    assert found.place == place
    assert any(known.explains(found) for known in EXPERIENCES) is explained


def test_equal_outcomes_have_no_differences() -> None:
    same = lambda _, sample_calls: [outcome("A100001-0") for _ in sample_calls]  # noqa: E731
    assert compare(DOCUMENT, [CALL], same, same) == []


@pytest.mark.parametrize("theirs", [{"error": "refused"}, {"meta": {"decisioningMethod": "server-side"}}])
def test_an_error_or_another_decisioning_method_is_a_difference(theirs: Any) -> None:
    other = lambda _, sample_calls: [{"result": theirs, "sent": []} for _ in sample_calls]  # noqa: E731
    ours = lambda _, sample_calls: [outcome("A100001-0") for _ in sample_calls]  # noqa: E731
    (found,) = compare(DOCUMENT, [CALL], other, ours)
    assert (found.place, found.ours) == ("outcome", "on-device")
    assert not any(known.explains(found) for known in CALLS)


def test_a_changed_experience_without_a_cause_is_not_in_the_list() -> None:
    """A copy of this SDK's outcomes with other experiences stands for the outcomes of the Node.js SDK."""
    dice = random.Random(1)
    checked = 0
    for number in range(5):
        document = artifact(f"changed-{number}")
        sample_calls = [call for call in calls(f"changed-{number}", document, 10) if call["do"] == "get_offers"]
        ours = results_of_this_sdk(document, sample_calls)
        changed = json.loads(json.dumps(ours).replace(f"-{dice.randint(0, 1)}-", "-5-"))
        pairs = zip(map(shape_outcome, ours), map(shape_outcome, changed))
        for call, (before, after) in zip(sample_calls, pairs):
            first, second = experiences(before), experiences(after)
            for place in first:
                if first[place] != second[place]:
                    checked += 1
                    assert isolated_calls(call, place)
                    assert causes(document, place, before["result"], before["result"]) == {}
                    difference = Difference(
                        "get_offers on-device: ", f"experience: {place}", first[place], second[place]
                    )
                    assert not any(known.explains(difference) for known in EXPERIENCES)
    assert checked > 10

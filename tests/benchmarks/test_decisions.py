"""The benchmarks of on-device decisions: their artifacts and workers, and the comparison of the peers."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest

from benchmarks import environment
from benchmarks.artifacts import (
    EVERY,
    PARAMETERS,
    Visit,
    contents,
    crowded_mbox,
    many_tests,
    one_test,
    page_of_24_rules,
    visitors,
)
from benchmarks.decisioning import Workload, _compare_decisions, decision_settings, measure_in_turns
from benchmarks.peers import node_release
from benchmarks.plan import NotRun, Plan
from benchmarks.process import LineProcess, ProcessFailed

LEFT_OUT = NotRun("left out")
TINY = Plan(2, 1, 0.1, 5, 20, LEFT_OUT, LEFT_OUT, LEFT_OUT, LEFT_OUT, LEFT_OUT, {})

#: A stub of the SDK for Node.js. It returns the content CONTENT, or the first rule's options if CONTENT is "decided".
NODE_SDK = """
exports.create = (options) => {
  setTimeout(options.events.clientReady, 0);
  const mbox = options.artifactPayload.rules.mboxes["home-hero"];
  return { getOffers: async ({ request }) => {
    if (request.execute) setTimeout(options.fetchApi, 0);
    const offers = CONTENT === "decided" ? mbox[0].consequence.options : [{ content: CONTENT }];
    const decided = { mboxes: [{ options: offers }] };
    return { response: request.execute ? { execute: decided } : { prefetch: decided } };
  } };
};
"""


def worker(tmp_path: Path, document: Dict[str, Any], visit: Visit) -> LineProcess:
    """Start a worker that uses the SDK of this checkout."""
    file = tmp_path / "artifact.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return LineProcess(sys.executable, "benchmarks.decision_worker", decision_settings("ours", file, visit))


def node_worker(tmp_path: Path, content: str, mode: str) -> LineProcess:
    """Start the worker for Node.js with the stub SDK, in which CONTENT is ``content``."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: apt-get install nodejs")
    package = tmp_path / "node_modules" / "@adobe" / "target-nodejs-sdk"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"version": "0.0.0", "main": "index.js"}', encoding="utf-8")
    (package / "index.js").write_text(f"const CONTENT = {json.dumps(content)};{NODE_SDK}", encoding="utf-8")
    file = tmp_path / "artifact.json"
    file.write_text(json.dumps(one_test()), encoding="utf-8")
    settings = dict(decision_settings("ours", file, Visit(mode, "home-hero")), folder=str(tmp_path))
    return LineProcess(str(node), "benchmarks/node_worker.js", settings)


def rule_mboxes(document: Dict[str, Any]) -> List[str]:
    """Return the mbox of each rule."""
    return [mbox for mbox, rules in document["rules"]["mboxes"].items() for _ in rules]


def test_visitors_depend_only_on_the_seed() -> None:
    assert len(set(visitors("one", 100) + visitors("other", 100))) == 200
    assert visitors("one", 3) == visitors("one", 5)[:3]


def test_artifacts_have_the_expected_number_of_rules() -> None:
    assert len(rule_mboxes(one_test())) == 2
    assert len(rule_mboxes(page_of_24_rules())) == 24
    assert len(set(rule_mboxes(many_tests(30)))) == 30
    assert len(rule_mboxes(many_tests(30))) == 60
    assert rule_mboxes(crowded_mbox(100)) == ["crowded"] * 100


@pytest.mark.server
@pytest.mark.parametrize("mode", ["prefetch", "execute"])
def test_a_worker_decides_measures_and_delivers(tmp_path: Path, mode: str) -> None:
    with worker(tmp_path, one_test(), Visit(mode, "home-hero")) as ours:
        found = ours.ask(calls=10, seed="any")
        decisions = ours.ask(visitors=visitors("some", 40))["decisions"]
        making = ours.ask(requests=10)
    assert 0 < found["seconds"] <= found["delivered"]
    assert making["seconds"] > 0
    assert all(decision in contents(one_test()) for decision in decisions)
    assert len({decision["experience"] for decision in decisions}) == 2


@pytest.mark.server
def test_a_page_load_gets_an_offer_of_every_matching_activity(tmp_path: Path) -> None:
    with worker(tmp_path, page_of_24_rules(), Visit("prefetch", None, PARAMETERS)) as ours:
        decisions = ours.ask(visitors=visitors("some", 20))["decisions"]
    assert {len(decision) for decision in decisions} == {7}


@pytest.mark.server
def test_every_mbox_is_requested_in_turn(tmp_path: Path) -> None:
    with worker(tmp_path, many_tests(8), Visit("prefetch", EVERY, {"category": "shoes"})) as ours:
        ours.ask(visitors=visitors("odd", 7))  # the worker has already made one call
        decisions = ours.ask(visitors=visitors("some", 8))["decisions"]
    assert {decision["activity"] for decision in decisions} == set(range(400000, 400008))


@pytest.mark.server
@pytest.mark.parametrize("mode", ["prefetch", "execute"])
def test_the_worker_for_node_answers_like_ours(tmp_path: Path, mode: str) -> None:
    with node_worker(tmp_path, "decided", mode) as node:
        assert node.ready["version"].startswith("@adobe/target-nodejs-sdk 0.0.0 on Node.js v")
        measured = measure_in_turns({"node": node}, TINY)["node"]
        decisions = node.ask(visitors=visitors("some", 3))["decisions"]
        making = node.ask(requests=10)
    assert [turn["calls"] for turn in measured] == [5, 5]
    assert all(0 < turn["seconds"] <= turn["delivered"] for turn in measured)
    assert making["seconds"] > 0
    assert decisions == [contents(one_test())[0]] * 3


@pytest.mark.server
def test_a_peer_with_different_decisions_is_named(tmp_path: Path) -> None:
    workload = Workload("decision", one_test, Visit("prefetch", "home-hero"), {}, {})
    (tmp_path / "node").mkdir()
    with node_worker(tmp_path / "node", "decided", "prefetch") as node:
        with worker(tmp_path, one_test(), workload.visit) as ours:
            note = _compare_decisions(workload, {"ours": ours, "another": ours, "node": node})
    assert "200 visitors got 2 different answers; another decided the same; node decided DIFFERENTLY for " in note


@pytest.mark.server
def test_a_peer_that_does_not_decide_fails(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailed, match="not decided"):
        node_worker(tmp_path, "something else", "prefetch")


def test_without_node_its_sdk_is_not_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert node_release() == NotRun("node is not installed")
    assert environment.npm_folder_with("any", "any") == NotRun("npm is not installed")


@pytest.mark.process
def test_a_failed_installation_leaves_nothing_and_reports_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(environment, "_ENVIRONMENTS", tmp_path / "bench")
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'no such package' >&2\nexit 1\n", encoding="utf-8")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert environment.npm_folder_with("any", "any") == NotRun("no such package")
    assert list((tmp_path / "bench").iterdir()) == []

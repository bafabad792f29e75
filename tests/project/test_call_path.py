"""Limits on the number of modules that take part in a call, and on the share of untyped arguments."""

import ast
import logging
import os
import sys
from collections import Counter
from typing import Any, Callable, Dict, List, Set, Tuple

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.delivery.replaced_api import REPLACEMENTS
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.types import DeliveryRequest, VisitorId
from tests.project.source import PACKAGES
from tests.support import ROOT, offers

#: The maximum number of modules whose functions run during a call.
MAX_SERVER_SIDE = 22
MAX_ON_DEVICE = 28
#: The maximum share of annotated arguments whose type is ``Any`` or ``object``, in percent.
MAX_UNTYPED = 6.0


def modules_used_by(call: Callable[[], object]) -> Set[str]:
    """Return the modules of the packages whose functions run in this thread during ``call``."""
    folders = tuple(f"{ROOT}{os.sep}{package}{os.sep}" for package in PACKAGES)
    used: Set[str] = set()

    def profile(frame: Any, event: str, _argument: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(folders) and code.co_name != "<module>":
            used.add(os.path.relpath(code.co_filename, ROOT))

    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
    return used


@pytest.mark.server
@pytest.mark.parametrize(("method", "limit"), [("server-side", MAX_SERVER_SIDE), ("on-device", MAX_ON_DEVICE)])
def test_few_modules_take_part_in_a_blocking_call(
    method: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first call of a client also imports modules and opens a connection, so the second call is counted."""
    # Another test may have imported delivery_api_client. Each call then looks for replaced methods there.
    monkeypatch.setattr(REPLACEMENTS, "find", None)
    quiet = logging.getLogger("tests.project.quiet")
    quiet.setLevel(logging.WARNING)
    with LocalEdge() as edge:
        options: Dict[str, Any] = {
            "client": "acmeclient",
            "organization_id": "1234567890@AdobeOrg",
            "server_domain": edge.domain,
            "secure": False,
            "decisioning_method": method,
            "cdn_base_path": "http://" + edge.domain,
            "logger": quiet,
        }
        with TargetClient.create(options) as client:
            call = {"request": offers("demo-engineering-flags")["request"]}
            assert isinstance(call["request"], DeliveryRequest)
            # A fixed visitor always gets the same offers. Other offers may involve other modules.
            call["request"].id = VisitorId(tnt_id="visitor-3.35_0")
            client.get_offers(call)
            used = modules_used_by(lambda: client.get_offers(call))
    assert len(used) <= limit, "\n".join(sorted(used))


def untyped_arguments(modules: Dict[str, Any]) -> Tuple[float, List[str]]:
    """Return the percentage of arguments annotated as ``Any`` or ``object``, and the modules with the most of them."""
    annotated, untyped = 0, Counter()  # type: Tuple[int, Counter[str]]
    for module in modules.values():
        for node in ast.walk(module.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                arguments = node.args
                parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
                for argument in (*parameters, arguments.vararg, arguments.kwarg):
                    if argument is not None and argument.annotation is not None:
                        annotation = argument.annotation
                        annotated += 1
                        untyped[module.name] += isinstance(annotation, ast.Name) and annotation.id in ("Any", "object")
    worst = [f"{name}: {count}" for name, count in untyped.most_common(20)]
    return 100 * sum(untyped.values()) / annotated, worst


def test_few_arguments_are_untyped(modules: Dict[str, Any]) -> None:
    share, worst = untyped_arguments(modules)
    assert share <= MAX_UNTYPED, "{:.1f} % of the annotated arguments are untyped:\n{}".format(share, "\n".join(worst))

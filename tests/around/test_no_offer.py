"""The short reasons why a location has no offer."""

from typing import Any, Optional

import pytest

from target_python_sdk.local_edge import LocalEdge, no_offer
from target_python_sdk.local_edge.content import EdgeContent
from target_python_sdk.local_edge.no_offer import explain_no_offer
from tests.support import client_of

GOLD = {"==": [{"var": "mbox.member"}, "gold"]}


def activity(**parts: Any) -> Any:
    """Return an activity at the mbox ``hero``."""
    return {"id": 1, "locations": ["hero"], "experiences": [{"offer": {"html": "a"}}], **parts}


def reason(*activities: Any, kind: str = "mbox", name: str = "hero", token: Optional[str] = None) -> str:
    """Return the reason why the visitor ``visitor-1`` gets no offer."""
    content = EdgeContent({"activities": [*activities]}, "1234567890@AdobeOrg")
    return explain_no_offer(content, kind, name, "visitor-1", token)


def test_each_reason_of_the_activities_is_named_once() -> None:
    few = [{"share": 0.01}]
    activities = [
        activity(audience=GOLD),
        activity(id=2, audience=GOLD),
        activity(id=3, experiences=few),
        activity(id=4, property="p"),
    ]
    assert reason(*activities) == "audience not met, outside the shares, limited to another property"
    assert reason(activity(property="p", audience=GOLD), token="p") == "audience not met"


def test_an_unknown_name_has_a_suggestion(monkeypatch: pytest.MonkeyPatch) -> None:
    known = activity(), activity(id=2, locations=[], views=["cart"])
    assert reason(*known, name="herro") == "no activity has this location; did you mean 'hero'?"
    assert reason(*known, name="crat") == "no activity has this location; did you mean 'cart'?"
    assert reason(*known, name="footer-1") == "no activity has this location"
    assert reason(*known, name="cart") == "no activity has this mbox; it is a view"
    assert reason(*known, kind="view") == "no activity has this view; it is an mbox"
    monkeypatch.setattr(no_offer, "MAX_SUGGESTED", 1)
    assert reason(*known, name="herro") == "no activity has this location"


@pytest.mark.server
def test_a_name_without_an_activity_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Neither page loads nor the names of existing locations are logged."""
    with LocalEdge({"activities": [activity(audience=GOLD)]}) as edge, client_of(edge) as client:
        for _ in range(2):
            mboxes = [{"name": name} for name in ("herro", "hero")]
            prefetch = {"views": [{"name": "cart"}]}
            client.get_offers(request={"execute": {"mboxes": mboxes, "pageLoad": {}}, "prefetch": prefetch})
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "A client requested the mbox 'herro': no activity has this location; did you mean 'hero'?",
        "A client requested the view 'cart': no activity has this location",
    ]


def test_an_artifact_can_have_a_location_without_usable_rules() -> None:
    empty = {"activityId": 1, "condition": True, "consequence": {"options": []}}
    rules = {"mboxes": {"hero": [{}], "shop": [empty], "gold": [{**empty, "condition": GOLD}]}}
    document = {"version": "1.0.0", "remoteMboxes": ["cart"], "rules": {**rules, "views": {}}}
    content = EdgeContent(document, "1234567890@AdobeOrg")
    reasons = [explain_no_offer(content, "mbox", name, "visitor-1", None) for name in ("hero", "cart", "shop", "gold")]
    unusable = "the artifact has no usable rules for it"
    no_content = "experience without content"
    assert reasons == [unusable, unusable, no_content, f"audience not met, or {no_content}"]

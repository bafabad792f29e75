"""The request that every call sends and the answers to it, without importing the SDK."""

import json
from typing import Any, Dict, Optional

PATH = "/rest/v1/delivery"
FROM_DOUBLE = "from the double"
#: Names of mboxes that the server treats in a special way.
HANGING = "hanging"
DRIPPING = "dripping"
FAILING = "failing"
SLOW = "slow"

JSON_HEADERS = {"Content-Type": "application/json"}


def answer(content: str, request_id: str = "0a1b") -> bytes:
    """Return the body of an answer whose only offer is ``content``."""
    options = [{"type": "html", "content": content}]
    value = {
        "status": 200,
        "requestId": request_id,
        "client": "acmeclient",
        "id": {"tntId": "visitor.35_0"},
        "edgeHost": "mboxedge35.tt.omtrdc.net",
        "execute": {"mboxes": [{"index": 0, "name": "home", "options": options}]},
    }
    return json.dumps(value).encode()


def plain_request(mbox: str) -> bytes:
    """Return a request body for one mbox, for calls that do not go through the SDK."""
    return json.dumps({"requestId": "0a1b", "execute": {"mboxes": [{"index": 0, "name": mbox}]}}).encode()


def content_of(body: Any) -> Optional[str]:
    """Return the content of the only offer of an answer."""
    value: Dict[str, Any] = json.loads(body)
    content: Optional[str] = value["execute"]["mboxes"][0]["options"][0]["content"]
    return content

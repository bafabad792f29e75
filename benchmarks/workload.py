"""The server-side call that the benchmarks measure: its request and the server's answer."""

import importlib
import json
from typing import Any

CLIENT = "acmeclient"
ORGANIZATION = "1234567890@AdobeOrg"
SESSION = "d359234570e04f14e1faeeba02d6ab99"

_TNT_ID = "0c2a1f6d3b8e4c57a9d0e1f2a3b4c5d6.28_0"
_BANNER = '<section class="hero"><h1>Autumn sale</h1><p>20 % off everything until Sunday.</p></section>'
_LAYOUT = {"layout": "grid", "columns": 3, "cta": {"text": "Shop now", "href": "/sale"}, "flags": ["new", "sale"]}

_ANSWER = {
    "status": 200,
    "client": CLIENT,
    "id": {"tntId": _TNT_ID},
    "edgeHost": "mboxedge28.tt.omtrdc.net",
    "execute": {
        "mboxes": [
            {
                "index": 0,
                "name": "home-hero",
                "options": [
                    {
                        "type": "html",
                        "content": _BANNER,
                        "eventToken": "IbG2Jz2xmHaqX7Ml/YRxRGqipfsIHvVzTQxHolz2IpSCnQ9Y9OaLL2gsdrWQTvE5",
                        "responseTokens": {"activity.id": 334411, "experience.name": "Experience B"},
                    }
                ],
            },
            {
                "index": 1,
                "name": "home-layout",
                "options": [
                    {
                        "type": "json",
                        "content": _LAYOUT,
                        "eventToken": "39UdigzDfmb97ogXP1PN6wreqXMfVUcUx0s/BHR5kCKCnQ9Y9OaLL2gsdrWQTvE5",
                        "responseTokens": {"activity.id": 334412, "experience.name": "Experience A"},
                    }
                ],
                "metrics": [{"type": "click", "eventToken": "/GMYvcjhUsR6WVqQElppUw=="}],
            },
        ]
    },
}

_BODY = json.dumps(_ANSWER).encode("ascii")

#: The HTTP response: status line, headers and body.
ANSWER = (
    b"HTTP/1.1 200 OK\r\n"
    b"date: Mon, 06 Jan 2025 10:00:00 GMT\r\n"
    b"content-type: application/json;charset=UTF-8\r\n"
    b"vary: Origin,Accept-Encoding\r\n"
    b"cache-control: no-cache,no-store,max-age=0\r\n"
    b"timing-allow-origin: *\r\n"
    b"x-request-id: 5f1c39d2a0c94a6bb7dd0a4b2ffb1d7e\r\n"
    b"content-length: " + str(len(_BODY)).encode("ascii") + b"\r\n"
    b"\r\n" + _BODY
)


def delivery_request() -> Any:
    """Return a request for two mboxes with parameters, built with the classes of the installed release."""
    types = importlib.import_module("delivery_api_client")
    parameters = {"category": "shoes", "page": "home", "stock": "17"}
    return types.DeliveryRequest(
        id=types.VisitorId(tnt_id=_TNT_ID, third_party_id="customer-4711"),
        context=types.Context(
            channel=types.ChannelType.WEB,
            user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            address=types.Address(url="https://shop.example.com/home?ref=mail"),
        ),
        execute=types.ExecuteRequest(
            mboxes=[
                types.MboxRequest(name="home-hero", index=0, parameters=parameters),
                types.MboxRequest(name="home-layout", index=1, parameters=parameters),
            ]
        ),
    )

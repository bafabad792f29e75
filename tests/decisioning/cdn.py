"""A CDN on loopback, artifacts for it to serve, and the options of a client that uses it."""

import json

from target_python_sdk.delivery.options import client_settings
from target_python_sdk.testing import SocketServer, response
from target_tools.logger import Log
from tests.support import head_of


def artifact(content="<b>A</b>", **changes):
    """Return an artifact that shows ``content`` in the mbox ``home`` to all visitors."""
    rule = {
        "ruleKey": "1",
        "activityId": 1,
        "meta": {"activity.id": 1, "experience.id": 0, "location.name": "home", "location.type": "mbox"},
        "condition": {"<=": [0, {"var": "allocation"}]},
        "consequence": {"name": "home", "options": [{"type": "html", "content": content}], "metrics": []},
    }
    return {
        "version": "1.0.0",
        "meta": {"clientCode": "acmeclient", "environment": "production"},
        "globalMbox": "target-global-mbox",
        "geoTargetingEnabled": False,
        "responseTokens": [],
        "remoteMboxes": [],
        "remoteViews": [],
        "localMboxes": ["home"],
        "localViews": [],
        "rules": {"mboxes": {"home": [rule]}, "views": {}},
        **changes,
    }


def obfuscate(document, organization_id, key=bytes(range(200, 232))):
    """Return ``document`` in the format of ``rules.bin``, computed byte by byte."""
    text = json.dumps(document).encode()
    pad = organization_id.encode() + key
    return b"ATOD:001" + key + bytes(byte ^ pad[index % len(pad)] for index, byte in enumerate(text))


def good(content="<b>A</b>", etag=None, **headers):
    """Return the bytes of a response with an artifact."""
    return response(artifact(content), headers={**({"ETag": etag} if etag else {}), **headers})


class Cdn(SocketServer):
    """Answers each request with the current ``reply``: bytes, or a function of the headers and the connection.

    ``request_headers`` holds the headers of each request.
    """

    def __init__(self, reply=None):
        super().__init__(self._answer)
        self.reply = good() if reply is None else reply
        self.request_headers = []

    def _answer(self, connection):
        while True:
            request = connection.read_request()
            if not request:
                return
            self.request_headers.append(head_of(request))
            reply = self.reply
            answer = reply(self.request_headers[-1], connection) if callable(reply) else reply
            if answer:
                connection.send(answer)


def with_etag(etag, message):
    """Return a function that replies with status 304 if the client sends this ETag, otherwise with ``message``."""
    return lambda head, _: response(status=304) if head.get("if-none-match") == etag else message


def never_answer(_, connection):
    """Never answer."""
    connection.hang()


def options(cdn=None, **given):
    """Return the options of an on-device client that downloads from ``cdn``.

    Telemetry is off, so that an edge gets only the requests of a test's own calls.
    """
    base = {} if cdn is None else {"cdn_base_path": "http://" + cdn.domain}
    # No edge listens on 127.0.0.1:9, so that a mistake in a test sends nothing over the network.
    return {
        "client": "acmeclient",
        "organization_id": "1@AdobeOrg",
        "decisioning_method": "on-device",
        "server_domain": "127.0.0.1:9",
        "secure": False,
        "retries": 1,
        "telemetry_enabled": False,
        **base,
        **given,
    }


def settings_for(cdn=None, **given):
    """Return the parsed options of an on-device client that downloads from ``cdn``."""
    return client_settings(options(cdn, **given), Log())

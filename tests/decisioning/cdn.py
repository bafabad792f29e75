"""A content delivery network on loopback, and artifacts to put there."""

import json

from target_python_sdk.delivery.options import client_settings
from target_python_sdk.testing import SocketServer, response
from target_tools.logger import Log
from tests.support import head_of


def artifact(content="<b>A</b>", **changes):
    """An artifact that shows ``content`` in the mbox ``home`` to everybody."""
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


def masked(document, organization_id, key=bytes(range(200, 232))):
    """``document`` as ``rules.bin``, byte by byte."""
    text = json.dumps(document).encode()
    both = organization_id.encode() + key
    return b"ATOD:001" + key + bytes(byte ^ both[index % len(both)] for index, byte in enumerate(text))


def good(content="<b>A</b>", etag=None, **headers):
    """The bytes of an answer with an artifact."""
    return response(artifact(content), headers={**({"ETag": etag} if etag else {}), **headers})


class Cdn(SocketServer):
    """Answers each request with what ``says`` is then: bytes, or a function of the headers and the connection.

    ``asked`` holds the headers of each request.
    """

    def __init__(self, says=None):
        super().__init__(self._answer)
        self.says = good() if says is None else says
        self.asked = []

    def _answer(self, connection):
        while True:
            request = connection.read_request()
            if not request:
                return
            self.asked.append(head_of(request))
            says = self.says
            answer = says(self.asked[-1], connection) if callable(says) else says
            if answer:
                connection.send(answer)


def with_etag(etag, message):
    """Answers ``message``, or that nothing has changed to whoever has it."""
    return lambda head, _: response(status=304) if head.get("if-none-match") == etag else message


def hangs(_, connection):
    """Never answers."""
    connection.hang()


def options(cdn=None, **given):
    """The options of a client that decides on-device by what ``cdn`` has."""
    base = {} if cdn is None else {"cdn_base_path": "http://" + cdn.domain}
    # Nothing is to reach the network by mistake.
    return {
        "client": "acmeclient",
        "organization_id": "1@AdobeOrg",
        "decisioning_method": "on-device",
        "server_domain": "127.0.0.1:9",
        "secure": False,
        "retries": 1,
        **base,
        **given,
    }


def settings_for(cdn=None, **given):
    """The same, checked."""
    return client_settings(options(cdn, **given), Log())

"""A serverless function as a process: ``python -m tests.integrations.serverless_process STYLE DOMAIN``.

Each line on stdin is the id of a visitor. For each, the process calls the handler once. STYLE selects a plain handler
(``sync``) or a coroutine function (``async``). The handler makes an on-device call, whose notification is sent in the
background, and a server-side call to the edge at DOMAIN. After each call of the handler, the process prints the offers
and the client's statistics as one line of JSON.
"""

import asyncio
import json
import sys
from typing import Any, Callable, Dict

from target_python_sdk.integrations.serverless import flush_after
from tests.conformance.builders import artifact, client_of, rule
from tests.support import LONG


def main(style: str, domain: str) -> None:
    """Answer invocations until stdin ends."""
    client = client_of(artifact(home=[rule("decided here")]), domain)
    flushed = flush_after(client, timeout=LONG)

    def options(visitor: str, method: str) -> Dict[str, Any]:
        request = {"id": {"tntId": visitor}, "execute": {"mboxes": [{"name": "home"}]}}
        return {"request": request, "decisioning_method": method}

    @flushed
    def handle(visitor: str) -> Any:
        answers = [client.get_offers(options(visitor, method)) for method in ("on-device", "server-side")]
        return [answer.offer("home").html for answer in answers]

    @flushed
    async def handle_async(visitor: str) -> Any:
        answers = [await client.get_offers_async(options(visitor, method)) for method in ("on-device", "server-side")]
        return [answer.offer("home").html for answer in answers]

    handler: Callable[[str], Any] = handle if style == "sync" else lambda visitor: asyncio.run(handle_async(visitor))
    for line in sys.stdin:
        shown = handler(line.strip())
        sys.stdout.write(json.dumps({"shown": shown, **client.stats()}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])

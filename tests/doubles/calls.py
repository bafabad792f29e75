"""One call in each form: blocking, with a callback, awaited, and with plain urllib3 as the control.

The SDK is imported by the first call, so that a double can be switched on before the import.
"""

import asyncio
from typing import Any, Dict, List, Optional

import urllib3

from tests.doubles.payload import JSON_HEADERS, PATH, content_of, plain_request

BLOCKING, CALLBACK, AWAITED, PLAIN = "blocking", "callback", "awaited", "plain urllib3"
FORMS = (BLOCKING, CALLBACK, AWAITED, PLAIN)
#: Milliseconds. Long enough that no call on loopback reaches it.
TIMEOUT = 20000


class Caller:
    """Send calls in one form to the server at ``domain``, with one client for all of them."""

    def __init__(self, form: str, domain: str) -> None:
        self.form = form
        self.domain = domain
        self._client: Any = None

    def __call__(self, mbox: str, timeout: int = TIMEOUT) -> Optional[str]:
        """Return the content of the offer for ``mbox``."""
        if self.form == PLAIN:
            return self._send_with_urllib3(mbox, timeout)
        envelope = self._send_with_sdk(mbox, timeout)
        content: Optional[str] = envelope["response"].execute.mboxes[0].options[0].content
        return content

    def close(self) -> None:
        """Close the client."""
        if self._client is not None:
            self._client.close()

    def _send_with_urllib3(self, mbox: str, timeout: int) -> Optional[str]:
        # Each call creates a manager, as each client of 1.1.0 did, so that patches of the class take effect.
        response = urllib3.PoolManager().request(
            "POST",
            f"http://{self.domain}{PATH}?client=acmeclient",
            body=plain_request(mbox),
            headers=dict(JSON_HEADERS),
            timeout=timeout / 1000,
        )
        if response.status != 200:
            raise RuntimeError(f"status {response.status}")
        return content_of(response.data)

    def _send_with_sdk(self, mbox: str, timeout: int) -> Any:
        from target_python_sdk.types import DeliveryRequest, ExecuteRequest, MboxRequest  # noqa: PLC0415

        request = DeliveryRequest(execute=ExecuteRequest(mboxes=[MboxRequest(name=mbox, index=0)]))
        # Cassettes compare the query, which contains the session id.
        options: Dict[str, Any] = {"request": request, "session_id": "0123456789abcdef", "timeout": timeout}
        if self._client is None:
            self._client = self._new_client()
        if self.form == BLOCKING:
            return self._client.get_offers(options)
        if self.form == AWAITED:
            return asyncio.run(self._client.get_offers_async(options))
        return self._send_with_callback(options)

    def _send_with_callback(self, options: Dict[str, Any]) -> Any:
        answers: List[Any] = []
        errors: List[Exception] = []
        result = self._client.get_offers({**options, "callback": answers.append, "err_callback": errors.append})
        result.get(2 * TIMEOUT / 1000)
        if errors:
            raise errors[0]
        return answers[0]

    def _new_client(self) -> Any:
        from target_python_sdk import TargetClient  # noqa: PLC0415

        return TargetClient.create(
            {
                "client": "acmeclient",
                "organization_id": "1234567890@AdobeOrg",
                "server_domain": self.domain,
                "secure": False,
                "timeout": TIMEOUT,
                "retries": 1,
                "telemetry_enabled": False,  # closing the client would send one more request
            }
        )

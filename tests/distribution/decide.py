"""Make the decisions that ``test_installations.py`` compares. Needs only the SDK, so it can be frozen.

Prints JSON: the offers for twenty visitors by each decisioning method, and other results that depend on data files or
on modules that are imported on first use.
"""

import json
import sys
from typing import Any, Dict, List, Optional
from urllib.request import Request, urlopen

import delivery_api_client
import target_decisioning_engine
import target_python_sdk
from target_python_sdk import TargetClient
from target_python_sdk.local_edge import LocalEdge
from target_tools.http.pools import are_connects_replaced
from target_tools.public_suffixes import split_host

ACTIVITIES = {
    "client": "acmeclient",
    "activities": [
        {
            "id": 1,
            "locations": ["hero"],
            "audience": {"==": [{"var": "page.domain"}, "hooli.co.uk"]},
            "experiences": [{"offer": {"html": "A"}}, {"offer": {"html": "B"}}, {"offer": {"html": "C"}}],
        }
    ],
}
METHODS = ("server-side", "on-device", "hybrid")


def decide(client: TargetClient, method: Any, number: int) -> Optional[str]:
    """Return the offer that the visitor with this number gets."""
    answer = client.get_offers(
        request={
            "id": {"tntId": f"visitor-{number}"},
            "context": {"channel": "web", "address": {"url": "https://www.shop.hooli.co.uk/"}},
            "execute": {"mboxes": [{"name": "hero"}]},
        },
        decisioning_method=method,
    )
    return answer.offer("hero").html


def results() -> Dict[str, Any]:
    with LocalEdge(ACTIVITIES) as edge, TargetClient.create(
        client="acmeclient",
        organization_id="1234567890@AdobeOrg",
        server_domain=edge.domain,
        secure=False,
        timeout=60_000,
        decisioning_method="on-device",
        maximum_wait_ready=60_000,
        artifact_location=f"http://{edge.domain}/acmeclient/production/v1/rules.json",
        telemetry_enabled=False,
    ) as client:
        offers: Dict[str, List[Optional[str]]] = {
            method: [decide(client, method, number) for number in range(20)] for method in METHODS
        }
        with urlopen(Request(f"http://{edge.domain}/", headers={"Accept": "text/html"})) as page:
            title = page.read().partition(b"<title>")[2].partition(b"</title>")[0].decode()
    LocalEdge()  # reads the built-in sample
    return {
        "version": target_python_sdk.__version__,
        "offers": offers,
        "domain": split_host("www.shop.hooli.co.uk"),
        "page": title,
        "urllib3 is replaced": are_connects_replaced(),
        "lazy": [
            getattr(module, name).__name__
            for module, name in (
                (target_python_sdk, "Visit"),
                (target_python_sdk, "ExperienceCloudVisitor"),
                (delivery_api_client, "DeliveryApi"),
                (delivery_api_client, "ApiClient"),
                (target_decisioning_engine, "TargetDecisioningEngine"),
            )
        ],
    }


if __name__ == "__main__":
    json.dump(results(), sys.stdout, sort_keys=True)

"""What a type checker has to object to; each such line ends in the code of mypy's objection.  Never executed."""

from target_python_sdk import TargetClient
from target_python_sdk.types import DeliveryRequest, MboxRequest


def misuse(client: TargetClient, request: DeliveryRequest) -> None:
    """One mistake a line."""
    TargetClient.create({"client": "acmeclient"})  # expected: arg-type
    TargetClient.create({"client": "a", "organization_id": "b", "timout": 1})  # expected: arg-type
    TargetClient.create({"client": "a", "organization_id": "b", "timeout": "1"})  # expected: arg-type
    client.get_offers({})  # expected: typeddict-item
    client.get_offers({"request": {}})  # expected: typeddict-item
    client.get_attributes([1])  # expected: list-item
    MboxRequest(nam="a")  # expected: call-arg
    MboxRequest(name=1)  # expected: arg-type
    request.execut = None  # expected: attr-defined

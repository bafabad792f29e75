"""Mistakes that a type checker must report. Each line ends with mypy's error codes. Never executed.

A name in quotes must be in a message about the line. If a checker is named after it, only that checker must print it.
"""

from target_python_sdk import TargetClient
from target_python_sdk.types import DeliveryRequest, MboxRequest


def no_parameter() -> None:
    """A callback without a parameter."""


async def coroutine(answer: object) -> None:
    """A coroutine function, which cannot be a callback."""


async def misuse_awaited(client: TargetClient, request: DeliveryRequest) -> None:
    """An awaited call takes no callback and returns an answer, not an ``AsyncResult``."""
    await client.get_offers_async({"request": request, "callback": print})  # expected: type-var
    await client.send_notifications_async({"timeout": 5})  # expected: type-var
    await client.get_offers_async({"request": request, "timout": 1})  # expected: dict-item, type-var 'timout'
    await client.send_notifications_async({"request": request, "timout": 1})  # expected: dict-item, type-var 'timout'
    await client.get_attributes_async(["a"], {"timout": 1})  # expected: dict-item, type-var 'timout'
    await client.get_offers_async(request=request, timout=1)  # expected: call-overload 'timout'
    (await client.get_attributes_async(["a"])).wait()  # expected: attr-defined


def misuse(client: TargetClient, request: DeliveryRequest) -> None:
    """One mistake in each line."""
    TargetClient.create({"client": "acmeclient"})  # expected: type-var
    TargetClient.create({"client": "a", "organization_id": "b", "timout": 1})  # expected: dict-item, type-var 'timout'
    TargetClient.create({"client": "a", "organization_id": "b", "timeout": "1"})  # expected: type-var
    TargetClient.create({"client": "a", "organization_id": "b", "max_workers": "8"})  # expected: type-var
    client.get_offers({"request": 5})  # expected: type-var
    client.get_offers({"request": request, "callback": 1})  # expected: type-var
    client.get_offers({"request": request, "callback": no_parameter})  # expected: type-var
    client.get_offers({"request": request, "callback": coroutine})  # expected: type-var
    client.get_offers({"request": request, "callback": lambda answer: coroutine(answer.response)})  # expected: type-var
    client.get_offers({"request": request, "callback": print, "err_callback": coroutine})  # expected: type-var
    client.get_offers({"request": request}, callback=coroutine)  # expected: arg-type, type-var
    client.get_offers(request=request, callback=coroutine)  # expected: arg-type
    client.get_offers(request=request, callback=print, err_callback=coroutine)  # expected: arg-type
    client.send_notifications(request=request, callback=coroutine)  # expected: arg-type
    client.get_attributes(["a"], callback=coroutine)  # expected: arg-type
    client.get_attributes(["a"], {"callback": coroutine})  # expected: type-var
    client.get_offers({"request": request}, timout=1)  # expected: call-overload 'timout'
    client.get_offers({"request": request})["response"].execut()  # expected: attr-defined
    client.get_offers({"request": request})["request"].id.execut()  # expected: attr-defined
    client.get_offers({"request": request, "callback": print}).copy()  # expected: attr-defined
    client.get_offers({"request": request}).ready()  # expected: attr-defined
    client.get_offers({"callback": print})  # expected: type-var
    client.send_notifications({"request": request, "err_callback": no_parameter})  # expected: type-var
    client.get_attributes(["a"], {"callback": "print"})  # expected: type-var
    client.get_attributes(["a"], {"callback": print}).get_value("a", "b")  # expected: attr-defined
    client.get_offers_async({"request": request}).copy()  # expected: attr-defined
    TargetClient.create(client="a", organization_id="b", timout=1)  # expected: call-overload 'timout'
    TargetClient.create_async(client="a", organization_id="b", timout=1)  # expected: call-overload 'timout'
    client.get_offers(request=request, timout=1)  # expected: call-overload 'timout'
    client.get_attributes(["a"], timout=1)  # expected: call-overload 'timout'
    client.send_notifications(request=request, timout=1)  # expected: call-overload 'timout'
    client.get_offers({"request": request, "timout": 1})  # expected: dict-item, type-var 'timout'
    client.get_offers({"request": request, "timout": 1, "callback": str})  # expected: dict-item, type-var 'timout' mypy
    client.get_attributes(["a"], {"timout": 1})  # expected: dict-item, type-var 'timout'
    client.send_notifications({"request": request, "timout": 1})  # expected: dict-item, type-var 'timout'
    client.get_offers(request=request, callback=print, timout=1)  # expected: call-overload 'timout'
    client.get_attributes(["a"], callback=print, timout=1)  # expected: call-overload 'timout'
    client.send_notifications(request=request, callback=print, timout=1)  # expected: call-overload 'timout'
    client.flush("1")  # expected: arg-type
    client.close(b"1")  # expected: arg-type
    client.get_attributes([1])  # expected: list-item
    MboxRequest(nam="a")  # expected: call-arg
    MboxRequest(name=1)  # expected: arg-type
    request.execut = None  # expected: attr-defined

"""Doubles that forbid requests, and spies that let them pass: context managers that get the domain of the server."""

import contextlib
import http.client
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Iterator, List
from unittest import mock


class Forbidden(Exception):
    """Raised by the patches of this module."""


@contextlib.contextmanager
def pytest_socket(_: str) -> Iterator[None]:
    import pytest_socket as library  # noqa: PLC0415

    library.disable_socket(allow_unix_socket=True)  # asyncio needs a pair of sockets
    try:
        yield
    finally:
        library.enable_socket()


@contextlib.contextmanager
def pytest_socket_hosts(_: str) -> Iterator[None]:
    import pytest_socket as library  # noqa: PLC0415

    library.socket_allow_hosts(["192.0.2.1"], allow_unix_socket=True)
    try:
        yield
    finally:
        library._remove_restrictions()  # what the plug-in calls after each test; the package has no public name for it


@contextlib.contextmanager
def blocked_network(_: str) -> Iterator[None]:
    from pytest_recording import network  # noqa: PLC0415

    with network.blocking_context():
        yield


@contextlib.contextmanager
def pook_without_match(_: str) -> Iterator[None]:
    import pook as library  # noqa: PLC0415

    with library.use():
        library.get("http://other.example/").reply(200)
        yield


@contextlib.contextmanager
def urllib3_mock_without_match(_: str) -> Iterator[None]:
    from urllib3_mock import Responses  # noqa: PLC0415

    with Responses("urllib3"):
        yield


@contextlib.contextmanager
def httpretty_without_match(_: str) -> Iterator[None]:
    import httpretty as library  # noqa: PLC0415

    with library.enabled(allow_net_connect=False):
        yield


@contextlib.contextmanager
def mocket_without_match(_: str) -> Iterator[None]:
    from mocket import Mocketizer  # noqa: PLC0415

    with Mocketizer(strict_mode=True):
        yield


@contextlib.contextmanager
def empty_cassette(_: str) -> Iterator[None]:
    import vcr  # noqa: PLC0415

    with TemporaryDirectory() as folder, vcr.use_cassette(str(Path(folder, "empty.yaml")), record_mode="none"):
        yield


@contextlib.contextmanager
def putrequest_forbidden(_: str) -> Iterator[None]:
    with mock.patch("http.client.HTTPConnection.putrequest", side_effect=Forbidden):
        yield


@contextlib.contextmanager
def endheaders_forbidden(_: str) -> Iterator[None]:
    with mock.patch("http.client.HTTPConnection.endheaders", side_effect=Forbidden):
        yield


@contextlib.contextmanager
def create_connection_forbidden(_: str) -> Iterator[None]:
    with mock.patch("urllib3.util.connection.create_connection", side_effect=Forbidden):
        yield


@contextlib.contextmanager
def _spy_on(name: str) -> Iterator[List[Any]]:
    original = getattr(http.client.HTTPConnection, name)
    seen: List[Any] = []

    def spy(connection: Any, *arguments: Any, **options: Any) -> Any:
        seen.append(name)
        return original(connection, *arguments, **options)

    with mock.patch.object(http.client.HTTPConnection, name, spy):
        yield seen


def putrequest_spied(_: str) -> "contextlib.AbstractContextManager[List[Any]]":
    return _spy_on("putrequest")


def endheaders_spied(_: str) -> "contextlib.AbstractContextManager[List[Any]]":
    return _spy_on("endheaders")

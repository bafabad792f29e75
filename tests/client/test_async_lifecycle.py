"""Creating, flushing and closing a client under asyncio: the event loop is not blocked, and no thread is left."""

import asyncio
import contextlib
import gc
import json
import socket
import sys
import threading
import time
import warnings
from typing import ClassVar, List

import pytest

from target_python_sdk import TargetClient, ready_event
from target_python_sdk.artifact import cache as artifact_cache
from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.errors import ClientClosed, OptionError
from target_python_sdk.testing import SocketServer, answer
from target_tools.http.transport import Transport
from tests.decisioning.cdn import Cdn, artifact, good, options
from tests.held_answers import held_answers
from tests.support import (
    ANSWER_BYTES,
    LONG,
    content,
    eventually,
    offers,
    options_for,
    run_python,
    switching_often,
)

pytestmark = pytest.mark.server

OPTIONS = {"client": "acmeclient", "organization_id": "1234567890@AdobeOrg"}
SECONDS = LONG / 1000


class Client(TargetClient):
    """A client class that keeps its instances, so that a test can inspect a client whose creation was cancelled."""

    instances: ClassVar[List[TargetClient]] = []

    def __init__(self, options=None):
        super().__init__(options)
        self.instances.append(self)


@pytest.fixture(autouse=True)
def forget_clients():
    yield
    Client.instances.clear()


@pytest.fixture
def server():
    with SocketServer(answer(ANSWER_BYTES)) as running:
        yield running


@pytest.fixture
def held():
    with held_answers() as server:
        yield server


async def run_turns(count=20):
    """Let the event loop run for several turns, and give other threads time."""
    for _ in range(count):
        await asyncio.sleep(0.001)


async def until(condition):
    """Wait for a condition without blocking the event loop."""
    for _ in range(LONG // 2):
        if condition():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("the condition did not become true")


def thread_ids():
    return set(sys._current_frames())


# Creating


async def await_and_close(options):
    client = await Client.create_async(options)
    await client.close_async()
    return client


async def async_with(options):
    async with Client.create_async(options) as client:
        assert "(closed)" not in repr(client)
    return client


async def async_with_await(options):
    async with await Client.create_async(options) as client:
        assert "(closed)" not in repr(client)
    return client


async def async_with_keywords(options):
    async with Client.create_async(**options) as client:
        return client


async def async_with_dict_and_keywords(options):
    async with Client.create_async(options, timeout=700) as client:
        return client


async def async_with_task(options):
    async with await asyncio.create_task(Client.create_async(options)) as client:
        return client


async def async_with_wait_for(options):
    async with await asyncio.wait_for(Client.create_async(options), SECONDS) as client:
        return client


FORMS = [
    await_and_close,
    async_with,
    async_with_await,
    async_with_keywords,
    async_with_dict_and_keywords,
    async_with_task,
    async_with_wait_for,
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_each_form_of_create_async_creates_a_client_that_is_then_closed(form):
    client = asyncio.run(form(OPTIONS))
    assert type(client) is Client
    assert repr(client) == "<TargetClient acmeclient (closed)>"
    if form is async_with_dict_and_keywords:
        assert client._settings.timeout == 0.7


def test_asyncio_run_can_run_create_async():
    with asyncio.run(TargetClient.create_async(OPTIONS)) as client:
        assert isinstance(client, TargetClient)


def test_a_client_that_was_created_without_asyncio_can_be_closed_by_async_with(server):
    async def main(client):
        async with client as same:
            assert same is client
            assert content(await client.get_offers_async(offers())) == "<b>A</b>"

    client = TargetClient.create(options_for(server))
    asyncio.run(main(client))
    with pytest.raises(ClientClosed):
        client.get_offers(offers())


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        (({**OPTIONS, "timeout": "fast"},), {}, "Invalid option 'timeout'"),
        (({**OPTIONS, "artifact_location": 5, "decisioning_method": "on-device"},), {}, "artifact_location"),
        ((OPTIONS,), {"client": "other"}, "given both in the dict and as a keyword"),
        ((), {}, "Options are required"),
        (("acmeclient",), {}, "pass a dict or keyword arguments"),
    ],
)
def test_invalid_options_raise_in_the_await(arguments, keywords, message):
    async def main():
        creation = TargetClient.create_async(*arguments, **keywords)
        with pytest.raises(OptionError, match=message):
            await creation

    asyncio.run(main())


def test_create_async_without_await_emits_a_warning():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        TargetClient.create_async(OPTIONS)
        gc.collect()
    assert any("'create_async' was never awaited" in str(each.message) for each in caught)


def test_with_instead_of_async_with_raises_an_error_that_names_the_remedy():
    creation = Client.create_async(OPTIONS)
    with pytest.raises(TypeError, match="use `async with`, or await it first"), creation:
        pass
    creation.close()
    assert Client.instances == []


@pytest.mark.parametrize("name", ["get_offers_async", "get_offers", "flush", "close_async", "cr_code"])
def test_using_the_result_of_create_async_without_await_raises_an_error_that_names_the_remedy(name):
    creation = Client.create_async(OPTIONS)
    assert not hasattr(creation, name)
    with pytest.raises(AttributeError, match=f"no attribute '{name}': use `async with`, or await it first"):
        getattr(creation, name)
    creation.close()


def test_a_creation_can_be_closed_before_it_has_begun():
    creation = Client.create_async(OPTIONS)
    creation.close()
    assert Client.instances == []


def test_client_ready_is_emitted_after_the_await_has_returned(monkeypatch):
    """The delay of the event starts only when the coroutine resumes, however late that is."""
    monkeypatch.setattr(ready_event, "CLIENT_READY_DELAY", 1.0)

    async def main():
        seen, loop, emitted = [], asyncio.get_running_loop(), asyncio.Event()
        client = None

        def ready():
            seen.append(client)
            loop.call_soon_threadsafe(emitted.set)

        client = await TargetClient.create_async({**OPTIONS, "events": {"client_ready": ready}})
        await asyncio.wait_for(emitted.wait(), SECONDS)
        assert seen == [client]
        await client.close_async()

    asyncio.run(main())


# Without blocking the event loop


@contextlib.contextmanager
def hanging_cdn(monkeypatch, tmp_path, go):
    def reply(*_):
        go.wait(SECONDS)
        return good()

    with Cdn(reply) as cdn:
        yield options(cdn)


@contextlib.contextmanager
def hanging_resolver(monkeypatch, tmp_path, go):
    original = socket.getaddrinfo

    def resolve(host, port, *rest, **more):
        if host == "cdn.example":
            go.wait(SECONDS)
            host = "127.0.0.1"
        return original(host, port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with Cdn() as cdn:
        yield options(cdn_base_path=f"http://cdn.example:{cdn.port}")


@contextlib.contextmanager
def hanging_disk(monkeypatch, tmp_path, go):
    original = artifact_cache.os.open

    def open_file(*arguments):
        go.wait(SECONDS)
        return original(*arguments)

    path = tmp_path / "artifact"
    path.write_bytes(b"damaged")
    monkeypatch.setattr(artifact_cache.os, "open", open_file)
    with Cdn() as cdn:
        yield options(cdn, artifact_cache=str(path))


@contextlib.contextmanager
def hanging_store(monkeypatch, tmp_path, go):
    class Store(dict):
        def get(self, key):
            go.wait(SECONDS)

        def set(self, key, value):
            self[key] = value

    with Cdn() as cdn:
        yield options(cdn, artifact_cache=Store())


@contextlib.contextmanager
def slow_artifact(monkeypatch, tmp_path, go):
    original = Artifact.load

    def load(*arguments, **keywords):
        go.wait(SECONDS)
        return original(*arguments, **keywords)

    monkeypatch.setattr(Artifact, "load", load)
    with Cdn() as cdn:
        yield options(cdn)


@contextlib.contextmanager
def slow_payload(monkeypatch, tmp_path, go):
    with slow_artifact(monkeypatch, tmp_path, go) as client_options:
        yield {**client_options, "artifact_payload": artifact()}


@contextlib.contextmanager
def slow_constructor(monkeypatch, tmp_path, go):
    original = Transport.__init__

    def construct(*arguments):
        go.wait(SECONDS)
        original(*arguments)

    monkeypatch.setattr(Transport, "__init__", construct)
    with Cdn() as cdn:
        yield options(cdn)


OBSTACLES = [
    hanging_cdn, hanging_resolver, hanging_disk, hanging_store, slow_artifact, slow_payload, slow_constructor,
]  # fmt: skip


@pytest.fixture(params=OBSTACLES, ids=lambda obstacle: obstacle.__name__)
def obstacle(request, monkeypatch, tmp_path):
    """The options of a client whose creation waits for the event ``go``, and ``go`` itself."""
    go = threading.Event()
    with request.param(monkeypatch, tmp_path, go) as client_options:
        yield {"maximum_wait_ready": LONG, **client_options}, go
        go.set()


def test_the_event_loop_is_not_blocked_while_a_client_is_created(obstacle):
    client_options, go = obstacle

    async def main():
        creation = asyncio.ensure_future(Client.create_async(client_options))
        await run_turns()
        assert not creation.done()
        go.set()
        async with await creation as client:
            assert content(await client.get_offers_async(offers())) == "<b>A</b>"

    asyncio.run(main())


def test_a_cancelled_creation_closes_the_client_and_leaves_no_thread(obstacle):
    client_options, go = obstacle
    before = thread_ids()

    async def main():
        creation = asyncio.ensure_future(Client.create_async(client_options))
        await run_turns()
        creation.cancel()
        with pytest.raises(asyncio.CancelledError):
            await creation
        await run_turns()
        go.set()
        await until(lambda: not thread_ids() - before)

    asyncio.run(main())
    (client,) = Client.instances
    with pytest.raises(ClientClosed):
        client.get_offers(offers())


@pytest.mark.parametrize("obstacle", [hanging_cdn, hanging_resolver], indirect=True)
def test_the_wait_for_the_artifact_ends_when_the_creation_is_cancelled(obstacle):
    """The polling thread ends, although the CDN or the resolver has not answered."""
    client_options, _ = obstacle

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(Client.create_async(client_options), 0.1)
        source = Client.instances[0]._processes.get().artifacts
        await until(lambda: source._poller.threads() == 0)

    asyncio.run(main())


def test_a_client_is_closed_if_the_creation_is_cancelled_while_it_returns():
    """The thread that creates the client has ended, but the event loop has not resumed the coroutine yet."""
    go = threading.Event()

    class Slow(Client):
        def __init__(self, options=None):
            assert go.wait(SECONDS)
            super().__init__(options)

    async def main():
        before = thread_ids()
        creation = asyncio.ensure_future(Slow.create_async(OPTIONS))
        await asyncio.sleep(0)
        go.set()
        assert eventually(lambda: Client.instances and not thread_ids() - before)  # blocks the event loop
        creation.cancel()
        with pytest.raises(asyncio.CancelledError):
            await creation

    asyncio.run(main())
    assert "(closed)" in repr(Client.instances[0])


def test_a_large_artifact_is_not_parsed_in_the_thread_of_the_event_loop():
    rules = [json.loads(json.dumps(artifact()["rules"]["mboxes"]["home"][0])) for _ in range(3000)]
    large = artifact(rules={"mboxes": {"home": rules}, "views": {}})

    async def main():
        loop, process = time.thread_time(), time.process_time()
        async with TargetClient.create_async(options(artifact_payload=large, polling_interval=0)):
            loop, process = time.thread_time() - loop, time.process_time() - process
        return loop / process

    assert asyncio.run(main()) < 0.2


# Flushing and closing


def test_flush_waits_for_a_call_without_blocking(held):
    async def main():
        async with TargetClient.create_async(options_for(held)) as client:
            assert await client.flush_async()  # nothing has been called yet
            result = client.get_offers({**offers(), "callback": lambda envelope: None})
            assert await client.flush_async(20) is False
            flushing = asyncio.ensure_future(client.flush_async())
            await run_turns()
            assert not flushing.done()
            held.go.set()
            assert await flushing is True
            assert result.successful()

    asyncio.run(main())


def test_close_waits_for_a_call_without_blocking(held):
    async def main():
        client = await TargetClient.create_async(options_for(held))
        call = asyncio.ensure_future(client.get_offers_async(offers()))
        await until(held.received.is_set)
        closing = asyncio.ensure_future(client.close_async(LONG))
        await run_turns()
        assert not closing.done()
        with pytest.raises(ClientClosed):
            await client.get_offers_async(offers())
        held.go.set()
        assert await closing is True
        assert content(await call) == "<b>A</b>"
        assert await client.close_async() is True

    asyncio.run(main())


def test_close_ends_calls_that_no_worker_has_begun(held):
    async def main():
        client = await TargetClient.create_async(options_for(held, max_workers=1))
        first = asyncio.ensure_future(client.get_offers_async(offers()))
        await until(held.received.is_set)
        second = asyncio.ensure_future(client.get_offers_async(offers()))
        await asyncio.sleep(0)
        assert await client.close_async(20) is False
        with pytest.raises(ClientClosed):
            await second
        held.go.set()
        assert content(await first) == "<b>A</b>"

    asyncio.run(main())


@pytest.mark.parametrize("method", ["flush_async", "close_async"])
def test_cancelling_flush_or_close_ends_only_the_wait(held, method):
    before = thread_ids()

    async def main():
        client = await TargetClient.create_async(options_for(held))
        call = asyncio.ensure_future(client.get_offers_async(offers()))
        await until(held.received.is_set)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(getattr(client, method)(LONG), 0.05)
        held.go.set()
        assert content(await call) == "<b>A</b>"
        if method == "flush_async":
            assert content(await client.get_offers_async(offers())) == "<b>A</b>"
        else:
            with pytest.raises(ClientClosed):
                await client.get_offers_async(offers())
        await client.close_async()

    asyncio.run(main())
    assert eventually(lambda: not {each for each in thread_ids() - before if not _is_of_server(each)})


def _is_of_server(thread):
    return any(each.ident == thread and each.name.startswith("target-socket-server") for each in threading.enumerate())


def test_cancelling_an_async_with_block_closes_the_client(held):
    async def main():
        clients = []

        async def block():
            async with TargetClient.create_async(options_for(held)) as client:
                clients.append(client)
                await client.get_offers_async(offers())

        task = asyncio.ensure_future(block())
        await until(held.received.is_set)
        task.cancel()
        held.go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        return clients[0]

    assert "(closed)" in repr(asyncio.run(main()))


def test_an_invalid_timeout_of_flush_or_close_is_an_option_error():
    async def main():
        async with TargetClient.create_async(OPTIONS) as client:
            for method in (client.flush_async, client.close_async):
                with pytest.raises(OptionError, match="timeout"):
                    await method("soon")

    asyncio.run(main())


@pytest.mark.parametrize("method", ["flush_async", "close_async"])
def test_a_callback_may_wait_in_an_event_loop(server, method):
    """The callback does not wait for its own call. Other calls end, although the callback occupies the only worker."""
    seen, others = [], []

    def callback(_):
        others.append(client.get_offers({**offers(), "callback": lambda envelope: None}))
        seen.append(asyncio.run(getattr(client, method)(LONG)))

    client = TargetClient.create(options_for(server, max_workers=1))
    client.get_offers({**offers(), "callback": callback}).get(SECONDS)
    assert seen == [True]
    assert others[0].successful()
    client.close()


@pytest.mark.parametrize("method", ["create_async", "flush_async", "close_async"])
def test_under_trio_an_error_is_raised_before_anything_happens(method):
    trio = pytest.importorskip("trio")

    async def main(client):
        with pytest.raises(OptionError, match=r"need asyncio; .*trio\.to_thread"):
            await (Client.create_async(OPTIONS) if method == "create_async" else getattr(client, method)())

    with TargetClient.create(OPTIONS) as client:
        trio.run(main, client)
        assert "(closed)" not in repr(client)
    assert Client.instances == []


def test_flush_and_close_return_true_while_calls_end(server):
    async def main():
        for number in range(200):
            client = await TargetClient.create_async(options_for(server, max_workers=2))
            results = [client.get_offers({**offers(), "callback": lambda envelope: None}) for _ in range(2)]
            await asyncio.sleep(0.0001 * (number % 20))
            waiting = [client.flush_async(), client.flush_async(), client.close_async(LONG)]
            assert await asyncio.wait_for(asyncio.gather(*waiting), SECONDS) == [True] * 3
            assert all(result.successful() for result in results)

    with switching_often():
        asyncio.run(main())


# Event loops


def new_uvloop():
    return pytest.importorskip("uvloop").new_event_loop()


LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": new_uvloop}


async def create_use_and_close(server):
    async with TargetClient.create_async(options_for(server)) as client:
        assert content(await client.get_offers_async(offers())) == "<b>A</b>"
        assert await client.flush_async()
        calls = asyncio.gather(*[client.get_attributes_async(["home"]) for _ in range(20)])
        assert await asyncio.gather(client.flush_async(LONG), calls)
    return client


@pytest.mark.parametrize("kind", LOOPS)
def test_a_client_is_created_used_and_closed_under_each_event_loop(server, kind):
    loop = LOOPS[kind]()
    try:
        assert "(closed)" in repr(loop.run_until_complete(create_use_and_close(server)))
    finally:
        loop.close()


def test_each_thread_can_have_an_event_loop_and_a_client(server):
    clients = []
    workers = [
        threading.Thread(target=lambda: clients.append(asyncio.run(create_use_and_close(server)))) for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(SECONDS)
    assert len(set(clients)) == 4


def test_event_loops_of_several_threads_can_share_a_client(server):
    async def use():
        for _ in range(20):
            await client.get_offers_async(offers())
            assert await client.flush_async()

    with TargetClient.create(options_for(server)) as client:
        workers = [threading.Thread(target=lambda: asyncio.run(use())) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(SECONDS)
        assert client.stats()["calls"] == 80


@pytest.mark.parametrize("kind", LOOPS)
def test_closing_an_asynchronous_generator_closes_its_client(server, kind):
    """``asyncio.run`` closes unfinished asynchronous generators at its end."""
    clients = []

    async def generate():
        async with TargetClient.create_async(options_for(server)) as client:
            clients.append(client)
            while True:
                yield await client.get_offers_async(offers())

    async def main():
        async for envelope in unfinished:
            assert content(envelope) == "<b>A</b>"
            break

    unfinished = generate()
    loop = LOOPS[kind]()
    try:
        loop.run_until_complete(main())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
    assert "(closed)" in repr(clients[0])


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("method", ["create_async", "flush_async", "close_async"])
def test_closing_the_event_loop_while_a_coroutine_waits_does_no_harm(held, kind, method):
    """The result arrives after the loop was closed. The waiting thread and a later close are unaffected."""
    loop = LOOPS[kind]()
    client = Client.create(options_for(held))
    result = client.get_offers({**offers(), "callback": lambda envelope: None})
    assert held.received.wait(SECONDS)

    async def begin():
        coroutine = Client.create_async(OPTIONS) if method == "create_async" else getattr(client, method)(LONG)
        task = loop.create_task(coroutine)
        await asyncio.sleep(0)
        return task

    task = loop.run_until_complete(begin())
    loop.close()
    held.go.set()
    assert result.get(SECONDS) is not None
    assert eventually(lambda: len(Client.instances) == (2 if method == "create_async" else 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(RuntimeError):  # the task is destroyed although it is pending
            task._coro.close() if hasattr(task, "_coro") else task.get_coro().close()
        task._log_destroy_pending = False
    assert client.close() is True


# The end of the process


FORGETFUL = """
import asyncio
from target_python_sdk import TargetClient

async def main():
    client = await TargetClient.create_async({options!r})
    asyncio.ensure_future(client.get_offers_async({{"request": {{"execute": {{"mboxes": [{{"name": "home"}}]}}}}}}))
    await asyncio.sleep(0.2)
    {last}

asyncio.run(main())
"""

#: The last statement of a program that does not close its client in time.
LAST = {
    "forgets to close": "pass",
    "abandons a flush": "asyncio.ensure_future(client.flush_async()); await asyncio.sleep(0)",
    "abandons a close": "asyncio.ensure_future(client.close_async(600000)); await asyncio.sleep(0)",
    "abandons a creation": "asyncio.ensure_future(TargetClient.create_async({more!r})); await asyncio.sleep(0.1)",
}


@pytest.mark.parametrize("last", LAST)
def test_a_program_exits_although_its_client_is_still_in_use(held, last):
    """Neither the edge nor the CDN answers, and all time limits are ten minutes, except ``shutdown_timeout``."""
    client_options = {**options_for(held), "timeout": 600000, "shutdown_timeout": 200}
    more = {**client_options, "decisioning_method": "on-device", "maximum_wait_ready": 600000}
    more["cdn_base_path"] = "http://" + held.domain
    done = run_python("-c", FORGETFUL.format(options=client_options, last=LAST[last].format(more=more)))
    assert (done.returncode, done.stdout) == (0, "")
    assert "Traceback" not in done.stderr
    assert not held.go.is_set()

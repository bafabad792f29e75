"""Proxies: from an option or the environment, with credentials that stay out of logs."""

import base64
import builtins
import logging
import socket
import ssl
import threading
from types import SimpleNamespace

import pytest
import urllib3

from target_python_sdk import TargetClient
from target_python_sdk.errors import ConnectionFailed, DeadlineExceeded, OptionError, TlsError
from target_python_sdk.testing import SocketServer, answer, response
from tests.conformance.builders import artifact, decide, on_device, request_json, rule
from tests.support import ANSWER_BYTES, LONG, client_of, content, head_of, offers

pytestmark = pytest.mark.server


def relay(connection):
    """Answer CONNECT, and copy bytes in both directions."""
    head = connection.read_request()
    host, _, port = head.split()[1].decode().rpartition(":")
    with socket.create_connection((host, int(port))) as target_socket:
        connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=copy, args=(target_socket, connection.socket), daemon=True)
        back.start()
        copy(connection.socket, target_socket)
        back.join(20)


def copy(source, target):
    try:
        while True:
            part = source.recv(65536)
            if not part:
                target.shutdown(socket.SHUT_WR)
                return
            target.sendall(part)
    except OSError:
        return


@pytest.fixture
def environment(monkeypatch):
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@pytest.fixture
def proxy():
    with SocketServer(answer(ANSWER_BYTES)) as server:
        yield server


@pytest.fixture
def target():
    with SocketServer(answer(ANSWER_BYTES)) as server:
        yield server


def test_a_plain_request_sends_the_whole_url_to_the_proxy(proxy, target):
    credentials = "user:p%40ss"
    address = f"http://{credentials}@{proxy.domain}"
    with client_of(target, proxy=address, proxy_headers={"X-Team": "a"}) as client:
        for _ in range(3):
            assert content(client.get_offers(offers())) == "<b>A</b>"
    assert (proxy.connections, target.connections) == (1, 0)
    head = head_of(proxy.requests[0])
    assert head[""].startswith(f"POST http://{target.domain}/rest/v1/delivery?imsOrgId=")
    assert head["host"] == target.domain
    assert base64.b64decode(head["proxy-authorization"].split()[1]) == b"user:p@ss"
    assert head["x-team"] == "a"


def test_an_https_request_uses_a_tunnel(authority):
    with SocketServer(answer(ANSWER_BYTES), tls=authority.server_context()) as server, SocketServer(relay) as proxy:
        options = {
            "secure": True,
            "server_domain": f"localhost:{server.port}",
            "ca_certs": authority.ca_file,
            "proxy": f"http://user:secret@{proxy.domain}",
        }
        with client_of(server, **options) as client:
            for _ in range(3):
                assert content(client.get_offers(offers())) == "<b>A</b>"
        assert (proxy.connections, server.connections) == (1, 1)
    head = head_of(proxy.requests[0])
    assert head[""].startswith(f"CONNECT localhost:{server.port} HTTP/1")
    assert head["proxy-authorization"].startswith("Basic ")
    assert all(b"secret" not in request and b"Proxy-" not in request for request in server.requests)


def test_artifact_and_geo_requests_use_the_proxy():
    def serve(connection):
        while True:
            request = connection.read_request()
            if not request:
                return
            is_artifact = b"rules.json" in request.partition(b"\r\n")[0]
            connection.send(response(artifact(home=[rule("A")]) if is_artifact else {}))

    with SocketServer(serve) as proxy:
        options = on_device(None, "cdn.example", proxy="http://" + proxy.domain)
        del options["artifact_payload"]
        with TargetClient.create(options) as client:
            in_place = {"geo": {"ipAddress": "192.0.2.7"}}
            assert decide(client, request_json(context=in_place)).offer("home").html == "A"
    assert [head_of(request)[""].split()[1] for request in proxy.requests] == [
        "http://cdn.example:80/acmeclient/production/v1/rules.json",
        "http://cdn.example:80/v1/geo",
    ]


def test_a_call_goes_through_a_proxy_with_tls(authority):
    with SocketServer(answer(ANSWER_BYTES), tls=authority.server_context()) as server:
        with SocketServer(relay, tls=authority.server_context()) as proxy:
            options = {
                "secure": True,
                "server_domain": f"localhost:{server.port}",
                "ca_certs": authority.ca_file,
                "proxy": f"https://localhost:{proxy.port}",
            }
            with client_of(server, **options) as client:
                assert content(client.get_offers(offers())) == "<b>A</b>"
            assert proxy.connections == 1


def test_a_proxy_that_refuses_is_an_error(authority):
    def refuse(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    with SocketServer(refuse) as proxy:
        options = {"secure": True, "server_domain": "localhost:1", "proxy": proxy.domain, "timeout": 2000}
        with client_of(proxy, **options) as client, pytest.raises(ConnectionFailed, match="407") as caught:
            client.get_offers(offers())
        assert (caught.value.phase, proxy.connections) == ("refused", 1)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
@pytest.mark.parametrize(("listens", "reason"), [(False, "Connection refused"), (True, "closed")])
def test_an_error_names_the_proxy_and_the_edge(scheme, listens, reason):
    with SocketServer(lambda connection: connection.socket.recv(100)) as server:
        address = f"127.0.0.1:{server.port}" if listens else "127.0.0.1:9"
        proxy = f"{scheme}://user:hunter2@{address}"
        with client_of(server, secure=True, server_domain="localhost:1", proxy=proxy, retries=1) as client:
            with pytest.raises(ConnectionFailed) as caught:
                client.get_offers(offers())
    expected = f"no connection to https://localhost:1 through the proxy {scheme}://{address}: "
    assert str(caught.value).startswith(expected)
    assert reason in str(caught.value)
    assert "object at" not in str(caught.value)


@pytest.mark.parametrize("form", ["blocking", "callback"])
def test_a_slow_proxy_does_not_extend_the_deadline(form, monkeypatch):
    timeouts = []

    def answer_late(connection):
        connection.read_request()
        connection.wait(0.5)
        connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        connection.hang()

    def record_timeout(sock, *_):
        timeouts.append(sock.gettimeout())
        raise socket.timeout("timed out")

    monkeypatch.setattr(ssl.SSLSocket, "do_handshake", record_timeout)
    with SocketServer(answer_late) as proxy:
        options = {"secure": True, "server_domain": "localhost:1", "proxy": proxy.domain, "retries": 1}
        with client_of(proxy, **options) as client, pytest.raises(DeadlineExceeded):
            if form == "blocking":
                client.get_offers(offers())
            else:
                client.get_offers({**offers(), "callback": id}).get(LONG / 1000)
    assert [timeout <= LONG / 1000 - 0.5 for timeout in timeouts] == [True]


def test_the_environment_is_used_only_with_trust_env(proxy, target, environment):
    environment.setenv("http_proxy", "http://" + proxy.domain)
    with client_of(target) as client:
        client.get_offers(offers())
    assert (proxy.connections, target.connections) == (0, 1)
    with client_of(target, trust_env=True) as client:
        client.get_offers(offers())
    assert (proxy.connections, target.connections) == (1, 1)


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "example.org,127.0.0.1", ",,127.0.0.1,", "*"])
def test_no_proxy_is_respected(no_proxy, proxy, target, environment):
    environment.setenv("http_proxy", "http://" + proxy.domain)
    environment.setenv("no_proxy", no_proxy)
    with client_of(target, trust_env=True) as client:
        client.get_offers(offers())
    assert (proxy.connections, target.connections) == (0, 1)


@pytest.mark.parametrize("no_proxy", [",,", "", "example.org"])
def test_a_no_proxy_that_is_empty_or_names_another_host_has_no_effect(no_proxy, proxy, target, environment):
    environment.setenv("http_proxy", "http://" + proxy.domain)
    environment.setenv("no_proxy", no_proxy)
    with client_of(target, trust_env=True) as client:
        client.get_offers(offers())
    assert (proxy.connections, target.connections) == (1, 0)


def test_a_cgi_request_cannot_set_the_proxy(proxy, target, environment):
    environment.setenv("HTTP_PROXY", "http://" + proxy.domain)
    environment.setenv("REQUEST_METHOD", "GET")
    with client_of(target, trust_env=True) as client:
        client.get_offers(offers())
    assert (proxy.connections, target.connections) == (0, 1)


@pytest.mark.parametrize("text", ["ftp://host:1", "http://", "://", "http://host:port", 5])
def test_the_error_about_an_invalid_proxy_names_the_option(text):
    with pytest.raises(OptionError) as caught:
        TargetClient.create({"client": "acme", "organization_id": "1@AdobeOrg", "proxy": text})
    assert caught.value.option == "proxy"


def test_credentials_stay_out_of_errors_and_logs(caplog, target):
    caplog.set_level(logging.DEBUG)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://user:hunter2@127.0.0.1:{closed.getsockname()[1]}"
        with client_of(target, proxy=proxy, retries=1) as client, pytest.raises(ConnectionFailed) as caught:
            client.get_offers(offers())
    assert "hunter2" not in caplog.text
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(client._settings)


def test_a_pool_manager_of_the_application_gets_every_request(target):
    seen = []

    class Manager(urllib3.PoolManager):
        def request(self, method, url, **options):
            in_main = threading.current_thread() is threading.main_thread()
            seen.append((in_main, options["redirect"], options["retries"]))
            return super().request(method, url, **options)

    with Manager() as manager, client_of(target, pool_manager=manager) as client:
        for _ in range(3):
            assert content(client.get_offers(offers())) == "<b>A</b>"
    assert seen == [(False, False, False)] * 3
    assert target.connections == 1


def test_socks_requires_its_extra(monkeypatch):
    real = builtins.__import__

    def without_socks(name, *arguments, **options):
        if name == "socks" or name.startswith("urllib3.contrib.socks"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_socks)
    with pytest.raises(OptionError, match=r"target-python-sdk\[socks\]"):
        TargetClient.create({"client": "acme", "organization_id": "1@AdobeOrg", "proxy": "socks5://127.0.0.1:1"})


def test_certificates_are_checked_through_a_tunnel(authority):
    with SocketServer(answer(ANSWER_BYTES), tls=authority.server_context("example.org")) as server:
        with SocketServer(relay) as proxy:
            options = {
                "secure": True,
                "server_domain": f"localhost:{server.port}",
                "ca_certs": authority.ca_file,
                "proxy": proxy.domain,
                "timeout": LONG,
            }
            with client_of(server, **options) as client, pytest.raises(TlsError):
                client.get_offers(offers())
        assert server.requests == []


def test_proxy_credentials_are_not_sent_to_an_origin(proxy, target, environment):
    with client_of(target, trust_env=True) as client:
        client.get_offers(offers())
        environment.setenv("http_proxy", "http://user:secret@" + proxy.domain)
        client.get_offers(offers())
    # The second call did not use the idle connection of the first.
    assert (len(target.requests), len(proxy.requests)) == (1, 1)
    assert all(b"Proxy-" not in request and b" http://" not in request for request in target.requests)


@pytest.mark.parametrize("text", ["gopher://127.0.0.1:1", "http://127.0.0.1:port", "http://a..b:1"])
def test_requests_fail_if_the_environment_names_an_invalid_proxy(text, target, environment):
    environment.setenv("http_proxy", text)
    with client_of(target, trust_env=True) as client, pytest.raises(OptionError, match="HTTP_PROXY") as caught:
        client.get_offers(offers())
    assert caught.value.option == "trust_env"
    assert target.connections == 0


def test_the_error_about_an_invalid_result_of_a_pool_manager_names_the_option(target):
    class Nothing:
        def request(self, *_, **__):
            return None

    with client_of(target, pool_manager=Nothing()) as client, pytest.raises(OptionError) as caught:
        client.get_offers(offers())
    assert caught.value.option == "pool_manager"


def test_the_error_of_a_pool_manager_with_retries_shows_no_session_id():
    class Retrying(urllib3.PoolManager):
        def request(self, method, url, **options):
            return super().request(method, url, **{**options, "retries": urllib3.Retry(1, backoff_factor=0)})

    with socket.socket() as closed, Retrying() as manager:
        closed.bind(("127.0.0.1", 0))
        where = SimpleNamespace(domain=f"127.0.0.1:{closed.getsockname()[1]}")
        with client_of(where, pool_manager=manager, retries=1) as client, pytest.raises(ConnectionFailed) as caught:
            client.get_offers({**offers(), "session_id": "SECRETSESSION"})
    assert "SECRETSESSION" not in str(caught.value)

"""Certificates are verified unless an option disables the verification."""

import contextlib
import datetime
import logging
import shutil
import ssl
import sys
import time
import warnings

import pytest
import urllib3

from target_python_sdk import TargetClient
from target_python_sdk.errors import ApiException, OptionError, TlsError
from target_python_sdk.testing import SocketServer, answer
from target_tools.concurrency import fork_safety as forks
from target_tools.concurrency.fork_safety import FORK_GUARD, native_thread_id
from tests.support import ANSWER_BYTES, LONG, client_of, content, offers

pytestmark = pytest.mark.server


def secure_client(server, host="localhost", **options):
    return TargetClient.create(
        {
            "client": "acmeclient",
            "organization_id": "1@AdobeOrg",
            "server_domain": f"{host}:{server.port}",
            "timeout": LONG,
            "telemetry_enabled": False,
            **options,
        }
    )


def test_an_authority_of_the_application_is_trusted(authority):
    with SocketServer(answer(ANSWER_BYTES), tls=authority.server_context()) as server:
        with secure_client(server, ca_certs=authority.ca_file) as client:
            for _ in range(50):
                assert content(client.get_offers(offers())) == "<b>A</b>"
        assert server.connections == 1


def test_an_unknown_authority_is_refused(authority):
    with SocketServer(answer(ANSWER_BYTES), tls=authority.server_context()) as server:
        with secure_client(server) as client, pytest.raises(TlsError) as caught:
            client.get_offers(offers())
    error = caught.value
    assert (error.status, error.attempts) == (0, 1)
    assert isinstance(error, ApiException)
    assert isinstance(error, urllib3.exceptions.HTTPError)
    assert "certificate" in str(error)
    assert error.__cause__ is not None
    assert server.requests == []


@pytest.mark.parametrize("names", [("example.org",), ("*.tt.omtrdc.net",)])
def test_a_certificate_of_another_host_is_refused(authority, names):
    with SocketServer(answer(ANSWER_BYTES), tls=authority.server_context(*names)) as server:
        with secure_client(server, ca_certs=authority.ca_file) as client, pytest.raises(TlsError):
            client.get_offers(offers())
        assert server.requests == []


def test_an_expired_certificate_is_refused(authority):
    past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    context = authority.server_context("localhost", not_before=past - datetime.timedelta(days=9), not_after=past)
    with SocketServer(answer(ANSWER_BYTES), tls=context) as server:
        with secure_client(server, ca_certs=authority.ca_file) as client, pytest.raises(TlsError, match="expired"):
            client.get_offers(offers())


def test_tls_1_1_is_refused(authority):
    context = authority.server_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():  # Python 3.10 and newer deprecate these versions
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with SocketServer(answer(ANSWER_BYTES), tls=context) as server:
        with secure_client(server, ca_certs=authority.ca_file) as client, pytest.raises(TlsError):
            client.get_offers(offers())


def test_a_tls_connection_to_a_server_without_tls_is_an_error():
    def plain(connection):
        connection.socket.recv(100)
        connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with SocketServer(plain) as server, secure_client(server) as client, pytest.raises(TlsError):
        client.get_offers(offers())


def test_without_verification_one_warning_is_logged_and_the_call_is_answered(authority, caplog):
    with SocketServer(answer(ANSWER_BYTES), tls=authority.server_context("example.org")) as server:
        with secure_client(server, verify_ssl=False) as client:
            for _ in range(3):
                assert content(client.get_offers(offers())) == "<b>A</b>"
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "verify_ssl" in warnings[0].getMessage()


def test_the_client_certificate_is_sent(authority):
    files = authority.client_files()
    context = authority.trust(authority.server_context())
    with SocketServer(answer(ANSWER_BYTES), tls=context) as server:
        with secure_client(server, ca_certs=authority.ca_file, client_cert=files) as client:
            assert content(client.get_offers(offers())) == "<b>A</b>"
        with secure_client(server, ca_certs=authority.ca_file) as client, pytest.raises(Exception) as caught:
            client.get_offers(offers())
    assert isinstance(caught.value, (TlsError, urllib3.exceptions.MaxRetryError))


@pytest.mark.parametrize("option", ["ca_certs", "client_cert"])
def test_create_names_the_option_of_certificate_files_that_cannot_be_loaded(option, tmp_path):
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    for path in (str(broken), str(tmp_path / "absent.pem")):
        with pytest.raises(OptionError) as caught:
            TargetClient.create({"client": "acme", "organization_id": "1@AdobeOrg", option: path})
        assert caught.value.option == option


def test_the_deadline_covers_a_handshake_that_never_ends():
    def silent(connection):
        connection.hang()

    with SocketServer(silent) as server, secure_client(server, timeout=200) as client:
        with pytest.raises(TimeoutError):
            client.get_offers(offers())


def test_the_host_name_is_sent_in_the_handshake(authority):
    names = []
    context = authority.server_context()
    context.sni_callback = lambda _, name, __: names.append(name)
    with SocketServer(answer(ANSWER_BYTES), tls=context) as server:
        with secure_client(server, ca_certs=authority.ca_file) as client:
            client.get_offers(offers())
    assert names == ["localhost"]


def test_an_ip_address_is_checked_against_the_certificate(authority):
    with SocketServer(answer(ANSWER_BYTES), tls=authority.server_context("127.0.0.1")) as server:
        with secure_client(server, "127.0.0.1", ca_certs=authority.ca_file) as client:
            assert content(client.get_offers(offers())) == "<b>A</b>"


@pytest.fixture
def slow_thread_exit(monkeypatch):
    """Delay the exit of helper threads, and extend the time that callers wait for it."""
    end = FORK_GUARD.announce_exit

    def slowly():
        time.sleep(0.1)
        end()

    monkeypatch.setattr(FORK_GUARD, "announce_exit", slowly)
    monkeypatch.setattr(forks, "MAX_WAIT", LONG / 1000)


on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux shows which threads exist")


@on_linux
@pytest.mark.parametrize("trusted", [True, False], ids=["trusted", "refused"])
def test_the_thread_of_a_handshake_has_exited_when_the_call_ends(trusted, authority, monkeypatch, slow_thread_exit):
    # An exiting thread may hold OpenSSL's locks, and a child that is forked meanwhile could not use TLS.
    handshake_threads = []
    real = ssl.SSLSocket.do_handshake

    def do_handshake(self, *arguments):
        if not self.server_side:
            handshake_threads.append(native_thread_id())
        return real(self, *arguments)

    monkeypatch.setattr(ssl.SSLSocket, "do_handshake", do_handshake)
    with SocketServer(answer(ANSWER_BYTES), tls=authority.server_context()) as server:
        with secure_client(server, **({"ca_certs": authority.ca_file} if trusted else {})) as client:
            with contextlib.nullcontext() if trusted else pytest.raises(TlsError):
                client.get_offers(offers())
            assert not forks.thread_exists(handshake_threads[-1])
    assert len(handshake_threads) == 1
    assert native_thread_id() not in handshake_threads


@on_linux
def test_the_thread_of_a_pool_manager_call_has_exited_when_the_call_ends(slow_thread_exit):
    class RecordingManager(urllib3.PoolManager):
        def request(self, *arguments, **options):
            request_threads.append(native_thread_id())
            return super().request(*arguments, **options)

    request_threads = []
    with SocketServer(answer(ANSWER_BYTES)) as server, RecordingManager() as manager:
        with client_of(server, pool_manager=manager) as client:
            client.get_offers(offers())
            assert not forks.thread_exists(request_threads[-1])
    assert native_thread_id() not in request_threads


@pytest.mark.parametrize("form", ["blocking", "callback"])
def test_forks_wait_during_each_use_of_openssl(form, authority, monkeypatch, tmp_path):
    seen = {}
    ca_copy = shutil.copy(authority.ca_file, tmp_path)  # a separate file, so that no other client shares the context

    def record_sections(cls, name):
        real = getattr(cls, name)

        def method(self, *arguments, **options):
            if not getattr(self, "server_side", False):
                seen.setdefault(name, []).append(len(FORK_GUARD.open_sections))
            return real(self, *arguments, **options)

        monkeypatch.setattr(cls, name, method)

    with SocketServer(answer(ANSWER_BYTES), tls=authority.server_context()) as server:
        record_sections(ssl.SSLSocket, "do_handshake")
        record_sections(ssl.SSLSocket, "sendall")
        record_sections(ssl.SSLContext, "load_verify_locations")
        with secure_client(server, ca_certs=ca_copy) as client:
            if form == "blocking":
                client.get_offers(offers())
            else:
                client.get_offers({**offers(), "callback": id}).get(LONG / 1000)
    # The file is loaded once, because the connection uses the context with which ``create`` checked the file.
    assert seen == {"do_handshake": [1], "sendall": [1], "load_verify_locations": [1]}
    assert not FORK_GUARD.open_sections

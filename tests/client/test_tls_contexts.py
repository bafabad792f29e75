"""Clients with equal options share a TLS context. Renewed files lead to a new one. Python never asks for a password."""

import contextlib
import gc
import logging
import os
import select
import shutil
import ssl
import sys
import threading
import time
import weakref

import pytest

from delivery_api_client import Configuration
from delivery_api_client.rest import RESTClientObject
from target_python_sdk import TargetClient
from target_python_sdk.errors import OptionError, TlsError
from target_python_sdk.testing import SocketServer, answer, response
from target_tools.http.tls import CertificateFileError, TlsContexts, create_tls_context
from tests.support import ANSWER_BYTES, LONG, content, in_a_child, offers

pytestmark = pytest.mark.server


def secure_client(server, **options):
    domain = f"localhost:{server.port}"
    required = {"client": "acmeclient", "organization_id": "1@AdobeOrg", "server_domain": domain, "timeout": LONG}
    return TargetClient.create({**required, "telemetry_enabled": False, **options})


def create(**options):
    return TargetClient.create({"client": "acmeclient", "organization_id": "1@AdobeOrg", **options})


@pytest.fixture
def own_ca(authority, tmp_path):
    """Return the path of a copy of the authority's certificate, so that no other test shares the TLS context."""
    return shutil.copy(authority.ca_file, tmp_path / "own-ca.pem")


@pytest.fixture
def created_contexts(monkeypatch):
    """Return a list of weak references to the client contexts that are created."""
    contexts = []
    real = ssl.SSLContext.__new__

    def record_context(cls, protocol=None, *arguments, **options):
        context = real(cls, protocol, *arguments, **options)
        if protocol == ssl.PROTOCOL_TLS_CLIENT:
            contexts.append(weakref.ref(context))
        return context

    monkeypatch.setattr(ssl.SSLContext, "__new__", record_context)
    return contexts


def one_answer_each(seen):
    """Return a handler that records the serial number of the client's certificate and answers one request."""

    def handle(connection):
        if connection.read_request():
            certificate = connection.socket.getpeercert() or {}
            seen.append(certificate.get("serialNumber"))
            connection.send(response(ANSWER_BYTES, headers={"Connection": "close"}))

    return handle


# Sharing


@pytest.mark.parametrize("with_certificate", [False, True])
def test_forty_clients_share_one_context(with_certificate, authority, own_ca, tmp_path, created_contexts):
    options = {"ca_certs": own_ca}
    if with_certificate:
        options["client_cert"] = (*authority.write_client_pair(tmp_path, b"secret")[:2], "secret")
    context = authority.trust(authority.server_context())
    if not with_certificate:
        context.verify_mode = ssl.CERT_NONE
    with SocketServer(answer(ANSWER_BYTES), tls=context) as server:
        clients = [secure_client(server, **options) for _ in range(40)]
        for client in clients:
            assert content(client.get_offers(offers())) == "<b>A</b>"
        assert server.connections == 40
        for client in clients:
            client.close()
    assert len(created_contexts) == 1


def test_a_context_is_freed_with_its_last_client(own_ca, created_contexts):
    client, other = create(ca_certs=own_ca), create(ca_certs=own_ca)
    assert len(created_contexts) == 1
    client.close()
    del client
    gc.collect()
    assert created_contexts[0]() is not None
    other.close()
    del other
    gc.collect()
    assert created_contexts[0]() is None


@pytest.mark.parametrize("difference", ["verify", "ca_certs", "certificate", "password"])
def test_clients_with_other_options_do_not_share_a_context(difference, authority, own_ca, tmp_path):
    pair = authority.write_client_pair(tmp_path)[:2]
    same = {"verify": True, "ca_certs": own_ca, "client_cert": pair}
    changes = {
        "verify": {"verify": False},
        "ca_certs": {"ca_certs": authority.ca_file},
        "certificate": {"client_cert": None},
        "password": {"client_cert": (*pair, "secret")},
    }
    first, second = TlsContexts(**same), TlsContexts(**same)
    third = TlsContexts(**{**same, **changes[difference]})
    assert first.current() is second.current()
    assert first.current() is not third.current()


def test_many_threads_create_and_share_contexts(own_ca):
    barrier, found = threading.Barrier(8), []
    holders = [TlsContexts(True, own_ca, None) for _ in range(8)]

    def get_context(contexts):
        barrier.wait(LONG / 1000)
        found.append(contexts.current())

    threads = [threading.Thread(target=get_context, args=(contexts,)) for contexts in holders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG / 1000)
    assert len(found) == 8
    assert all(isinstance(context, ssl.SSLContext) for context in found)
    # Threads may create a context twice in a race; afterwards all use the same one.
    assert TlsContexts(True, own_ca, None).current() in found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_creates_its_own_context_and_keeps_the_parents(own_ca):
    contexts = TlsContexts(True, own_ca, None)
    inherited = weakref.ref(contexts.current())

    def child():
        own_context = contexts.current()
        assert own_context is not inherited()
        assert own_context is contexts.current()
        assert own_context is TlsContexts(True, own_ca, None).current()
        gc.collect()
        assert inherited() is not None  # freeing it could use a lock that the fork left locked

    assert in_a_child(child)
    assert contexts.current() is inherited()


def test_a_context_of_urllib3s_manager_is_not_shared(authority):
    # urllib3 disables the check of host names on the context, which must not affect other clients.
    configuration = Configuration(host="https://localhost:1")
    configuration.ssl_ca_cert = authority.ca_file
    configuration.assert_hostname = "edge.example"
    shared = TlsContexts(True, authority.ca_file, None).current()
    checks = shared.check_hostname
    with SocketServer(answer(ANSWER_BYTES), tls=authority.server_context("edge.example")) as server:
        configuration.host = f"https://localhost:{server.port}"
        with contextlib.closing(RESTClientObject(configuration)) as rest:
            assert rest.GET(configuration.host + "/").status == 200
    assert TlsContexts(True, authority.ca_file, None).current() is shared
    assert shared.check_hostname == checks


# Renewed files


def test_the_next_connection_sends_a_renewed_certificate(authority, tmp_path):
    pair = authority.write_client_pair(tmp_path)[:2]
    seen = []
    with SocketServer(one_answer_each(seen), tls=authority.trust(authority.server_context())) as server:
        with secure_client(server, ca_certs=authority.ca_file, client_cert=pair) as client:
            for _ in range(2):
                client.get_offers(offers())
            authority.write_client_pair(tmp_path)
            for _ in range(2):
                client.get_offers(offers())
    assert None not in seen
    assert seen[0] == seen[1] != seen[2] == seen[3]


def test_the_next_connection_trusts_renewed_authorities(authority, tmp_path_factory, own_ca):
    other = type(authority)(tmp_path_factory.mktemp("other"))
    shutil.copy(other.ca_file, own_ca)
    with SocketServer(one_answer_each([]), tls=authority.server_context()) as server:
        with secure_client(server, ca_certs=own_ca) as client:
            with pytest.raises(TlsError):
                client.get_offers(offers())
            shutil.copy(authority.ca_file, own_ca)
            assert content(client.get_offers(offers())) == "<b>A</b>"


@pytest.mark.parametrize("damage", ["missing", "empty", "other key"])
def test_invalid_renewed_files_leave_the_old_context_in_use_with_one_warning(damage, authority, tmp_path, caplog):
    certificate, key, _ = authority.write_client_pair(tmp_path)
    (tmp_path / "next").mkdir()
    _, other_key, _ = authority.write_client_pair(tmp_path / "next")
    seen = []
    with SocketServer(one_answer_each(seen), tls=authority.trust(authority.server_context())) as server:
        with secure_client(server, ca_certs=authority.ca_file, client_cert=(certificate, key)) as client:
            client.get_offers(offers())
            if damage == "missing":
                os.remove(certificate)
            elif damage == "empty":
                open(certificate, "w").close()
            else:
                os.replace(other_key, key)
            for _ in range(3):
                client.get_offers(offers())
            warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
            assert len(warnings) == 1
            assert "client_cert" in warnings[0].getMessage()
            authority.write_client_pair(tmp_path)
            client.get_offers(offers())
    assert len(set(seen[:4])) == 1
    assert seen[4] != seen[0]
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1


def test_the_warning_goes_to_the_clients_own_logger(authority, tmp_path):
    class WarningLogger:
        def __init__(self):
            self.warnings = []

        def debug(self, *_):
            pass

        error = debug

        def warning(self, message, *arguments):
            self.warnings.append(message % arguments)

    logger = WarningLogger()
    pair = authority.write_client_pair(tmp_path)[:2]
    with SocketServer(one_answer_each([]), tls=authority.server_context()) as server:
        with secure_client(server, ca_certs=authority.ca_file, client_cert=pair, logger=logger) as client:
            client.get_offers(offers())
            os.remove(pair[0])
            client.get_offers(offers())
    assert len(logger.warnings) == 1


# Passwords


@pytest.mark.parametrize("password", ["secret", b"secret"])
@pytest.mark.parametrize("files", ["two", "one", "one, key None"])
def test_an_encrypted_key_is_used_with_its_password(files, password, authority, tmp_path):
    certificate, key, combined = authority.write_client_pair(tmp_path, b"secret")
    value = {
        "two": (certificate, key, password),
        "one": (combined, combined, password),
        "one, key None": (combined, None, password),
    }[files]
    seen = []
    with SocketServer(one_answer_each(seen), tls=authority.trust(authority.server_context())) as server:
        with secure_client(server, ca_certs=authority.ca_file, client_cert=value) as client:
            assert content(client.get_offers(offers())) == "<b>A</b>"
    assert seen != [None]


def test_a_combined_file_without_password_may_be_given_as_a_pair(authority, tmp_path):
    combined = authority.write_client_pair(tmp_path)[2]
    create(client_cert=(combined, None)).close()
    create(client_cert=combined).close()
    create(client_cert=(combined, None, None)).close()
    create(client_cert=(combined, None, "not needed")).close()


@pytest.mark.parametrize(
    ("password", "text"),
    [
        (None, "the private key is encrypted"),
        ("", "the private key is encrypted"),
        ("guess", "the password does not decrypt the private key"),
        (b"guess", "the password does not decrypt the private key"),
        ("g" * 5000, "the password does not decrypt the private key"),
    ],
)
def test_a_missing_or_wrong_password_is_an_error_of_create(password, text, authority, tmp_path):
    certificate, key, _ = authority.write_client_pair(tmp_path, b"secret")
    with pytest.raises(OptionError, match=text) as caught:
        create(client_cert=(certificate, key, password))
    assert caught.value.option == "client_cert"
    assert "password" in caught.value.expected
    assert "client_cert" in str(caught.value)
    assert "guess" not in str(caught.value)


def test_a_key_of_another_certificate_is_not_reported_as_a_wrong_password(authority, tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
    certificate = authority.write_client_pair(tmp_path / "a")[0]
    key = authority.write_client_pair(tmp_path / "b", b"secret")[1]
    with pytest.raises(OptionError, match="KEY_VALUES_MISMATCH"):
        create(client_cert=(certificate, key, "secret"))


@pytest.mark.parametrize("value", ["path", "pair", "triple"])
def test_an_encrypted_key_never_prompts_on_a_terminal(value, authority, tmp_path):
    pty = pytest.importorskip("pty")
    certificate, key, combined = authority.write_client_pair(tmp_path, b"secret")
    cert = {"path": combined, "pair": (certificate, key), "triple": (certificate, key, "guess")}[value]
    program = (
        "from target_python_sdk import TargetClient\n"
        "try:\n"
        f"    TargetClient.create({{'client': 'a', 'organization_id': '1@AdobeOrg', 'client_cert': {cert!r}}})\n"
        "except Exception as error:\n"
        "    print('raised', type(error).__name__)\n"
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", program])
    output, end = b"", time.monotonic() + LONG / 1000  # a prompt would wait forever
    try:
        while time.monotonic() < end and b"phrase" not in output:
            if select.select([terminal], [], [], 0.2)[0]:
                try:
                    output += os.read(terminal, 4096)
                except OSError:  # the program ended
                    break
    finally:
        os.close(terminal)  # ends a program that waits for input
        os.waitpid(pid, 0)
    assert output.strip() == b"raised OptionError"


def test_an_api_client_with_an_encrypted_key_and_no_password_raises_a_tls_error(authority, tmp_path):
    certificate, key, _ = authority.write_client_pair(tmp_path, b"secret")
    configuration = Configuration(host="https://localhost:1")
    configuration.cert_file, configuration.key_file = certificate, key
    for assert_hostname in (None, "edge.example"):
        configuration.assert_hostname = assert_hostname
        with pytest.raises(TlsError, match="the private key is encrypted"):
            RESTClientObject(configuration).GET(configuration.host + "/")


def test_the_error_about_an_invalid_certificate_file_names_the_option(tmp_path):
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    for option, arguments in (("ca_certs", (str(broken), None)), ("client_cert", (None, str(broken)))):
        with pytest.raises(CertificateFileError) as caught:
            TlsContexts(True, *arguments).current()
        assert caught.value.option == option
        assert isinstance(caught.value, OSError)
        assert "cannot be loaded" in str(caught.value)


# Post-handshake authentication


@pytest.mark.skipif(not ssl.HAS_TLSv1_3, reason="needs TLS 1.3")
def test_a_certificate_is_sent_if_the_server_requests_it_after_the_handshake(authority, tmp_path):
    context = authority.trust(authority.server_context())
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.post_handshake_auth = True
    context.num_tickets = 0  # a ticket that arrives after the answer would make the connection unusable
    certificates = []

    def authenticate_later(connection):
        # The client handles the request for its certificate while it reads the response, so the certificate arrives
        # with the next request.
        connection.read_request()
        connection.socket.verify_client_post_handshake()
        connection.send(response(ANSWER_BYTES))
        connection.read_request()
        certificates.append(connection.socket.getpeercert())
        connection.send(response(ANSWER_BYTES))

    pair = authority.write_client_pair(tmp_path)[:2]
    with SocketServer(authenticate_later, tls=context) as server:
        with secure_client(server, ca_certs=authority.ca_file, client_cert=pair) as client:
            for _ in range(2):
                assert content(client.get_offers(offers())) == "<b>A</b>"
        assert server.connections == 1
    assert certificates[0]["subjectAltName"] == (("email", "client@example.com"),)


def test_authentication_after_the_handshake_is_offered_only_with_a_certificate(authority, tmp_path):
    pair = authority.write_client_pair(tmp_path)[:2]
    assert create_tls_context(True, authority.ca_file, pair).post_handshake_auth
    assert not create_tls_context(True, authority.ca_file, None).post_handshake_auth


# SSLKEYLOGFILE


@pytest.mark.skipif(not hasattr(ssl.SSLContext, "keylog_filename"), reason="needs OpenSSL 1.1.1")
def test_session_keys_are_written_to_sslkeylogfile(authority, own_ca, tmp_path, monkeypatch):
    monkeypatch.setenv("KEY_FOLDER", str(tmp_path))
    with SocketServer(one_answer_each([]), tls=authority.server_context()) as server:
        with secure_client(server, ca_certs=own_ca) as client:
            client.get_offers(offers())
            assert not (tmp_path / "keys.log").exists()
            monkeypatch.setenv("SSLKEYLOGFILE", "$KEY_FOLDER/keys.log")
            client.get_offers(offers())
            assert "CLIENT" in (tmp_path / "keys.log").read_text()
            size = (tmp_path / "keys.log").stat().st_size
            monkeypatch.setenv("SSLKEYLOGFILE", "")
            client.get_offers(offers())
    assert (tmp_path / "keys.log").stat().st_size == size

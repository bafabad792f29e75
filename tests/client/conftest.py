"""A certificate authority for TLS servers and clients on loopback."""

import os
import ssl

import pytest
import trustme
from cryptography.hazmat.primitives import serialization


class Authority:
    """A certificate authority for tests, and the certificates that it issues."""

    def __init__(self, folder):
        self._folder = folder
        self._authority = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        self._authority.cert_pem.write_to_path(self.ca_file)

    def server_context(self, *names, **options):
        """Return a TLS context for a server, with a certificate for ``names``, by default for localhost."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(*(names or ("localhost", "127.0.0.1")), **options).configure_cert(context)
        return context

    def trust(self, context):
        """Make the server with this TLS context require client certificates of this authority; return the context."""
        self._authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client_files(self):
        """Write a client certificate and its key to two files; return their paths."""
        certificate = self._authority.issue_cert("client@example.com")
        paths = str(self._folder / "client.pem"), str(self._folder / "client.key")
        certificate.cert_chain_pems[0].write_to_path(paths[0])
        certificate.private_key_pem.write_to_path(paths[1])
        return paths

    def write_client_pair(self, folder, password=None, name="client@example.com"):
        """Write a new client certificate and its key into ``folder``; encrypt the key if there is a password.

        Return the paths of the certificate, of the key, and of a file with both.
        """
        issued = self._authority.issue_cert(name)
        certificate, key = issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()
        if password is not None:
            plain = serialization.load_pem_private_key(key, None)
            encryption = serialization.BestAvailableEncryption(password)
            key = plain.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        paths = tuple(str(folder / file) for file in ("pair.crt", "pair.key", "pair.pem"))
        for path, content in zip(paths, (certificate, key, certificate + key)):
            new_path = path + ".new"
            with open(new_path, "wb") as stream:
                stream.write(content)
            os.replace(new_path, path)
        return paths


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))

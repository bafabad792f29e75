"""A certificate authority on loopback."""

import ssl

import pytest
import trustme


class Authority:
    """An authority that nobody else trusts, and the certificates it signs."""

    def __init__(self, folder):
        self._folder = folder
        self._authority = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        self._authority.cert_pem.write_to_path(self.ca_file)

    def server_context(self, *names, **options):
        """What a server of these names (localhost, unless others are given) shows."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(*(names or ("localhost", "127.0.0.1")), **options).configure_cert(context)
        return context

    def trust(self, context):
        """Let a server ask its clients for certificates of this authority."""
        self._authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client_files(self):
        """Certificate and key of a client, in two files."""
        certificate = self._authority.issue_cert("client@example.com")
        paths = str(self._folder / "client.pem"), str(self._folder / "client.key")
        certificate.cert_chain_pems[0].write_to_path(paths[0])
        certificate.private_key_pem.write_to_path(paths[1])
        return paths


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))

"""What a TLS connection trusts, and what it shows of itself."""

import os.path
import ssl
from typing import Optional, Tuple, Union

import urllib3

from target_tools.forks import Crossing

ClientCert = Union[None, str, Tuple[str, str]]


def tls_context(verify: bool, ca_certs: Optional[str], client_cert: ClientCert) -> ssl.SSLContext:
    """A context for TLS 1.2 and newer.

    ``ca_certs`` is a file or a folder of authorities and replaces the usual ones: the
    system's, and certifi's where that is installed.  ``client_cert`` is a PEM file with
    certificate and key, or the two files.  Raises OSError for a file that cannot be read.
    """
    with Crossing():
        return _context(verify, ca_certs, client_cert)


def _context(verify: bool, ca_certs: Optional[str], client_cert: ClientCert) -> ssl.SSLContext:
    # Not urllib3's, which keeps the class that it found when it was imported: gevent and eventlet put another
    # in its place, and from then on the old one's setters call themselves.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not hasattr(urllib3, "BaseHTTPResponse"):  # 1.26
        context.check_hostname = False  # it matches names itself, and does not tell the context addresses
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca_certs is not None:
        _trust(context, ca_certs)
    else:
        context.load_default_certs()
        _trust_certifi(context)
    if client_cert is not None:
        certificate, key = (client_cert, None) if isinstance(client_cert, str) else client_cert
        context.load_cert_chain(certificate, key)
    return context


def _trust(context: ssl.SSLContext, authorities: str) -> None:
    if os.path.isdir(authorities):
        context.load_verify_locations(capath=authorities)
    else:
        context.load_verify_locations(cafile=authorities)


def _trust_certifi(context: ssl.SSLContext) -> None:
    """Add certifi's authorities: slim containers have no others."""
    try:
        import certifi  # pyright: ignore[reportMissingImports]  # noqa: PLC0415 - not required; used where it is
    except ImportError:
        return
    context.load_verify_locations(cafile=certifi.where())

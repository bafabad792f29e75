"""TLS contexts with the trusted authorities and the client certificate.

Creating a context takes milliseconds, and its authorities take a megabyte of memory, so clients with equal options
share one.
"""

import os
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Optional, Tuple, Union

import urllib3

from target_tools.concurrency.fork_safety import OpenSSLSection
from target_tools.errors import TlsError
from target_tools.logger import Log

if TYPE_CHECKING:
    import ssl
else:
    try:
        import ssl
    except ImportError:  # Pyodide has no such module until a program loads it
        ssl = None

Password = Union[None, str, bytes]
#: A PEM file with certificate and key; or the certificate, its key (None: in the same file), and the key's password.
ClientCert = Union[None, str, Tuple[str, Optional[str]], Tuple[str, Optional[str], Password]]

#: Identifies one state of a file: device, inode, size, and the times of its last changes.
_Stamp = Optional[Tuple[int, ...]]


class CertificateFileError(OSError):
    """Certificate files that cannot be loaded.

    ``option`` is ``ca_certs`` or ``client_cert``, and ``expected`` describes the files that are accepted.
    """

    def __init__(self, option: str, problem: str, expected: str) -> None:
        super().__init__(problem)
        self.option = option
        self.expected = expected


class TlsContexts:
    """The TLS context for one set of options, shared by all clients of a process that have equal options.

    Certificate files are loaded again after a change. Takes no lock, so two threads may create a context twice.
    ``is_private`` prevents sharing, because urllib3 modifies the context if ``assert_hostname`` is set.
    """

    def __init__(
        self,
        verify: bool,
        ca_certs: Optional[str],
        client_cert: ClientCert,
        log: Optional[Log] = None,
        is_private: bool = False,
    ) -> None:
        self._verify = verify
        self._ca_certs = ca_certs
        self._client_cert = client_cert
        self._log = Log() if log is None else log
        self._owner = id(self) if is_private else None
        self._kept: Optional[_CachedContext] = None
        # A forked child must not free its parent's contexts: another thread may have held their locks at the fork.
        self._inherited: Tuple[_CachedContext, ...] = ()
        self._has_warned = False

    def current(self) -> "ssl.SSLContext":
        """Return the context for a new connection. Do not change it, because other clients use it too.

        If changed files cannot be loaded, return the context of the previous files. Raises ``CertificateFileError``
        if there is none, OSError for an SSLKEYLOGFILE that cannot be opened, and ``TlsError`` if this Python has no
        ssl module.
        """
        if ssl is None:  # pyright: ignore[reportUnnecessaryComparison]
            raise TlsError("this Python has no ssl module")
        # Take the stamps before reading the files, so that the next call notices a change in between.
        key = self._key()
        kept = self._kept
        if kept is not None and kept.key == key:
            return kept.context
        if kept is not None and kept.key.pid != key.pid:
            self._inherited += (kept,)
            self._kept = kept = None
        context = _SHARED.get(key)
        if context is None:
            try:
                context = create_tls_context(self._verify, self._ca_certs, self._client_cert)
            except OSError as error:
                if kept is None:
                    raise
                self._warn(error)
                return kept.context
            context = _SHARED.setdefault(key, context)
        self._kept = _CachedContext(key, context)
        self._has_warned = False
        return context

    def _key(self) -> "_ContextKey":
        cert, key, _ = _parts(self._client_cert)
        stamps = tuple(_stamp(path) for path in (self._ca_certs, cert, key) if path is not None)
        options = (self._verify, self._ca_certs, self._client_cert)
        return _ContextKey(os.getpid(), self._owner, ssl.SSLContext, *options, stamps, _key_log_file())

    def _warn(self, error: OSError) -> None:
        """Log a warning, but only once until the files can be loaded again."""
        if not self._has_warned:
            self._has_warned = True
            option = getattr(error, "option", "SSLKEYLOGFILE")
            self._log.warning(
                "%s: the changed file cannot be loaded (%s); new connections use the one loaded before", option, error
            )


class _ContextKey(NamedTuple):
    """Identifies a context. Contexts with equal keys are interchangeable."""

    pid: int
    #: The id of the ``TlsContexts`` if it does not share its context, else None.
    owner: Optional[int]
    #: The class ``ssl.SSLContext``, which gevent and eventlet replace.
    kind: Any
    verify: bool
    ca_certs: Optional[str]
    client_cert: ClientCert
    stamps: Tuple[_Stamp, ...]
    key_log_file: Optional[str]


class _CachedContext(NamedTuple):
    key: _ContextKey
    context: "ssl.SSLContext"


#: The contexts in use. Weak, so that a context is freed with the last client that uses it.
_SHARED: "weakref.WeakValueDictionary[_ContextKey, ssl.SSLContext]" = weakref.WeakValueDictionary()


def _stamp(path: str) -> _Stamp:
    """Return the state of a file or folder, or None if it cannot be determined."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _key_log_file() -> Optional[str]:
    """Return the file for session keys, by the same rule as urllib3's ``create_urllib3_context``."""
    return os.path.expandvars(os.environ.get("SSLKEYLOGFILE", "")) or None


def _parts(client_cert: ClientCert) -> Tuple[Optional[str], Optional[str], Password]:
    """Return certificate file, key file and password."""
    if client_cert is None or isinstance(client_cert, str):
        return client_cert, None, None
    return client_cert[0], client_cert[1], client_cert[2] if len(client_cert) > 2 else None


def create_tls_context(verify: bool, ca_certs: Optional[str], client_cert: ClientCert) -> "ssl.SSLContext":
    """Create a context for TLS 1.2 and newer that the caller may change.

    ``ca_certs`` is a file or a folder of authorities. It replaces the default authorities: the system's, and those of
    certifi if it is installed. Raises ``CertificateFileError``, an OSError.
    """
    with OpenSSLSection():
        return _context(verify, ca_certs, client_cert)


def _context(verify: bool, ca_certs: Optional[str], client_cert: ClientCert) -> "ssl.SSLContext":
    # Do not use urllib3's function. It uses the class that existed when urllib3 was imported. gevent and eventlet
    # replace the class, and the setters of the old one then recurse without end.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not hasattr(urllib3, "BaseHTTPResponse"):  # urllib3 1.26
        context.check_hostname = False  # 1.26 checks host names itself, and does not pass IP addresses to the context
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if client_cert is not None:  # first, to fail fast while a renewed pair of files is incomplete
        _load_client_cert(context, client_cert)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca_certs is not None:
        _load_authorities(context, ca_certs)
    else:
        context.load_default_certs()
        _load_certifi(context)
    key_log_file = _key_log_file()
    if key_log_file is not None and hasattr(context, "keylog_filename"):  # some OpenSSL versions lack it
        context.keylog_filename = key_log_file
    return context


def _load_client_cert(context: "ssl.SSLContext", client_cert: ClientCert) -> None:
    """Load the client certificate and its key. Never prompts for a password on the terminal."""
    certificate, key, password = _parts(client_cert)
    assert certificate is not None
    prompts = []

    def answer() -> Union[str, bytes]:
        prompts.append(True)
        return password or b""

    try:
        context.load_cert_chain(certificate, key, answer)
    except (OSError, ValueError) as error:  # ValueError: a password that is too long for OpenSSL
        _refuse_client_cert(error, bool(prompts), bool(password))
    # Allow the server to request the certificate after the handshake (TLS 1.3). None if OpenSSL does not support it.
    if getattr(context, "post_handshake_auth", None) is not None:
        context.post_handshake_auth = True


def _refuse_client_cert(error: Exception, is_encrypted: bool, has_password: bool) -> NoReturn:
    """Raise the error for client certificate files that cannot be loaded."""
    option, expected = "client_cert", "PEM files of a certificate and its private key"
    if not is_encrypted or getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        problem = f"the certificate and its key cannot be loaded ({_reason(error)})"
    elif has_password:
        problem, expected = "the password does not decrypt the private key", "(certificate, key, password)"
    else:
        problem, expected = "the private key is encrypted", "(certificate, key, password)"
    raise CertificateFileError(option, problem, expected) from error


def _load_authorities(context: "ssl.SSLContext", authorities: str) -> None:
    try:
        if os.path.isdir(authorities):
            context.load_verify_locations(capath=authorities)
        else:
            context.load_verify_locations(cafile=authorities)
    except OSError as error:
        problem = f"the authorities cannot be loaded ({_reason(error)})"
        raise CertificateFileError("ca_certs", problem, "a PEM file, or a folder, of certificates") from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__)


def _load_certifi(context: "ssl.SSLContext") -> None:
    """Load certifi's authorities if it is installed, because slim containers have no others."""
    try:
        import certifi  # pyright: ignore[reportMissingImports]  # noqa: PLC0415 - not required; used if installed
    except ImportError:
        return
    context.load_verify_locations(cafile=certifi.where())

"""The configuration of an :class:`~delivery_api_client.api_client.ApiClient`: host, TLS, proxy, retries, logging."""

import logging
import os
import sys
from typing import Any, ClassVar, Dict, List, Mapping, Optional

from target_python_sdk.version import __version__
from target_tools.errors import ApiKeyError, ApiValueError

#: 1.1.0's default, which reaches no server because the client code is missing.
DEFAULT_HOST = "https://.tt.omtrdc.net"


class Configuration:
    """The attributes that configure an ``ApiClient``.

    Configurations share no state. New ones start as a copy of the configuration that :meth:`set_default` received;
    arguments override it.
    """

    _default: ClassVar[Optional["Configuration"]] = None

    host: str = DEFAULT_HOST
    """Scheme and host of every call, optionally with a port and a path. Read at each call."""

    api_key: Dict[str, str]
    """API keys by security scheme. The Delivery API has none; subclasses that override ``auth_settings`` may."""

    api_key_prefix: Dict[str, str]
    """Prefixes of the API keys, by security scheme."""

    username: str = ""
    password: str = ""

    verify_ssl: bool = True
    """False disables the verification of certificates."""

    ssl_ca_cert: Optional[str] = None
    """A file or folder of certificate authorities that replaces the default ones."""

    cert_file: Optional[str] = None
    """The client certificate, as PEM. ``key_file`` is its key, if that is in a separate file."""

    key_file: Optional[str] = None

    assert_hostname: Any = None
    """The host name expected in the server's certificate; by default that of the URL. False accepts any."""

    proxy: Optional[str] = None
    """``[scheme://][user:password@]host:port`` with the scheme http, https or socks5."""

    proxy_headers: Optional[Mapping[str, str]] = None

    retries: Any = None
    """The number of retries, a ``urllib3.Retry``, or None for urllib3's default, as in 1.1.0."""

    connection_pool_maxsize: int = (os.cpu_count() or 1) * 5
    """No effect: up to 256 idle connections are kept for each host."""

    temp_folder_path: Optional[str] = None
    """No effect: the Delivery API returns no files."""

    safe_chars_for_path_param: str = ""
    """Characters of a path parameter that are not percent-encoded."""

    debug: bool = False
    """Whether DEBUG log lines show requests and responses unredacted, including visitor ids.

    The lines appear only if the application sets the level of the ``delivery_api_client`` logger to DEBUG.
    """

    logger: Dict[str, logging.Logger]
    """The loggers of this package and of urllib3."""

    logger_formatter: logging.Formatter
    logger_stream_handler: Optional[logging.Handler] = None
    logger_file_handler: Optional[logging.Handler] = None
    _logger_file: Optional[str] = None
    _logger_format = "%(asctime)s %(levelname)s %(message)s"

    def __init__(
        self,
        host: str = DEFAULT_HOST,
        api_key: Mapping[str, str] = {},
        api_key_prefix: Mapping[str, str] = {},
        username: str = "",
        password: str = "",
    ) -> None:
        if Configuration._default is None:
            self.api_key, self.api_key_prefix = {}, {}
            loggers = {"package_logger": "delivery_api_client", "urllib3_logger": "urllib3"}
            self.logger = {key: logging.getLogger(name) for key, name in loggers.items()}
            self.logger_formatter = logging.Formatter(self._logger_format)
        else:
            self.__dict__.update(vars(Configuration._default.__copy__()))
        if host != DEFAULT_HOST:
            self.host = host
        self.api_key.update(api_key)
        self.api_key_prefix.update(api_key_prefix)
        self.username = username or self.username
        self.password = password or self.password

    @classmethod
    def set_default(cls, default: Optional["Configuration"]) -> None:
        """Let new configurations start as a copy of ``default``; None restores the original defaults.

        This does not affect ``TargetClient``, which has options for proxies and certificates.
        """
        if default is not None:
            logging.getLogger("delivery_api_client").warning(
                "Configuration.set_default does not affect TargetClient; use its options proxy, ca_certs, verify_ssl …"
            )
        Configuration._default = None if default is None else default.__copy__()

    def __copy__(self) -> "Configuration":
        copy = self.__class__.__new__(self.__class__)
        for name, value in vars(self).items():
            copy.__dict__[name] = dict(value) if isinstance(value, dict) else value
        return copy

    def __deepcopy__(self, memo: Dict[int, Any]) -> "Configuration":
        return self.__copy__()  # share loggers and handlers; all other mutable values are flat

    @property
    def logger_file(self) -> Optional[str]:
        """A file to which the ``delivery_api_client`` logger writes in addition to its other handlers."""
        return self._logger_file

    @logger_file.setter
    def logger_file(self, value: Optional[str]) -> None:
        logger = self.logger["package_logger"]
        if self.logger_file_handler is not None:
            logger.removeHandler(self.logger_file_handler)
            self.logger_file_handler.close()
        self.logger_file_handler, self._logger_file = None, value
        if value:
            self.logger_file_handler = logging.FileHandler(value, delay=True)
            self.logger_file_handler.setFormatter(self.logger_formatter)
            logger.addHandler(self.logger_file_handler)

    @property
    def logger_format(self) -> str:
        """The format of the lines in ``logger_file``, for ``logging.Formatter``."""
        return self._logger_format

    @logger_format.setter
    def logger_format(self, value: str) -> None:
        self._logger_format = value
        self.logger_formatter = logging.Formatter(value)
        if self.logger_file_handler is not None:
            self.logger_file_handler.setFormatter(self.logger_formatter)

    def get_api_key_with_prefix(self, identifier: str) -> Optional[str]:
        """Return the API key of a security scheme with its prefix, or None."""
        key = self.api_key.get(identifier)
        prefix = self.api_key_prefix.get(identifier)
        return f"{prefix} {key}" if key and prefix else key

    def get_basic_auth_token(self) -> str:
        """Return the header for basic authentication."""
        from urllib3 import make_headers  # noqa: PLC0415 - the Delivery API does not need it

        return str(make_headers(basic_auth=f"{self.username}:{self.password}")["authorization"])

    def auth_settings(self) -> Dict[str, Dict[str, Any]]:
        """Return the security schemes of the API: none."""
        return {}

    def to_debug_report(self) -> str:
        """Return the versions that a bug report should contain."""
        lines = ("OS: " + sys.platform, "Python Version: " + sys.version, "Version of the API: 1.0.0")
        return "\n".join(("Python SDK Debug Report:", *lines, "SDK Package Version: " + __version__))

    def get_host_settings(self) -> List[Dict[str, Any]]:
        """Return the servers of the API. ``{clientCode}`` stands for the client code."""
        return [{"url": "https://{clientCode}.tt.omtrdc.net/", "description": "No description provided"}]

    def get_host_from_settings(self, index: int, variables: Mapping[str, str] = {}) -> str:
        """Return the URL of a server. Raises ``ApiKeyError`` if ``variables`` lacks a placeholder of the URL."""
        servers = self.get_host_settings()
        if not 0 <= index < len(servers):
            limit = f"Must be less than {len(servers)}"
            raise ApiValueError(f"Invalid index {index} when selecting the host settings. {limit}")
        try:
            return str(servers[index]["url"]).format(**variables)
        except KeyError as error:
            raise ApiKeyError(f"variables lack {error}") from None

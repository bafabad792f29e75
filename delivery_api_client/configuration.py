"""What an :class:`~delivery_api_client.api_client.ApiClient` is told of its host, and of the way there."""

import logging
import os
import sys
from typing import Any, ClassVar, Dict, List, Mapping, Optional

from target_python_sdk.version import __version__
from target_tools.errors import ApiKeyError, ApiValueError

#: Where a call goes that nobody told: nowhere, as the client code is missing.
DEFAULT_HOST = "https://.tt.omtrdc.net"
_LINE_FORMAT = "%(asctime)s %(levelname)s %(message)s"


class Configuration:
    """Attributes that an ``ApiClient`` is made with.

    Each object is its own: the host of one is never another's.  What :meth:`set_default` was
    given is copied into those that are made after it, where their arguments say nothing else.
    """

    _default: ClassVar[Optional["Configuration"]] = None

    host: str
    """Scheme and host of every call, with a port or a path where needed; read at each call."""

    api_key: Dict[str, str]
    """Keys by the name of a security scheme.  The Delivery API has none: kept for subclasses with ``auth_settings``."""

    api_key_prefix: Dict[str, str]
    """What stands before a key, by the same names."""

    username: str
    password: str

    verify_ssl: bool
    """False trusts anybody."""

    ssl_ca_cert: Optional[str]
    """A file or a folder of authorities, in place of the usual ones."""

    cert_file: Optional[str]
    """The client's certificate, as PEM; ``key_file`` is its key where that is a file of its own."""

    key_file: Optional[str]

    assert_hostname: Any
    """The name that the server's certificate is for, where it is not the host's; False: any."""

    proxy: Optional[str]
    """``[scheme://][user:password@]host:port`` with the scheme http, https or socks5."""

    proxy_headers: Optional[Mapping[str, str]]

    retries: Any
    """How often a request is sent again: a number, a ``urllib3.Retry``, or None as 1.1.0's urllib3 did by itself."""

    connection_pool_maxsize: int
    """Without effect: as many connections are kept as calls need at once."""

    temp_folder_path: Optional[str]
    """Without effect: no answer of the Delivery API is a file."""

    safe_chars_for_path_param: str
    """Characters of a path parameter that are not percent-encoded."""

    logger: Dict[str, logging.Logger]
    """The loggers of this package and of urllib3."""

    logger_formatter: logging.Formatter
    logger_stream_handler: Optional[logging.Handler]
    logger_file_handler: Optional[logging.Handler]

    def __init__(
        self,
        host: str = DEFAULT_HOST,
        api_key: Mapping[str, str] = {},
        api_key_prefix: Mapping[str, str] = {},
        username: str = "",
        password: str = "",
    ) -> None:
        default = Configuration._default
        self.__dict__.update(_fresh() if default is None else _copied(default))
        if host != DEFAULT_HOST:
            self.host = host
        self.api_key.update(api_key)
        self.api_key_prefix.update(api_key_prefix)
        self.username = username or self.username
        self.password = password or self.password

    @classmethod
    def set_default(cls, default: Optional["Configuration"]) -> None:
        """Let what is made from now on begin as a copy of ``default``, or as ever for None.

        It is for this package alone: ``TargetClient.create`` has options of its own for proxies and certificates.
        """
        if default is not None:
            logging.getLogger("delivery_api_client").warning(
                "Configuration.set_default is not for TargetClient, whose options are proxy, ca_certs, verify_ssl …"
            )
        Configuration._default = None if default is None else default.__copy__()

    def __copy__(self) -> "Configuration":
        copy = self.__class__.__new__(self.__class__)
        copy.__dict__.update(_copied(self))
        return copy

    def __deepcopy__(self, memo: Dict[int, Any]) -> "Configuration":
        return self.__copy__()  # loggers and handlers are not copied, and what else is mutable is flat

    @property
    def debug(self) -> bool:
        """Whether the DEBUG lines of ``delivery_api_client`` show requests and answers as they are, visitors' ids too.

        Whether there are such lines is up to the level of that logger, which is the application's to set.
        """
        return bool(self.__dict__["_debug"])

    @debug.setter
    def debug(self, value: bool) -> None:
        self.__dict__["_debug"] = bool(value)

    @property
    def logger_file(self) -> Optional[str]:
        """A file that the lines of ``delivery_api_client`` go to, besides where they go anyway."""
        file: Optional[str] = self.__dict__["_logger_file"]
        return file

    @logger_file.setter
    def logger_file(self, value: Optional[str]) -> None:
        logger = self.logger["package_logger"]
        if self.logger_file_handler is not None:
            logger.removeHandler(self.logger_file_handler)
            self.logger_file_handler.close()
        self.logger_file_handler, self.__dict__["_logger_file"] = None, value
        if value:
            self.logger_file_handler = logging.FileHandler(value, delay=True)
            self.logger_file_handler.setFormatter(self.logger_formatter)
            logger.addHandler(self.logger_file_handler)

    @property
    def logger_format(self) -> str:
        """How a line in that file reads, in the words of ``logging.Formatter``."""
        return str(self.__dict__["_logger_format"])

    @logger_format.setter
    def logger_format(self, value: str) -> None:
        self.__dict__["_logger_format"] = value
        self.logger_formatter = logging.Formatter(value)
        if self.logger_file_handler is not None:
            self.logger_file_handler.setFormatter(self.logger_formatter)

    def get_api_key_with_prefix(self, identifier: str) -> Optional[str]:
        """The key of a security scheme as it is sent; None if there is none."""
        key = self.api_key.get(identifier)
        prefix = self.api_key_prefix.get(identifier)
        return "{} {}".format(prefix, key) if key and prefix else key

    def get_basic_auth_token(self) -> str:
        """The header of HTTP's basic authentication."""
        from urllib3 import make_headers  # noqa: PLC0415 - nobody asks the edge with it

        return str(make_headers(basic_auth="{}:{}".format(self.username, self.password))["authorization"])

    def auth_settings(self) -> Dict[str, Dict[str, Any]]:
        """The security schemes of the API: none."""
        return {}

    def to_debug_report(self) -> str:
        """What a bug report should name."""
        lines = ("OS: " + sys.platform, "Python Version: " + sys.version, "Version of the API: 1.0.0")
        return "\n".join(("Python SDK Debug Report:", *lines, "SDK Package Version: " + __version__))

    def get_host_settings(self) -> List[Dict[str, Any]]:
        """The servers of the API; the part in braces is for the client code."""
        return [{"url": "https://{clientCode}.tt.omtrdc.net/", "description": "No description provided"}]

    def get_host_from_settings(self, index: int, variables: Mapping[str, str] = {}) -> str:
        """The address of such a server.  Raises ``ApiKeyError`` where ``variables`` lack what stands in braces."""
        servers = self.get_host_settings()
        if not 0 <= index < len(servers):
            text = "Invalid index {} when selecting the host settings. Must be less than {}"
            raise ApiValueError(text.format(index, len(servers)))
        try:
            return str(servers[index]["url"]).format(**variables)
        except KeyError as error:
            raise ApiKeyError("variables lack {}".format(error)) from None


def _fresh() -> Dict[str, Any]:
    """The attributes of a configuration that nobody was told anything about."""
    return {
        "host": DEFAULT_HOST,
        "temp_folder_path": None,
        "api_key": {},
        "api_key_prefix": {},
        "username": "",
        "password": "",
        "logger": {
            "package_logger": logging.getLogger("delivery_api_client"),
            "urllib3_logger": logging.getLogger("urllib3"),
        },
        "logger_formatter": logging.Formatter(_LINE_FORMAT),
        "logger_stream_handler": None,
        "logger_file_handler": None,
        "_logger_format": _LINE_FORMAT,
        "_logger_file": None,
        "_debug": False,
        "verify_ssl": True,
        "ssl_ca_cert": None,
        "cert_file": None,
        "key_file": None,
        "assert_hostname": None,
        "connection_pool_maxsize": (os.cpu_count() or 1) * 5,
        "proxy": None,
        "proxy_headers": None,
        "safe_chars_for_path_param": "",
        "retries": None,
    }


def _copied(configuration: Configuration) -> Dict[str, Any]:
    """The attributes of ``configuration``; its dicts are new ones."""
    given = vars(configuration)
    return {name: dict(value) if isinstance(value, dict) else value for name, value in given.items()}

"""The proxy that the environment sets for an origin, and the exemptions of NO_PROXY."""

import pytest

from target_python_sdk.artifact.location import parse_url
from target_python_sdk.delivery.option_parsers import domain
from target_tools.errors import OptionError
from target_tools.http.messages import Origin
from target_tools.http.pool_managers import new_manager
from target_tools.http.proxies import is_exempt, parse_proxy, proxy_from_environment
from target_tools.http.tls import TlsContexts
from tests.support import installing

EDGE = "acmeclient.tt.omtrdc.net"

#: The value of NO_PROXY, a host, and whether the host bypasses the proxy.
ROWS = [
    ("", EDGE, False),
    (",, ,", EDGE, False),
    ("*", EDGE, True),
    ("*", "10.1.2.3", True),
    ("other.example,*", EDGE, True),
    (EDGE, EDGE, True),
    (EDGE.upper(), EDGE, True),
    (EDGE, EDGE.upper(), True),
    (EDGE + ".", EDGE, True),
    (EDGE, EDGE + ".", True),
    ("omtrdc.net", EDGE, True),
    (".omtrdc.net", EDGE, True),
    ("*.omtrdc.net", EDGE, True),
    (".omtrdc.net", "omtrdc.net", True),
    ("mtrdc.net", EDGE, False),
    ("omtrdc.net.example", EDGE, False),
    (".", EDGE, False),
    ("*.", EDGE, False),
    ("net*", EDGE, False),
    ("other.example, omtrdc.net", EDGE, True),
    ("other.example omtrdc.net", EDGE, True),
    (EDGE + ":443", EDGE, True),
    (EDGE + ":8443", EDGE, False),
    ("omtrdc.net:443", EDGE, True),
    ("omtrdc.net:8443", EDGE, False),
    (EDGE + ":https", EDGE, False),
    ("10.1.2.3", "10.1.2.3", True),
    ("10.1.2.3:443", "10.1.2.3", True),
    ("10.1.2.3:80", "10.1.2.3", False),
    ("1.2.3", "10.1.2.3", False),
    ("2.3", "10.1.2.3", False),
    ("10.0.0.0/8", "10.1.2.3", True),
    ("10.9.9.9/8", "10.1.2.3", True),
    ("10.0.0.0/8", "11.1.2.3", False),
    ("10.0.0.0/255.0.0.0", "10.1.2.3", True),
    ("10.1.2.3/32", "10.1.2.3", True),
    ("0.0.0.0/0", "10.1.2.3", True),
    ("0.0.0.0/0", "fd00::1", False),
    ("0.0.0.0/0", EDGE, False),
    ("10.0.0.0/8", "10.example", False),
    ("10.0.0.0/33", "10.1.2.3", False),
    ("10.0.0.0/", "10.1.2.3", False),
    ("/8", "10.1.2.3", False),
    ("omtrdc.net/8", EDGE, False),
    ("192.168.0.0/16,10.0.0.0/8", "10.1.2.3", True),
    ("fd00::/8", "fd12:3456::1", True),
    ("fd00::/8", "fe80::1", False),
    ("[fd00::]/8", "fd12:3456::1", True),
    ("::/0", "10.1.2.3", False),
    ("::1", "::1", True),
    ("::1", "0:0:0:0:0:0:0:1", True),
    ("[::1]", "::1", True),
    ("[::1]:443", "::1", True),
    ("[::1]:80", "::1", False),
    ("10.0.0.0/8", "::ffff:10.1.2.3", True),
    ("::ffff:10.1.2.3", "10.1.2.3", True),
]


@pytest.mark.parametrize(("no_proxy", "host", "bypasses_proxy"), ROWS)
def test_no_proxy_exempts_the_hosts_that_it_lists(no_proxy, host, bypasses_proxy):
    assert is_exempt(Origin("https", host, 443), no_proxy) is bypasses_proxy


@pytest.fixture
def environment(monkeypatch):
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def proxy_host(scheme="https", host=EDGE):
    proxy = proxy_from_environment(Origin(scheme, host, 443), None)
    return None if proxy is None else proxy.host


def test_each_scheme_has_its_own_variable(environment):
    environment.setenv("HTTPS_PROXY", "secure:1")
    environment.setenv("HTTP_PROXY", "plain:1")
    assert (proxy_host("https"), proxy_host("http")) == ("secure", "plain")


def test_all_proxy_applies_to_schemes_without_a_variable(environment):
    environment.setenv("ALL_PROXY", "all:1")
    environment.setenv("HTTPS_PROXY", "secure:1")
    assert (proxy_host("https"), proxy_host("http")) == ("secure", "all")


def test_a_change_of_the_environment_applies_at_once(environment):
    assert proxy_host() is None
    environment.setenv("HTTPS_PROXY", "one:1")
    assert proxy_host() == "one"
    environment.setenv("HTTPS_PROXY", "two:1")
    assert proxy_host() == "two"
    environment.setenv("NO_PROXY", "10.0.0.0/8,omtrdc.net")
    assert (proxy_host(), proxy_host(host="10.1.2.3"), proxy_host(host="11.1.2.3")) == (None, None, "two")
    environment.setenv("no_proxy", "example.org")  # the lower-case variable takes precedence
    assert proxy_host() == "two"


def test_http_proxy_of_a_cgi_process_is_ignored(environment):
    environment.setenv("REQUEST_METHOD", "GET")
    environment.setenv("HTTP_PROXY", "evil:1")
    assert proxy_host("http") is None
    environment.setenv("HTTPS_PROXY", "secure:1")
    assert (proxy_host("http"), proxy_host("https")) == (None, "secure")


def test_the_error_about_an_invalid_proxy_names_the_variable(environment):
    environment.setenv("HTTPS_PROXY", "gopher://x:1")
    with pytest.raises(OptionError, match="HTTPS_PROXY"):
        proxy_host()
    environment.setenv("NO_PROXY", EDGE)
    assert proxy_host() is None


@pytest.mark.parametrize(
    ("credentials", "user", "password"),
    [("dom\\user:pw", "dom\\user", "pw"), ("u%40a:p%3Aw", "u@a", "p:w"), ("u:a:b", "u", "a:b"), ("u", "u", None)],
)
def test_the_credentials_of_a_socks_proxy_are_separated_from_its_host(credentials, user, password):
    pytest.importorskip("socks", reason="PySocks is not installed: " + installing("test"))
    manager = new_manager(parse_proxy(f"socks5h://{credentials}@127.0.0.1:1080"), TlsContexts(True, None, None))
    options = manager.connection_pool_kw["_socks_options"]
    assert (options["proxy_host"], options["proxy_port"]) == ("127.0.0.1", 1080)
    assert (options["username"], options["password"]) == (user, password)


@pytest.mark.parametrize("address", ["3:1", ":::", "1:2:3:4:5:6:7:8:9", "::1.2.3"])
def test_an_invalid_ipv6_address_is_refused(address):
    with pytest.raises(ValueError, match=r"not a proxy|IP|address"):
        parse_proxy(f"http://[{address}]:1")
    with pytest.raises(OptionError):
        domain("server_domain", f"[{address}]:443")
    with pytest.raises(OptionError):
        parse_url(f"https://[{address}]/rules.json", "artifact_location")

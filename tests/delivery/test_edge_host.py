"""No cookie and no hint can choose a host that is not an edge (B1, B32; ``SECURITY.md``, "Hosts")."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_python_sdk.delivery.conversion import hint_text
from target_python_sdk.delivery.cookies import choose_cluster, cluster_of_edge_host, cluster_of_id, valid_hint
from target_python_sdk.delivery.exchange import delivery_origin
from target_python_sdk.delivery.options import ClientSettings, client_settings
from target_tools.logger import Log

SETTINGS = ClientSettings("acmeclient", "1@AdobeOrg")

HOSTILE = [
    "@evil.com/",
    "@evil.com#",
    "evil.com#",
    "35.evil.com/",
    "35:80@evil",
    "@127.0.0.1:8080/x?",
    "@[::1]:80/",
    "35%2eevil.com",
    "%252e",
    "35\r\nX: y",
    "35\n",
    "35 ",
    " 35",
    "35%00",
    "35\x00",
    "３５",
    "35．evil．com",
    "xn--e1afmkfd.com",
    "é",
    "..",
    ".",
    "-",
    "-35",
    "35-",
    "3" * 21,
    "3" * 300,
    "_",
    "35_0",
    35,
    3.5,
    b"@evil.com/",
    b"\xff\xfe",
    ["35"],
    {"35": 1},
    True,
]


@pytest.mark.parametrize("hint", HOSTILE, ids=repr)
def test_a_hostile_hint_is_ignored_and_counted(hint):
    assert valid_hint(hint_text(hint)) is None
    assert choose_cluster(None, None, hint_text(hint)) == (None, 1)


@pytest.mark.parametrize("hint", ["", b"", None])
def test_a_missing_hint_is_not_counted(hint):
    assert choose_cluster(None, None, hint_text(hint)) == (None, 0)


@pytest.mark.parametrize("hint", ["35", "1", "28", "va6", "a-b", "X" * 20, b"35"])
def test_a_short_run_of_letters_digits_and_inner_hyphens_is_a_valid_hint(hint):
    assert valid_hint(hint_text(hint)) == (hint.decode() if isinstance(hint, bytes) else hint)


@pytest.mark.parametrize(
    ("device_id", "cluster"),
    [
        ("abc.35_0", "35"),
        ("32440324234-2343423.23_41", "23"),
        ("abc", None),
        ("abc.35", None),
        ("abc_0", None),
        ("abc._0", None),
        ("a.b.35_0", None),
        ("abc.35_0_1", None),
        ("abc.@localhost:9999/_0", "@localhost:9999/"),
        ("abc.@2852039166/_0", "@2852039166/"),
        ("abc.@0x7f000001/_0", "@0x7f000001/"),
        ("abc.35%2eevil.com_0", None),
        ("", None),
        (None, None),
        (5, None),
    ],
)
def test_the_cluster_is_read_from_the_suffix_of_the_device_id(device_id, cluster):
    assert cluster_of_id(device_id) == cluster


@pytest.mark.parametrize("device_id", ["abc.@localhost:9999/_0", "abc.@2852039166/_0", "abc.@[::1]/_0", "a.35#_0"])
def test_a_hostile_device_id_names_no_cluster(device_id):
    assert choose_cluster(device_id, None, None) == (None, 1)
    assert choose_cluster(None, device_id, "35") == ("35", 1)


def test_b32_the_cluster_comes_from_the_cookie_then_the_request_then_the_hints():
    assert choose_cluster("a.1_0", "a.2_0", "3")[0] == "1"
    assert choose_cluster("a", "a.2_0", "3")[0] == "2"
    assert choose_cluster(None, None, "3")[0] == "3"
    assert choose_cluster(None, None, None)[0] is None


@pytest.mark.parametrize(
    ("edge_host", "cluster"),
    [
        ("mboxedge35.tt.omtrdc.net", "35"),
        ("mboxedgeva6.tt.omtrdc.net", "va6"),
        ("mboxedge35.tt.omtrdc.net.", None),
        ("mboxedge35.tt.omtrdc.net.evil.com", None),
        ("mboxedge35.evil.com", None),
        ("evil.com/mboxedge35.tt.omtrdc.net", None),
        ("mboxedge.tt.omtrdc.net", None),
        ("mboxedge3.5.tt.omtrdc.net", None),
        ("MBOXEDGE35.tt.omtrdc.net", None),
        ("mboxedge35.tt.omtrdc.net\n", None),
        ("acmeclient.tt.omtrdc.net", None),
        (None, None),
        (35, None),
    ],
)
def test_only_the_host_of_an_edge_names_a_cluster(edge_host, cluster):
    assert cluster_of_edge_host(edge_host) == cluster


def test_b1_the_host_is_that_of_the_client_or_of_the_cluster():
    assert delivery_origin(SETTINGS, None) == ("https", "acmeclient.tt.omtrdc.net", 443)
    assert delivery_origin(SETTINGS, "35") == ("https", "mboxedge35.tt.omtrdc.net", 443)
    assert delivery_origin(SETTINGS._replace(secure=False), "35") == ("http", "mboxedge35.tt.omtrdc.net", 80)


@pytest.mark.parametrize(
    ("domain", "secure", "origin"),
    [
        ("edge.example.com", True, ("https", "edge.example.com", 443)),
        ("edge.example.com", False, ("http", "edge.example.com", 80)),
        ("edge.example.com:8443", True, ("https", "edge.example.com", 8443)),
        ("[::1]:81", False, ("http", "::1", 81)),
    ],
)
def test_all_deliveries_go_to_the_server_domain(domain, secure, origin):
    options = {"client": "acme", "organization_id": "1", "server_domain": domain, "secure": secure}
    settings = client_settings(options, Log())
    for cluster in (None, "35"):
        assert delivery_origin(settings, cluster) == origin


@given(st.text() | st.binary() | st.integers() | st.none() | st.lists(st.text()))
def test_the_host_is_that_of_an_edge_for_any_input_of_a_visitor(hint):
    cluster, _ = choose_cluster(str(hint), f"a.{hint}_0", hint_text(hint))
    host = delivery_origin(SETTINGS, cluster).host
    label = host[: -len(".tt.omtrdc.net")]
    assert host.endswith(".tt.omtrdc.net")
    assert label == "acmeclient" or (label.startswith("mboxedge") and label.isascii() and "." not in label)
    assert not set(label) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")

"""URLs of all forms are split into the parts that audiences can target."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from target_tools.page_url import PageUrl
from target_tools.public_suffixes import public_suffixes
from tests.conftest import SHARED

PARTS = ("url", "path", "query", "fragment", "host", "domain", "subdomain", "top_level_domain")
#: The attributes of ``PageUrl``, by the names of the parts in a trace.
IN_TRACES = {name: name for name in ("url", "path", "query", "fragment", "domain", "subdomain")}
IN_TRACES["topLevelDomain"] = "top_level_domain"
#: Files whose pages have the form of a trace: our own and, if it is present, a suite of the shared conformance cases.
TRACES = [
    suite
    for suite in (
        Path(__file__).with_name("traced_pages.json"),
        SHARED / "conformance" / "suites" / "TEST_SUITE_TRACE.json",
    )
    if suite.is_file()
]


def parts_of(url):
    address = PageUrl(url)
    return {name: getattr(address, name) for name in PARTS}


def names_of(url):
    """Return subdomain, domain and top-level domain of the host."""
    address = PageUrl(url)
    return address.subdomain, address.domain, address.top_level_domain


def pages_in(value):
    """Return the pages and referring pages in the contexts of a suite."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("page", "referring") and isinstance(inner, dict) and "topLevelDomain" in inner:
                yield inner
            else:
                yield from pages_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from pages_in(inner)


@pytest.mark.parametrize("suite", TRACES, ids=lambda suite: suite.stem)
def test_the_parts_match_those_in_traces(suite):
    pages = list(pages_in(json.loads(suite.read_text(encoding="utf-8"))))
    assert len({page["url"] for page in pages}) > 1
    for page in pages:
        address = PageUrl(page["url"])
        found = {key: getattr(address, name) for key, name in IN_TRACES.items()}
        assert found == {key: page[key] for key in IN_TRACES}


def test_a_url_has_eight_parts():
    assert parts_of("https://me:secret@www.Blog.Hooli.co.uk:8080/Home;a=1/x%20y?Fab=true&b=?#Sos/umi?#") == {
        "url": "https://me:secret@www.Blog.Hooli.co.uk:8080/Home;a=1/x%20y?Fab=true&b=?#Sos/umi?#",
        "path": "/Home;a=1/x%20y",
        "query": "Fab=true&b=?",
        "fragment": "Sos/umi?#",
        "host": "www.blog.hooli.co.uk",
        "domain": "hooli.co.uk",
        "subdomain": "blog",
        "top_level_domain": "co.uk",
    }


@pytest.mark.parametrize("url", [None, "", 7, b"http://hooli.com/", ["http://hooli.com/"], {}])
def test_a_value_that_is_not_a_str_has_empty_parts(url):
    assert parts_of(url) == dict.fromkeys(PARTS, "")


def test_the_public_suffix_list_is_loaded_only_for_a_domain():
    public_suffixes.cache_clear()
    assert parts_of(None)["domain"] == ""
    assert PageUrl("http://hooli.com/").host == "hooli.com"
    assert public_suffixes.cache_info().currsize == 0


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("http://local-target-test:8080/", ("", "local-target-test", "")),
        ("http://me:secret@local-target-test:8080/", ("", "local-target-test", "")),
        ("http://127.0.0.1:8080/", ("", "127.0.0.1", "")),
        ("http://www.hooli.com/", ("", "hooli.com", "com")),
        ("http://www.sub.hooli.com/", ("sub", "hooli.com", "com")),
        ("http://www2.hooli.com/", ("www2", "hooli.com", "com")),
        ("http://wwwx.sub.hooli.com/", ("wwwx.sub", "hooli.com", "com")),
    ],
)
def test_b53_names_contain_neither_port_nor_www(url, names):
    assert names_of(url) == names


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("hooli.com", ("", "hooli.com", "com")),
        ("blog.hooli.co.uk", ("blog", "hooli.co.uk", "co.uk")),
        ("sub.www.hooli.com", ("sub.www", "hooli.com", "com")),
        ("www.www.hooli.com", ("www", "hooli.com", "com")),
        ("www.com", ("", "www.com", "com")),
        ("WWW.Sub.HOOLI.Com", ("sub", "hooli.com", "com")),
        # A trailing dot, as in the DNS.
        ("www.hooli.com.", ("", "hooli.com", "com")),
        ("local-target-test.", ("", "local-target-test", "")),
        # Wildcards and their exceptions.
        ("shop.hooli.any.ck", ("shop", "hooli.any.ck", "any.ck")),
        ("shop.city.kobe.jp", ("shop", "city.kobe.jp", "kobe.jp")),
        ("www.ck", ("", "www.ck", "ck")),
        ("www.www.ck", ("", "www.ck", "ck")),
        # A wildcard does not make its parent a suffix.
        ("run.app", ("", "run.app", "app")),
        ("kobe.jp", ("", "kobe.jp", "jp")),
        # A suffix of the list's private section: the domains below it belong to customers of a company.
        ("www.hooli.github.io", ("", "hooli.github.io", "github.io")),
        # Hosts that are suffixes.
        ("co.uk", ("", "co.uk", "co.uk")),
        ("github.io", ("", "github.io", "github.io")),
        ("com", ("", "com", "com")),
        ("any.ck", ("", "any.ck", "any.ck")),
        # If a host has no suffix, the domain is the whole host.
        ("localhost", ("", "localhost", "")),
        ("www.shop.intranet", ("", "www.shop.intranet", "")),
        ("10.0.0.1", ("", "10.0.0.1", "")),
        ("[2001:DB8::1]", ("", "[2001:db8::1]", "")),
        ("[fe80::1%25en0.com]", ("", "[fe80::1%25en0.com]", "")),
        (".hooli.com", ("", ".hooli.com", "")),
        ("shop..hooli.com", ("", "shop..hooli.com", "")),
        ("hooli.com..", ("", "hooli.com.", "")),
        (".", ("", "", "")),
    ],
)
def test_a_host_is_split_at_its_registrable_domain(host, names):
    assert names_of(f"http://{host}/") == names


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("www.hooli.公司.cn", ("", "hooli.公司.cn", "公司.cn")),
        ("www.hooli.xn--55qx5d.cn", ("", "hooli.xn--55qx5d.cn", "xn--55qx5d.cn")),
        # Each label of a suffix may be in Unicode or in ASCII.
        ("hooli.xn--90azh.срб", ("", "hooli.xn--90azh.срб", "xn--90azh.срб")),
        ("Blog.MÜNCHEN.de", ("blog", "münchen.de", "de")),
        ("blog.xn--mnchen-3ya.de", ("blog", "xn--mnchen-3ya.de", "de")),
        ("shop。hooli．co｡uk。", ("shop", "hooli.co.uk", "co.uk")),
        # A suffix may contain full-width letters, similar symbols or combining accents.
        ("hooli.ｃｏｍ", ("", "hooli.ｃｏｍ", "ｃｏｍ")),
        ("hooli.ℂom", ("", "hooli.ℂom", "ℂom")),
        ("a.hooli.bodø.no", ("a", "hooli.bodø.no", "bodø.no")),
        ("a.hooli.va\u030aga\u030a.no", ("a", "hooli.va\u030aga\u030a.no", "va\u030aga\u030a.no")),
        # A character that is normalized to a dot would change the labels, so the host counts as one without a suffix.
        ("hooli\u2024co.uk", ("", "hooli\u2024co.uk", "")),
        ("hooli.\ud800.com", ("hooli", "\ud800.com", "com")),
    ],
)
def test_a_non_ascii_name_keeps_its_spelling(host, names):
    assert names_of(f"http://{host}/") == names


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("http://hooli.com", "hooli.com", ""),
        ("http://hooli.com?a", "hooli.com", ""),
        ("//hooli.com/x", "hooli.com", "/x"),
        ("myapp://hooli.com/x", "hooli.com", "/x"),
        ("HTTP://hooli.com//x", "hooli.com", "//x"),
        ("http:////hooli.com", "", "//hooli.com"),
        ("http://", "", ""),
        ("http:///x", "", "/x"),
        ("http://:80/x", "", "/x"),
        ("http://@/x", "", "/x"),
        ("http:", "", ""),
        ("http:/x", "", "/x"),
        ("hooli.com/x", "", "hooli.com/x"),
        ("hooli.com:80/x", "", "80/x"),
        ("hooli.com//x", "", "hooli.com//x"),
        ("/only/path", "", "/only/path"),
        ("/http://hooli.com/", "", "/http://hooli.com/"),
        ("1http://hooli.com/", "", "1http://hooli.com/"),
        ("mailto:a@b.c", "", "a@b.c"),
        ("about:blank", "", "blank"),
        ("*", "", "*"),
        # User names may contain illegal characters.
        ("http://a@b:c@hooli.com/x@y", "hooli.com", "/x@y"),
        ("http://a:b:c/x", "a", "/x"),
        # IPv6 addresses in brackets, valid and invalid.
        ("http://[::1]:80/x", "[::1]", "/x"),
        ("http://me@[::1]hooli.com:80/x", "[::1]", "/x"),
        ("http://[::1/x", "[", "/x"),
        ("http://]:[/x", "]", "/x"),
        ("http://[v1.x]/x", "[v1.x]", "/x"),
        # A backslash ends the host. In other parts it is an ordinary character.
        ("http://hooli.com\\@elsewhere.com/x", "hooli.com", "\\@elsewhere.com/x"),
        ("http:\\\\hooli.com\\x", "", "\\\\hooli.com\\x"),
        ("http://hooli.com/a\\b", "hooli.com", "/a\\b"),
        # White space around the URL is removed, white space inside is kept.
        (" \t\r\n\0http://hooli.com/x \x1f\n", "hooli.com", "/x"),
        ("http://hoo\tli.com/a b\0\n", "hoo\tli.com", "/a b"),
        ("ht tp://hooli.com/", "", "ht tp://hooli.com/"),
        ("http://hooli%2Ecom/%2f", "hooli%2ecom", "/%2f"),
    ],
)
def test_a_url_of_any_form_is_split(url, host, path):
    address = PageUrl(url)
    assert (address.url, address.host, address.path) == (url, host, path)


@pytest.mark.parametrize(
    ("url", "query", "fragment"),
    [
        ("http://h/?a=1#b", "a=1", "b"),
        ("http://h?a/b@c:d", "a/b@c:d", ""),
        ("http://h#a?b", "", "a?b"),
        ("http://h/?#", "", ""),
        ("http://h/??a?b##c#d", "?a?b", "#c#d"),
        ("?a", "a", ""),
        ("#a", "", "a"),
        ("http://h/?a b\nc# d ", "a b\nc", " d"),
    ],
)
def test_query_and_fragment_are_returned_without_their_separators(url, query, fragment):
    address = PageUrl(url)
    assert (address.query, address.fragment) == (query, fragment)


@pytest.mark.parametrize(
    "url",
    [
        "http://" + "a" * 5000,
        "http://" + "a." * 5000 + "com/",
        "http://" + "." * 5000,
        "http://" + "\u0316\u0301" * 2500 + ".com/",
        "http://" + "@" * 5000 + ":" * 5000,
        "http://" + "[" * 5000,
    ],
    ids=["label", "labels", "dots", "marks", "signs", "brackets"],
)
def test_a_host_of_5000_characters_is_its_own_domain(url):
    address = PageUrl(url)
    assert names_of(url) == ("", address.host, "")


@pytest.mark.parametrize("piece", ["a", "a:", "//", "a.", "@", "[", "\\", "?", "#", " ", "é", "。", "\u0316\u0301"])
@pytest.mark.parametrize("prefix", ["", "http://", "x"])
def test_a_megabyte_is_split_in_linear_time(piece, prefix):
    # In quadratic time this would take minutes.
    address = PageUrl(prefix + piece * (1000000 // len(piece)))
    assert isinstance(address.domain, str)


url_texts = st.text() | st.text(alphabet="ahtpw.:/@[]?#\\ \t%1-éß。", max_size=40).map("http://{}".format)


@given(url_texts)
@example("http://[")
@example("http://[::1]]")
@example("http://www.")
def test_the_parts_of_any_text_occur_in_it_in_order(text):
    address = PageUrl(text)
    assert address.url == text
    path, query, fragment = address.path, address.query, address.fragment
    tails = {path + mark + query + hash_ + fragment for mark in ("", "?") for hash_ in ("", "#")}
    assert any(text.strip("".join(map(chr, range(33)))).endswith(tail) for tail in tails)
    assert not set("?#") & set(path)
    assert not set("/?#\\@") & set(address.host)


@given(url_texts | st.from_regex(r"(www\.){0,2}([a-z]{1,3}\.){0,3}(com|co\.uk|ck|kobe\.jp|github\.io)", fullmatch=True))
def test_subdomain_and_domain_add_up_to_the_host(text):
    address = PageUrl(text if "/" in text else "//" + text)
    before = address.subdomain + "." if address.subdomain else ""
    assert address.host in (before + address.domain, "www." + before + address.domain)
    assert ("." + address.domain).endswith("." + address.top_level_domain) or not address.top_level_domain
    assert bool(address.domain) == bool(address.host)


labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True)
hosts = st.lists(labels, min_size=1, max_size=5).map(".".join)
words = st.text(alphabet="aZ09-._~!$&'()*+,;=:%é", max_size=8)
users = st.sampled_from(["", "me@", "me:secret@"])
ports = st.sampled_from(["", ":", ":8080"])
authorities = st.tuples(users, hosts, ports).map("".join)
paths = st.lists(words.map("/{}".format), max_size=4).map("".join)


@given(st.sampled_from(["http:", "https:", "ftp:", ""]), authorities, paths, words, words)
def test_a_valid_url_is_split_as_by_the_standard_library(scheme, authority, path, query, fragment):
    url = f"{scheme}//{authority}{path}?{query}#{fragment}"
    address, expected = PageUrl(url), urlsplit(url)
    assert (address.host, address.path) == (expected.hostname, expected.path)
    assert (address.query, address.fragment) == (expected.query, expected.fragment)

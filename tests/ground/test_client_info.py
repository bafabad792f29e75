"""Browsers and platforms have the names that audiences use. The results are compared with those of ua-parser."""

import ast
import importlib.metadata
from pathlib import Path
from typing import Any, Dict, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_tools import client_info
from target_tools.client_info import MAX_USER_AGENT, ClientInfo, parse_client_info
from tests.ground.user_agents import make_table
from tests.ground.user_agents.make_table import RULES_PACKAGE, TABLE, Row, parse_rows, read_lines, render_table
from tests.support import installing

BROWSERS = {"edge", "safari", "chrome", "firefox", "ie", "opera", "ipad", "iphone", "unknown"}
PLATFORMS = {"windows", "mac", "linux", "ios", "android", "unknown"}
#: The rows in which our results differ from those of ua-parser. A comment above each group of rows gives the reason.
DIFFERENCES = TABLE.with_name("differences.tsv")
UNKNOWN = ClientInfo("unknown", -1, "unknown")

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) "
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) "
LINUX = "Mozilla/5.0 (X11; Linux x86_64) "
ANDROID = "Mozilla/5.0 (Linux; Android 13; Pixel 7) "
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) "
IPAD = "Mozilla/5.0 (iPad; CPU OS 17_1 like Mac OS X) "
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko) "
CHROME = "Chrome/120.0.0.0 Safari/537.36"
ON_WINDOWS = WINDOWS + WEBKIT + CHROME

CHROMIUM_100 = '"Not A;Brand";v="99", "Chromium";v="100"'
CHROME_100 = CHROMIUM_100 + ', "Google Chrome";v="100"'


def table() -> Dict[str, Row]:
    """Return the rows of the table by User-Agent."""
    return {row.user_agent: row for row in parse_rows(read_lines(TABLE))}


def differences() -> Dict[str, Tuple[str, str]]:
    """Return the parser's result and ours by User-Agent, for the rows in which they differ."""
    rows = (line.split("\t") for line in read_lines(DIFFERENCES) if not line.startswith("#"))
    return {user_agent: (theirs, ours) for user_agent, theirs, ours in rows}


def format_result(answer: Tuple[Any, ...]) -> str:
    """Return browser, version and platform as they are written in the list of differences."""
    return "{} {} {}".format(*answer)


def test_results_match_the_parser_except_for_the_listed_differences() -> None:
    different = differences()
    mismatches = []
    for user_agent, row in table().items():
        _, expected = different.get(user_agent, ("", format_result(row[1:])))
        found = format_result(parse_client_info(user_agent))
        if found != expected:
            mismatches.append(f"{user_agent}: expected {expected}, got {found}")
    assert mismatches == []


def test_the_list_contains_only_real_differences() -> None:
    rows = table()
    for user_agent, (theirs, ours) in differences().items():
        assert format_result(rows[user_agent][1:]) == theirs, user_agent
        assert theirs != ours, user_agent


def test_the_table_is_large_and_contains_all_names() -> None:
    lines = [line for line in read_lines(TABLE) if not line.startswith("#")]
    assert len(lines) == len(table()) >= 350
    assert {row.browser for row in table().values()} == BROWSERS
    assert {row.platform for row in table().values()} == PLATFORMS


def test_the_table_matches_the_output_of_its_script() -> None:
    recorded_title = next(read_lines(TABLE))
    try:
        installed_title = make_table.title()
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("{} is not installed: it requires Python 3.10 and {}".format(RULES_PACKAGE, installing("test")))
    if recorded_title != installed_title:
        pytest.skip(f"the table was made with {recorded_title[2:]}; {installed_title[2:]} is installed")
    assert render_table(read_lines(TABLE)) == TABLE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("user_agent", "platform"),
    [
        (ON_WINDOWS, "windows"),
        ("Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko", "windows"),
        (MAC + WEBKIT + CHROME, "mac"),
        (LINUX + WEBKIT + CHROME, "linux"),
        ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0", "linux"),
        ("Mozilla/5.0 (X11; Fedora; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0", "linux"),
        (ANDROID + WEBKIT + CHROME, "android"),
        (IPHONE + WEBKIT, "ios"),
        (IPAD + WEBKIT, "ios"),
        ("curl/8.4.0", "unknown"),
    ],
)
def test_b52_platforms_have_the_names_of_target(user_agent: str, platform: str) -> None:
    assert parse_client_info(user_agent).platform == platform


@pytest.mark.parametrize(
    ("rest", "browser", "version"),
    [
        ("CriOS/120.0.6099.119 Mobile/15E148 Safari/604.1", "chrome", 120),
        ("FxiOS/118.0 Mobile/15E148 Safari/605.1.15", "firefox", 118),
        ("Version/17.0 EdgiOS/123.0.2420.56 Mobile/15E148 Safari/605.1.15", "edge", 123),
        ("Version/17.4 Mobile/15E148 Safari/604.1 OPT/4.6.0", "opera", 4),
    ],
)
@pytest.mark.parametrize("device", [IPHONE, IPAD])
def test_browsers_on_ios_are_distinguished(device: str, rest: str, browser: str, version: int) -> None:
    assert parse_client_info(device + WEBKIT + rest) == (browser, version, "ios")


@pytest.mark.parametrize(
    "rest",
    [
        "Version/17.1 Mobile/15E148 Safari/604.1",
        "Version/17.1 Mobile/15E148 DuckDuckGo/7 Safari/605.1.15",
        "Version/17.1 Mobile/15E148 Snapchat/12.1 (like Safari/604.1)",
    ],
)
def test_safari_on_ios_has_the_name_of_its_device_and_its_version(rest: str) -> None:
    """An audience of iPhones includes visitors who use Safari, as in the Java SDK."""
    assert parse_client_info(IPAD + WEBKIT + rest) == ("ipad", 17, "ios")
    assert parse_client_info(IPHONE + WEBKIT + rest) == ("iphone", 17, "ios")
    assert parse_client_info(IPHONE.replace("iPhone;", "iPod touch;", 1) + WEBKIT + rest) == ("iphone", 17, "ios")


@pytest.mark.parametrize(
    "rest", ["Mobile/15E148", "Mobile/15E148 [FBAN/FBIOS;FBAV/400.0]", "GSA/248.1.503381734 Mobile/15E148 Safari/604.1"]
)
def test_an_ios_app_without_a_browser_name_has_the_name_of_its_device(rest: str) -> None:
    assert parse_client_info(IPAD + WEBKIT + rest) == ("ipad", -1, "ios")
    assert parse_client_info(IPHONE + WEBKIT + rest) == ("iphone", -1, "ios")
    assert parse_client_info("Shop/5.1 (iPhone; iOS 17.1; Scale/3.00)") == ("iphone", -1, "ios")


@pytest.mark.parametrize(
    ("brands", "browser", "version"),
    [
        (CHROME_100, "chrome", 100),
        (CHROMIUM_100, "chrome", 100),
        ('"Google Chrome";v="121.0.6167.85", "Not A(Brand";v="99.0.0.0", "Chromium";v="121.0.6167.80"', "chrome", 121),
        ('"Microsoft Edge";v="105", "Not)A;Brand";v="8", "Chromium";v="106"', "edge", 105),
        ('"Chromium";v="118.0.0.0", "Opera";v="104.0.4944.23", "Not=A?Brand";v="99.0.0.0"', "opera", 104),
        ('"Opera GX";v="99", "Chromium";v="113", "Not-A.Brand";v="24"', "opera", 99),
        ('"Not_A Brand";v="8", "Chromium";v="120", "Brave";v="120"', "chrome", 120),
        ('"HeadlessChrome";v="119", "Chromium";v="119", "Not?A_Brand";v="24"', "chrome", 119),
        ('"Android WebView";v="123", "Not:A-Brand";v="8", "Chromium";v="123"', "chrome", 123),
        ('"\\\\Not\\"A;Brand"; v="99", "Chromium"; v="84", "Google Chrome"; v="84"', "chrome", 84),
        ('"Firefox";v="145", "Not_A Brand";v="99"', "firefox", 145),
        ('"Safari";v="26.1", "WebKit";v="621", "Not_A Brand";v="99"', "safari", 26),
    ],
)
def test_brands_take_precedence_over_the_user_agent(brands: str, browser: str, version: int) -> None:
    assert parse_client_info("Mozilla/5.0 (Windows NT 10.0; rv:90.0) Gecko/20100101 Firefox/90.0", brands) == (
        browser,
        version,
        "windows",
    )
    assert parse_client_info(None, brands) == (browser, version, "unknown")


@pytest.mark.parametrize(("device", "browser"), [(IPHONE, "iphone"), (IPAD, "ipad")])
def test_the_brand_safari_on_ios_has_the_name_of_its_device(device: str, browser: str) -> None:
    brands = '"Safari";v="26", "Not_A Brand";v="99"'
    assert parse_client_info(device + WEBKIT, brands) == (browser, 26, "ios")
    assert parse_client_info(None, brands, '"iOS"') == ("iphone", 26, "ios")


@pytest.mark.parametrize(
    "brands",
    [
        "",
        "Google Chrome",
        '"Google Chrome"',
        '"Google Chrome";v=',
        '"Google Chrome";v=""',
        '"Google Chrome";v="new"',
        '"Google Chrome";v="1234567890"',
        '"Google Chrome";v="١٢"',
        '"Not A;Brand";v="99"',
        '"No \\"Google Chrome";v="12"',
        "x" * MAX_USER_AGENT + CHROME_100,
    ],
)
def test_brands_without_a_browser_are_ignored(brands: str) -> None:
    assert parse_client_info(ON_WINDOWS, brands) == ("chrome", 120, "windows")


@pytest.mark.parametrize("template", ['"{}"', "{}", ' "{}" '])
@pytest.mark.parametrize(
    ("hint", "platform"),
    [
        ("Windows", "windows"),
        ("macOS", "mac"),
        ("Linux", "linux"),
        ("Chrome OS", "linux"),
        ("Chromium OS", "linux"),
        ("Android", "android"),
        ("iOS", "ios"),
    ],
)
def test_a_platform_hint_takes_precedence_over_the_user_agent(hint: str, platform: str, template: str) -> None:
    assert parse_client_info("Mozilla/5.0 (X11; SunOS sun4u)", None, template.format(hint)).platform == platform
    assert parse_client_info(ON_WINDOWS, CHROME_100, template.format(hint)) == ("chrome", 100, platform)


@pytest.mark.parametrize(
    "hint", ["", '""', '"Unknown"', "Windows NT 10.0", '"', "\0", " " * MAX_USER_AGENT + "Windows"]
)
def test_an_unknown_platform_hint_is_ignored(hint: str) -> None:
    assert parse_client_info(MAC + WEBKIT + CHROME, None, hint).platform == "mac"


@pytest.mark.parametrize("value", [None, "", b"Mozilla/5.0 Chrome/120.0", 7, [], {}, object()])
def test_empty_and_non_str_values_are_ignored(value: Any) -> None:
    assert parse_client_info(value) == UNKNOWN
    assert parse_client_info(value, value, value) == UNKNOWN
    assert parse_client_info(ON_WINDOWS, value, value) == ("chrome", 120, "windows")


@pytest.mark.parametrize("version", ["", "x", ".1", "-5", "123456", "9" * 5000, "²", "١٢٠", "_0"])
def test_an_invalid_version_is_unknown(version: str) -> None:
    assert parse_client_info(WINDOWS + "Chrome/" + version) == ("chrome", -1, "windows")


def test_only_the_start_of_a_long_header_is_parsed() -> None:
    """A visitor may send a hundred kilobytes. Only the first kilobyte is parsed."""
    for filler in ("x", "Edg", "MSIE", '"', "(((", " ", "\ud800", "9"):
        long = (filler * 100_000)[:100_000]
        assert parse_client_info(ON_WINDOWS + " " + long, long, long) == ("chrome", 120, "windows")
    assert parse_client_info(" " * MAX_USER_AGENT + ON_WINDOWS) == UNKNOWN


PIECES = [
    "Mozilla/5.0 ", "Windows ", "Macintosh; ", "Mac OS X", "iPhone; ", "iPad", "Android 9", "Linux", "CrOS",
    "Version/", "Safari/", "Chrome/", "Edg/", "OPR/", "Opera/", "Opera ", "Trident/", "MSIE ", "rv:", "Firefox/",
    "Mobile", "9", ".", '"Google Chrome";v="', '"Chromium"', ';v="', '"', "\\", ";", " ",
]  # fmt: skip
TEXTS = st.text() | st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=20).map("".join)


@given(TEXTS, st.none() | TEXTS, st.none() | TEXTS)
def test_any_text_results_in_one_of_the_names(user_agent: str, brands: Any, platform: Any) -> None:
    client = parse_client_info(user_agent, brands, platform)
    assert client.browser in BROWSERS
    assert client.platform in PLATFORMS
    assert -1 <= client.version <= 99_999
    assert client.version == -1 or client.browser != "unknown"


def test_the_module_imports_no_slow_module() -> None:
    source = ast.parse(Path(client_info.__file__).read_text(encoding="utf-8"))
    names = [alias.name for node in ast.walk(source) if isinstance(node, ast.Import) for alias in node.names]
    modules = [node.module for node in ast.walk(source) if isinstance(node, ast.ImportFrom)]
    assert (names, modules) == (["functools", "re"], ["typing"])

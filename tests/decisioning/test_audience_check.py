"""The check of audiences: attributes that do not exist, and values that never match."""

import json
from pathlib import Path
from typing import Any, Callable, Iterator, List

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from target_python_sdk.decisioning.audience_check import ATTRIBUTES, check_audience
from target_python_sdk.decisioning.context import LocationContext, RequestContext
from target_python_sdk.inspection.artifact_check import check_artifact
from target_python_sdk.types import (
    Address,
    ChannelType,
    ClientHints,
    Context,
    DeliveryRequest,
    Geo,
    MboxRequest,
)
from target_tools.client_info import (
    _BRANDS,
    _HINTED_PLATFORMS,
    _PLATFORM_TOKENS,
    _USER_AGENT_TOKENS,
    BROWSERS,
    PLATFORMS,
)
from target_tools.errors import InvalidRule
from target_tools.rules.compiler import MAX_DEPTH, compile_condition


def problems(condition: Any) -> List[str]:
    return [str(finding) for finding in check_audience(condition, "a")]


def var(name: str) -> Any:
    return {"var": name}


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("user.browsertype", "; did you mean 'user.browserType'?"),
        ("browserType", "; did you mean 'user.browserType'?"),
        ("user.browser", "; did you mean 'user.browserType'?"),
        ("user.os", "; did you mean 'user.platform'?"),
        ("referrer.url", "; did you mean 'referring.url'?"),
        ("page.Path", "; did you mean 'page.path'?"),
        ("geo.countryCode", "; did you mean 'geo.country'?"),
        ("geo.stateCode", "; did you mean 'geo.region'?"),
        ("current_tiem", "; did you mean 'current_time'?"),
        ("parameters.plan", "; did you mean 'mbox.plan'?"),
        ("profile.plan", "; only Adobe's edge knows the visitor's profile"),
        ("geo.x", "; expected one of geo.country, geo.region, geo.city, geo.latitude, geo.longitude"),
        (
            "shoe",
            "; expected one of current_timestamp, current_time, current_day, user, page, referring, geo, mbox, "
            "allocation",
        ),
        ("geo_names.city", "; did you mean 'geo.city'?"),
    ],
)
def test_an_unknown_attribute_is_found(name: str, problem: str) -> None:
    assert problems({"==": [var(name), "x"]}) == [f"a.==[0].var: unknown attribute {name!r}{problem}"]


@pytest.mark.parametrize(
    ("condition", "place"),
    [
        ({"missing": ["mbox.a", "user.locales"]}, "a.missing[1]"),
        ({"missing": [["user.locales", 7]]}, "a.missing[0][0]"),
        ({"missing": "user.locales"}, "a.missing[0]"),
        ({"missing_some": [1, ["mbox.a", "user.locales"]]}, "a.missing_some[1][1]"),
    ],
)
def test_the_attributes_in_missing_and_missing_some_are_checked(condition: Any, place: str) -> None:
    assert problems(condition) == [f"{place}: unknown attribute 'user.locales'; did you mean 'user.locale'?"]


def test_a_finding_has_the_place_and_the_kind_of_the_mistake() -> None:
    condition = {"and": [True, {"!": {"in": ["a", {"var": ["user.Locale", ""]}]}}]}
    (finding,) = check_audience(condition, "activities[3].audience")
    assert finding.place == "activities[3].audience.and[1].!.in[1].var"
    assert finding.kind == "unknown attribute"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (
            {"==": [var("user.browserType"), "Chrome"]},
            "==[1]: user.browserType is never 'Chrome'; did you mean 'chrome'?",
        ),
        (
            {"!=": ["Chrome", var("user.browserType")]},
            "!=[0]: user.browserType is never 'Chrome'; did you mean 'chrome'?",
        ),
        (
            {"in": [var("user.browserType"), ["chrome", "FireFox"]]},
            "in[1][1]: user.browserType is never 'FireFox'; did you mean 'firefox'?",
        ),
        ({"in": ["Chro", var("user.browserType")]}, "in[0]: user.browserType is never 'Chro'; did you mean 'chrome'?"),
        (
            {"==": [var("user.browserType"), "Internet Explorer"]},
            "==[1]: user.browserType is never 'Internet Explorer'; did you mean 'ie'?",
        ),
        (
            {"==": [var("user.browserType"), "netscape"]},
            "==[1]: user.browserType is never 'netscape'; expected one of chrome, edge, firefox, ie, ipad, iphone, "
            "opera, safari, unknown",
        ),
        (
            {"==": [var("user.browserType"), 7]},
            "==[1]: user.browserType is text, which never equals the number 7",
        ),
        ({"==": [var("user.platform"), "Macintosh"]}, "==[1]: user.platform is never 'Macintosh'; did you mean 'mac'?"),
        ({"==": [var("user.locale"), "de"]}, "==[1]: user.locale is never 'de'; expected en"),
        (
            {"==": [var("user.browserVersion"), "73.0.1"]},
            "==[1]: user.browserVersion is never '73.0.1'; expected a major version; -1 if it is unknown",
        ),
        (
            {"===": [var("user.browserVersion"), "73"]},
            "===[1]: user.browserVersion is a number, which never equals the text '73'",
        ),
        (
            {"in": [var("current_day"), ["1"]]},
            "in[1][0]: current_day is a number, which never equals the text '1'",
        ),
        ({"==": [var("current_day"), 0]}, "==[1]: current_day is never 0; expected 1 (Monday) to 7 (Sunday)"),
        ({">": [var("current_day"), 7]}, ">[1]: no value of current_day is > 7; expected 1 (Monday) to 7 (Sunday)"),
        ({"<": [7, var("current_day")]}, "<[0]: no value of current_day is > 7; expected 1 (Monday) to 7 (Sunday)"),
        (
            {"<": [var("geo.latitude"), "north"]},
            "<[1]: no value of geo.latitude is < 'north'; expected a number from -90 to 90",
        ),
        (
            {"==": [var("current_time"), "9:30"]},
            "==[1]: current_time is four digits in UTC, such as '0930', and never '9:30'; did you mean '0930'?",
        ),
        (
            {"<=": ["09:00", var("current_time")]},
            "<=[0]: current_time is four digits in UTC, such as '0930', and never '09:00'; did you mean '0900'?",
        ),
        (
            {"==": [var("current_time"), "2400"]},
            "==[1]: current_time is four digits in UTC, such as '0930', and never '2400'",
        ),
        (
            {">=": [var("current_timestamp"), 1583020800]},
            ">=[1]: current_timestamp is in milliseconds since 1970, and 1583020800 may be in seconds",
        ),
        (
            {"==": [var("geo.country"), "USA"]},
            "==[1]: geo.country is a code of two letters, such as 'US', and never 'USA'",
        ),
        ({"===": [var("geo.city"), 7]}, "===[1]: geo.city is text, which never equals the number 7"),
        (
            {"==": [var("mbox.plan_lc"), "Gold"]},
            "==[1]: mbox.plan_lc is in lower case and never 'Gold'; did you mean 'gold'?",
        ),
        (
            {"in": ["Deals", var("page.url_lc")]},
            "in[0]: page.url_lc is in lower case and never 'Deals'; did you mean 'deals'?",
        ),
        (
            {"==": [var("page.path"), "deals"]},
            "==[1]: page.path starts with '/', unlike 'deals'; did you mean '/deals'?",
        ),
        (
            {"==": [var("page.path_lc"), "/Deals"]},
            "==[1]: page.path_lc is in lower case and never '/Deals'; did you mean '/deals'?",
        ),
        (
            {"==": [var("page.query"), "?a=b"]},
            "==[1]: page.query is without the '?', unlike '?a=b'; did you mean 'a=b'?",
        ),
        (
            {"==": [var("referring.fragment_lc"), "Top"]},
            "==[1]: referring.fragment_lc is in lower case and never 'Top'; did you mean 'top'?",
        ),
        (
            {"==": [var("page.domain"), "www.Example.com"]},
            "==[1]: page.domain is a registrable domain in lower case, such as 'example.com', and never "
            "'www.Example.com'; did you mean 'example.com'?",
        ),
        (
            {"==": [var("page.subdomain"), "www.shop"]},
            "==[1]: page.subdomain is without the first 'www', and never 'www.shop'; did you mean 'shop'?",
        ),
        (
            {"==": [var("page.subdomain"), "Shop"]},
            "==[1]: page.subdomain is in lower case and never 'Shop'; did you mean 'shop'?",
        ),
        (
            {"==": [var("page.topLevelDomain"), ".com"]},
            "==[1]: page.topLevelDomain is a public suffix, such as 'com', and never '.com'; did you mean 'com'?",
        ),
    ],
)
def test_a_value_that_never_matches_is_found(condition: Any, expected: str) -> None:
    assert problems(condition) == [f"a.{expected}"]


@pytest.mark.parametrize(
    "condition",
    [
        None,
        True,
        {"var": ""},
        {"!!": {"var": "geo"}},
        {"==": [var("user.browserType"), None]},
        {"==": [{"var": ["user.browserType", "None"]}, "None"]},
        {"==": [var("user.browserType"), var("mbox.Browser")]},
        {"in": ["chrom", var("user.browserType")]},
        {"in": [var("user.browserType"), "chrome,firefox"]},
        {"==": [var("user.browserVersion"), "73"]},
        {"<": [var("user.browserVersion"), 0]},
        {"<": [0, var("allocation"), 50]},
        {"==": [var("mbox.domain"), "Gold"]},
        {"==": [var("mbox.Plan"), "Gold"]},
        {"==": [var("page.domain"), ""]},
        {"==": [var("page.domain"), "local-target-test"]},
        {"==": [var("page.topLevelDomain"), ""]},
        {"==": [var("geo.country"), "us"]},
        {"<=": ["0900", var("current_time")]},
        {"<=": ["2400", var("current_time")]},
        {">": [var("current_timestamp"), 0]},
        {"some": [var("mbox.items"), {"==": [var("name"), "x"]}]},
    ],
)
def test_an_audience_without_a_mistake_has_no_finding(condition: Any) -> None:
    assert problems(condition) == []


@pytest.mark.parametrize("condition", [{}, {"and": [True], "or": [True]}])
def test_an_object_that_is_not_an_operation_is_found(condition: Any) -> None:
    (finding,) = check_audience({"!": [condition]}, "a")
    keys = len(condition)
    problem = f"an object with {keys} keys is not an operation: it counts as true"
    assert finding == ("a.![0]", problem, "not an operation")


@pytest.mark.parametrize("nest", [lambda condition: {"!": [condition]}, lambda condition: {"!": condition}])
def test_every_level_of_a_condition_that_can_be_compiled_is_checked(nest: Callable[[Any], Any]) -> None:
    condition: Any = var("nothing")
    for _ in range(MAX_DEPTH):
        condition = nest(condition)
    compile_condition(condition)
    assert len(problems(condition)) == 1
    with pytest.raises(InvalidRule):
        compile_condition(nest(condition))


def test_a_condition_that_is_too_deep_to_be_compiled_is_not_checked_completely() -> None:
    condition: Any = var("nothing")
    for _ in range(5000):
        condition = {"!": [condition]}
    assert problems(condition) == []


def test_the_conditions_of_the_conformance_cases_have_only_the_two_mistakes_that_they_test() -> None:
    folder = Path(__file__).parent.parent / "conformance" / "artifacts"
    findings = (finding for path in folder.glob("*.json") for finding in check_artifact(json.loads(path.read_text())))
    found = {finding.problem for finding in findings if finding.kind is not None}
    assert found == {
        "unknown attribute 'profile.foo'; only Adobe's edge knows the visitor's profile",
        "unknown attribute 'user.foo'; expected one of user.browserType, user.platform, user.locale, "
        "user.browserVersion",
    }


def test_the_names_of_browsers_and_platforms_are_those_that_the_parser_returns() -> None:
    browsers = {name for _, name in (*_USER_AGENT_TOKENS, *_BRANDS)}
    assert browsers | {"safari", "ipad", "iphone", "unknown"} == set(BROWSERS)
    platforms = {name for _, name in _PLATFORM_TOKENS} | {*_HINTED_PLATFORMS.values()}
    assert platforms | {"unknown"} == set(PLATFORMS)


# Evaluation of the reported conditions


URLS = [
    *(
        "https://www.Shop.Example.com/Deals?A=b#Top",
        "http://example.co.uk",
        "http://localhost:8080/",
        "http://10.0.0.1/x",
    ),
    *("http://www.example.com/", "https://sub.example.org/a/b?c"),
]
TEXTS = [
    *("Chrome", "chrome", "ie", "IE", "Macintosh", "mac", "linux", "EN", "en", "73", "73.5", "-1", "USA", "us", "DE"),
    *("www", "www.shop", "shop", "Shop", "example.com", "www.example.com", "Example.com", "com", ".com", "co.uk", "uk"),
    *("/deals", "/Deals", "deals", "?a=b", "A=b", "a=b", "#Top", "Top", "top", "0930", "09:30", "2400", "1", "7", "8"),
]
NUMBERS = [-200, -1, 0, 1, 7, 8, 73, 73.5, 90, 91, 99.99, 100, 1583020800000, 9e15]


def contexts() -> Iterator[LocationContext]:
    agents = ["", "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/73.0 Safari/537.36"]
    agents.append("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Mobile/15E148 Safari/604.1")
    for agent in agents:
        for url in URLS:
            for geo in (None, Geo(country_code="US", city="Reno", latitude=37.5, longitude=-122.0)):
                context = Context(
                    channel=ChannelType.WEB,
                    user_agent=agent,
                    client_hints=ClientHints(platform='"macOS"'),
                    address=Address(url=url, referring_url=url),
                )
                request = DeliveryRequest(context=context)
                yield LocationContext(RequestContext(request, "visitor", geo), MboxRequest(parameters={"plan": "Gold"}))


CONTEXTS = list(contexts())


@given(
    st.sampled_from([*ATTRIBUTES, "mbox.plan", "mbox.plan_lc"]),
    st.sampled_from(["==", "===", "<", "<=", ">", ">=", "in"]),
    st.sampled_from([*TEXTS, *NUMBERS]),
    st.booleans(),
)
def test_no_visitor_matches_a_reported_condition(name: str, operator: str, value: Any, is_swapped: bool) -> None:
    arguments = [var(name), [value] if operator == "in" and not is_swapped else value]
    condition = {operator: arguments[::-1] if is_swapped else arguments}
    assume(any(check_audience(condition)))
    # Reported comparisons of current_time with "09:30", or of current_timestamp with seconds, hold for some visitors.
    assume("current_time" not in name)
    holds = compile_condition(condition)
    assert not any(holds(context) for context in CONTEXTS), condition

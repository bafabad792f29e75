"""Downloads of an artifact, answered by the test in place of a server."""

import json
import time

import pytest

from target_python_sdk.artifact.download import fetch_artifact
from target_python_sdk.artifact.format import deobfuscate, parse_artifact
from target_python_sdk.artifact.location import ArtifactLocation, artifact_url, is_obfuscated, parse_url
from target_python_sdk.delivery.geo import geo_from_headers
from target_python_sdk.version import __version__
from target_tools.clock import Deadline
from target_tools.errors import (
    HttpStatusError,
    InvalidArtifact,
    InvalidResponse,
    OptionError,
    RedirectRefused,
)
from target_tools.http.messages import HttpReply, Origin, Timings
from tests.decisioning.cdn import artifact, masked

ORGANIZATION = "1234567890@AdobeOrg"
TIMINGS = Timings()


def place(url="https://assets.adobetarget.com/acmeclient/production/v1/rules.json", masked=False):
    return ArtifactLocation(parse_url(url, "artifact_location"), url, masked, ORGANIZATION, 1000)


def reply(body=b"{}", status=200, **headers):
    return HttpReply(status, "Reason", headers, body, TIMINGS)


def answered(said, etag=None, **about):
    """What the download gives for that reply."""
    return fetch_artifact(place(**about), etag, lambda request, deadline: said, Deadline.after(60))


def requested(url=None, etag=None):
    """The request that a download sends."""
    sent = []

    def send(request, deadline):
        sent.append(request)
        return reply(status=404)

    with pytest.raises(HttpStatusError):
        fetch_artifact(place() if url is None else place(url), etag, send, Deadline.after(60))
    return sent[0]


def url(**given):
    usual = {
        "client": "acmeclient",
        "environment": "production",
        "property_token": None,
        "obfuscated": False,
        "cdn_base_path": "assets.adobetarget.com",
        "secure": True,
    }
    return artifact_url(**{**usual, **given})


# Where it is


def test_the_address_is_made_of_client_and_environment():
    assert url() == "https://assets.adobetarget.com/acmeclient/production/v1/rules.json"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"property_token": "a-b-c"}, "https://assets.adobetarget.com/acmeclient/production/v1/a-b-c/rules.json"),
        ({"obfuscated": True}, "https://assets.adobetarget.com/acmeclient/production/v1/rules.bin"),
        ({"secure": False}, "http://assets.adobetarget.com/acmeclient/production/v1/rules.json"),
        ({"cdn_base_path": "cdn.example:8443/x/"}, "https://cdn.example:8443/x/acmeclient/production/v1/rules.json"),
        ({"cdn_base_path": "http://[::1]:8080"}, "http://[::1]:8080/acmeclient/production/v1/rules.json"),
        ({"property_token": "a/../b?"}, "https://assets.adobetarget.com/acmeclient/production/v1/a%2F..%2Fb%3F/rules.json"),
    ],
)
def test_what_else_the_address_depends_on(given, expected):
    assert url(**given) == expected


@pytest.mark.parametrize("name", [".", "..", "\udc80"])
@pytest.mark.parametrize("option", ["client", "environment", "property_token"])
def test_what_is_no_folder_of_ones_own_is_an_option_error(option, name):
    with pytest.raises(OptionError, match=option + ": the name of a folder was expected") as raised:
        url(**{option: name})
    assert raised.value.option == option


@pytest.mark.parametrize("host", ["a" * 63 + ".example", "example.", "a_b.example", "a." * 126 + "a"])
def test_a_name_may_be_as_long_as_names_are(host):
    assert parse_url(f"http://{host}/", "x").origin.host == host


def test_b62_any_environment_has_a_folder_of_its_own():
    assert url(environment="qa-2") == "https://assets.adobetarget.com/acmeclient/qa-2/v1/rules.json"


@pytest.mark.parametrize(
    ("location", "origin", "target"),
    [
        ("https://cdn.example/a/rules.json?v=1&x=y", Origin("https", "cdn.example", 443), "/a/rules.json?v=1&x=y"),
        ("http://CDN.example:81", Origin("http", "cdn.example", 81), "/"),
        ("http://[::1]:8080/r", Origin("http", "::1", 8080), "/r"),
        ("https://bücher.example/ü\x00%20", Origin("https", "xn--bcher-kva.example", 443), "/%C3%BC%00%20"),
    ],
)
def test_an_address_is_taken_apart_for_a_connection(location, origin, target):
    assert parse_url(location, "artifact_location")[:2] == (origin, target)


@pytest.mark.parametrize(
    "location",
    ["http://a:99999/", "http://a:x/", "http://[::1/", "http://a:0/", "http://user@/", "ftp://a/", "http://a\x00b/",
     "http://a\"b/", "https://" + "ü" * 70 + "/", "https://" + "a" * 64 + ".example/", "http://a..b/", "http://.a/",
     "https://" + "a." * 127 + "aa/", "http://a/\udc80", "http://a/?\udc80", "http://\udc80@a/", "http://\udc80/"],
)  # fmt: skip
def test_an_address_that_leads_nowhere_is_an_option_error(location):
    with pytest.raises(OptionError, match="artifact_location: an http or https URL was expected") as raised:
        parse_url(location, "artifact_location")
    assert raised.value.option == "artifact_location"


def test_an_address_is_shown_without_credentials_and_query():
    address = parse_url("https://me:se%40cret@cdn.example:444/rules.json?token=t", "artifact_location")
    assert address.redacted == "https://cdn.example:444/rules.json"
    assert address.credentials == "me:se@cret"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"])
def test_loopback_is_known(host):
    assert parse_url(f"http://{host}:80/", "x").is_loopback
    assert not parse_url("http://127.0.0.1.example/", "x").is_loopback


# What is asked


def test_the_request_says_who_asks():
    request = requested()
    assert (request.method, request.body, request.max_bytes) == ("GET", b"", 1000)
    assert dict(request.headers) == {
        "Accept-Encoding": "gzip",
        "User-Agent": "AdobeTargetPython/" + __version__,
        "X-EXC-SDK": "AdobeTargetPython",
        "X-EXC-SDK-Version": __version__,
    }


def test_the_etag_goes_back_as_it_came():
    assert dict(requested(etag='W/"a"').headers)["If-None-Match"] == 'W/"a"'


def test_credentials_are_sent_as_a_header():
    request = requested("https://me:secret@cdn.example/rules.json")
    assert dict(request.headers)["Authorization"] == "Basic bWU6c2VjcmV0"
    assert "secret" not in request.url


# What is answered


def test_an_artifact_is_a_document_with_its_etag():
    download = answered(reply(json.dumps(artifact()).encode(), ETag='"1"'))
    assert download.document == artifact()
    assert (download.etag, download.geo) == ('"1"', None)


@pytest.mark.parametrize("etag", [None, "", "a\r\n b", '"ü"', "x" * 2000])
def test_an_etag_that_cannot_be_sent_is_none(etag):
    headers = {} if etag is None else {"ETag": etag}
    assert answered(reply(**headers)).etag is None


def test_unchanged_is_none():
    assert answered(reply(b"", 304), etag='"1"') is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [(304, RedirectRefused), (301, RedirectRefused), (307, RedirectRefused), (204, HttpStatusError),
     (403, HttpStatusError), (404, HttpStatusError), (500, HttpStatusError)],
)  # fmt: skip
def test_another_status_brings_no_artifact(status, kind):
    with pytest.raises(kind) as raised:
        answered(reply(b"<html>no", status)._replace(attempts=3))
    assert type(raised.value) is kind
    assert (raised.value.status, raised.value.attempts, raised.value.body) == (status, 3, "<html>no")


@pytest.mark.parametrize(
    "body", [b"{", b"<html>", b"\xff", b"NaN", b"[" * 200 + b"]" * 200, b"[" * 100000, b"9" * 5000]
)
def test_what_is_no_json_is_no_artifact(body):
    with pytest.raises(InvalidArtifact, match="Unable to read artifact JSON") as raised:
        answered(reply(body))
    assert raised.value.status == 200


def test_nothing_is_no_artifact():
    with pytest.raises(InvalidArtifact):
        answered(reply(b""))


@pytest.mark.slow
def test_ten_thousand_activities_are_read_and_a_flood_of_brackets_is_not():
    rules = [artifact()["rules"]["mboxes"]["home"][0]] * 40000
    text = json.dumps(artifact(rules={"mboxes": {"home": rules}})).encode()
    assert text.count(b"{") + text.count(b"[") > 200000
    assert len(parse_artifact(text, False, ORGANIZATION)["rules"]["mboxes"]["home"]) == 40000
    with pytest.raises(InvalidArtifact, match="too many lists"):
        parse_artifact(b"[" + b"[]," * 300000 + b"[]]", False, ORGANIZATION)


# The masked format


@pytest.mark.parametrize(
    ("artifact_format", "location", "expected"),
    [
        (None, None, False),
        ("bin", None, True),
        ("json", "https://a/rules.bin", False),
        (None, "https://a/rules.bin", True),
        (None, "https://a/rules.bin?x=.json", True),
        (None, "https://a/rules.json?x=.bin", False),
    ],
)
def test_the_format_is_said_or_known_by_the_address(artifact_format, location, expected):
    assert is_obfuscated(artifact_format, location) is expected


@pytest.mark.parametrize("organization_id", ["1@AdobeOrg", "x" * 500, "ü@AdobeOrg"])
def test_b63_a_masked_artifact_is_read(organization_id):
    assert parse_artifact(masked(artifact(), organization_id), True, organization_id) == artifact()
    assert deobfuscate(masked({}, organization_id), organization_id) == b"{}"


def test_b63_the_key_begins_with_the_organization_id():
    # By hand: "{}" XOR "AB", where "AB" are the first two bytes of the key.
    body = b"ATOD:001" + b"k" * 32 + bytes([ord("{") ^ ord("A"), ord("}") ^ ord("B")])
    assert parse_artifact(body, True, "AB") == {}
    # ... and goes on with the 32 bytes of the header, then from the beginning.
    text = b'{"a":"%s"}' % (b"b" * 40)
    key = b"AB" + b"k" * 32
    hidden = bytes(byte ^ key[index % 34] for index, byte in enumerate(text))
    assert parse_artifact(b"ATOD:001" + b"k" * 32 + hidden, True, "AB") == {"a": "b" * 40}


@pytest.mark.parametrize(
    "body", [b"", b"ATOD", b"ATOD:001" + b"k" * 31, b"ATOD:002" + b"k" * 40, b"{" + b" " * 60 + b"}"]
)
def test_b63_what_is_not_masked_is_an_invalid_artifact(body):
    with pytest.raises(InvalidArtifact, match=r"^Invalid Artifact"):
        parse_artifact(body, True, ORGANIZATION)


def test_b63_one_for_another_organization_cannot_be_read():
    with pytest.raises(InvalidArtifact, match="Unable to read artifact JSON"):
        parse_artifact(masked(artifact(), "2@AdobeOrg"), True, "1@AdobeOrg")
    with pytest.raises(InvalidArtifact, match="Unable to read artifact JSON"):
        parse_artifact(b"ATOD:001" + b"k" * 32, True, "1@AdobeOrg")


def test_ten_megabytes_are_unmasked_without_a_loop():
    body = b"ATOD:001" + b"k" * 32 + bytes(10 << 20)
    began = time.process_time()
    assert len(deobfuscate(body, ORGANIZATION)) == 10 << 20
    assert time.process_time() - began < 2


# Where it came from


def test_the_place_is_told_by_wire_names():
    headers = {"x-geo-latitude": "0", "x-geo-longitude": "-122.5", "x-geo-city": " SAN FRANCISCO "}
    assert answered(reply(**{"x-forwarded-for": "1.2.3.4", **headers})).geo == {
        "ipAddress": "1.2.3.4",
        "latitude": 0.0,
        "longitude": -122.5,
        "countryCode": None,
        "stateCode": None,
        "city": "SAN FRANCISCO",
        "zip": None,
    }


def test_b37_a_chain_of_addresses_harms_nobody():
    geo = answered(reply(**{"x-forwarded-for": "1.2.3.4, 5.6.7.8", "x-geo-country-code": "US"})).geo
    assert (geo["ipAddress"], geo["countryCode"]) == ("1.2.3.4", "US")


@pytest.mark.parametrize(
    "headers", [{}, {"x-forwarded-for": "1.2.3.4"}, {"x-geo-latitude": "north"}, {"x-geo-longitude": "nan"},
                {"x-geo-city": " "}, {"x-forwarded-for": ","}, {"x-geo-latitude": None}]
)  # fmt: skip
def test_no_place_is_none(headers):
    assert geo_from_headers(headers) is None


def test_an_artifact_that_is_invalid_is_an_invalid_response():
    assert issubclass(InvalidArtifact, InvalidResponse)

"""The URL, the download and the formats of a rule artifact. A function takes the place of the server."""

import json
import time

import pytest

from target_python_sdk.artifact.download import fetch_artifact
from target_python_sdk.artifact.format import deobfuscate, parse_artifact
from target_python_sdk.artifact.location import ArtifactLocation, artifact_url, is_obfuscated, parse_url
from target_python_sdk.decisioning.artifact import parse_document
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
from tests.decisioning.cdn import artifact, obfuscate

ORGANIZATION = "1234567890@AdobeOrg"
TIMINGS = Timings()


def location(url="https://assets.adobetarget.com/acmeclient/production/v1/rules.json", obfuscated=False):
    return ArtifactLocation(parse_url(url, "artifact_location"), url, obfuscated, ORGANIZATION, 1000)


def reply(body=b"{}", status=200, **headers):
    return HttpReply(status, "Reason", headers, body, TIMINGS)


def download(received, etag=None, **options):
    """Return the result of a download to which the server replies ``received``."""
    return fetch_artifact(
        location(**options), etag, parse_document, lambda request, deadline: received, Deadline.after(60)
    )


def download_request(url=None, etag=None):
    """Return the request that a download sends."""
    sent = []

    def send(request, deadline):
        sent.append(request)
        return reply(status=404)

    with pytest.raises(HttpStatusError):
        fetch_artifact(location() if url is None else location(url), etag, parse_document, send, Deadline.after(60))
    return sent[0]


def url_for(**given):
    defaults = {
        "client": "acmeclient",
        "environment": "production",
        "property_token": None,
        "obfuscated": False,
        "cdn_base_path": "assets.adobetarget.com",
        "secure": True,
    }
    return artifact_url(**{**defaults, **given})


# The URL


def test_the_default_url_contains_client_and_environment():
    assert url_for() == "https://assets.adobetarget.com/acmeclient/production/v1/rules.json"


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
def test_property_format_scheme_and_cdn_are_part_of_the_url(given, expected):
    assert url_for(**given) == expected


@pytest.mark.parametrize("name", [".", "..", "\udc80"])
@pytest.mark.parametrize("option", ["client", "environment", "property_token"])
def test_an_invalid_path_segment_is_an_option_error(option, name):
    with pytest.raises(OptionError, match=option + "': expected the name of a folder") as raised:
        url_for(**{option: name})
    assert raised.value.option == option


@pytest.mark.parametrize("host", ["a" * 63 + ".example", "example.", "a_b.example", "a." * 126 + "a"])
def test_long_and_unusual_host_names_are_valid(host):
    assert parse_url(f"http://{host}/", "x").origin.host == host


def test_b62_any_environment_is_part_of_the_url():
    assert url_for(environment="qa-2") == "https://assets.adobetarget.com/acmeclient/qa-2/v1/rules.json"


@pytest.mark.parametrize(
    ("location", "origin", "target"),
    [
        ("https://cdn.example/a/rules.json?v=1&x=y", Origin("https", "cdn.example", 443), "/a/rules.json?v=1&x=y"),
        ("http://CDN.example:81", Origin("http", "cdn.example", 81), "/"),
        ("http://[::1]:8080/r", Origin("http", "::1", 8080), "/r"),
        ("https://bücher.example/ü\x00%20", Origin("https", "xn--bcher-kva.example", 443), "/%C3%BC%00%20"),
    ],
)
def test_a_url_is_parsed_and_percent_encoded(location, origin, target):
    assert parse_url(location, "artifact_location")[:2] == (origin, target)


@pytest.mark.parametrize(
    "location",
    ["http://a:99999/", "http://a:x/", "http://[::1/", "http://a:0/", "http://user@/", "ftp://a/", "http://a\x00b/",
     "http://a\"b/", "https://" + "ü" * 70 + "/", "https://" + "a" * 64 + ".example/", "http://a..b/", "http://.a/",
     "https://" + "a." * 127 + "aa/", "http://a/\udc80", "http://a/?\udc80", "http://\udc80@a/", "http://\udc80/"],
)  # fmt: skip
def test_an_invalid_url_is_an_option_error(location):
    with pytest.raises(OptionError, match="artifact_location': expected an http or https URL") as raised:
        parse_url(location, "artifact_location")
    assert raised.value.option == "artifact_location"


def test_a_redacted_url_has_neither_credentials_nor_query():
    address = parse_url("https://me:se%40cret@cdn.example:444/rules.json?token=t", "artifact_location")
    assert address.redacted == "https://cdn.example:444/rules.json"
    assert address.credentials == "me:se@cret"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"])
def test_loopback_addresses_are_recognized(host):
    assert parse_url(f"http://{host}:80/", "x").is_loopback
    assert not parse_url("http://127.0.0.1.example/", "x").is_loopback


# The request


def test_the_request_identifies_the_sdk():
    request = download_request()
    assert (request.method, request.body, request.max_bytes) == ("GET", b"", 1000)
    assert dict(request.headers) == {
        "Accept-Encoding": "gzip",
        "User-Agent": "AdobeTargetPython/" + __version__,
        "X-EXC-SDK": "AdobeTargetPython",
        "X-EXC-SDK-Version": __version__,
    }


def test_the_etag_is_sent_back_unchanged():
    assert dict(download_request(etag='W/"a"').headers)["If-None-Match"] == 'W/"a"'


def test_credentials_are_sent_as_a_header():
    request = download_request("https://me:secret@cdn.example/rules.json")
    assert dict(request.headers)["Authorization"] == "Basic bWU6c2VjcmV0"
    assert "secret" not in request.url


# The reply


def test_a_download_contains_the_document_and_the_etag():
    downloaded = download(reply(json.dumps(artifact()).encode(), ETag='"1"'))
    assert downloaded.artifact == artifact()
    assert (downloaded.etag, downloaded.geo) == ('"1"', None)


@pytest.mark.parametrize("etag", [None, "", "a\r\n b", '"ü"', "x" * 2000])
def test_an_etag_that_cannot_be_sent_is_ignored(etag):
    headers = {} if etag is None else {"ETag": etag}
    assert download(reply(**headers)).etag is None


def test_a_304_reply_to_an_etag_returns_none():
    assert download(reply(b"", 304), etag='"1"') is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [(304, RedirectRefused), (301, RedirectRefused), (307, RedirectRefused), (204, HttpStatusError),
     (403, HttpStatusError), (404, HttpStatusError), (500, HttpStatusError)],
)  # fmt: skip
def test_any_other_status_is_an_error(status, kind):
    with pytest.raises(kind) as raised:
        download(reply(b"<html>no", status)._replace(attempts=3))
    assert type(raised.value) is kind
    assert (raised.value.status, raised.value.attempts, raised.value.body) == (status, 3, "<html>no")


@pytest.mark.parametrize(
    "body", [b"{", b"<html>", b"\xff", b"NaN", b"[" * 200 + b"]" * 200, b"[" * 100000, b"9" * 5000]
)
def test_invalid_json_is_an_invalid_artifact(body):
    with pytest.raises(InvalidArtifact, match="Unable to read artifact JSON") as raised:
        download(reply(body))
    assert raised.value.status == 200


def test_an_empty_body_is_an_invalid_artifact():
    with pytest.raises(InvalidArtifact):
        download(reply(b""))


@pytest.mark.slow
def test_40000_rules_are_parsed_and_300000_lists_are_refused():
    rules = [artifact()["rules"]["mboxes"]["home"][0]] * 40000
    text = json.dumps(artifact(rules={"mboxes": {"home": rules}})).encode()
    assert text.count(b"{") + text.count(b"[") > 200000
    assert len(parse_artifact(text, False, ORGANIZATION)["rules"]["mboxes"]["home"]) == 40000
    with pytest.raises(InvalidArtifact, match="too many lists"):
        parse_artifact(b"[" + b"[]," * 300000 + b"[]]", False, ORGANIZATION)


# rules.bin


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
def test_the_format_comes_from_the_option_or_the_extension(artifact_format, location, expected):
    assert is_obfuscated(artifact_format, location) is expected


@pytest.mark.parametrize("organization_id", ["1@AdobeOrg", "x" * 500, "ü@AdobeOrg"])
def test_b63_an_obfuscated_artifact_is_parsed(organization_id):
    assert parse_artifact(obfuscate(artifact(), organization_id), True, organization_id) == artifact()
    assert deobfuscate(obfuscate({}, organization_id), organization_id) == b"{}"


def test_b63_the_pad_consists_of_the_organization_id_and_the_key():
    # "{}" XOR "AB", the organization id.
    body = b"ATOD:001" + b"k" * 32 + bytes([ord("{") ^ ord("A"), ord("}") ^ ord("B")])
    assert parse_artifact(body, True, "AB") == {}
    # The 32 bytes of the key follow, then the pad repeats.
    text = b'{"a":"%s"}' % (b"b" * 40)
    pad = b"AB" + b"k" * 32
    hidden = bytes(byte ^ pad[index % 34] for index, byte in enumerate(text))
    assert parse_artifact(b"ATOD:001" + b"k" * 32 + hidden, True, "AB") == {"a": "b" * 40}


@pytest.mark.parametrize(
    "body", [b"", b"ATOD", b"ATOD:001" + b"k" * 31, b"ATOD:002" + b"k" * 40, b"{" + b" " * 60 + b"}"]
)
def test_b63_a_missing_header_is_an_invalid_artifact(body):
    with pytest.raises(InvalidArtifact, match=r"^Invalid Artifact"):
        parse_artifact(body, True, ORGANIZATION)


def test_b63_an_artifact_of_another_organization_is_invalid():
    with pytest.raises(InvalidArtifact, match="Unable to read artifact JSON"):
        parse_artifact(obfuscate(artifact(), "2@AdobeOrg"), True, "1@AdobeOrg")
    with pytest.raises(InvalidArtifact, match="Unable to read artifact JSON"):
        parse_artifact(b"ATOD:001" + b"k" * 32, True, "1@AdobeOrg")


def test_ten_megabytes_are_deobfuscated_in_two_seconds():
    body = b"ATOD:001" + b"k" * 32 + bytes(10 << 20)
    began = time.process_time()
    assert len(deobfuscate(body, ORGANIZATION)) == 10 << 20
    assert time.process_time() - began < 2


# Geo headers


def test_geo_values_have_wire_names():
    headers = {"x-geo-latitude": "0", "x-geo-longitude": "-122.5", "x-geo-city": " SAN FRANCISCO "}
    assert download(reply(**{"x-forwarded-for": "1.2.3.4", **headers})).geo == {
        "ipAddress": "1.2.3.4",
        "latitude": 0.0,
        "longitude": -122.5,
        "countryCode": None,
        "stateCode": None,
        "city": "SAN FRANCISCO",
        "zip": None,
    }


def test_b37_the_first_of_several_forwarded_addresses_is_used():
    geo = download(reply(**{"x-forwarded-for": "1.2.3.4, 5.6.7.8", "x-geo-country-code": "US"})).geo
    assert (geo["ipAddress"], geo["countryCode"]) == ("1.2.3.4", "US")


@pytest.mark.parametrize(
    "headers", [{}, {"x-forwarded-for": "1.2.3.4"}, {"x-geo-latitude": "north"}, {"x-geo-longitude": "nan"},
                {"x-geo-city": " "}, {"x-forwarded-for": ","}, {"x-geo-latitude": None}]
)  # fmt: skip
def test_headers_without_geo_values_return_none(headers):
    assert geo_from_headers(headers) is None


def test_invalid_artifact_is_a_subclass_of_invalid_response():
    assert issubclass(InvalidArtifact, InvalidResponse)

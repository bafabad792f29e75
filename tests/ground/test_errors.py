"""The error classes: their bases, messages and pickles."""

import builtins
import copy
import inspect
import pickle
import re

import pytest
import urllib3.exceptions

import target_python_sdk.errors
from target_tools import errors

BASES = [
    (errors.OptionError, [ValueError]),
    (errors.AttributeNotFound, [LookupError]),
    (errors.ConnectionFailed, [urllib3.exceptions.MaxRetryError, urllib3.exceptions.HTTPError]),
    (errors.CircuitOpen, [errors.ConnectionFailed]),
    (errors.TlsError, [errors.ApiException, urllib3.exceptions.HTTPError]),
    (errors.DeadlineExceeded, [urllib3.exceptions.TimeoutError, builtins.TimeoutError, OSError]),
    (errors.HttpStatusError, [errors.ApiException, errors.OpenApiException]),
    (errors.RedirectRefused, [errors.HttpStatusError]),
    (errors.InvalidResponse, [ValueError]),
    (errors.ResponseTooLarge, [errors.InvalidResponse]),
]

EXAMPLES = [
    errors.OptionError("timeout: a number was expected", "timeout", "a number"),
    errors.ClientClosed("closed"),
    errors.AttributeNotFound("Attribute 'a' does not exist for mbox 'b'"),
    errors.ConnectionFailed("refused", "reuse"),
    errors.TlsError("expired"),
    errors.DeadlineExceeded("late"),
    errors.HttpStatusError(503, "Service Unavailable", {"X": "y"}, "body"),
    errors.RedirectRefused(302, "Found", {"Location": "https://elsewhere?id=secret", "Set-Cookie": "id=secret"}, ""),
    errors.TransportError("a replacement raised ValueError"),
    errors.InvalidResponse("no JSON"),
    errors.ResponseTooLarge("larger than 8 bytes"),
]


@pytest.mark.parametrize(("kind", "bases"), BASES)
def test_each_error_is_caught_as_its_documented_bases(kind, bases):
    for base in bases:
        assert issubclass(kind, base)
    assert issubclass(kind, errors.TargetError)


def test_the_tree_in_the_docstring_is_complete():
    tree_names = re.findall(r"[├└]── (\w+)", errors.__doc__)
    ours = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.TargetError) and value is not errors.TargetError
    }
    assert set(tree_names) == ours
    assert len(tree_names) == len(ours)


def test_the_package_exports_all_errors():
    for name in target_python_sdk.errors.__all__:
        assert getattr(target_python_sdk.errors, name) is getattr(errors, name)
    ours = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.TargetError)
    }
    assert ours | {"ApiException"} == set(target_python_sdk.errors.__all__)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_errors_are_pickled_and_copied_without_request_and_body(error):
    error.request = "a visitor's request"
    for duplicate in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(duplicate) is type(error)
        assert getattr(duplicate, "request", None) is None
        assert getattr(duplicate, "body", None) is None
        assert str(duplicate).splitlines()[0] == str(error).splitlines()[0]
        assert "secret" not in str(duplicate)
    for name in ("option", "expected", "status", "attempts", "phase"):
        assert getattr(pickle.loads(pickle.dumps(error)), name, None) == getattr(error, name, None)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_no_message_contains_a_secret(error):
    assert "secret" not in str(error)
    assert "secret" not in repr(error)


def test_the_errors_of_1_1_0_keep_their_texts_and_bases():
    assert str(errors.ApiTypeError("bad", ["a", 0])) == "bad at ['a'][0]"
    assert str(errors.ApiValueError("bad")) == "bad"
    assert isinstance(errors.ApiTypeError("bad"), TypeError)
    assert isinstance(errors.ApiKeyError("bad"), KeyError)
    assert errors.render_path(["a", 1, "b"]) == "['a'][1]['b']"
    assert str(errors.ApiException(404, "Not Found")) == "(404)\nReason: Not Found\n"
    assert errors.ApiException(404, "Not Found").args == ()


def test_an_api_exception_has_the_status_headers_and_body_of_its_response():
    class Response:
        status, reason, data = 400, "Bad", "why"

        def getheaders(self):
            return {"X": "y", "Retry-After": "5"}

    error = errors.ApiException(http_resp=Response())
    assert (error.status, error.reason, error.body, error.headers) == (
        400, "Bad", "why", {"X": "y", "Retry-After": "5"}
    )
    assert str(error) == (
        "(400)\nReason: Bad\nHTTP response headers: {'Retry-After': '5'}\nHTTP response body: why\n"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("two\r\nlines", "two\\r\\nlines"),
        (b"\xff\x1b[0m", "\\\\xff\\x1b[0m"),
        ("é", "\\xe9"),
        ("x" * 300, "x" * 256 + "\\u2026"),
        (ValueError("why"), "why"),
    ],
)
def test_remote_text_is_escaped_to_one_line(text, expected):
    assert errors.escape_text(text) == expected

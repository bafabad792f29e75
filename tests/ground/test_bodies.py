"""Bodies: size limits, gzip, and strict JSON."""

import gzip
import json
import math
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_python_sdk.types import Context, DeliveryRequest, ExecuteRequest, MboxRequest, Trace, VisitorId
from target_tools.errors import InvalidResponse, ResponseTooLarge
from target_tools.http import messages
from target_tools.http.messages import MAX_DEPTH, decode_body, parse_json, render_json, render_quickly

PLAIN = b'{"a": 1}'
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("encoding", [None, "", "identity", " Identity "])
def test_a_body_without_an_encoding_is_returned_unchanged(encoding):
    assert decode_body(PLAIN, encoding, 100) == PLAIN


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", " GZIP "])
def test_a_gzip_body_is_decompressed(encoding):
    assert decode_body(gzip.compress(PLAIN), encoding, 100) == PLAIN


def test_several_gzip_members_form_one_body():
    assert decode_body(gzip.compress(b"one ") + gzip.compress(b"two"), "gzip", 100) == b"one two"


def test_an_empty_body_with_an_encoding_is_empty():
    assert decode_body(b"", "gzip", 100) == b""


@pytest.mark.parametrize("size", [0, 1, 99, 100])
def test_a_body_up_to_the_maximum_size_is_accepted(size):
    assert len(decode_body(gzip.compress(b"x" * size), "gzip", 100)) == size


@pytest.mark.parametrize("parts", [[101], [100, 1], [50, 51], [10**7]])
def test_a_body_above_the_maximum_size_is_refused(parts):
    compressed = b"".join(gzip.compress(b"x" * size) for size in parts)
    with pytest.raises(ResponseTooLarge, match="larger than 100 bytes"):
        decode_body(compressed, "gzip", 100)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(PLAIN)[:-4], "gzip"),
        (gzip.compress(PLAIN)[:5], "gzip"),
        (gzip.compress(PLAIN) + b"junk", "gzip"),
        (PLAIN, "gzip"),
        (gzip.compress(PLAIN), "gzip, gzip"),
        (gzip.compress(PLAIN), "br"),
        (gzip.compress(PLAIN), "deflate"),
        (gzip.compress(PLAIN), "gzip;q=1"),
    ],
)
def test_invalid_gzip_and_other_encodings_are_refused(body, encoding):
    with pytest.raises(InvalidResponse):
        decode_body(body, encoding, 1000)


@given(json_values)
def test_rendered_json_is_parsed_to_the_same_value(value):
    assert parse_json(render_json(value)) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_raise_invalid_response(body):
    try:
        parse_json(body)
    except InvalidResponse as error:
        assert error.__cause__ is None
        assert error.__suppress_context__


def test_brackets_within_strings_do_not_count_for_the_depth():
    brackets = json.dumps({"text": '[[[["\\' * 1000, "list": [[]] * 200}).encode()
    assert parse_json(brackets)["list"] == [[]] * 200
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert parse_json(deepest)
    with pytest.raises(InvalidResponse, match="nested too deeply"):
        parse_json(b"[" + deepest + b"]")


def test_the_error_does_not_quote_the_body():
    for body in (b'{"secret": somebody}', b"secret", b"\xffsecret", b'{"secret": NaN}', b"secret" * 1000):
        with pytest.raises(InvalidResponse) as caught:
            parse_json(body)
        assert "secret" not in str(caught.value)
        assert "somebody" not in repr(caught.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, {"a": -math.inf}])
def test_nan_and_infinity_are_not_rendered(value):
    with pytest.raises(ValueError):
        render_json(value)


def test_rendered_json_is_compact_ascii():
    assert render_json({"a": ["é", "\ud800"]}) == b'{"a":["\\u00e9","\\ud800"]}'


def test_too_many_gzip_members_or_objects_and_too_large_numbers_are_refused():
    with pytest.raises(InvalidResponse, match="too many gzip members"):
        decode_body(gzip.compress(b"") * 10000, "gzip", 1 << 20)
    with pytest.raises(InvalidResponse, match="too many lists and objects"):
        parse_json(b"[" + b"{}," * 300000 + b"{}]")
    with pytest.raises(InvalidResponse, match="too large"):
        parse_json(b"[1e999]")


@pytest.mark.parametrize("pair", [b'"\\', b'"', b"\\", b'\\"', b'",'])
def test_text_that_is_not_json_is_refused_in_linear_time(pair):
    """An earlier version searched the rest of the text for the end of a string at each quotation mark."""
    with pytest.raises(InvalidResponse):
        parse_json(b"," * 900000 + pair * 300000)


# The number of values


@pytest.mark.parametrize(
    ("text", "is_accepted"),
    [
        ("[1,2,3,4,5,6,7,8]", True),
        ("[1,2,3,4,5,6,7,8,9]", False),
        ('{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8}', True),
        ('{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9}', False),
        ("[[],[],[]]", True),
        ("[[1,2],[3,4],[5,6]]", False),
        ("[" + "null," * 7 + "null]", True),
        ("[" + "null," * 8 + "null]", False),
        ("[ 1 ,\n2 ,\t3 , 4 , 5 , 6 , 7 , 8 , 9 ]", False),
    ],
)
def test_the_number_of_values_is_limited(text, is_accepted):
    assert json.loads(text) is not None
    if is_accepted:
        assert parse_json(text.encode(), max_brackets=4) == json.loads(text)
    else:
        with pytest.raises(InvalidResponse, match="too many values"):
            parse_json(text.encode(), max_brackets=4)


@pytest.mark.parametrize(
    "value",
    ["," * 1000, '",' * 100, "\\," * 100, "\\" * 7 + ',"' * 50, ",:," * 300],
    ids=["commas", "quotes", "backslashes", "both", "colons"],
)
def test_commas_within_strings_do_not_count_as_values(value):
    body = render_json({value: [value, value]})
    assert parse_json(body, max_brackets=4) == {value: [value, value]}


@pytest.mark.parametrize("opening", ["[", "{"])
def test_the_number_of_lists_and_objects_is_limited(opening):
    value = "[]" if opening == "[" else "{}"
    assert parse_json("[{}]".format(",".join([value] * 3)).encode(), max_brackets=4)
    with pytest.raises(InvalidResponse, match="too many lists and objects"):
        parse_json("[{}]".format(",".join([value] * 4)).encode(), max_brackets=4)


@pytest.mark.parametrize("value", [b"0", b"null", b'""', b"[]", b"{}"])
def test_half_a_million_small_values_are_refused(value):
    with pytest.raises(InvalidResponse, match="too many"):
        parse_json(b"[" + b",".join([value] * 500000) + b"]")


@given(json_values)
def test_rendered_json_is_that_of_the_standard_library(value):
    assert render_json(value) == json.dumps(value, separators=(",", ":")).encode("ascii")


MODELS = st.builds(
    lambda parameters, content, number, text: DeliveryRequest(
        request_id=text,
        context=Context(channel="web", time_offset_in_minutes=number, beacon=True),
        execute=ExecuteRequest(mboxes=[MboxRequest(name=text, index=1, parameters=parameters)]),
        trace=Trace("a token", usage=content),
    ),
    st.dictionaries(st.text(), st.text(), max_size=3),
    st.dictionaries(st.text(), json_values, max_size=3),
    st.integers(-(10**30), 10**30) | st.floats(-1e15, 1e15),
    st.text(max_size=10),
)


@given(MODELS)
def test_a_model_is_rendered_as_its_json(model):
    expected = json.dumps(model.to_json(), separators=(",", ":")).encode("ascii")
    assert render_json(model) == expected
    with mock.patch.object(messages, "_orjson", None):
        assert render_quickly(model) == expected


if messages._orjson is not None:  # .ci/run installs the extra "speedups" for this

    @given(MODELS)
    def test_orjson_and_python_render_the_same(model):
        quick, python = render_quickly(model), render_json(model)
        assert json.loads(quick) == json.loads(python)
        if b"e+" not in python and b"e-" not in python:  # orjson writes exponents differently
            assert quick == python


def test_an_attribute_that_was_deleted_is_not_rendered():
    visitor = VisitorId(tnt_id="t", third_party_id="p")
    del visitor.third_party_id
    assert render_json(visitor) == b'{"tntId":"t"}'

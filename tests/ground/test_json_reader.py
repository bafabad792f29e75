"""``JsonReader`` reads documents value by value. Its results and errors are those of ``parse_json``."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from target_tools import json_reader
from target_tools.errors import InvalidResponse
from target_tools.http.messages import MAX_BRACKETS, parse_json, render_json
from target_tools.json_reader import TOO_DEEP, JsonReader, Turn, check_limits, render_in_steps

DOCUMENT = {
    "rules": {"mboxes": {"é": [{"condition": [1, [2.5e10, -1e-5]]}, {"text": 'a "quoted" [ { , \\ €😀'}], "": []}},
    "names": ["a", "b", None, True, False],
    "version": "1.0.0",
}
TEXT = json.dumps(DOCUMENT, ensure_ascii=False, indent=1).encode()
PIECES = st.sampled_from(
    [b"[", b"]", b"{", b"}", b",", b":", b'"', b"\\", b" ", b"0", b"1e", b"-", b".", b"\xff", b"\xc3"]
)
LEVELS = st.integers(0, 5)
#: Numbers of bytes to decode at once. A character has up to four.
WINDOWS = st.sampled_from([4, 5, 7, 20, 65536])


def read_in_steps(body, levels, max_brackets=MAX_BRACKETS):
    """Return the document in ``body``. The reader enters its outer ``levels`` levels."""
    check_limits(body, max_brackets)
    reader = JsonReader(body)
    document = reader.document(levels)
    reader.end()
    return document


def outcome(read, *arguments):
    """Return the value as text, or the message of the error."""
    try:
        return json.dumps(read(*arguments))
    except InvalidResponse as error:
        return str(error)


@pytest.fixture
def window(monkeypatch):
    """Return a function that sets the number of bytes to decode at once."""

    def set_window(size):
        monkeypatch.setattr(json_reader, "FIRST_WINDOW", min(size, 4096))
        monkeypatch.setattr(json_reader, "WINDOW", size)

    return set_window


@st.composite
def damaged_documents(draw):
    """Return the document with a few bytes replaced, inserted or removed, or with its end cut off."""
    text = draw(st.sampled_from([TEXT, b"\xef\xbb\xbf" + TEXT]))
    for _ in range(draw(st.integers(0, 3))):
        position = draw(st.integers(0, len(text)))
        rest = draw(st.sampled_from([b"", text[position:], text[position + 1 :]]))
        text = text[:position] + draw(st.one_of(st.just(b""), PIECES)) + rest
    return text


@pytest.mark.parametrize("pair", [b'\\"', b"\\", b'"', b'",', b'"\\'])
def test_a_long_string_is_searched_in_linear_time(pair):
    """The text has 900,000 commas in one string. An earlier version searched the parts of a string again and again."""
    body = b'["' + b"," * 900000 + b'","' + pair * 300000
    values = 900000 if pair == b'",' else 0  # the commas between short strings
    check_limits(body, max_brackets=max(1, values // json_reader.VALUES_PER_BRACKET))


@given(damaged_documents(), LEVELS, WINDOWS)
@example(b"", 2, 4)
@example(b"[1, ]", 2, 4)
@example(b'{"a": 1 , }', 2, 4)
@example(b"[1,2 3]", 2, 65536)
@example(b"[12.0.0]", 2, 4)
@example(b"[NaN, 1", 2, 4)
@example(b"[" + b"9" * 401 + b"]", 2, 4)
@example(b"[1e400]", 2, 4)
def test_reading_in_steps_has_the_result_or_the_error_of_parse_json(body, levels, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_reader, "WINDOW", size)
        patch.setattr(json_reader, "FIRST_WINDOW", min(size, 4096))
        assert outcome(read_in_steps, body, levels) == outcome(parse_json, body)


@pytest.mark.parametrize("levels", [0, 1, 3])
@pytest.mark.parametrize(
    "body",
    [b"[" * depth + b"]" * depth for depth in (99, 100, 101, 5000)]
    + [b'{"a":' * depth + b"1" + b"}" * depth for depth in (100, 101, 5000)]
    + [b"[" * 5000, b'["[", "' + b"[" * 200 + b'"]'],
)
def test_the_depth_limit_is_that_of_parse_json(body, levels):
    assert outcome(read_in_steps, body, levels) == outcome(parse_json, body)


@pytest.mark.parametrize("size", [4, 10, 65536])
@pytest.mark.parametrize(
    "body",
    [b"[" + b"[]," * count + b"[]]" for count in (8, 9)]
    + [b"[" + b"1," * count + b"1]" for count in (18, 19, 20, 21)]
    + [
        b'["' + b"," * 50 + b'"]',
        b'["' + b"[" * 9 + b'"]',
        b'["' + b"[" * 10 + b'"]',
        b'["\\",' + b"," * 50 + b'",1,2]',
    ],
)
def test_the_limits_of_lists_and_values_are_those_of_parse_json(body, size, window):
    window(size)
    assert outcome(read_in_steps, body, 2, 10) == outcome(parse_json, body, 10)


def test_a_value_can_be_read_again_by_its_position(window):
    window(4)
    reader, positions = JsonReader(TEXT), {}
    for key in reader.members():
        positions[key] = reader.position()
        reader.value()
    assert {key: JsonReader(TEXT, position).value() for key, position in positions.items()} == DOCUMENT


@pytest.mark.parametrize("depth", [200, 5000])
def test_a_value_that_is_too_deep_is_skipped(depth, window):
    window(64)
    deep = '{"a":["]}\\"[",' * depth + "1" + "]}" * depth
    reader = JsonReader(f'[1,{deep},"next"]'.encode())
    assert [reader.value_unless_too_deep() for _ in reader.items()] == [1, TOO_DEEP, "next"]
    reader.end()


@pytest.mark.slow
@given(st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), st.text()), lambda inner: st.one_of(
    st.lists(inner), st.dictionaries(st.one_of(st.text(), st.integers()), inner)
)), LEVELS)  # fmt: skip
def test_rendering_in_steps_has_the_result_of_render_json(value, levels):
    assert render_in_steps(value, render_json, levels) == render_json(value)


def test_reading_pauses_after_each_turn(monkeypatch):
    pauses = []
    monkeypatch.setattr(json_reader.time, "sleep", pauses.append)
    monkeypatch.setattr(json_reader, "TURN", 0.0)
    body = json.dumps([DOCUMENT] * 20).encode()
    read_in_steps(body, 2)
    assert len(pauses) >= 20 * len(DOCUMENT)
    assert set(pauses) == {json_reader.PAUSE}
    turn = Turn()
    monkeypatch.setattr(json_reader, "TURN", 60.0)
    turn.pause_if_over()
    del pauses[:]
    turn.pause_if_over()
    assert not pauses

"""Reads large JSON documents value by value, so that other threads can run in between.

``json.loads`` holds the interpreter lock until the whole document is parsed, and creates all of its objects at once.
A ``JsonReader`` enters the outer objects and arrays, parses one inner value at a time, and knows the position of each
value in the bytes, so that a value can be read again later. After ``check_limits``, it accepts the same documents as
``parse_json`` and raises the same errors.
"""

import codecs
import json
import re
import time
from typing import Any, Iterator, NoReturn

from target_tools.errors import InvalidResponse
from target_tools.http.messages import JSON_DECODER, MAX_BRACKETS, MAX_DEPTH, VALUES_PER_BRACKET, nesting_depth
from target_tools.typing_compat import Json

#: Number of bytes to decode at once: at first, and at most. Longer values are decoded as a whole.
FIRST_WINDOW, WINDOW = 4096, 65536
#: How long a :class:`Turn` lasts, and the pause after it, in seconds.
TURN, PAUSE = 0.002, 0.0001
#: An error within this many characters of the end of the decoded text may only mean that the text ends in the middle of
#: a number or an escape sequence.
_CUT = 16

_SPACE = re.compile(r"[ \t\n\r]*")
#: A whole string, a bracket, or the beginning of a string that ends outside of the text.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}"]', re.DOTALL)
#: A whole string, or as group 1 the beginning of one that ends outside of the text. Without the second form, the search
#: would take quadratic time, because it would begin again at each quotation mark of that string.
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|(".*)', re.DOTALL)


class Turn:
    """Pauses long work again and again, so that other threads get the interpreter lock soon.

    Without a pause, another thread waits ``sys.getswitchinterval()``, 5 ms, each time that it needs the lock.
    """

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends = time.perf_counter() + TURN

    def pause_if_over(self) -> None:
        """Pause if the turn is over, and begin the next one."""
        if time.perf_counter() >= self._ends:
            time.sleep(PAUSE)
            self._ends = time.perf_counter() + TURN


#: Returned instead of a value that is nested too deeply.
TOO_DEEP = object()


class JsonReader:
    """Reads the JSON document ``body``, or the value at ``start`` in a document that was read before.

    ``levels`` is the number of objects and arrays around that value. They count towards the maximum depth.

    Pauses as :class:`Turn` does. Raises ``InvalidResponse``, as ``parse_json`` does.
    """

    def __init__(self, body: bytes, start: int = 0, levels: int = 0) -> None:
        self._body = body
        self._turn = Turn()
        self._window = FIRST_WINDOW
        #: The first byte that is not decoded yet.
        self._next = start or _start_of(body)
        #: The decoded text, and the position in it.
        self._text = ""
        self._at = 0
        #: A position in the text, and the same position in the body, in bytes.
        self._known_at, self._known_byte = 0, self._next
        #: Number of characters of the document before the text.
        self._passed = 0
        #: Number of objects and arrays around the next value.
        self._levels = levels

    def position(self) -> int:
        """Return the position of the next value or bracket, in bytes."""
        self._peek()
        return self._byte()

    def starts_with(self, character: str) -> bool:
        """Return whether the next value starts with this character."""
        return self._peek() == character

    def value(self) -> Any:
        """Read the next value."""
        value = self.value_unless_too_deep()
        if value is TOO_DEEP:
            raise InvalidResponse("the answer is nested too deeply")
        return value

    def value_unless_too_deep(self) -> Any:
        """Read the next value, or skip it and return ``TOO_DEEP``."""
        self._peek()
        while True:
            try:
                value, end = JSON_DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                can_be_cut = error.pos + _CUT > len(self._text) or error.msg.startswith("Unterminated string")
                if not (can_be_cut and self._decode_more()):
                    self._fail(error.msg, self._passed + error.pos)
            except RecursionError:
                self._skip_brackets()
                return TOO_DEEP
            except ValueError as error:
                raise InvalidResponse(f"the answer is not JSON: {error}") from None
            else:
                # A number can continue after the decoded text: from "1e+", the beginning of "1e+5", the parser reads 1.
                if end + 2 < len(self._text) or not self._decode_more():
                    break
        start, self._at = self._at, end
        is_deep = value.__class__ in (dict, list) and self._is_too_deep(start, end)
        return TOO_DEEP if is_deep else value

    def members(self) -> Iterator[str]:
        """Enter the next object and yield its keys. The caller must read each value before it takes the next key."""
        self._enter("{")
        before, comma = "{", 0
        while self._peek() != "}" or before != "{":
            if self._peek() != '"':
                self._fail_after(before, comma)
            key: str = self.value()
            if self._peek() != ":":
                self._fail_after('{""')
            self._at += 1
            yield key
            if not self._continues('{"":0 ', "}"):
                break
            before, comma = '{"":0,', self._passed + self._at - 1
        self._leave()

    def items(self) -> Iterator[int]:
        """Enter the next array and yield its indexes. The caller must read each item before it takes the next index."""
        self._enter("[")
        index = 0
        while index or self._peek() != "]":
            yield index
            if not self._continues("[0 ", "]"):
                break
            comma = self._passed + self._at - 1
            if self._peek() == "]":
                self._fail_after("[0,", comma)
            index += 1
        self._leave()

    def document(self, levels: int, skip_deep: bool = False) -> Any:
        """Read the next value. Enter its outer ``levels`` levels, and parse each value inside them as a whole.

        With ``skip_deep``, None takes the place of each such value that is nested too deeply.
        """
        if levels and self.starts_with("{"):
            return {key: self.document(levels - 1, skip_deep) for key in self.members()}
        if levels and self.starts_with("["):
            return [self.document(levels - 1, skip_deep) for _ in self.items()]
        value = self.value_unless_too_deep() if skip_deep else self.value()
        return None if value is TOO_DEEP else value

    def end(self) -> None:
        """Check that nothing follows."""
        if self._peek():
            self._fail("Extra data", self._passed + self._at)

    def _enter(self, bracket: str) -> None:
        assert self._peek() == bracket
        self._at += 1
        self._levels += 1

    def _leave(self) -> None:
        self._peek()
        self._at += 1
        self._levels -= 1

    def _continues(self, before: str, closing: str) -> bool:
        """Return whether another member or item follows."""
        self._turn.pause_if_over()
        found = self._peek()
        if found == ",":
            self._at += 1
            return True
        if found != closing:
            self._fail_after(before)
        return False

    def _peek(self) -> str:
        """Return the next character that is not white space, or an empty text at the end."""
        while True:
            found = self._text[self._at : self._at + 1]
            if found > " ":
                return found
            match = _SPACE.match(self._text, self._at)
            assert match is not None
            self._at = match.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._decode_more():
                return ""

    def _byte(self) -> int:
        between = self._text[self._known_at : self._at]
        self._known_byte += len(between) if between.isascii() else len(between.encode("utf-8"))
        self._known_at = self._at
        return self._known_byte

    def _decode_more(self) -> bool:
        """Decode more of the body. Return False at its end."""
        if self._next >= len(self._body):
            return False
        byte, rest = self._byte(), self._text[self._at :]
        stop = self._next + max(self._window, len(rest))
        self._window = min(2 * self._window, WINDOW)
        text, size = codecs.utf_8_decode(self._body[self._next : stop], "strict", stop >= len(self._body))
        self._next += size
        self._passed += self._at
        self._text, self._at = rest + text, 0
        self._known_at, self._known_byte = 0, byte
        return True

    def _is_too_deep(self, start: int, end: int) -> bool:
        text, levels = self._text, MAX_DEPTH - self._levels
        # The number of brackets limits the depth, so most values need no second pass.
        brackets = text.count("[", start, end) + text.count("{", start, end)
        return brackets > levels and nesting_depth(text[start:end]) > levels

    def _skip_brackets(self) -> None:
        """Skip the next object or array, without parsing it."""
        depth = 0
        while True:
            match = _TOKEN.search(self._text, self._at)
            token = "" if match is None else match.group()
            if match is None or token == '"':
                if not self._decode_more():
                    raise InvalidResponse("the answer is nested too deeply")
                continue
            self._at = match.end()
            if token in "[{":
                depth += 1
            elif token in "]}":
                depth -= 1
                if not depth:
                    return
            self._turn.pause_if_over()

    def _fail_after(self, before: str, comma: int = 0) -> NoReturn:
        """Raise the parser's error for ``before`` followed by the rest of the text.

        ``before`` stands for the text read so far. If it ends with a comma, ``comma`` is the position of that comma in
        the document.
        """
        try:
            JSON_DECODER.raw_decode(before + self._text[self._at :])
        except json.JSONDecodeError as error:
            offset = error.pos - len(before)
            self._fail(error.msg, comma if offset < 0 else self._passed + self._at + offset)
        raise AssertionError(before)

    def _fail(self, message: str, position: int) -> NoReturn:
        raise InvalidResponse(f"the answer is not JSON: {message} at character {position}") from None


def _start_of(body: bytes) -> int:
    return len(codecs.BOM_UTF8) if body.startswith(codecs.BOM_UTF8) else 0


def check_limits(body: bytes, max_brackets: int = MAX_BRACKETS) -> None:
    """Check that ``body`` is UTF-8 and contains at most as many lists, objects and values as ``parse_json`` allows.

    Raises ``InvalidResponse``.
    """
    turn, start, brackets, commas = Turn(), _start_of(body), 0, 0
    at = start
    while at < len(body):
        stop = at + WINDOW
        try:
            _, size = codecs.utf_8_decode(body[at:stop], "strict", stop >= len(body))
        except UnicodeDecodeError as error:
            message = f"the answer is not JSON: byte {at - start + error.start} is not UTF-8"
            raise InvalidResponse(message) from None
        brackets += body.count(b"[", at, at + size) + body.count(b"{", at, at + size)
        commas += body.count(b",", at, at + size)
        at += size
        turn.pause_if_over()
    if brackets > max_brackets:
        raise InvalidResponse("the answer holds too many lists and objects")
    most = max_brackets * VALUES_PER_BRACKET
    if commas + brackets > most and _count_values(body, start, turn) > most:
        raise InvalidResponse("the answer holds too many values")


def _count_values(body: bytes, start: int, turn: Turn) -> int:
    """Return the number of values in a JSON document, to within one for each list or object."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    found, text, step = 0, "", WINDOW
    while start < len(body):
        bare = _STRING.sub(r"\1", text + decoder.decode(body[start : start + step]))
        start += step
        bare, quote, rest = bare.partition('"')  # a string that continues in the next part
        text = quote + rest
        step = max(WINDOW, len(text))
        found += _commas_and_brackets(bare)
        turn.pause_if_over()
    return found + _commas_and_brackets(text)


def _commas_and_brackets(text: str) -> int:
    return text.count(",") + text.count("[") + text.count("{")


def render_in_steps(value: Json, render: Any, levels: int) -> bytes:
    """Return ``value`` as JSON, with pauses as :class:`Turn` makes them.

    ``render`` renders each value inside the outer ``levels`` levels of objects, without a pause.
    """
    return b"".join(_rendered_parts(value, render, levels, Turn()))


def _rendered_parts(value: Any, render: Any, levels: int, turn: Turn) -> Iterator[bytes]:
    turn.pause_if_over()
    if not levels or value.__class__ is not dict or not value or not all(key.__class__ is str for key in value):
        yield render(value)
        return
    before = b"{"
    for key, item in value.items():
        yield before + render(key) + b":"
        yield from _rendered_parts(item, render, levels - 1, turn)
        before = b","
    yield b"}"

"""Reads JSON documents value by value, however large they are: of the text only what is needed is held."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path

from authforensics.collect.compression import Break, chunks

#: Characters at the beginning from which a document is known, and the most that one value of it may have.
_HEAD, _MOST = 1 << 16, 1 << 28
#: What may stand between two values.
_BETWEEN = "\ufeff \t\r\n\0,"
#: What stands behind a number; and how many characters of one may be left over when it is cut: `.`, `e`, `e-`.
_AFTER, _LONGEST_END = set(",]}: \t\r\n"), 2
_DECODER = json.JSONDecoder()


class Broken(Exception):
    """The text is no JSON from here on."""


class JsonText:
    """The text of a file, decompressed, and how far it was read."""

    def __init__(self, path: Path) -> None:
        self._chunks = chunks(path)
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        self._held, self._at = "", 0
        self._ended = False
        self._break: str | None = None
        self._lines, self._column = 1, 1

    def head(self) -> str:
        """The beginning, if nothing was read yet."""
        self._grow(_HEAD)
        return self._held[:_HEAD]

    def more(self) -> bool:
        """Whether there is anything but blanks.

        Raises:
            Broken: the file breaks off.
        """
        while True:
            while self._at < len(self._held) and self._held[self._at] in _BETWEEN:
                self._at += 1
            if self._at < len(self._held):
                return True
            if not self._grow(1):
                if self._break is not None:
                    raise Broken(self._break)
                return False

    def peek(self) -> str:
        """The next character."""
        return self._held[self._at : self._at + 1]

    def items(self) -> Iterator[object]:
        """The values of the array that is next."""
        self._at += 1
        while self.more():
            if self.peek() == "]":
                self._at += 1
                return
            yield self.value()
        raise Broken(f"it ends within a list, {self._place(self._at)}")

    def members(self) -> Iterator[str]:
        """The keys of the object that is next. What is next after each is its value, which the caller takes."""
        self._at += 1
        while self.more():
            if self.peek() == "}":
                self._at += 1
                return
            key = self.value()
            if not isinstance(key, str) or not self.more() or self.peek() != ":":
                raise Broken(f"expected a key, {self._place(self._at)}")
            self._at += 1
            if not self.more():
                break
            yield key
        raise Broken(f"it ends within an object, {self._place(self._at)}")

    def value(self) -> object:
        """The next value."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._held, self._at)
            except json.JSONDecodeError as error:
                cut_off = error.msg.startswith("Unterminated string") or error.pos >= len(self._held) - 8
                if cut_off and len(self._held) - self._at < _MOST and self._double():
                    continue
                raise Broken(self._fault(error)) from error
            except (ValueError, RecursionError) as error:
                raise Broken(f"it can't be read, {self._place(self._at)}") from error
            # A number may go on behind what is held: `1`, `1.`, `1.5e`.
            ended = not isinstance(value, int | float) or self._held[end : end + 1] in _AFTER
            if ended or len(self._held) - end > _LONGEST_END or not self._double():
                self._at = end
                return value

    def line(self) -> str | None:
        """What is left of this line, which is passed over; None, and nothing is, if no object begins the next one."""
        end = self._held.find("\n", self._at)
        if end < 0 or not self._held[end:].lstrip().startswith("{"):
            return None
        rest, self._at = self._held[self._at : end].rstrip("\r"), end
        return rest

    def _fault(self, error: json.JSONDecodeError) -> str:
        cut_off = error.msg.startswith("Unterminated string") or error.pos >= len(self._held.rstrip())
        if cut_off and self._break is not None:
            return self._break
        if cut_off:
            return f"it ends within a value that begins in {self._place(self._at)}"
        return f"{error.msg}, {self._place(error.pos)}"

    def _place(self, at: int) -> str:
        """Where a character that is held stands in the file."""
        lines = self._held.count("\n", 0, at)
        if not lines:
            return f"line {self._lines}, column {self._column + at}"
        return f"line {self._lines + lines}, column {at - self._held.rfind(chr(10), 0, at)}"

    def _double(self) -> bool:
        return self._grow(max(2 * (len(self._held) - self._at), _HEAD))

    def _grow(self, wanted: int) -> bool:
        """Hold at least so many characters that aren't read yet; whether there are more of them than before."""
        before = length = len(self._held) - self._at
        parts: list[str] = []
        while length < wanted and not self._ended:
            try:
                data = next(self._chunks, (b"", 0))[0]
            except Break as broken:
                data, self._break = b"", str(broken)
            self._ended = not data
            parts.append(self._decoder.decode(data, final=self._ended))
            length += len(parts[-1])
        if parts:
            self._forget()
            self._held = "".join((self._held, *parts))
        return length > before

    def _forget(self) -> None:
        """Drop what was read."""
        lines = self._held.count("\n", 0, self._at)
        self._column = self._at - self._held.rfind("\n", 0, self._at) if lines else self._column + self._at
        self._lines += lines
        self._held, self._at = self._held[self._at :], 0

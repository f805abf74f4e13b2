"""The output of a command as lines of limited length, however it is written."""

import codecs
import io
from collections.abc import Iterator
from typing import NamedTuple

# Longest line that is kept; of a longer one the beginning.
MOST_LINE_CHARACTERS = 65_536


class Line(NamedTuple):
    """A line without its end; `left_out` counts the characters that were dropped."""

    text: str
    left_out: int = 0


class OutputLines:
    """Makes lines of bytes; a carriage return ends a line too, as progress bars write it."""

    def __init__(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._decoder = io.IncrementalNewlineDecoder(decoder, translate=True)
        self._parts: list[str] = []
        self._room = MOST_LINE_CHARACTERS
        self._left_out = 0

    def add(self, data: bytes) -> Iterator[Line]:
        """Yield the lines that have ended with these bytes."""
        *ended, rest = self._decoder.decode(data).split("\n")
        for text in ended:
            self._append(text)
            yield self._taken()
        self._append(rest)

    def end(self) -> Iterator[Line]:
        """Yield the last line where it has no end."""
        self._append(self._decoder.decode(b"", final=True).rstrip("\n"))
        if self._parts:
            yield self._taken()

    def _append(self, text: str) -> None:
        kept = text[: self._room]
        self._room -= len(kept)
        self._left_out += len(text) - len(kept)
        if kept:
            self._parts.append(kept)

    def _taken(self) -> Line:
        line = Line("".join(self._parts), self._left_out)
        self._parts, self._room, self._left_out = [], MOST_LINE_CHARACTERS, 0
        return line

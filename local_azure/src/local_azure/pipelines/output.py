"""Output of steps: logging commands and the masking of secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass

_COMMAND = re.compile(r"##vso\[(\w+)\.(\w+)\s*([^\]]*)\](.*)", re.DOTALL)
# In this order, each once: %AZP25 comes last.
_ESCAPES = (("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%AZP25", "%"))
MASK = "***"


@dataclass(frozen=True)
class LoggingCommand:
    """`##vso[area.action key=value;...]message`; names are in lower case."""

    name: str
    properties: dict[str, str]
    message: str


def logging_command(line: str) -> LoggingCommand | None:
    """The command that a line of output holds, anywhere in it."""
    match = _COMMAND.search(line)
    if not match:
        return None
    pairs = (part.partition("=") for part in match[3].split(";") if part.strip())
    properties = {key.strip().lower(): _unescaped(value) for key, _, value in pairs}
    return LoggingCommand(f"{match[1]}.{match[2]}".lower(), properties, _unescaped(match[4].rstrip("\r\n")))


def _unescaped(text: str) -> str:
    for escape, character in _ESCAPES:
        text = text.replace(escape, character)
    return text


class Masker:
    """Replaces whole secret values; overlapping ones become one mask."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def add(self, value: str) -> None:
        """Register a secret; empty ones are ignored. Raises ValueError for one of several lines."""
        if "\n" in value or "\r" in value:
            raise ValueError("A secret with line breaks cannot be masked; split it.")
        if value:
            self._secrets.add(value)

    def mask(self, text: str) -> str:
        """The text without secrets."""
        spans = sorted(
            (match.start(), match.start() + len(secret))
            for secret in self._secrets
            for match in re.finditer(f"(?={re.escape(secret)})", text)
        )
        made: list[str] = []
        end = 0
        for start, stop in spans:
            if start >= end:
                made += [text[end:start], MASK]
            end = max(end, stop)
        return "".join([*made, text[end:]])

"""Output of steps: the form of logging commands, and the masking of secrets."""

import re
from typing import NamedTuple

_COMMAND = re.compile(r"##vso\[(\w+)\.(\w+)\s*([^\]]*)\](.*)", re.DOTALL)
# In this order, each once: %AZP25 comes last.
_ESCAPES = (("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%AZP25", "%"))
MASK = "***"


class LoggingCommand(NamedTuple):
    """`##vso[area.action key=value;...]message`; names are in lower case."""

    name: str
    properties: dict[str, str]
    message: str


def logging_command(line: str) -> LoggingCommand | None:
    """The command that a line of output holds, anywhere in it."""

    def unescaped(text: str) -> str:
        for escape, character in _ESCAPES:
            text = text.replace(escape, character)
        return text

    match = _COMMAND.search(line)
    pairs = (part.partition("=") for part in match[3].split(";") if part.strip()) if match else ()
    properties = {key.strip().lower(): unescaped(value) for key, _, value in pairs}
    return LoggingCommand(f"{match[1]}.{match[2]}".lower(), properties, unescaped(match[4])) if match else None


class Masker:
    """Replaces whole secret values; overlapping ones become one mask."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def add(self, value: str) -> None:
        """Register a secret; empty ones are ignored. Raises ValueError for one of several lines."""
        if "\n" in value or "\r" in value:
            raise ValueError("A secret with line breaks cannot be masked; split it.")
        self._secrets |= {value} - {""}

    def mask(self, text: str) -> str:
        """The text without secrets."""
        secrets = [re.compile(f"(?=({re.escape(secret)}))") for secret in self._secrets]
        found = (match.span(1) for secret in secrets for match in secret.finditer(text))
        made, end = "", 0
        for start, stop in sorted(found):
            made += text[end:start] + MASK if start >= end else ""
            end = max(end, stop)
        return made + text[end:]

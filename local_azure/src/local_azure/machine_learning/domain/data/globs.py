"""Patterns of paths, as the SDK's datasets have them: `*` and `?` stay in a folder, `**` does not.

A regular expression would try a pattern of many stars in more ways than anybody can wait for; this takes time by the
product of both lengths at most.
"""

from __future__ import annotations

import re

MAX_PATTERN_CHARS = 4_096
_STARS = re.compile(r"(\*\*/|\*\*|\*|\?)")


def fits(pattern: str, path: str) -> bool:
    """Whether all of a path fits a pattern."""
    reached = [True] + [False] * len(path)  # whether the pattern so far can stand for so many letters
    for piece in filter(None, _STARS.split(pattern)):
        reached = _PIECES.get(piece, _literal)(piece, path, reached)
    return reached[-1]


def _literal(piece: str, path: str, reached: list[bool]) -> list[bool]:
    after = [False] * len(reached)
    for at in range(len(path) - len(piece) + 1):
        if reached[at] and path.startswith(piece, at):
            after[at + len(piece)] = True
    return after


def _one_letter(_: str, path: str, reached: list[bool]) -> list[bool]:
    return [False] + [before and letter != "/" for before, letter in zip(reached, path, strict=False)]


def _in_a_folder(_: str, path: str, reached: list[bool]) -> list[bool]:
    after = list(reached)
    for at, letter in enumerate(path):
        after[at + 1] = reached[at + 1] or (after[at] and letter != "/")
    return after


def _anything(_: str, path: str, reached: list[bool]) -> list[bool]:
    first = reached.index(True) if True in reached else len(path) + 1
    return [at >= first for at in range(len(reached))]


def _folders(_: str, path: str, reached: list[bool]) -> list[bool]:
    first = reached.index(True) if True in reached else len(path) + 1
    ends = [False] + [letter == "/" and at >= first for at, letter in enumerate(path)]
    return [now or end for now, end in zip(reached, ends, strict=True)]


_PIECES = {"?": _one_letter, "*": _in_a_folder, "**": _anything, "**/": _folders}

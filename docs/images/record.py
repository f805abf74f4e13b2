"""Record `make run` in a terminal, and write it as animated pictures: python docs/images/record.py

It takes a first run, so the folder `.local_azure` must not exist. The two pictures, light and dark, show the output
line by line as it came, with pauses shortened to LONGEST_PAUSE. They play once; who wants no motion sees the end.
"""

from __future__ import annotations

import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "make run"
COLUMNS, ROWS = 112, 30
LONGEST_PAUSE = 1.0
SHOWN_AS = "~/template"
"""The folder of the repository, which differs from one machine to another."""
LEFT, TOP, WIDE, HIGH = 16, 28, 8, 18
"""Margins of the text; width and height of a character."""
THEMES = {
    "light": {"back": "#ffffff", "edge": "#d0d7de", "text": "#1f2328", "1": "#cf222e", "2": "#116329", "3": "#7d4e00",
              "4": "#0969da", "5": "#8250df", "6": "#1b7c83", "7": "#57606a"},
    "dark": {"back": "#0d1117", "edge": "#30363d", "text": "#e6edf3", "1": "#ff7b72", "2": "#56d364", "3": "#e3b341",
             "4": "#79c0ff", "5": "#d2a8ff", "6": "#56d4dd", "7": "#8b949e"},
}  # fmt: skip
_CODE = re.compile(r"\x1b\[([0-9;]*)m")
_OTHER_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-ln-z]|\x1b\][^\x07]*\x07")


@dataclass(frozen=True)
class Line:
    """A line of the screen: the second when it is shown, and its texts with their style, such as `b c2`."""

    second: float
    texts: tuple[tuple[str, str], ...]


def main() -> None:
    """Record one run and write both pictures."""
    if (ROOT / ".local_azure").exists():
        sys.exit("error: .local_azure exists; a first run is recorded: make down, then remove that folder")
    printed = list(recorded(COMMAND.split()))
    lines = [Line(0.0, (("$ ", "c7"), (COMMAND, "b"))), *shown(printed)]
    for theme in THEMES:
        (Path(__file__).parent / f"make_run_{theme}.svg").write_text(picture(lines, theme), encoding="utf-8")


def recorded(command: list[str]) -> Iterator[tuple[float, str]]:
    """Run a command in a terminal. Yields: second and line, as they are printed. Raises: CalledProcessError."""
    ours, terminal = pty.openpty()
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    started = time.monotonic()
    words = ["env", "TERM=xterm-256color", *command]
    process = subprocess.Popen(words, cwd=ROOT, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    with os.fdopen(ours, encoding="utf-8", errors="replace", newline="\n") as screen:
        try:
            for line in screen:
                yield time.monotonic() - started, line
        except OSError:  # how Linux says that the last process has closed the terminal
            pass
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, command)


def shown(printed: Iterable[tuple[float, str]]) -> Iterator[Line]:
    """Lines as a terminal of COLUMNS wraps them, with pauses shortened."""
    second = before = 0.0
    style = ""
    for moment, line in printed:
        second, before = second + min(moment - before, LONGEST_PAUSE), moment
        plain = _OTHER_CODES.sub("", line.replace(str(ROOT), SHOWN_AS).rstrip("\r\n")).rpartition("\r")[2]
        texts, style = _styled(plain, style)
        for part in _wrapped(texts):
            yield Line(round(second, 2), part)


def _styled(line: str, style: str) -> tuple[list[tuple[str, str]], str]:
    """Texts of a line with their style, and the style that goes on after it."""
    first, *more = _CODE.split(line)
    texts = [(first, style)]
    for codes, text in zip(more[::2], more[1::2], strict=True):
        style = _after(style, codes)
        texts.append((text, style))
    return [(text, style) for text, style in texts if text], style


def _after(style: str, codes: str) -> str:
    """A style after codes of a terminal: 0 resets, 1 is bold, 30 to 37 and 90 to 97 are colors."""
    classes = set(style.split())
    for code in codes.split(";"):
        if code in ("", "0"):
            classes = set()
        elif code == "1":
            classes.add("b")
        elif code == "2":
            classes = {name for name in classes if name == "b"} | {"c7"}
        elif re.fullmatch(r"[39][1-7]", code):
            classes = {name for name in classes if name == "b"} | {f"c{code[1]}"}
    return " ".join(sorted(classes))


def _wrapped(texts: list[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], ...]]:
    """Rows of at most COLUMNS characters."""
    cells = [(character, style) for text, style in texts for character in text]
    for begin in range(0, max(len(cells), 1), COLUMNS):
        row: list[tuple[str, str]] = []
        for character, style in cells[begin : begin + COLUMNS]:
            if row and row[-1][1] == style:
                row[-1] = (row[-1][0] + character, style)
            else:
                row.append((character, style))
        yield tuple(row)


def picture(lines: list[Line], theme: str) -> str:
    """An SVG of a terminal in which the lines appear; when it is full, it scrolls."""
    colors = THEMES[theme]
    wide, high = 2 * LEFT + COLUMNS * WIDE, TOP + ROWS * HIGH + 12
    rows = "\n".join(_row(number, line) for number, line in enumerate(lines))
    classes = "".join(f".c{name}{{fill:{color}}}" for name, color in colors.items() if name.isdigit())
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" role="img" aria-label="{COMMAND}">
<style>
text{{font:13px ui-monospace,"Liberation Mono",Menlo,Consolas,monospace;fill:{colors["text"]};white-space:pre}}
.b{{font-weight:bold}}{classes}
{_motion(lines)}
</style>
<rect x=".5" y=".5" width="{wide - 1}" height="{high - 1}" rx="8" fill="{colors["back"]}" stroke="{colors["edge"]}"/>
<svg y="{TOP - HIGH}" width="{wide}" height="{ROWS * HIGH + 6}"><g class="screen">
{rows}
</g></svg>
</svg>
"""


def _row(number: int, line: Line) -> str:
    texts = "".join(
        f'<tspan class="{style}">{escape(text)}</tspan>' if style else escape(text) for text, style in line.texts
    )
    length = sum(len(text) for text, _ in line.texts) * WIDE
    fitted = f' textLength="{length}" lengthAdjust="spacingAndGlyphs"' if length else ""
    return f'<text x="{LEFT}" y="{(number + 1) * HIGH - 4}"{fitted} style="--at:{line.second}s">{texts}</text>'


def _motion(lines: list[Line]) -> str:
    """Styles that show each line at its second and move up those before it."""
    total = max(lines[-1].second, 0.01)
    tops = {line.second: max(number + 1 - ROWS, 0) * HIGH for number, line in enumerate(lines)}
    steps = "".join(f"{100 * second / total:.2f}%{{transform:translateY(-{top}px)}}" for second, top in tops.items())
    return f"""@keyframes show{{from{{opacity:0}}to{{opacity:1}}}}
@keyframes scroll{{{steps}}}
text{{animation:show 1ms var(--at) both}}
.screen{{animation:scroll {total}s step-end both}}
@media (prefers-reduced-motion:reduce){{text,.screen{{animation-duration:1ms;animation-delay:0s}}}}"""


if __name__ == "__main__":
    main()

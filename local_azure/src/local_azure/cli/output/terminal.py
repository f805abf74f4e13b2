"""Shows text that others have written: pages, names and output of steps. It cannot act on the terminal."""

import re

import click

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# Not printable for Python, but harmless: line ends, tabs, spaces that do not break, the joiner of emoji.
_HARMLESS = "\n\t\xa0\u202f\u200d"


def printable(text: str) -> str:
    """Return the text without colours; control characters and marks of direction are written out."""
    plain = _COLOURS.sub("", text)
    if plain.isprintable():
        return plain
    return "".join(each if each.isprintable() or each in _HARMLESS else ascii(each)[1:-1] for each in plain)


def show(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a text on the terminal."""
    click.echo(printable(text), err=err, nl=nl)

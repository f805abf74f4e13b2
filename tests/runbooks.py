"""Walk a page of docs/: type each of its commands, in its order, with its placeholders filled in."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from tests.story.product import ROOT, Ended, Product

PREFIX = "python -m ml_service "


def commands_of(page: str) -> list[str]:
    """What a page's shell blocks type behind `python -m ml_service`. page: such as `runbooks/reject.md`."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    lines = [line.strip() for block in blocks for line in block.splitlines() if line.strip()]
    return [line.partition(PREFIX)[2] for line in lines]


def walk(product: Product, page: str, values: Mapping[str, object]) -> list[Ended]:
    """Type every command of a page, each of which must end well. values: of its placeholders and folders."""
    given = {name: str(value) for name, value in values.items()}
    return [product.run(*(given.get(word, word) for word in shlex.split(command))) for command in commands_of(page)]

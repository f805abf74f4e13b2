"""The verbs of a repository in which only the YAML is tested: each does what `script.json` says, and notes its call.

A copy of this file is `ml_service/__main__.py` of that repository. Nothing but the standard library is imported.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

NOTED = ("PROBLEM_FILE", "BUILD_REASON", "TRAINED_PAID_AMOUNT", "TRAINED_UNITS_BY_TYPE")


def main(words: list[str]) -> int:
    """Note the words and some variables, set output variables, leave evidence, end with a code."""
    verb = next(word for word in words if not word.startswith("-"))
    script = json.loads(Path("script.json").read_text(encoding="utf-8"))
    call = {"verb": verb, "words": words, **{name: os.environ.get(name, "") for name in NOTED}}
    with Path(script["calls"]).open("a", encoding="utf-8") as calls:
        calls.write(json.dumps(call) + "\n")
    told = script["verbs"].get(verb, {})
    if "each" in told:  # what it does at its first call, at its second, ...
        before = Path(script["calls"]).read_text(encoding="utf-8").splitlines()[:-1]
        told = told["each"][sum(json.loads(line)["verb"] == verb for line in before)]
    for name, value in told.get("variables", {}).items():
        sys.stdout.write(f"##vso[task.setvariable variable={name};isOutput=true]{value}\n")
    if "--evidence" in words:
        folder = Path(words[words.index("--evidence") + 1])
        folder.mkdir(parents=True)
        (folder / "decision.json").write_text(json.dumps(told), encoding="utf-8")
    return int(told.get("code", 0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

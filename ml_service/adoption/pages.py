"""The pages of an adopted repository: a README about its own problem, and no link to what `adopt` removes."""

from __future__ import annotations

import os.path
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ml_service.adoption.changes import Change

_LINK = re.compile(r"!?\[([^][]*+)\]\(([^()#\s]++)[^()\s]*+\)")
_README, _JAPANESE = Path("README.md"), Path("README.ja.md")
_BEGIN, _END, _LINE = "<!-- begin template only -->", "<!-- end template only -->", "<!-- template only -->"
"""What pages mark: passages and, in tables too, single lines about what only the template has."""
_PLACES = ("*.md", "docs/**/*.md", "infra/*.md", "local_azure/*.md")
_TEXT = """# {name}

Forecasts of the problem [{name}](mlops_code/problems/{name}.yml) from the table `{table}`: trained, gated, registered
and deployed with Azure Machine Learning and Azure DevOps, and on your own machine without Azure. It was made from
the Azure DevOps MLOps template; [first steps](docs/first_steps.md) shows how it works, with the template's sample.

```sh
make run
make test
```

`make run` takes a model through the release pipeline on this machine and asks it for a forecast; `make test` runs the
checks and tests.

| you want to | read |
|---|---|
| change the problem, its recipes or its gate; add a problem | [problems](docs/problems.md) |
| know a command or an exit code | [commands](docs/commands.md) |
| see runs, models and services in a browser | [the studio](docs/studio.md) |
| change the code | [how to](CONTRIBUTING.md), [architecture](docs/architecture.md), [decisions](docs/decisions/) |
| release on Azure | [the first approved release](docs/azure.md), [resources and roles](infra/README.md) |
| deliver data, retrain by schedule | [data](docs/data.md), [retraining](docs/retraining.md) |
| ask the service for forecasts | [scoring](docs/scoring.md) |
| approve, roll back, find out why something failed | [approvals](docs/approvals.md), [runbooks](docs/runbooks/) |
| know what served when, and who may do what | [audit](docs/audit.md), [duties](docs/separation_of_duties.md) |
"""


def changes(root: Path, name: str, table: Path, others: Sequence[Change], moved: Mapping[str, str]) -> list[Change]:
    """Write the README, and the pages that tell of what other changes remove or move.

    moved: old and new path of what pages name at its new place.
    """
    gone = {change.path for change in others if change.content is None}
    written = [Change(_README, _TEXT.format(name=name, table=table.as_posix()).encode()), Change(_JAPANESE)]
    own = {change.path for change in written}
    for path in sorted(page.relative_to(root) for place in _PLACES for page in root.glob(place)):
        text = (root / path).read_text(encoding="utf-8")
        kept = without_passages(text)
        for old, new in moved.items():
            kept = kept.replace(old, new)
        kept = without_links(kept, path.parent, gone | {_JAPANESE})
        if path not in own | gone and kept != text:
            written.append(Change(path, kept.encode()))
    return written


def without_passages(text: str) -> str:
    """A page without the lines that are marked as being about the template only."""
    kept, is_inside = list[str](), False
    for line in text.splitlines(keepends=True):
        is_inside = is_inside or line.startswith(_BEGIN)
        if not is_inside and _LINE not in line:
            kept.append(line)
        is_inside = is_inside and not line.startswith(_END)
    return f"{''.join(kept).rstrip()}\n"


def without_links(text: str, folder: Path, gone: set[Path]) -> str:
    """A page in `folder` in which what linked to files or folders that are gone is plain text."""

    def replaced(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(folder / link[2]))
        return link[1] if gone & {target, *target.parents} else link[0]

    return _LINK.sub(replaced, text)

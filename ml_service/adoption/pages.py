"""The pages of an adopted repository: a README about its own problem, and no link to what `adopt` removes."""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterable
from pathlib import Path

from ml_service.adoption.changes import Change

_LINK = re.compile(r"!?\[([^][]*+)\]\(([^()#\s]++)[^()\s]*+\)")
_README, _JAPANESE = Path("README.md"), Path("README.ja.md")
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


def changes(root: Path, name: str, table: Path, others: Iterable[Change]) -> list[Change]:
    """Write the README, and the pages that link to files of other changes which remove or move them."""
    gone = {change.path for change in others if change.content is None}
    written = [Change(_README, _TEXT.format(name=name, table=table.as_posix()).encode()), Change(_JAPANESE)]
    own = {change.path for change in written}
    for path in sorted(page.relative_to(root) for place in _PLACES for page in root.glob(place)):
        text = (root / path).read_text(encoding="utf-8")
        kept = without_links(text, path.parent, gone | {_JAPANESE})
        if path not in own and kept != text:
            written.append(Change(path, kept.encode()))
    return written


def without_links(text: str, folder: Path, gone: set[Path]) -> str:
    """A page in `folder` in which what linked to files or folders that are gone is plain text."""

    def replaced(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(folder / link[2]))
        return link[1] if gone & {target, *target.parents} else link[0]

    return _LINK.sub(replaced, text)

"""The card as pages: HTML to open or print, Markdown for the summary of the build; both render the document only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ml_service.audit.approval.card import (
    CARD_FILE,
    CARD_PAGE,
    CARD_SUMMARY,
    SHOWN_HASH,
    ApprovalCard,
    Earlier,
    Serving,
    TableFacts,
    Version,
)
from ml_service.audit.approval.facts import percent
from ml_service.output.console import Terminal
from ml_service.output.html import render_page
from ml_service.output.markdown import render
from ml_service.output.moments import shown_duration, shown_moment

_HERE = Path(__file__).parent
_CHECKS = {"as-recorded": "is as the ledger records it", "changed": "is NOT as recorded"}
_HASHES = {"model file": "model_sha256", "scoring script": "scoring_sha256", "environment": "environment_sha256"}
_CLOSED = "was compared with the ledger when it was deployed, not since"
_WHY_CLOSED = (
    "who wrote this card may not read production. The deployment compares it again before it changes anything, and "
    "refuses if it was changed by hand"
)


_WHO_MAY = (
    "whether the approver is who asks, only the approval itself shows; the check of the environment decides whether "
    "that is allowed (docs/separation_of_duties.md)"
)
_IN_BOXES = ("would serve", *_HASHES)
"""Rows that the page need not repeat, because its boxes show both sides."""


@dataclass(frozen=True)
class Side:
    """One fact of what serves and of what would; both boxes list the same facts."""

    name: str
    now: str
    proposed: str
    is_changed: bool
    """Whether the answers may change with it; a commit or a time does not change them."""


@dataclass(frozen=True)
class Badge:
    """What kind of decision it is, and whether it is a plain one."""

    text: str
    tone: str
    """A class of the page: good, warn, or soft."""


def write_card(card: ApprovalCard, folder: Path) -> ApprovalCard:
    """Write the document and both pages into a folder, which is made when it is absent."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD_FILE).write_bytes(card.content)
    (folder / CARD_PAGE).write_text(html(card), encoding="utf-8")
    (folder / CARD_SUMMARY).write_text(markdown(card), encoding="utf-8")
    return card


def html(card: ApprovalCard) -> str:
    """The page to open or print."""
    title = f"Approval: {card.title}"
    return render_page(
        _HERE / "card.html.j2",
        title=title,
        card=card,
        badge=badge_of(card),
        rows=[row for row in fact_rows(card) if row[0] not in _IN_BOXES],
        sides=sides(card),
        hashes=hashes(card),
        compared=compared(card.serves_now) if card.serves_now else "",
    )


def markdown(card: ApprovalCard) -> str:
    """The page on the summary of the build."""
    return render(_HERE / "card.md.j2", card=card, badge=badge_of(card), rows=fact_rows(card))


def badge_of(card: ApprovalCard) -> Badge:
    """An override is amber and never an acceptance; so is whatever has a warning."""
    if card.verdict.status == "override":
        return Badge("override: a person decides against the gate", "warn")
    kinds = {
        "release": "accepted by the gate",
        "redeploy": "the same model again",
        "rollback": "back to an earlier deployment",
    }
    text = kinds[card.kind] if card.verdict.status == "accepted" else "its decision cannot be read"
    if card.warnings:
        return Badge(f"{text}, with {_count(len(card.warnings), 'warning')}", "warn")
    return Badge(text, "good" if card.kind == "release" else "soft")


def fact_rows(card: ApprovalCard) -> list[tuple[str, str]]:
    """What both pages list: name and text of each fact."""
    asked, proposed = card.asked, card.proposed
    rows = [
        ("asked by", f"{asked.who}, {shown_moment(asked.when)}"),
        ("who may approve", _WHO_MAY),
        ("why", asked.why),
        ("asked in", f"build {asked.build_id or 'none'}, commit {asked.commit[:SHOWN_HASH] or 'unknown'}"),
        ("serves now", _serving(card.serves_now, asked.when)),
        ("would serve", f"{proposed.model}, {_recipe(proposed)}, of commit {asked.commit[:SHOWN_HASH] or 'unknown'}"),
        (f"the gate about {proposed.model}", card.verdict.sentence),
        ("measured", _measured(card)),
        (f"error by {card.by_part.part if card.by_part else 'weekday or month'}", _parts(card)),
        ("data", _data(card)),
        ("this model before", _earlier(card.earlier)),
        ("decision sha256", card.verdict.decision_sha256[:SHOWN_HASH] or "unknown"),
        ("model file", _code(card.serves_now, proposed, "model_sha256")),
        ("scoring script", _code(card.serves_now, proposed, "scoring_sha256")),
        ("environment", _code(card.serves_now, proposed, "environment_sha256")),
    ]
    return [(name, text) for name, text in rows if text]


def sides(card: ApprovalCard) -> list[Side]:
    """What serves now and what would, fact by fact."""
    now, proposed = card.serves_now, card.proposed
    before = now.version if now else None
    facts = [
        ("model", before.model if before else "", proposed.model),
        ("recipe", _recipe(before), _recipe(proposed)),
        *(
            (name, getattr(before, field, "")[:SHOWN_HASH], getattr(proposed, field)[:SHOWN_HASH])
            for name, field in _HASHES.items()
        ),
    ]
    found = [Side(name, old, new, is_changed=before is not None and old != new) for name, old, new in facts]
    commit = Side("commit", now.commit[:SHOWN_HASH] if now else "", card.asked.commit[:SHOWN_HASH], is_changed=False)
    since = Side("since", shown_moment(now.since) if now else "", "its approval", is_changed=False)
    return [*found, commit, since]


def hashes(card: ApprovalCard) -> list[tuple[str, str]]:
    """All hashes in full, and whose they are."""
    versions = [("would serve", card.proposed)]
    if card.serves_now:
        versions.insert(0, ("serves now", card.serves_now.version))
    rows = [
        (f"{name}, {whose}", str(getattr(version, field)))
        for whose, version in versions
        for name, field in _HASHES.items()
    ]
    return [("decision", card.verdict.decision_sha256 or "unknown"), *rows]


def _recipe(version: Version | None) -> str:
    return (version.recipe or "recipe unknown") if version else ""


def compared(now: Serving) -> str:
    """Whether the live service was compared with the ledger, and how that ended."""
    if now.check != "unknown":
        return f"the live service {_CHECKS[now.check]}"
    return f"the live service {f'cannot be compared with the ledger: {now.finding}' if now.finding else _CLOSED}"


def _serving(now: Serving | None, asked: str) -> str:
    if now is None:
        return "nothing: this would be the first deployment"
    by = f"by {now.event} of {now.who}, build {now.build_id}"
    why = f": {_WHY_CLOSED}" if now.check == "unknown" and not now.finding else ""
    model, lasted = _with_recipe(now.version), shown_duration(now.since, asked)
    return f"{model} since {shown_moment(now.since)} ({lasted}), {by}; {compared(now)}{why}"


def _with_recipe(version: Version) -> str:
    return f"{version.model}, {version.recipe}," if version.recipe else version.model


def _measured(card: ApprovalCard) -> str:
    """Error and bias of both versions on the same windows: a reason such as "too high" can be held against them."""
    if not card.measured:
        return _never_compared(card)
    said = []
    for one in card.measured:
        bias = ""
        if one.bias_share is not None:
            bias = f", forecasts {percent(one.bias_share)} too {'high' if one.bias_share > 0 else 'low'} in total"
            if percent(one.bias_share) == percent(0):
                bias = ", forecasts neither too high nor too low in total"
        error = "no error known" if one.mean_absolute_error is None else f"error {one.mean_absolute_error:,.4g}"
        said.append(f"{one.model}: {error}{bias}")
    return "; ".join(said)


def _never_compared(card: ApprovalCard) -> str:
    """Empty where there are no two models to compare."""
    now, proposed = card.serves_now, card.proposed
    if now is None or now.version.model_sha256 == proposed.model_sha256:
        return ""
    return "not measured: the two were never compared on the same days"


def _parts(card: ApprovalCard) -> str:
    """Where the errors lie; a reason may name a weekday, of which nobody has measured the bias."""
    found = card.by_part
    if found is None:
        return "not measured" if card.measured else ""
    errors = ", ".join(f"{one.name} {_error(one.now)} → {_error(one.proposed)}" for one in found.errors)
    fewest = min(one.forecasts for one in found.errors)
    unit = "" if found.unit == "values" else ", in units of the usual change of each series"
    whose = f"now → proposed, at least {fewest} forecasts each{unit}"
    return f"{errors} ({whose}); whether a {found.part} is forecast too high or too low is not measured"


def _error(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.4g}"


def _data(card: ApprovalCard) -> str:
    before, after = card.data.before, card.data.after
    now = card.serves_now.version.model if card.serves_now else ""
    if after is None:
        return "unknown: the decision cannot be read"
    if before is None:
        return f"{_table(after)}; that of {now} cannot be read" if now else _table(after)
    if before == after:
        return f"{_table(after)}; the same for {now}"
    days = (after.last_day - before.last_day).days
    changes = [_signed(days, "day"), _signed(after.rows - before.rows, "row")]
    if after.series != before.series:
        changes.append(_signed(after.series - before.series, "series", "series"))
    return f"{_table(after)}; compared with {now}: {', '.join(changes)}"


def _table(facts: TableFacts) -> str:
    return f"{facts.rows:,} rows, {facts.series:,} series, until {facts.last_day}"


def _signed(number: int, one: str, many: str = "") -> str:
    return f"{number:+,} {one if abs(number) == 1 else many or one + 's'}"


def _count(number: int, one: str) -> str:
    return f"{number} {one}{'s' * (number != 1)}"


def _earlier(found: tuple[Earlier, ...]) -> str:
    if not found:
        return "never rejected, undone or rolled back"
    said = (
        f"{item.what} on {shown_moment(item.when)} by {item.who}: {item.reason or 'no reason was given'}"
        for item in found
    )
    return "; ".join(said)


def _code(now: Serving | None, proposed: Version, field: str) -> str:
    after = str(getattr(proposed, field))[:SHOWN_HASH]
    before = str(getattr(now.version, field))[:SHOWN_HASH] if now else ""
    if not before:
        return after
    return f"{after}, the same as now" if before == after else f"{before} → {after}"


def show(terminal: Terminal, card: ApprovalCard, folder: Path) -> None:
    """Print the card in short, and where the pages are."""
    terminal.out(f"proposed   {card.title}: {badge_of(card).text}")
    for warning in card.warnings:
        terminal.out(f"warning    {warning}")
    terminal.out(f"result     {card.improvement.sentence}")
    terminal.out(f"now        {_serving(card.serves_now, card.asked.when)}")
    terminal.out(f"card       {folder / CARD_PAGE}")
    terminal.document(card.model_dump(mode="json"))

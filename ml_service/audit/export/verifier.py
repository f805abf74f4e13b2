"""Verify an audit export: python -I verify.py [FILE.zip or FOLDER] [--anchor SHA256]

Needs Python 3.9 or newer and nothing else. Ends with 0 when nothing was changed, with 3 and the place of each change
otherwise, or of each damage that the ledger had before, with 2 when there is no export. Take this file from where you
trust it, or give --anchor: a forged export may carry a forged verify.py. The anchor is the SHA-256 of FILE.zip, or
that of SHA256SUMS for a folder; the command that made the export has printed both, and the build that ran it is
tagged with them.

What this cannot show: that the ledger told the truth when the export was made, or that it was complete. facts.json
and dossier.html say what was compared then, what was found, and what nobody could compare.
"""

from __future__ import annotations

import argparse
import codecs
import csv
import hashlib
import html
import io
import json
import re
import sys
import unicodedata
import zipfile
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

EVENTS, TABLE, DOSSIER, FACTS = "events.jsonl", "events.csv", "dossier.html", "facts.json"
SUMS, VERIFIER, DOCUMENTS, SCORING = "SHA256SUMS", "verify.py", "documents/", "scoring/"
COLUMNS = ("sequence", "when_utc", "event", "subject", "field", "value", "unit")
EVIDENCE = ("decision_sha256", "report_sha256", "policy_sha256", "environment_sha256", "scoring_sha256")
"""Evidence of events that the export holds as files."""
MOST_FILES, MOST_BYTES, MOST_LINE = 200_000, 8 * 1024**3, 1024 * 1024
MOST_FACTS = 256 * 1024 * 1024
_UNPRINTABLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs")
"""Categories of characters: controls, marks of direction, half and private ones, unknown ones, gaps."""
DAMAGED = "the ledger was damaged when this was exported (see facts.json): "
"""How a finding begins that says nothing about the export: its maker has found the same and said so."""
_PIECE = 1024 * 1024
_SUM = re.compile(r"([0-9a-f]{64})  ([^\r\n]+)\n")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MARK = re.compile(r"[^ \t\r\n]")
_END = re.compile(r"[ \t\r\n,:\]}]")
_COMPARED = ("problem", "head", "missing", "findings")
"""What of facts.json is compared with the events."""
_MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.][0-9]+)?(?:Z|[+]00:00)")
_ROW = '<tr id="e'
_HAPPENED = ("decided", "decided_at", "since", "delivered", "ended")
"""Details that hold the time of an event, whose entry may have been written later."""
_TIMES = ("when", "since", "begun", "ended", "decided", "decided_at", "delivered", "recorded", "changed_by_hand")
_TEXTS = ("problem", "previous_sha256", "when", "event", "subject", "who", "what")
_UNITS = {"rows": "rows", "exit_code": "code", "findings": "count", "number": "count", "first_date": "day"}
Document = dict[str, Any]
_NO_ANCHOR = (
    "No anchor was given: only the files are compared with each other. Whoever changed all of them together, also\n"
    "verify.py, is not found. Give --anchor with the SHA-256 that was printed when the export was made.\n"
)
_UNREADABLE = (OSError, KeyError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)
"""What reading a damaged member of a ZIP file raises."""


class NoExportError(Exception):
    """There is nothing that can be verified."""


class Export:
    """The files of an export, in a ZIP file or in the folder that it was extracted to."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._zip = None if self._path.is_dir() else self._opened(path)
        self.faults: list[str] = []
        listed = self._of_zip(self._zip) if self._zip else self._of_folder()
        self.names = sorted(listed)
        if len(set(self.names)) != len(self.names):
            self.faults.append("a name occurs twice in the ZIP file")

    @staticmethod
    def _opened(path: str) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise NoExportError(f"{path} is neither a folder nor a readable ZIP file: {error}") from None

    def _of_zip(self, opened: zipfile.ZipFile) -> list[str]:
        infos = opened.infolist()
        if len(infos) > MOST_FILES or sum(info.file_size for info in infos) > MOST_BYTES:
            raise NoExportError(f"the ZIP file has more than {MOST_FILES} files or {MOST_BYTES} bytes")
        return [info.filename for info in infos if info.file_size or not info.is_dir()]

    def _of_folder(self) -> list[str]:
        found = []
        for path in self._path.rglob("*"):
            name = path.relative_to(self._path).as_posix()
            if path.is_symlink():
                self.faults.append(f"{name}: a link, not a file")
            elif not path.is_dir():
                found.append(name)
            if len(found) > MOST_FILES:
                raise NoExportError(f"the folder has more than {MOST_FILES} files")
        return found

    def open(self, name: str) -> IO[bytes]:
        """A file to read."""
        return self._zip.open(name) if self._zip else (self._path / name).open("rb")

    def sha256(self, name: str) -> str:
        """Hash of a file; empty when it cannot be read."""
        total = hashlib.sha256()
        try:
            with self.open(name) as content:
                for piece in iter(lambda: content.read(_PIECE), b""):
                    total.update(piece)
        except _UNREADABLE:
            return ""
        return total.hexdigest()

    def own_sha256(self) -> list[str]:
        """What an anchor may name: the ZIP file, or the list of sums."""
        total = hashlib.sha256()
        if self._zip:
            with self._path.open("rb") as content:
                for piece in iter(lambda: content.read(_PIECE), b""):
                    total.update(piece)
            return [total.hexdigest(), self.sha256(SUMS)]
        return [self.sha256(SUMS)]


def verify(path: str, anchor: str = "") -> list[str]:
    """Every change, each with its place; empty when there is none. Raises: NoExportError."""
    export = Export(path)
    if SUMS not in export.names and EVENTS not in export.names:
        raise NoExportError(f"{path} is not an audit export: it has no {SUMS} and no {EVENTS}")
    faults = list(export.faults)
    anchor = anchor.strip().lower()
    if anchor and anchor not in export.own_sha256():
        faults.append(f"{path}: its sha256 is {export.own_sha256()[0]}, and the anchor says {anchor}")
    faults += sums(export)
    unreadable = [name for name in (EVENTS, TABLE, DOSSIER, FACTS) if name not in export.names]
    faults += [f"{name}: it is missing" for name in unreadable]
    if not unreadable:
        faults += contents(export)
    return list(dict.fromkeys(faults))


def sums(export: Export) -> Iterator[str]:
    """Files that are not as SHA256SUMS lists them, are not listed or are missing."""
    listed: dict[str, str] = {}
    last = ""
    text = ""
    try:
        with export.open(SUMS) as content:
            text = content.read(MOST_FACTS).decode("utf-8", "replace")
    except _UNREADABLE:
        yield f"{SUMS}: it is missing, or damaged"
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        found = _SUM.fullmatch(line)
        if found is None or found[2] <= last:
            yield f"{SUMS}, line {number}: not a hash and a name in the order of the names"
        else:
            last = found[2]
            listed[last] = found[1]
    for name in sorted({*listed, *export.names} - {SUMS}):
        if name not in listed:
            yield f"{name}: it is not listed in {SUMS}"
        elif name not in export.names:
            yield f"{name}: it is missing"
        elif export.sha256(name) != listed[name]:
            yield f"{name}: its bytes are not those that {SUMS} lists"


def contents(export: Export) -> list[str]:
    """What the files tell that does not agree: events, table, page, documents."""
    facts, faults = read_facts(export)
    checked = Checked(export, facts)
    with ExitStack() as stack:
        try:
            events, *others = [stack.enter_context(export.open(name)) for name in (EVENTS, TABLE, DOSSIER)]
        except _UNREADABLE as error:
            return [*faults, f"a file cannot be read: {error}", *documents(export)]
        table, page = Lines(others[0], TABLE), Rows(others[1])
        try:
            table.expect(csv_text([COLUMNS]))
            for line in iter(lambda: events.readline(MOST_LINE), b""):
                checked.event(line)
                if checked.entry is not None:
                    table.expect(csv_text(csv_rows(checked.entry)))
                    page.expect([form(checked.entry, checked.head) for form in (timeline_row, earlier_row)])
            table.end()
            page.end()
        except _UNREADABLE as error:
            faults.append(f"a file cannot be read: {error}")
    return [*faults, *checked.end(), *table.faults, *page.faults, *documents(export)]


def read_facts(export: Export) -> tuple[Document, list[str]]:
    """What facts.json tells that is compared, and what is wrong with it."""
    try:
        with export.open(FACTS) as content:
            found = Json(content).members(_COMPARED)
        if isinstance(found.get("missing"), list):
            return found, []
    except (ValueError, RecursionError, *_UNREADABLE):
        pass
    return {"missing": []}, [f"{FACTS}: it is not readable"]


class Json:
    """A JSON document that is read piece by piece: only the value at hand is in memory."""

    def __init__(self, content: IO[bytes]) -> None:
        self._content = content
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._left = MOST_FACTS
        self._text, self._at = "", 0

    def members(self, names: Sequence[str]) -> Document:
        """The members of these names of the object that the document is. Raises: ValueError where it is none."""
        found = {}
        for _ in self._each("{", "}"):
            name = self._value()
            if not isinstance(name, str) or self._mark() != ":":
                raise ValueError
            if name in names:
                found[name] = self._value()
            else:
                self._pass()
        if self._next():
            raise ValueError
        return found

    def _pass(self) -> None:
        """Read a value, a list item by item."""
        for _ in self._each("[", "]") if self._next() == "[" else (None,):
            self._value()

    def _each(self, first: str, last: str) -> Iterator[None]:
        """Stop at each member of an object, or at each item of a list."""
        if self._mark() != first:
            raise ValueError
        mark = self._mark() if self._next() == last else ","
        while mark == ",":
            yield
            mark = self._mark()
        if mark != last:
            raise ValueError

    def _mark(self) -> str:
        mark = self._next()
        self._at += 1
        return mark

    def _next(self) -> str:
        """The character that follows the blanks, which stays; empty at the end."""
        while True:
            found = _MARK.search(self._text, self._at)
            if found:
                self._at = found.start()
                return found[0]
            self._at = len(self._text)
            if not self._more():
                return ""

    def _value(self) -> Any:
        self._next()
        while True:
            try:
                value, end = json.JSONDecoder().raw_decode(self._text, self._at)
            except ValueError:
                if not self._more():
                    raise
            else:
                if _END.match(self._text, end) or not self._more():  # the rest of a number may not be read yet
                    self._at = end
                    return value

    def _more(self) -> bool:
        """Read as much again as is at hand, so that the time stays linear. Raises: ValueError for too much."""
        piece = self._content.read(max(_PIECE // 16, len(self._text)))
        self._left -= len(piece)
        if self._left < 0:
            raise ValueError
        if text := self._decode(piece, final=not piece):
            self._text, self._at = self._text[self._at :] + text, 0
        return bool(piece)


def codes(facts: Document) -> list[str]:
    """The kinds of what was found when the export was made."""
    findings = facts.get("findings")
    found = findings if isinstance(findings, list) else []
    return [str(one.get("code")) for one in found if isinstance(one, dict)]


class Checked:
    """The events, in the order in which they are read."""

    def __init__(self, export: Export, facts: Document) -> None:
        self._facts = facts
        self._of_chain = DAMAGED if "ledger-changed" in codes(facts) else ""
        self._held = {*held(export.names), *(one for one in facts["missing"] if isinstance(one, str))}
        self._number = 0
        self.head = "none"
        self.entry: Document | None = None
        self.faults: list[str] = []

    def event(self, line: bytes) -> None:
        """Check the next line: its form, its place in the chain, and that the export holds its evidence."""
        self._number += 1
        place, previous = f"{EVENTS}, line {self._number}", self.head
        self.head, self.entry = hashlib.sha256(line).hexdigest(), parsed(line)
        if self.entry is None:
            self.faults.append(f"{place}: not an entry in canonical form")
            return
        if self.entry["previous_sha256"] != previous:
            self.faults.append(f"{self._of_chain}{place}: it follows another entry than the one before it")
        if self.entry["sequence"] != self._number or self.entry["problem"] != self._facts.get("problem"):
            told = f"it is entry {self.entry['sequence']} of problem {self.entry['problem']}"
            self.faults.append(f"{self._of_chain}{place}: {told}")
        for name in EVIDENCE:
            sha256 = self.entry["evidence"].get(name)
            if sha256 and sha256 not in self._held:
                self.faults.append(f"{place}: the export does not hold its {name} {sha256}")

    def end(self) -> list[str]:
        """What was wrong, and whether the last entry is the one that the facts name."""
        head, last = self._facts.get("head"), self.entry["sequence"] if self.entry else self._number
        if head != {"entry": last, "sha256": self.head}:
            self.faults.append(f"{EVENTS}: it ends with entry {last}, and {FACTS} names {head} as the last")
        return self.faults


def parsed(line: bytes) -> Document | None:
    """The entry of a line; None when it is not one in canonical form."""
    try:
        entry = json.loads(line)
        ours = json.dumps(entry, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False) + "\n"
        if ours.encode("ascii") != line or not isinstance(entry, dict) or type(entry.get("sequence")) is not int:
            return None
        texts = [entry.get(name) for name in _TEXTS]
        if not (isinstance(entry.get("details"), dict) and isinstance(entry.get("evidence"), dict)):
            return None
        list(flattened("", entry))  # no deeper than can be written as a table
    except (ValueError, RecursionError):
        return None
    return entry if all(isinstance(text, str) for text in (*texts, *entry["evidence"].values())) else None


class Lines:
    """A file of text that must hold exactly what is expected, line by line."""

    def __init__(self, content: IO[bytes], name: str) -> None:
        self._content = content
        self._name = name
        self._line = 0
        self.faults: list[str] = []

    def expect(self, text: str) -> None:
        """The next lines."""
        for line in text.encode("utf-8").splitlines(keepends=True) if not self.faults else ():
            self._line += 1
            if self._content.readline(len(line) + 1) != line:
                self.faults.append(f"{self._name}, line {self._line}: it does not tell what {EVENTS} tells")
                return

    def end(self) -> None:
        """Nothing may follow."""
        if not self.faults and self._content.read(1):
            self.faults.append(f"{self._name}, line {self._line + 1}: a line too many")


class Rows:
    """The rows of the timeline of dossier.html, each in a line of its own."""

    def __init__(self, content: IO[bytes]) -> None:
        self._rows = (line for line in content if line.startswith(_ROW.encode()))
        self._forms = [0, 1]
        self.faults: list[str] = []

    def expect(self, forms: Sequence[str]) -> None:
        """The next row, in the same form as all before: that of this version, or that of the versions before it."""
        found = next(self._rows, b"").rstrip(b"\n").decode("utf-8", "replace")
        self._forms = [form for form in self._forms if found == forms[form]]
        if not self._forms and not self.faults:
            number = forms[0][len(_ROW) :].partition('"')[0]
            self.faults.append(f"{DOSSIER}, event {number}: it does not tell what {EVENTS} tells")

    def end(self) -> None:
        """No row may follow."""
        if next(self._rows, None) is not None and not self.faults:
            self.faults.append(f"{DOSSIER}: an event too many")


def held(names: list[str]) -> Mapping[str, bool]:
    """The hashes of the documents, policies, environments and scoring folders that an export holds."""
    found = {}
    for name in names:
        for folder in (DOCUMENTS, SCORING):
            sha256 = name[len(folder) : len(folder) + 64]
            if name.startswith(folder) and _SHA256.fullmatch(sha256):
                found[sha256] = True
    return found


def documents(export: Export) -> Iterator[str]:
    """Documents that are not what their names say."""
    folders: dict[str, list[str]] = {}
    for name in export.names:
        if name.startswith(DOCUMENTS) and export.sha256(name) != name[len(DOCUMENTS) : len(DOCUMENTS) + 64]:
            yield f"{name}: its bytes do not have the hash in its name"
        elif name.startswith(SCORING):
            folders.setdefault(name.split("/")[1], []).append(name)
    for sha256, names in folders.items():
        if folder_sha256(export, names) != sha256:
            yield f"{SCORING}{sha256}/: its files do not have the hash in its name"


def folder_sha256(export: Export, names: list[str]) -> str:
    """Hash over names and bytes of the files of a scoring folder, as the ledger records it."""
    total = hashlib.sha256()
    for parts in sorted(name.split("/") for name in names):
        total.update("/".join(parts[2:]).encode())
        sha256 = export.sha256("/".join(parts))
        total.update(bytes.fromhex(sha256))
    return total.hexdigest()


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    """Rows as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow(map(harmless, row))
    return text.getvalue()


def harmless(cell: str) -> str:
    """A cell in one line that no spreadsheet takes for a formula."""
    cell = printable(cell)
    first = unicodedata.ucd_3_2_0.normalize("NFKC", cell.lstrip()[:1])
    formula = first.startswith(("=", "+", "-", "@")) or cell[:1].isspace()
    return "'" + cell if cell and formula else cell


def printable(text: str) -> str:
    """A text in one line; what cannot be printed is written out.

    By the one version of Unicode that every Python has, so that each of them writes what the others expect.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(each if is_printable(each) else ascii(each)[1:-1] for each in text)


def is_printable(character: str) -> bool:
    """Whether a character can be shown and says something."""
    return character == " " or unicodedata.ucd_3_2_0.category(character) not in _UNPRINTABLE


def csv_rows(entry: Document) -> Iterator[list[str]]:
    """An event as rows, one for each field."""
    told = (str(entry["sequence"]), entry["when"], entry["event"], entry["subject"])
    skipped = ("sequence", "when", "event", "subject", "schema_version", "problem")
    for field, value in flattened("", {key: value for key, value in entry.items() if key not in skipped}):
        yield [*map(str, told), field, value, unit(field, value)]


def flattened(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every value of a document by its dotted name; numbers as decimal texts."""
    if isinstance(value, dict):
        for key in sorted(value):
            yield from flattened(f"{name}.{key}" if name else key, value[key])
    elif isinstance(value, list):
        for number, item in enumerate(value, 1):
            yield from flattened(f"{name}.{number}", item)
    else:
        yield name, value if isinstance(value, str) else json.dumps(value)


def unit(field: str, value: str) -> str:
    """Unit of a value; empty for a text."""
    last = field.rpartition(".")[2]
    if not value:
        return ""
    if last in _TIMES:
        return "UTC"
    if last.endswith("_sha256"):
        return "sha256"
    return "day" if last.endswith("_date") else _UNITS.get(last, "")


def happened(details: Mapping[str, Any], when: str) -> str:
    """When an event took place, as its details tell it, or else when its entry was written. Times are UTC."""
    told = (details.get(name) for name in _HAPPENED)
    return next((text for text in told if isinstance(text, str) and text), when)


def moment(text: str) -> str:
    """A time in UTC to the second, such as `2026-11-30 09:12:05`; another text stays as it is."""
    found = _MOMENT.fullmatch(text)
    return f"{found[1]} {found[2]}" if found else text


def timeline_row(entry: Document, sha256: str) -> str:
    """The row of an event in dossier.html."""
    when, took_place = moment(entry["when"]), moment(happened(entry["details"], entry["when"]))
    times = when if when == took_place else f"{when}, happened {took_place}"
    return _row(entry, sha256, times, entry["event"].replace(".", " ").replace("_", " "))


def earlier_row(entry: Document, sha256: str) -> str:
    """The row of an event as earlier versions wrote it."""
    return _row(entry, sha256, entry["when"], entry["event"])


def _row(entry: Document, sha256: str, times: str, event: str) -> str:
    number = str(entry["sequence"])
    told = [times, event, entry["subject"], entry["who"], entry["what"]]
    cells = "".join(f"<td>{html.escape(printable(' '.join(text.split())))}</td>" for text in told)
    return f'{_ROW}{number}"><td>{number}</td>{cells}<td><code>{sha256}</code></td></tr>'


def main() -> int:
    """Verify and print; returns the exit code."""
    parser = argparse.ArgumentParser(description="Verify an audit export.")
    here = str(Path(__file__).resolve().parent)
    parser.add_argument("path", nargs="?", default=here, help="FILE.zip or FOLDER; default: the folder of this file")
    parser.add_argument("--anchor", help="SHA-256 of FILE.zip, or of SHA256SUMS of a folder")
    options = parser.parse_args()
    if options.anchor is not None and not options.anchor.strip():
        parser.error("--anchor is blank; expected a SHA-256")
    try:
        faults = verify(options.path, options.anchor or "")
    except NoExportError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if not options.anchor:
        sys.stdout.write(_NO_ANCHOR)
    for fault in faults:
        word = "DAMAGED" if fault.startswith(DAMAGED) else "CHANGED"
        sys.stdout.write(f"{word}  {fault}\n".encode("ascii", "backslashreplace").decode())
    if not faults:
        covered = (
            "the anchor agrees" if options.anchor else f"no anchor: {SUMS} and {VERIFIER} may be forged together"
        )
        sys.stdout.write(f"Nothing was changed since the export was made ({covered}).\n")
    return 3 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

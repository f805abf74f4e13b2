"""PublishTestResults@2 and PublishCodeCoverageResults@2: the files are read, their totals logged."""

import glob
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from local_azure.pipelines.expand.model import is_true
from local_azure.pipelines.run.step_context import Inputs, StepContext, TaskEmulation, TaskError

MOST_NAMED_TESTS = 50
_ROOTS = ("testsuite", "test-run", "coverage")


def _publish_test_results(context: StepContext, inputs: Inputs) -> bool:
    folder = context.folders.sources / inputs.get("searchFolder", "")
    paths = _matching_files(folder, inputs.get("testResultsFiles", ""))
    if not paths:
        return _missing(context, inputs, "failTaskOnMissingResultsFile")
    failed = 0
    for suite in _suites(paths):
        bad = sum(int(suite.get(name) or 0) for name in ("failures", "errors", "failed"))
        total = suite.get("tests") or suite.get("total")
        context.log.say(f"{total} tests, {bad} failed" if total else f"{bad} failed")
        context.record.progress.found("tests", context.log.label, _totals(suite, bad))
        failed += bad
    return not (failed and is_true(inputs.get("failTaskOnFailedTests", "")))


def _publish_coverage(context: StepContext, inputs: Inputs) -> bool:
    paths = _matching_files(context.folders.sources, inputs.get("summaryFileLocation", ""))
    if not paths:
        return _missing(context, inputs, "failIfCoverageEmpty")
    for suite in _suites(paths):
        rate = float(suite.get("line-rate") or 0)
        context.log.say(f"line coverage {rate:.1%}")
        context.record.progress.found("coverage", context.log.label, {"lines": rate})
    return True


def _totals(suite: ET.Element, failed: int) -> dict[str, object]:
    """Return the totals of a suite, and the names of tests that failed."""
    bad = [
        case for case in suite.iter("testcase") if case.find("failure") is not None or case.find("error") is not None
    ]
    names = [f"{case.get('classname', '')}.{case.get('name', '')}".strip(".") for case in bad[:MOST_NAMED_TESTS]]
    total = int(suite.get("tests") or suite.get("total") or 0)
    return {"total": total, "failed": failed, "skipped": int(suite.get("skipped") or 0), "names": names}


def _missing(context: StepContext, inputs: Inputs, flag: str) -> bool:
    """Report that there are no files; return whether the task still succeeds."""
    context.log.say("##[warning]No result files were found.")
    return not is_true(inputs.get(flag, ""))


def _matching_files(folder: Path, patterns: str) -> list[Path]:
    """Return the files that the lines of a pattern match; `!` excludes what earlier lines have matched."""
    found: list[str] = []
    for pattern in filter(None, map(str.strip, patterns.splitlines())):
        # The pattern may be absolute.
        matched = glob.glob(str(folder / pattern.lstrip("!")), recursive=True)  # noqa: PTH207
        found = [path for path in found if path not in matched]
        if not pattern.startswith("!"):
            found += matched
    return [Path(path) for path in found]


def _suites(paths: list[Path]) -> Iterator[ET.Element]:
    """Yield the elements with totals of each file; raises TaskError for a file that is not XML."""
    for path in paths:
        try:
            root = ET.parse(path).getroot()  # noqa: S314 - written by the run's own tests
        except ET.ParseError as error:
            raise TaskError(str(error)) from None
        if root.tag in _ROOTS:
            yield root
        else:
            yield from root.iter("testsuite")


PUBLISH_TEST_RESULTS = TaskEmulation(
    "PublishTestResults@2",
    _publish_test_results,
    (
        "testResultsFormat",
        "testResultsFiles",
        "searchFolder",
        "mergeTestResults",
        "failTaskOnFailedTests",
        "failTaskOnMissingResultsFile",
        "testRunTitle",
        "publishRunAttachments",
    ),
)
PUBLISH_CODE_COVERAGE_RESULTS = TaskEmulation(
    "PublishCodeCoverageResults@2",
    _publish_coverage,
    ("summaryFileLocation", "pathToSources", "failIfCoverageEmpty"),
)

"""A caller of the production service that asks all the time and notes when it got no answer."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence

import requests

from tests.campaign.figures import Figures, counted
from tests.campaign.services import asked

PAUSE_SECONDS = 0.1


class Caller:
    """Asks one service in the background, with the key that it had at first."""

    def __init__(self, url: str, key: str) -> None:
        self.answers: Counter[str] = Counter()
        """How many answers came from each model version."""
        self.gaps: list[float] = []
        """Seconds from the last answer before a refusal to the next one after it."""
        self.reasons: Counter[str] = Counter()
        self._url, self._key = url, key
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        answered, failing = time.monotonic(), False
        while not self._over.wait(PAUSE_SECONDS):
            reason = self._ask()
            if reason:
                self.reasons[reason] += 1
                failing = True
                continue
            if failing:
                self.gaps.append(time.monotonic() - answered)
            answered, failing = time.monotonic(), False

    def _ask(self) -> str:
        """Why there was no forecast; empty where there was."""
        try:
            answer = asked(self._url, self._key)
        except requests.RequestException as error:
            return type(error).__name__
        if answer.status_code != requests.codes.ok:
            return f"HTTP {answer.status_code}"
        self.answers[str(answer.json()["model"]["version"])] += 1
        return ""

    def stop(self) -> None:
        """Ask no more."""
        self._over.set()
        self._thread.join()


def report_callers(callers: Sequence[Caller], figures: Figures) -> None:
    """How many answers there were, by whom, and how long there were none."""
    answers = sum((caller.answers for caller in callers), Counter[str]())
    reasons = sum((caller.reasons for caller in callers), Counter[str]())
    gaps = [gap for caller in callers for gap in caller.gaps]
    figures.add("answers of the services, by version", f"{answers.total()}: {counted(answers)}")
    figures.add("calls without an answer", f"{reasons.total()}: {counted(reasons)}")
    longest = f"longest {max(gaps):.2f} s, {sum(gaps):.1f} s in all" if gaps else "none"
    figures.add("gaps of the services", f"{len(gaps)}, {longest}")

"""Pauses of the SDK's polls, without waiting."""

from __future__ import annotations

import sys
import time
from types import ModuleType

import pytest

from local_azure.machine_learning.processes import sdk_polling
from local_azure.machine_learning.processes.sdk_polling import PollingClock, shorten_polls


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stands for the real one."""
    found = Clock()
    monkeypatch.setattr(time, "monotonic", found.monotonic)
    monkeypatch.setattr(time, "sleep", found.sleep)
    return found


def test_pauses_grow_with_the_wait_up_to_what_was_asked_for(clock: Clock) -> None:
    polling = PollingClock()
    for _ in range(120):
        polling.sleep(5)
    assert clock.slept[0] == sdk_polling.SHORTEST_SECONDS
    assert clock.slept == sorted(clock.slept)
    assert clock.slept[-1] == 5
    within_ten_seconds = sum(sum(clock.slept[:count]) < 10 for count in range(1, 121))
    assert within_ten_seconds < 60


def test_another_wait_begins_quickly_again(clock: Clock) -> None:
    polling = PollingClock()
    for _ in range(100):
        polling.sleep(1)
    clock.now += 2
    polling.sleep(1)
    assert clock.slept[-2:] == [1, sdk_polling.SHORTEST_SECONDS]


def test_pauses_before_another_attempt_and_shorter_ones_stay(clock: Clock) -> None:
    polling = PollingClock()
    for seconds in (10, 0.001, 0):
        polling.sleep(seconds)
    assert clock.slept == [10, 0.001, 0]


def test_modules_that_poll_get_the_clock_and_others_keep_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {sdk_polling.MODULES[0]: time, sdk_polling.MODULES[1]: "its own", "azureml.other": time}
    for name, value in names.items():
        module = ModuleType(name)
        vars(module)["time"] = value
        monkeypatch.setitem(sys.modules, name, module)
    shorten_polls()
    found = [vars(sys.modules[name])["time"] for name in names]
    assert isinstance(found[0], PollingClock)
    assert found[0].time is time.time
    assert found[1:] == ["its own", time]

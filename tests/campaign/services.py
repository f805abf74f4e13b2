"""Web services that must come back: each is polled with its keys by its own thread."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.campaign.figures import Figures
from tests.campaign.server import CampaignServer

ASK_SECONDS = 5.0
PAUSE_SECONDS = 0.1
RETURN_SECONDS = 30.0  # after the last harm that was done to it
SLOW_SECONDS = 0.5
ANSWER = 2.0
QUESTION = {"horizon": 1}  # which our own scoring script wants; others take anything


def asked(address: str, key: str) -> requests.Response:
    """The answer of a service to a request with its key."""
    return requests.post(address, json=QUESTION, headers={"Authorization": f"Bearer {key}"}, timeout=ASK_SECONDS)


def fault_of(service: dict[str, Any]) -> str:
    """What is to be said against a service, by its document with keys; nothing when it is healthy and answers."""
    if service["state"] != "Healthy":
        return f"is {service['state']}: {service['error']}"
    try:
        answer = asked(service["scoringUri"], service["primaryKey"])
    except requests.RequestException as error:
        return f"does not answer: {error}"
    return "" if answer.status_code == 200 else f"answers with {answer.status_code}: {answer.text[:300]}"


@dataclass
class Watched:
    """A service that was healthy when the campaign began, and when it was away."""

    name: str
    address: str
    key: str
    outages: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    down_since: float | None = None

    def answers(self) -> bool:
        """Whether it answers a request with its key as it should."""
        try:
            answer = asked(self.address, self.key)
        except requests.RequestException:
            return False
        return answer.status_code == 200 and answer.json() == ANSWER


class Watch:
    """Measures how long each service is away after the last harm."""

    def __init__(self, server: CampaignServer, services: list[Watched]) -> None:
        self.services = services
        self._server = server
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._watch, args=(service,), daemon=True) for service in services]
        for thread in self._threads:
            thread.start()

    def _watch(self, service: Watched) -> None:
        while not self._over.wait(PAUSE_SECONDS):
            self._look(service)

    def _look(self, service: Watched) -> None:
        now = time.monotonic()
        is_up = service.answers()
        if is_up and service.down_since is None and time.monotonic() - now > SLOW_SECONDS:
            service.down_since = now  # callers wait at the door of a service that comes back
        if is_up and service.down_since is not None:
            service.outages.append(time.monotonic() - max(service.down_since, self._server.last_harm))
            service.down_since = None
        elif not is_up and service.down_since is None:
            service.down_since = now
        elif not is_up and service.down_since is not None:
            away = time.monotonic() - max(service.down_since, self._server.last_harm)
            if away > RETURN_SECONDS + ASK_SECONDS and len(service.lost) < len(service.outages) + 1:
                service.lost.append(f"{service.name} was away for {away:.0f} s after the last harm")

    def settled(self, seconds: float = RETURN_SECONDS) -> list[str]:
        """Names of the services that do not answer within a time from now on."""
        deadline = time.monotonic() + seconds
        away = list(self.services)
        while away and time.monotonic() < deadline:
            away = [service for service in away if not service.answers()]
            time.sleep(PAUSE_SECONDS)
        return [service.name for service in away]

    def stop(self) -> None:
        """Ask no more."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def report(self, figures: Figures) -> None:
        """How often they were away, and how long."""
        outages = [seconds for service in self.services for seconds in service.outages]
        figures.add("service outages seen", len(outages))
        figures.add("slowest service restored", f"{max(outages, default=0):.2f} s")
        for lost in (lost for service in self.services for lost in service.lost):
            figures.broke(f"service {lost}")

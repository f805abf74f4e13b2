"""Runs deployed web services."""

from __future__ import annotations

from local_azure.machine_learning.engines.services.host import ServiceHost

__all__ = ["ServiceHost"]

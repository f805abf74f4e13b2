"""Runs the graphs of pipeline runs."""

from __future__ import annotations

from local_azure.machine_learning.engines.steps.engine import Executor

__all__ = ["Executor"]

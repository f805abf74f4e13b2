"""Why a web service does not come up."""

from __future__ import annotations


class DeploymentError(Exception):
    """A service cannot be brought up, or went down for good; the message is for the user."""

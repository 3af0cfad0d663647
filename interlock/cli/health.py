"""How one thing is, as `interlock doctor` found it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How one thing is."""

    OK = "ok"
    WARN = "warn"
    """It works, and something is worth knowing."""
    FAIL = "fail"
    """Commands or events wait, or may be lost, until somebody acts."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. ``next``: what to do about it; empty where all is well."""

    name: str
    status: Health
    message: str
    next: str = ""

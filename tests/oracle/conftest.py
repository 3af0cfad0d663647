"""XState, where node can install it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.oracle.engines import NoOracle, install


@pytest.fixture(scope="module")
def xstate() -> Path:
    """Where XState stands. Skips without node; in CI, only without node."""
    try:
        return install()
    except NoOracle as missing:
        if "npm ci" in str(missing) and os.environ.get("CI", "").lower() not in ("", "0", "false"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))

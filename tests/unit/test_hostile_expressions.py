"""What is hostile costs little: every text is refused in under a second, when it loads or while it runs, all of them in
under 50 MB."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_hostile_texts_are_refused_in_a_second_and_in_50_megabytes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.hostile_expressions"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    cost = json.loads(done.stdout)
    assert cost["texts"] >= 300
    assert cost["bombs"] >= 10
    assert cost["accepted"] == []
    assert cost["seconds"] < 1
    assert cost["megabytes"] < 50

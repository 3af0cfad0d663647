"""The README's commands, as a reader types them: each block under ``<!-- run -->``, in order, in one shell."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.acceptance.deployment import Deployment

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"^<!-- run -->\n```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def script() -> str:
    """The blocks as one shell script; a Python block goes to an interpreter's stdin."""
    parts = ["set -eu", f'interlock() {{ "{sys.executable}" -m interlock.cli.main "$@"; }}']
    for language, text in BLOCK.findall(README.read_text("utf-8")):
        parts.append(
            text if language == "sh" else f"'{sys.executable}' - <<'END OF BLOCK'\n{text}END OF BLOCK\n"
        )
    return "\n".join(parts)


def test_the_readme_has_the_blocks_that_are_run() -> None:
    text = README.read_text("utf-8")
    assert len(BLOCK.findall(text)) == text.count("<!-- run -->") >= 3


def test_every_command_of_the_readme_runs(deployment: Deployment, tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", script()],
        cwd=tmp_path,
        env=deployment.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    for line in done.stdout.splitlines():
        if line.startswith('{"id":"wh_'):
            deployment.run("webhook", "remove", line.split('"')[3])

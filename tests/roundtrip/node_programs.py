"""Programs of node that read what we write, fetched once for a run of the tests; skipped where there is no node."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ORACLE = HERE.parent / "oracle"

MERMAID = "mermaid@12.3.0"
MERMAID_SHA512 = "4113TdXeLAsMruJ79OpFL5O8+LTFXhQqZ260rF3tgUmiNAtRm4Uume04I+65PRN6yZ69J4f8rVYWW8zRk65UYw=="
_BUNDLE = "package/dist/mermaid.esm.min.mjs", "package/dist/chunks/mermaid.esm.min/"


def with_xstate(directory: Path) -> Path:
    """The directory, with `exported.mjs` and the XState that the lock of the oracle pins."""
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(ORACLE / name, directory / name)
    shutil.copy(HERE / "exported.mjs", directory)
    _npm(["ci", "--silent"], directory)
    return directory


def with_mermaid(directory: Path) -> Path:
    """The directory, with `mermaid_reader.mjs` and Mermaid's bundle, which needs none of its 116 dependencies."""
    shutil.copy(HERE / "mermaid_reader.mjs", directory)
    shutil.copy(ORACLE / ".npmrc", directory)
    _npm(["pack", MERMAID, "--silent"], directory)
    (packed,) = directory.glob("mermaid-*.tgz")
    found = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
    assert found == MERMAID_SHA512, f"{packed.name} is not the package that was pinned"
    with tarfile.open(packed) as archive:
        for member in archive.getmembers():
            if member.name.startswith(_BUNDLE) and member.name.endswith(".mjs"):
                content = archive.extractfile(member)
                assert content is not None, f"{member.name} is not a file"
                file = directory / member.name.removeprefix("package/dist/")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content.read())  # `extract(filter=…)` is not in each Python 3.11
    return directory


def answers(directory: Path, program: str, lines: Sequence[Any]) -> list[dict[str, Any]]:
    """What the program says to each line."""
    done = subprocess.run(
        ["node", program],
        cwd=directory,
        input="".join(json.dumps(line) + "\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(lines)
    broken = [each["broken"] for each in found if "broken" in each]
    assert not broken, broken[0]
    return found


def _npm(arguments: list[str], directory: Path) -> None:
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not on PATH")
    done = subprocess.run(
        ["npm", *arguments], cwd=directory, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        why = f"npm {arguments[0]} failed: {done.stderr.strip()[-500:]}"
        # Where node is, CI has the registry too: there this is a failure, on a laptop it may be the train.
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)

"""Each invariant hangs on a line; without that line its test must fail.

The line is taken out of a copy of the package, and the test run on the copy. `docs/architecture.md` lists
the invariants; a row here is one of its guards.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Guard:
    """``line`` of ``file`` (it stands there once) becomes ``without``; then ``test`` must fail."""

    invariant: int
    file: str
    line: str
    without: str
    test: str


GUARDS = [
    Guard(
        1,
        "workers/batch.py",
        "elif item.id is not None and item.id in self.marks:",
        "elif False:",
        "contract/test_drain.py::test_a_command_sent_twice_in_one_batch_is_applied_once",
    ),
    Guard(
        1,
        "workers/batch.py",
        "if self.marks[command_id] == item.mark:",
        "if True:",
        "contract/test_drain.py::test_an_id_with_another_body_is_refused_wherever_it_points",
    ),
    Guard(
        1,
        "engine/scripts/commit.lua",
        "if redis.call('EXISTS', ARGV[6 + i]) == 1 then",
        "if false then",
        "contract/test_drain.py::test_an_id_that_another_partition_commits_between_look_and_commit_is_seen",
    ),
    Guard(
        2,
        "engine/decision.py",
        "_check_rows(arrow.require, step.scope)",
        "pass",
        "unit/test_creating_if_missing.py::test_a_refusal_makes_nothing",
    ),
    Guard(
        2,
        "workers/batch.py",
        "if decision.snapshot is not None:",
        "if decision.snapshot is not None or instance.entries.append(b'{}') is None:",
        "contract/test_drain.py::test_a_refused_command_changes_nothing_but_its_own_result",
    ),
    Guard(
        3,
        "workers/shift.py",
        "entries = [entry for entry in entries if entry_place(entry[0]) > after]",
        "pass",
        "contract/test_shift.py::test_what_the_last_owner_has_done_meanwhile_is_not_done_again",
    ),
    Guard(
        3,
        "engine/scripts/append.lua",
        "if after(ARGV[i], mark) then",
        "if true then",
        "contract/test_drain.py::test_a_pump_that_repeats_what_was_taken_in_doubles_and_reorders_nothing",
    ),
    Guard(
        3,
        "engine/scripts/commit.lua",
        "if ARGV[3] ~= '' and (redis.call('HGET', KEYS[2], ARGV[3]) or '') ~= ARGV[4] then",
        "if false then",
        "contract/test_fencing.py::test_a_cursor_that_stands_elsewhere_stops_the_commit",
    ),
    Guard(
        4,
        "workers/batch.py",
        'ops.append(("RPUSH", partition.history(machine, key), *instance.entries))',
        'ops.append(("RPUSH", partition.history(machine, key), instance.entries[-1]))',
        "contract/test_drain.py::test_commands_of_one_instance_are_applied_in_the_order_of_the_stream",
    ),
    Guard(
        4,
        "engine/outcome.py",
        "types = step.emitted or [default_event]",
        "types = step.emitted",
        "contract/test_drain.py::test_version_history_and_announced_changes_agree_and_history_replays",
    ),
    Guard(
        5,
        "engine/scripts/commit.lua",
        "if kind ~= wanted and kind ~= 'none' then",
        "if false then",
        "contract/test_fencing.py::test_a_foreign_type_under_one_key_leaves_no_half_commit",
    ),
    Guard(
        5,
        "workers/backlog.py",
        "self._deliveries.dispatch(number, self.endpoints.reload, now_ms)",
        "self._deliveries.dispatch(number, lambda: list(self.endpoints.subscriptions.values()), now_ms)",
        "contract/test_dispatch.py::test_an_event_right_after_a_webhook_was_added_reaches_it",
    ),
    Guard(
        6,
        "engine/scripts/commit.lua",
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then",
        "if false then",
        "contract/test_fencing.py::test_a_worker_that_lost_its_lease_commits_nothing",
    ),
    Guard(
        7,
        "workers/rq_adapter.py",
        'self._func_name, self._args = read_call(raw_data.get(b"data", b""))',
        "self._func_name, self._args = __import__('pickle').loads(raw_data[b'data'])[0::2]",
        "integration/test_forged_jobs.py::test_a_pickle_is_not_loaded",
    ),
    Guard(
        8,
        "engine/decision.py",
        "except EvaluationError as failure:",
        "except ZeroDivisionError as failure:",
        "contract/test_drain.py::test_a_refused_command_changes_nothing_but_its_own_result",
    ),
    Guard(
        9,
        "workers/batch.py",
        "stored = stored_snapshot(self.find_sealer, compiled, now, instance.known)",
        "stored = now.to_bytes()",
        "contract/test_sealed.py::test_private_values_are_in_no_key_and_come_back_to_those_who_may_see_them",
    ),
    Guard(
        9,
        "workers/batch.py",
        "entry = stored_entry(self.find_sealer, command, decision.entry, names, item.known)",
        "entry = decision.entry",
        "contract/test_sealed.py::test_private_values_are_in_no_key_and_come_back_to_those_who_may_see_them",
    ),
]


RUNNER = """
import os, sys
import aiohttp, cryptography.fernet, fakeredis, jsonschema_rs, pydantic_settings, pytest, redis, rq, structlog, yaml

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        with open("told.txt", "w") as told:
            os.dup2(told.fileno(), 1)
            os.dup2(told.fileno(), 2)
        code = pytest.main(["-x", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", *line.split()])
        sys.stdout.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Runs pytest for each line that it reads, in a child that has imported all that is not ours, and says its exit
code; what the child tells stands in ``told.txt``. Without the plugin of Hypothesis, which no guarded test needs: its
summary loads the whole of it, each module compiled once more where no bytecode is written."""


class Copy:
    """The package and its tests, to be broken. It keeps the compiled modules: of each, those that still fit."""

    def __init__(self, place: Path) -> None:
        self.place = place
        for name in ("interlock", "tests", "examples"):
            shutil.copytree(ROOT / name, place / name)
        shutil.copy(ROOT / "pyproject.toml", place)
        self._runner = subprocess.Popen(
            [sys.executable, "-c", RUNNER],
            cwd=place,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},  # a broken file must not outlive its mending
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *tests: str) -> tuple[int, str]:
        """pytest's exit code and what it told."""
        assert self._runner.stdin is not None
        assert self._runner.stdout is not None
        print(*(f"tests/{test}" for test in tests), file=self._runner.stdin, flush=True)
        return int(self._runner.stdout.readline()), (self.place / "told.txt").read_text("utf-8")

    def end(self) -> None:
        self._runner.communicate(timeout=60)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    made = Copy(tmp_path_factory.mktemp("guards"))
    yield made
    made.end()


@pytest.mark.parametrize(
    "guard", GUARDS, ids=lambda guard: f"{guard.invariant}-{guard.file}-{guard.line[:30]}"
)
def test_without_its_guarding_line_the_test_of_an_invariant_fails(copy: Copy, guard: Guard) -> None:
    path = copy.place / "interlock" / guard.file
    sound = path.read_text("utf-8")
    assert sound.count(guard.line) == 1, f"{guard.file} has this line {sound.count(guard.line)} times"
    path.write_text(sound.replace(guard.line, guard.without), "utf-8")
    try:
        code, told = copy.run(guard.test)
    finally:
        path.write_text(sound, "utf-8")
    assert code == 1, f"{guard.test} passes without {guard.line!r}\n{told[-2000:]}"
    assert re.search(r"^1 failed", told, re.MULTILINE), f"it did not come to the test\n{told[-2000:]}"


def test_the_copy_is_sound_before_a_line_is_taken_out(copy: Copy) -> None:
    code, told = copy.run(*sorted({guard.test for guard in GUARDS}))
    assert code == 0, told[-3000:]
    assert re.search(r"^\d+ passed", told, re.MULTILINE), told[-3000:]

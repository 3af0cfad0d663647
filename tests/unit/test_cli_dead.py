"""`interlock dead` on a server of its own: what each command shows, does, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis

from interlock.cli import server
from interlock.cli.exits import Exit
from interlock.cli.main import run
from interlock.engine.chart import Chart
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from tests.desks import shipped

DATA = {"metadata": {"agentJwt": "SESAME-DEAD"}, "agent": "ann"}
RAW = {
    "id": "c-1",
    "machine": "ticket",
    "key": "T-1",
    "name": "assign",
    "data": DATA,
    "reply_to": "somewhere",
}
ERROR = {"class": "internal", "code": "corrupt_snapshot", "message": "Broken."}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def ticket() -> Chart:
    return next(chart for chart in shipped().charts if chart.id == "ticket")


@pytest.fixture
def store(fake_client: redis.Redis, ticket: Chart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INTERLOCK_SECRET_KEY", raising=False)
    monkeypatch.setattr(server, "connect", lambda _settings: fake_client)
    store = Store.open(fake_client, Settings(secret_key_file=tmp_path / "secret.key"))
    store.register_chart(ticket)
    return store


@pytest.fixture
def interlock(store: Store, capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: str) -> tuple[int, str, str]:
        return (run(["dead", *arguments]), *capsys.readouterr())

    return command


def letter(store: Store, raw: Any = RAW) -> str:
    """A new dead letter's id."""
    text = raw if isinstance(raw, str) else orjson.dumps(raw).decode()
    body = {"at": "2026-11-25T10:00:00.000Z", "id": "c-1", "machine": "ticket", "key": "T-1", "error": ERROR}
    entry: Any = store.client.xadd(
        store.keys.partition(3).dead, {"letter": orjson.dumps({**body, "raw": text})}
    )
    return f"3:{entry.decode()}"


def published(store: Store) -> list[Any]:
    entries: Any = store.client.xrange(store.keys.commands)
    return [orjson.loads(fields[b"command"]) for _, fields in entries]


def test_a_letter_is_shown_without_its_private_data(store: Store, interlock: Run) -> None:
    of = letter(store)
    code, out, _ = interlock("show", of, "--json")
    shown = orjson.loads(out)
    assert code == Exit.DONE
    assert shown["command"] == {"name": "assign", "data": {"agent": "ann"}}
    assert (shown["letter_id"], shown["error"], "raw" in shown) == (of, ERROR, False)
    assert orjson.loads(interlock("list", "--json")[1])["letters"] == [shown]
    code, words, _ = interlock("show", of)
    assert (code, "corrupt_snapshot" in words, "SESAME" in words + out) == (Exit.DONE, True, False)


def test_a_retry_publishes_the_command_under_a_new_id_and_ends_the_letter(
    store: Store, interlock: Run
) -> None:
    of = letter(store)
    code, out, _ = interlock("retry", of, "--json")
    assert (code, orjson.loads(out)) == (Exit.DONE, {"letter_id": of, "command": f"retry-{of}"})
    [command] = published(store)
    assert (command["id"], command["name"], command["data"]["agent"]) == (f"retry-{of}", "assign", "ann")
    assert "reply_to" not in command  # who waited has had an answer
    assert store.dead_letters() == []
    assert interlock("retry", of)[0] == Exit.NOT_FOUND


def test_a_retry_says_the_new_id_to_people(store: Store, interlock: Run) -> None:
    of = letter(store)
    code, out, words = interlock("retry", of)
    assert (code, out.split()) == (Exit.DONE, ["command", f"retry-{of}"])
    assert words.startswith("Published again")


@pytest.mark.parametrize(
    "raw", ['{"machine": "ticket"', "[]", {"machine": "ticket", "key": 1, "name": "assign"}]
)
def test_what_is_no_whole_command_is_not_sent_again(store: Store, interlock: Run, raw: Any) -> None:
    of = letter(store, raw)
    code, out, words = interlock("retry", of, "--json")
    assert (code, out, published(store)) == (Exit.REFUSED, "", [])
    assert "by hand" in words
    assert len(store.dead_letters()) == 1


def test_a_discarded_letter_is_gone_and_nothing_is_published(store: Store, interlock: Run) -> None:
    of, kept = letter(store), letter(store)
    code, out, _ = interlock("discard", of, "--json")
    assert (code, orjson.loads(out)) == (Exit.DONE, {"discarded": of})
    assert [one["letter_id"] for one in store.dead_letters()] == [kept]
    assert published(store) == []
    assert interlock("discard", kept)[0] == Exit.DONE
    assert store.dead_letters() == []


@pytest.mark.parametrize("command", ["show", "retry", "discard"])
@pytest.mark.parametrize("name", ["3:1-1", "c-1", "999:1-1", "3:1", "3:x-1", "\x1b[31m", "1" * 4000])
def test_a_letter_that_is_not_there_ends_with_3(
    store: Store, interlock: Run, command: str, name: str
) -> None:
    code, out, words = interlock(command, name, "--json")
    assert (code, out) == (Exit.NOT_FOUND, "")
    assert "`interlock dead list`" in words
    assert "\x1b" not in words
    assert len(words) < 300
    assert store.client.keys("*commands*") == []


@pytest.mark.parametrize("command", ["show", "retry", "discard"])
def test_a_letter_must_be_named(interlock: Run, command: str) -> None:
    assert interlock(command)[0] == Exit.USAGE

"""What the command line does to a deployment stands in the audit: who, what, to what, and never a secret."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis

from interlock.cli.dev import _admin_token
from interlock.cli.main import run
from interlock.engine import audit
from interlock.engine.audit import Action
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from interlock.statecharts.catalog import Catalog
from interlock.workers.processes import register_charts
from tests.integration.http_client import free_port

Run = Callable[..., Any]
ERROR = {"class": "internal", "code": "corrupt_snapshot", "message": "Broken."}
DONE_OVER_HTTP_ALONE = {Action.BULK_SENT}


@pytest.fixture
def store(
    redis_client: redis.Redis, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Store:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTERLOCK_REDIS_URL", valkey_url)
    monkeypatch.setenv("INTERLOCK_SECRET_KEY_FILE", str(tmp_path / "secret.key"))
    monkeypatch.setenv("INTERLOCK_WEBHOOK_ALLOW_CIDRS", "127.0.0.0/8")
    return Store.open(redis_client, Settings())


@pytest.fixture
def interlock(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: str, code: int = 0) -> Any:
        ended = run([*arguments, "--json"])
        out, err = capsys.readouterr()
        assert ended == code, err
        return orjson.loads(out) if out else None

    return command


def deeds(store: Store) -> list[dict[str, Any]]:
    """Oldest first."""
    return audit.newest(store.client, store.keys, 1000)[0][::-1]


def letter(store: Store) -> str:
    command = {"id": "c-1", "machine": "ticket", "key": "T-1", "name": "close", "data": {}}
    told = {
        "at": "2026-11-25T10:00:00.000Z",
        "raw": orjson.dumps(command).decode(),
        "error": ERROR,
        **command,
    }
    entry: Any = store.client.xadd(store.keys.partition(3).dead, {"letter": orjson.dumps(told)})
    return f"3:{entry.decode()}"


def test_every_deed_of_the_command_line_is_in_the_audit_and_no_secret(
    store: Store, interlock: Run, valkey_url: str
) -> None:
    chart = next(chart for chart in Catalog.load().charts if chart.id == "ticket")
    for _ in range(2):
        register_charts(store, Catalog([chart]))
    token = interlock("token", "create", "--kind", "agent", "--id", "ann", "--permission", "read:chat")
    interlock("token", "revoke", "ann")
    url = f"http://127.0.0.1:{free_port()}/path-SESAME?key=SESAME"
    header = "X-Api-Key: SESAME"
    webhook = interlock("webhook", "add", url, "--header", header)
    own = webhook["id"]
    interlock("webhook", "update", own, "--header", header, "--url", f"{url}2")
    rotated = interlock("webhook", "rotate", own)
    interlock("webhook", "test", own, code=1)
    interlock("webhook", "redeliver", own)
    interlock("webhook", "disable", own)
    interlock("webhook", "enable", own)
    interlock("webhook", "remove", own)
    first, second = letter(store), letter(store)
    retried = interlock("dead", "retry", first)
    interlock("dead", "discard", second)
    interlock("migrate", "ticket", "--to", "1")
    interlock("reindex")
    admin_token = _admin_token(Settings(redis_url=valkey_url))
    found = deeds(store)
    origin = url.partition("/path")[0]
    assert [(deed["action"], deed["target"], deed["details"]) for deed in found[:-1]] == [
        ("chart.registered", "ticket@1", {}),
        (
            "token.created",
            token["key_id"],
            {"id": "ann", "kind": "agent", "tenant": "default", "permissions": ["read:chat"]},
        ),
        ("token.revoked", "ann", {"key_ids": [token["key_id"]]}),
        ("webhook.added", own, {"origin": origin, "profile": "standard"}),
        ("webhook.updated", own, {"changed": ["url", "headers"]}),
        ("webhook.rotated", own, {"grace_seconds": 86400.0}),
        ("webhook.tested", own, {}),
        ("webhook.redelivered", own, {"requested": 0}),
        ("webhook.disabled", own, {}),
        ("webhook.enabled", own, {}),
        ("webhook.removed", own, {}),
        ("dead_letter.retried", first, {"command": retried["command"]}),
        ("dead_letter.discarded", second, {}),
        ("instances.migrated", "ticket@1", {"undo": False, "moved": 0, "unanswered": 0}),
        ("indexes.corrected", "instances", {"missing": 0, "stale": 0, "rows": 0}),
    ]
    assert (found[-1]["action"], found[-1]["details"]["kind"]) == ("token.created", "admin")
    user = pwd.getpwuid(os.geteuid()).pw_name
    actor = {"id": f"{user}@{socket.gethostname()}", "kind": "cli", "tenant": "default"}
    assert {orjson.dumps(deed["actor"]) for deed in found} == {orjson.dumps(actor)}
    assert {deed["action"] for deed in found} == set(Action) - DONE_OVER_HTTP_ALONE
    kept = orjson.dumps(found).decode()
    secrets = (token["secret"], webhook["secret"], rotated["secret"], admin_token.partition(".")[2], "SESAME")
    assert [secret for secret in secrets if secret in kept] == []


def test_what_was_refused_or_only_looked_at_is_not_in_the_audit(store: Store, interlock: Run) -> None:
    interlock("token", "create", "--kind", "agent", "--tenant", "a b", code=4)
    interlock("token", "revoke", "nobody", code=3)
    interlock("token", "list")
    interlock("webhook", "add", "http://10.0.0.1/", code=4)
    for command in ("enable", "disable", "remove", "rotate", "test", "redeliver"):
        interlock("webhook", command, "wh_none", code=3)
    interlock("webhook", "list")
    interlock("dead", "retry", "3:1-1", code=3)
    interlock("dead", "discard", "3:1-1", code=3)
    interlock("reindex", "--check")
    assert deeds(store) == []


def test_a_deed_that_the_audit_does_not_take_is_done_and_told(
    store: Store, interlock: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store.client.set(store.keys.audit, "somebody else's")
    assert run(["token", "create", "--kind", "agent", "--id", "ann", "--json"]) == 0
    out, err = capsys.readouterr()
    assert orjson.loads(out)["id"] == "ann"
    assert "is done, but not in the audit (ResponseError)" in err

"""Secrets and private fields, followed through a whole deployment: where they must not turn up, and where they do."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis

from interlock.engine.sealing import PREFIX
from tests.acceptance.deployment import Deployment, Interlock, Receiver
from tests.integration.http_client import Client
from tests.stored import values

SECONDS = 60


def aof(deployment: Deployment) -> Iterator[Path]:
    files = [one for one in (deployment.directory / "data").rglob("*.aof") if one.is_file()]
    assert any(one.stat().st_size for one in files)
    yield from files


@pytest.fixture
def canary() -> str:
    return f"canary{uuid.uuid4().hex}"


def by_http(deployment: Deployment, address: str, data: dict[str, Any], **fields: Any) -> Any:
    """The answer to an ``open`` that is sent by HTTP."""
    status = orjson.loads((deployment.directory / "data" / "dev.json").read_bytes())
    client = Client(status["http_url"], status["admin_token"])
    return client.command(address, "open", data=data, **fields)


def test_a_private_field_is_in_nothing_that_is_told_and_in_no_byte_that_is_stored(
    deployment: Deployment, interlock: Interlock, receiver: Receiver, canary: str
) -> None:
    added = orjson.loads(interlock("webhook", "add", receiver.url, "--events", "ticket.*", "--json")[1])
    receiver.answers.put(500)
    key = uuid.uuid4().hex
    data = orjson.dumps({"metadata": {"agentJwt": canary, "roomId": "r-1"}}).decode()
    wrong = orjson.dumps({"metadata": canary}).decode()
    opened = interlock("publish", f"ticket/{key}", "open", "--data", data, "--wait", "30", "--json")
    assert orjson.loads(opened[1])["status"] == "applied"
    refused = interlock("publish", f"ticket/{key}x", "open", "--data", wrong, "--wait", "30", "--json")
    assert orjson.loads(refused[1])["error"]["class"] == "invalid_data"
    later = ("--data", data, "--not-before", "2099-01-01T00:00:00Z")
    waiting = interlock("publish", f"ticket/{key}y", "open", *later, "--json")
    typo = interlock(
        "publish", f"ticket/{key}x", "open", "--data", f'{{"metadat": "{canary}"}}', "--wait", "30"
    )
    answers = [
        by_http(deployment, f"ticket/{key}-http", {"metadata": {"agentJwt": canary, "roomId": "r-2"}}),
        by_http(deployment, f"ticket/{key}-wrong", {"metadata": canary}),
        by_http(deployment, f"ticket/{key}-again", {"metadata": {"agentJwt": canary}}, id=key),
        by_http(deployment, f"ticket/{key}-again", {"metadata": {"agentJwt": canary}}, id=key),
    ]
    assert [answer.status for answer in answers] == [200, 422, 200, 200]
    assert answers[3].body["duplicate"]
    arrived = [receiver.arrived.get(timeout=SECONDS) for _ in range(4)]
    told = [opened, refused, waiting, typo]
    for command in (
        ("show", f"ticket/{key}"),
        ("history", f"ticket/{key}"),
        ("why", f"ticket/{key}"),
        ("replay", f"ticket/{key}"),
        ("replay", f"ticket/{key}-http"),
        ("show", f"ticket/{key}-http"),
        ("list", "ticket"),
        ("webhook", "deliveries", added["id"]),
        ("dead", "list"),
        ("doctor",),
    ):
        told.append(interlock(*command, "--json"))
        assert told[-1][1], told[-1]
    assert "r-1" in told[4][1], "what is public of the metadata is shown"
    replays = [orjson.loads(out) for _, out, _ in told[4:] if '"same"' in out]
    assert [each["same"] for each in replays] == [True, True], "who replays reads it"
    shown = [out + err for _, out, err in told] + [f"{one.headers}{one.body!r}" for one in arrived]
    shown += [f"{answer.headers}{answer.raw!r}" for answer in answers]
    shown.append((deployment.directory / "dev.log").read_text())
    assert [text for text in shown if canary in text] == []
    with redis.Redis.from_url(deployment.redis_url) as client:  # bytes: RQ's own are no text
        stored = list(values(client))
    assert [name for name, text in stored if canary in text] == []
    assert any(":later" in name and PREFIX in text for name, text in stored), "it waits sealed"
    for file in aof(deployment):
        assert canary.encode() not in file.read_bytes()
    assert any(key.encode() in file.read_bytes() for file in aof(deployment)), "or the search finds nothing"
    interlock("webhook", "remove", added["id"])


def test_secrets_are_in_no_log_no_answer_no_key_and_no_byte_of_the_aof(
    deployment: Deployment, interlock: Interlock, receiver: Receiver, canary: str
) -> None:
    header = f"X-Token: Bearer {canary}"
    adding = ("webhook", "add", receiver.url, "--profile", "sunshine", "--header", header, "--json")
    added = orjson.loads(interlock(*adding)[1])
    token = orjson.loads(interlock("token", "create", "--kind", "admin", "--json")[1])
    key_file = deployment.directory / "secret.key"
    rotated = orjson.loads(interlock("webhook", "rotate", added["id"], "--json")[1])
    secrets = [each["secret"].removeprefix("whsec_") for each in (added, rotated)]
    secrets += [token["secret"], key_file.read_text().strip(), canary]
    receiver.answers.put(500)
    interlock("publish", f"ticket/{uuid.uuid4().hex}", "open", "--wait", "30")
    first, second = (receiver.arrived.get(timeout=SECONDS) for _ in range(2))
    assert first.headers["x-api-key"] == second.headers["x-api-key"] == rotated["secret"]
    assert first.headers["x-token"] == f"Bearer {canary}"
    told = [
        interlock(*command, "--json")
        for command in (
            ("webhook", "list"),
            ("webhook", "test", added["id"]),
            ("webhook", "deliveries", added["id"]),
            ("token", "list"),
            ("doctor",),
        )
    ]
    shown = [out + err for _, out, err in told] + [f"{first.body!r}{second.body!r}"]
    shown.append((deployment.directory / "dev.log").read_text())
    with redis.Redis.from_url(deployment.redis_url) as client:  # bytes: RQ's own are no text
        shown += [text for _, text in values(client)]
    for secret in secrets:
        assert len(secret) >= 32
        assert [text[:200] for text in shown if secret in text] == []
        for file in aof(deployment):
            assert secret.encode() not in file.read_bytes()
    assert any(added["id"].encode() in file.read_bytes() for file in aof(deployment))
    interlock("webhook", "remove", added["id"])

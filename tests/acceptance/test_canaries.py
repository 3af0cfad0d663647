"""Secrets and private fields, followed through a whole deployment: where they must not turn up, and where they do."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import redis

from tests.acceptance.deployment import Deployment, Interlock, Receiver
from tests.stored import values

SECONDS = 15
STORED_IN_CLEAR = ("interlock:commands", ":inbox", ":instance:", ":history:")
"""Where a private field stands as the publisher wrote it: keys that contain one of these."""


def aof(deployment: Deployment) -> Iterator[Path]:
    files = [one for one in (deployment.directory / "data").rglob("*.aof") if one.is_file()]
    assert any(one.stat().st_size for one in files)
    yield from files


@pytest.fixture
def canary() -> str:
    return f"canary{uuid.uuid4().hex}"


def test_a_private_field_is_in_nothing_that_is_told(
    deployment: Deployment, interlock: Interlock, receiver: Receiver, canary: str
) -> None:
    added = orjson.loads(interlock("webhook", "add", receiver.url, "--events", "ticket.*", "--json")[1])
    receiver.answers.put(500)
    key = uuid.uuid4().hex
    data = orjson.dumps({"metadata": {"agentJwt": canary, "roomId": "r-1"}}).decode()
    wrong = orjson.dumps({"metadata": canary}).decode()
    opened = interlock("publish", f"ticket/{key}", "open", "--data", data, "--wait", "10", "--json")
    assert orjson.loads(opened[1])["status"] == "applied"
    refused = interlock("publish", f"ticket/{key}x", "open", "--data", wrong, "--wait", "10", "--json")
    assert orjson.loads(refused[1])["error"]["class"] == "invalid_data"
    arrived = [receiver.arrived.get(timeout=SECONDS) for _ in range(2)]
    told = [opened, refused]
    for command in (
        ("show", f"ticket/{key}"),
        ("history", f"ticket/{key}"),
        ("why", f"ticket/{key}"),
        ("replay", f"ticket/{key}"),
        ("list", "ticket"),
        ("webhook", "deliveries", added["id"]),
        ("dead", "list"),
        ("doctor",),
    ):
        told.append(interlock(*command, "--json"))
        assert told[-1][1], told[-1]
    assert "r-1" in told[2][1], "what is public of the metadata is shown"
    shown = [out + err for _, out, err in told] + [f"{one.headers}{one.body!r}" for one in arrived]
    shown.append((deployment.directory / "dev.log").read_text())
    assert [text for text in shown if canary in text] == []
    with redis.Redis.from_url(deployment.redis_url) as client:  # bytes: RQ's own are no text
        places = {name for name, text in values(client) if canary in text}
    assert all(any(part in name for part in STORED_IN_CLEAR) for name in places), places
    assert any(":instance:" in name for name in places), "or the search finds nothing at all"
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
    interlock("publish", f"ticket/{uuid.uuid4().hex}", "open", "--wait", "10")
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

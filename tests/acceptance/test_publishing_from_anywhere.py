"""Commands from a bare Redis client, as any language sends them: good ones, and every kind of bad one."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.acceptance.deployment import Deployment

QUEUED = ["open.first_response.off", "open.resolution.off", "open.work.queued"]


def send(deployment: Deployment, body: Any) -> dict[str, Any]:
    """XADD ``body`` with a ``reply_to`` and wait for the answer there."""
    reply_to = f"interlock:reply:{uuid.uuid4().hex}"
    with deployment.client() as client:
        client.xadd("interlock:commands", {"command": json.dumps(body | {"reply_to": reply_to})})
        answer = client.blpop([reply_to], timeout=60)
    assert answer is not None, "no answer"
    result: dict[str, Any] = json.loads(answer[1])
    return result


def opening(key: str, **more: Any) -> dict[str, Any]:
    return {"machine": "ticket", "key": key, "name": "open", "data": {"queue": "fr"}} | more


@pytest.fixture
def witness(deployment: Deployment) -> Any:
    """Another instance, which nothing in the test may disturb: it is as it was, and takes its next command."""
    key = f"witness-{uuid.uuid4().hex}"
    send(deployment, opening(key))
    before = deployment.json("show", f"ticket/{key}")
    yield key
    assert deployment.json("show", f"ticket/{key}") == before
    after = send(
        deployment, {"machine": "ticket", "key": key, "name": "note", "data": {"text": "still here"}}
    )
    assert (after["status"], after["version"]) == ("applied", before["version"] + 1)


def test_a_command_without_an_id_is_applied_and_answered(deployment: Deployment) -> None:
    result = send(deployment, opening(uuid.uuid4().hex))
    assert (result["status"], result["version"], result["state"]) == ("applied", 1, QUEUED)
    assert result["id"]


def test_the_result_is_kept_under_the_commands_id(deployment: Deployment) -> None:
    result = send(deployment, opening(uuid.uuid4().hex, id=f"kept-{uuid.uuid4().hex}"))
    with deployment.client() as client:
        assert json.loads(client.get(f"interlock:result:{result['id']}")) == result


@pytest.mark.parametrize(
    "key",
    ["a b", "zürich 🚂", "a/b//c", "{tag}", "a:b@c", "'\"`$(id)", "*?[x]", "%0a", "<b>", "..", "k" * 256],
)
def test_a_key_may_hold_every_printable_character(deployment: Deployment, key: str, witness: str) -> None:
    key = key if len(key) == 256 else f"{key}{uuid.uuid4().hex}"
    result = send(deployment, opening(key))
    assert result["status"] == "applied" or result["error"]["class"] == "already_exists"
    assert deployment.json("show", f"ticket/{key}")["key"] == key


@pytest.mark.parametrize(
    ("change", "class_", "word"),
    [
        ({"colour": "red"}, "malformed", "colour"),
        ({"key": "line\nbreak"}, "malformed", "key"),
        ({"key": "k" * 257}, "malformed", "key"),
        ({"key": 7}, "malformed", "key"),
        ({"machine": None}, "malformed", "machine"),
        ({"name": ""}, "malformed", "name"),
        ({"data": []}, "malformed", "data"),
        ({"actor": {"id": "ann", "kind": "king"}}, "malformed", "actor"),
        ({"expected_version": "1"}, "malformed", "expected_version"),
        ({"not_before": "2026-01-01T00:00:00"}, "malformed", "not_before"),
        ({"machine": "nonsense"}, "unknown_machine", "nonsense"),
        ({"name": "nonsense"}, "unknown_command", "nonsense"),
        ({"data": {"priority": "high"}}, "invalid_data", "priority"),
        ({"data": {"colour": "red"}}, "invalid_data", "colour"),
        ({"data": {"content": {"text": "x" * 2_000_000}}}, "too_large", "262144"),
    ],
)
def test_a_bad_command_is_refused_by_its_class_and_disturbs_nothing_else(
    deployment: Deployment, witness: str, change: dict[str, Any], class_: str, word: str
) -> None:
    result = send(deployment, opening(f"bad-{uuid.uuid4().hex}") | change)
    assert result["error"]["class"] == class_, result
    assert result["status"] in ("refused", "dead")
    assert word in result["error"]["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"command": "{"},
        {"command": ""},
        {"command": "[]"},
        {"command": '"open"'},
        {"command": "null"},
        {"command": b"\xff\xfe"},
        {"command": "[" * 5000},
        {"order": "{}"},
    ],
    ids=["cut off", "empty", "a list", "a string", "null", "not UTF-8", "deep", "another field"],
)
def test_what_is_no_command_at_all_is_counted_and_disturbs_nothing_else(
    deployment: Deployment, witness: str, fields: dict[str, Any]
) -> None:
    with deployment.client() as client:
        before = _malformed(client)
        client.xadd("interlock:commands", fields)
        send(deployment, opening(uuid.uuid4().hex))  # wherever it goes, the way is free
        for _ in range(200):
            if _malformed(client) > before:
                break
            send(deployment, opening(uuid.uuid4().hex))
        assert _malformed(client) == before + 1


def _malformed(client: Any) -> int:
    """Messages so far that were refused as malformed."""
    return sum(
        int(n) for name, n in client.hgetall("interlock:counters").items() if name.endswith(":malformed")
    )


def test_an_id_with_another_body_is_refused_and_the_first_answer_stays(
    deployment: Deployment, witness: str
) -> None:
    key, id_ = uuid.uuid4().hex, uuid.uuid4().hex
    first = send(deployment, opening(key, id=id_))
    other = send(deployment, opening(key, id=id_) | {"data": {"queue": "de"}})
    assert other["error"]["class"] == "id_reused"
    again = send(deployment, opening(key, id=id_))
    assert again.pop("duplicate") is True
    assert {name: again[name] for name in first} == first
    assert deployment.json("show", f"ticket/{key}")["context"]["queue"] == "fr"


def test_commands_to_one_instance_are_applied_in_their_order(deployment: Deployment) -> None:
    key, reply_to = uuid.uuid4().hex, f"interlock:reply:{uuid.uuid4().hex}"
    commands = [opening(key)] + [
        {"machine": "ticket", "key": key, "name": "note", "data": {"text": str(number)}}
        for number in range(200)
    ]
    with deployment.client() as client:
        for command in commands:
            client.xadd("interlock:commands", {"command": json.dumps(command | {"reply_to": reply_to})})
        for _ in commands:
            assert client.blpop([reply_to], timeout=60) is not None
    history = deployment.json("history", f"ticket/{key}")["history"]
    assert [entry["version"] for entry in history] == list(range(1, 202))
    assert [entry["command"]["data"].get("text") for entry in history[1:]] == [
        str(number) for number in range(200)
    ]

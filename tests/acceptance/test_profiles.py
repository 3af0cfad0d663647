"""Vendors' profiles from the command line to a receiver as their customers have one."""

from __future__ import annotations

import uuid
from pathlib import Path

import orjson
import pytest

from tests.acceptance.deployment import Deployment, Interlock, Receiver

SECONDS = 60


def test_an_engage_receiver_is_challenged_and_gets_its_envelope(
    deployment: Deployment, interlock: Interlock, receiver: Receiver
) -> None:
    code, out, _ = interlock(
        "webhook", "add", receiver.url, "--profile", "engage", "--verify-token", "agreed", "--json"
    )
    assert code == 0
    added = orjson.loads(out)
    assert receiver.arrived.get(timeout=SECONDS).headers["x-dimelo-secret"] == added["secret"]
    key = uuid.uuid4().hex
    command = {"machine": "intervention", "key": key, "name": "open", "data": {"content_id": "c-1"}}
    command |= {"actor": {"id": "ann", "kind": "admin"}}  # who opens it has it, which is the second event
    for answer in (204, 200, 200):  # to the first event, which is sent again, and to the second
        receiver.answers.put(answer)
    with deployment.client() as client:
        client.xadd("interlock:commands", {"command": orjson.dumps(command)})
    deliveries = [receiver.arrived.get(timeout=SECONDS) for _ in range(3)]
    bodies = [orjson.loads(one.body) for one in deliveries]
    types = [body["events"][0]["type"] for body in bodies]
    assert {"intervention.opened", "intervention.assigned"} == set(types)
    assert len({body["id"] for body in bodies}) == 2, "one was sent again, under its id"
    assert all(one.headers["x-dimelo-secret"] == added["secret"] for one in deliveries)
    interlock("webhook", "remove", added["id"])


def test_an_engage_receiver_that_fails_the_challenge_is_not_kept(
    interlock: Interlock, receiver: Receiver
) -> None:
    receiver.answers.put(404)
    code, out, err = interlock("webhook", "add", receiver.url, "--profile", "engage", "--json")
    assert (code, out) == (1, "")
    assert "it answered 404" in err
    assert "hub.challenge" in err
    assert orjson.loads(interlock("webhook", "list", "--json")[1]) == {"webhooks": []}


def test_an_engage_receiver_keeps_the_secret_that_it_has(
    interlock: Interlock, receiver: Receiver, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text("dimelo-since-2019!\n")
    code, out, _ = interlock(
        "webhook", "add", receiver.url, "--profile", "engage", "--secret-file", str(file), "--json"
    )
    added = orjson.loads(out)
    assert (code, added["secret"]) == (0, "dimelo-since-2019!")
    assert receiver.arrived.get(timeout=SECONDS).headers["x-dimelo-secret"] == "dimelo-since-2019!"
    assert interlock("webhook", "test", added["id"])[0] == 1, "204 is no success here"
    assert receiver.arrived.get(timeout=SECONDS).headers["x-dimelo-secret"] == "dimelo-since-2019!"
    receiver.answers.put(200)
    assert interlock("webhook", "test", added["id"])[0] == 0
    assert receiver.arrived.get(timeout=SECONDS).headers["x-dimelo-secret"] == "dimelo-since-2019!"
    interlock("webhook", "remove", added["id"])


def test_another_secret_of_an_engage_receiver_is_shown_in_a_challenge_first(
    interlock: Interlock, receiver: Receiver, tmp_path: Path
) -> None:
    added = orjson.loads(interlock("webhook", "add", receiver.url, "--profile", "engage", "--json")[1])
    receiver.arrived.get(timeout=SECONDS)
    code, out, _ = interlock("webhook", "rotate", added["id"], "--json")
    rotated = orjson.loads(out)
    assert code == 0
    assert rotated["secret"] != added["secret"]
    assert receiver.arrived.get(timeout=SECONDS).headers["x-dimelo-secret"] == rotated["secret"]
    file = tmp_path / "secret"
    file.write_text("dimelo-since-2019!\n")
    for answer, code in ((500, 1), (200, 0)):
        receiver.answers.put(answer)
        done = interlock("webhook", "rotate", added["id"], "--secret-file", str(file), "--json")
        assert done[0] == code
        assert receiver.arrived.get(timeout=SECONDS).headers["x-dimelo-secret"] == "dimelo-since-2019!"
        kept = rotated["secret"] if code else "dimelo-since-2019!"
        receiver.answers.put(200)
        assert interlock("webhook", "test", added["id"])[0] == 0
        assert receiver.arrived.get(timeout=SECONDS).headers["x-dimelo-secret"] == kept
    interlock("webhook", "remove", added["id"])


def test_another_endpoint_of_an_engage_webhook_is_challenged_with_its_secret(
    interlock: Interlock, receiver: Receiver
) -> None:
    added = orjson.loads(interlock("webhook", "add", receiver.url, "--json")[1])
    receiver.answers.put(404)
    code, out, err = interlock("webhook", "update", added["id"], "--profile", "engage", "--json")
    assert (code, out) == (1, "")
    assert "it answered 404" in err
    assert receiver.arrived.get(timeout=SECONDS).headers["x-dimelo-secret"] == added["secret"]
    assert interlock("webhook", "update", added["id"], "--profile", "engage")[0] == 0
    assert receiver.arrived.get(timeout=SECONDS).headers["x-dimelo-secret"] == added["secret"]
    assert interlock("webhook", "update", added["id"], "--url", f"{receiver.url}?moved=1")[0] == 0
    assert receiver.arrived.get(timeout=SECONDS).headers["x-dimelo-secret"] == added["secret"]
    assert interlock("webhook", "update", added["id"], "--description", "the same endpoint")[0] == 0
    assert receiver.arrived.empty(), "it is not asked again"
    interlock("webhook", "remove", added["id"])


def test_a_private_key_is_shown_in_no_challenge(interlock: Interlock, receiver: Receiver) -> None:
    added = orjson.loads(interlock("webhook", "add", receiver.url, "--signature", "ed25519", "--json")[1])
    code, _, err = interlock("webhook", "update", added["id"], "--profile", "engage")
    assert code == 4
    assert "ed25519" in err
    assert receiver.arrived.empty()
    interlock("webhook", "remove", added["id"])


def test_a_sunshine_receiver_hears_what_a_pass_failed_of(
    deployment: Deployment, interlock: Interlock, receiver: Receiver
) -> None:
    wanted = ("--profile", "sunshine", "--events", "switchboard.control_pass_failed")
    added = orjson.loads(interlock("webhook", "add", receiver.url, *wanted, "--json")[1])
    key = uuid.uuid4().hex
    bot = {"id": "B-1", "name": "bot", "integration_id": "I-1"}
    hub = {"id": "B-2", "name": "hub", "integration_id": "I-2"}
    board = {"integrations": [bot, hub], "default_integration": "B-1"}
    ambiguous = {"switchboard_integration": "custom", "metadata": {"first_message_id": "m-1"}}
    with deployment.client() as client:
        for name, data in (("create", board), ("pass_control", ambiguous)):
            command = {"machine": "switchboard", "key": key, "name": name, "data": data}
            command["actor"] = {"id": "I-1", "kind": "integration"}
            client.xadd("interlock:commands", {"command": orjson.dumps(command)})
    delivery = receiver.arrived.get(timeout=SECONDS)
    assert delivery.headers["x-api-key"] == added["secret"]
    told = orjson.loads(delivery.body)
    [event] = told.pop("events")
    assert told == {"app": {"id": "default"}, "webhook": {"id": added["id"], "version": "v2"}}
    assert set(event) == {"id", "type", "createdAt", "payload"}
    assert event["type"] == "switchboard:passControl:failure"
    active = {"id": "B-1", "name": "bot", "integrationId": "I-1", "integrationType": "custom"}
    assert event["payload"] == {
        "conversation": {"id": key, "type": "sdkGroup", "activeSwitchboardIntegration": active},
        "metadata": {"first_message_id": "m-1"},
        "error": {
            "code": "switchboard_invalid_target",
            "message": "No integration on the board is meant by this.",
        },
    }
    interlock("webhook", "remove", added["id"])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--secret-file", "/nowhere"), 2, "--secret-file"),
        (("--secret-file", "/dev/null"), 4, "whsec_"),
        (("--profile", "engage", "--secret-file", "/dev/null"), 4, "8 to 255"),
        (("--profile", "svix"), 4, "use standard, engage, sunshine, genesys, plain"),
        (("--verify-token", "x"), 2, "--profile engage"),
        (("--profile", "sunshine", "--verify-token", "x"), 2, "--profile engage"),
    ],
)
def test_what_does_not_go_together_is_refused(
    arguments: tuple[str, ...], code: int, words: str, interlock: Interlock, receiver: Receiver
) -> None:
    done = interlock("webhook", "add", receiver.url, *arguments)
    assert done[0] == code
    assert words in done[2]
    assert receiver.arrived.empty()

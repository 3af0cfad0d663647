"""What an operator does with a webhook by the command line alone."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import orjson
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.acceptance.deployment import Deployment, Interlock, Receiver

SECONDS = 60


@pytest.fixture
def webhook(deployment: Deployment, receiver: Receiver) -> Iterator[dict[str, str]]:
    """A subscription of the receiver: ``{"id", "secret"}``."""
    added = deployment.json("webhook", "add", receiver.url, "--events", "ticket.*")
    yield added
    deployment.run("webhook", "remove", added["id"])


def opened(deployment: Deployment, **data: object) -> str:
    """The key of a new ticket."""
    key = uuid.uuid4().hex
    text = orjson.dumps({"queue": "fr"} | data).decode()
    deployment.json("publish", f"ticket/{key}", "open", "--data", text, "--wait", "30")
    return key


def test_a_rotation_prints_the_new_secret_once_and_both_sign(
    deployment: Deployment, receiver: Receiver, webhook: dict[str, str]
) -> None:
    rotated = deployment.json("webhook", "rotate", webhook["id"], "--grace", "1h")
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != webhook["secret"]
    opened(deployment)
    arrived = receiver.arrived.get(timeout=SECONDS)
    for secret in (webhook["secret"], rotated["secret"]):
        Webhook(secret).verify(arrived.body, arrived.headers)
    assert rotated["secret"] not in deployment.run("webhook", "show", webhook["id"], "--json").out
    last = deployment.json("webhook", "rotate", webhook["id"], "--grace", "0s")
    opened(deployment)
    arrived = receiver.arrived.get(timeout=SECONDS)
    Webhook(last["secret"]).verify(arrived.body, arrived.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(rotated["secret"]).verify(arrived.body, arrived.headers)
    wrong = deployment.run("webhook", "rotate", webhook["id"], "--grace", "soon")
    assert (wrong.code, wrong.out) == (2, "")


def test_what_is_shown_tells_the_statistics_and_no_secret(
    deployment: Deployment, receiver: Receiver, webhook: dict[str, str]
) -> None:
    opened(deployment)
    receiver.arrived.get(timeout=SECONDS)
    deployment.settle()  # the attempt is recorded after the endpoint has answered
    shown = deployment.json("webhook", "show", webhook["id"])
    assert shown["statistics"]["delivered"] == shown["statistics"]["attempts"] == 1
    assert shown["statistics"]["pending"] == shown["statistics"]["dead"] == 0
    assert shown["statistics"]["last_success"] and not shown["statistics"]["last_failure"]
    assert shown["breaker"]["state"] == "closed"
    assert "whsec_" not in str(shown)
    assert deployment.run("webhook", "show", "wh_none").code == 3


def test_filters_and_headers_of_the_command_line_hold(deployment: Deployment, receiver: Receiver) -> None:
    (deployment.directory / "headers.txt").write_text("Authorization: Bearer canary-3\n\nX-Team: desk\n")
    added = deployment.json(
        *("webhook", "add", receiver.url, "--machine", "ticket", "--states", "open.work.queued"),
        *("--where", "context.queue == 'de'", "--header", "@headers.txt", "--rate", "50/second", "--ordered"),
    )
    opened(deployment)
    key = opened(deployment, queue="de")
    arrived = receiver.arrived.get(timeout=SECONDS)
    assert orjson.loads(arrived.body)["subject"] == key
    assert (arrived.headers["authorization"], arrived.headers["x-team"]) == ("Bearer canary-3", "desk")
    shown = deployment.run("webhook", "list", "--json")
    assert "canary-3" not in shown.out
    [one] = [each for each in shown.json["webhooks"] if each["id"] == added["id"]]
    assert (one["headers"], one["ordered"], one["rate"]) == (["Authorization", "X-Team"], True, "50/second")
    deployment.run("webhook", "remove", added["id"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--where", "context.x ="], "--where, column"),
        (["--header", "Host: canary-4"], "Host"),
        (["--rate", "fast"], "10/second"),
        (["--signature", "rsa"], "ed25519"),
        (["--states", "*"], "state"),
    ],
)
def test_an_option_that_cannot_be_is_refused(
    options: list[str], message: str, deployment: Deployment, receiver: Receiver
) -> None:
    done = deployment.run("webhook", "add", receiver.url, *options, "--json")
    assert (done.code, done.out) == (4, "")
    assert message in done.err
    assert "canary-4" not in done.err


def test_a_webhook_with_a_key_pair_prints_its_public_key(deployment: Deployment, receiver: Receiver) -> None:
    added = deployment.json("webhook", "add", receiver.url, "--signature", "ed25519")
    assert added["secret"] is None
    assert added["public_key"].startswith("whpk_")
    assert deployment.json("webhook", "test", added["id"])["status"] == 204
    arrived = receiver.arrived.get(timeout=SECONDS)
    assert arrived.headers["webhook-signature"].startswith("v1a,")
    deployment.run("webhook", "remove", added["id"])


def test_a_test_event_says_what_it_is_told(
    deployment: Deployment, receiver: Receiver, webhook: dict[str, str]
) -> None:
    sets = ["--set", "data.x=1", "--set", "data.who.name=Zoë", "--set", "type=ticket.closed"]
    deployment.json("webhook", "test", webhook["id"], *sets)
    arrived = receiver.arrived.get(timeout=SECONDS)
    event = Webhook(webhook["secret"]).verify(arrived.body, arrived.headers)
    assert (event["type"], event["data"]) == ("ticket.closed", {"x": 1, "who": {"name": "Zoë"}})
    for wrong in ("data.x", "id=5", "data.x.y=1"):
        done = deployment.run("webhook", "test", webhook["id"], "--set", "data.x=1", "--set", wrong)
        assert done.code == 4, done


def test_what_was_missed_is_sent_again(
    deployment: Deployment, receiver: Receiver, webhook: dict[str, str]
) -> None:
    opened(deployment)
    first = receiver.arrived.get(timeout=SECONDS)
    deployment.settle()
    deployment.json("webhook", "disable", webhook["id"])
    missed = opened(deployment)
    deployment.settle()  # the event was passed by
    refused = deployment.run("webhook", "redeliver", webhook["id"], "--since", "1h")
    assert refused.code == 6
    deployment.json("webhook", "enable", webhook["id"])
    assert deployment.json("webhook", "redeliver", webhook["id"], "--since", "1h")["requested"] == 1
    again = receiver.arrived.get(timeout=SECONDS)
    assert orjson.loads(again.body)["subject"] == missed
    delivered = first.headers["webhook-id"]
    assert deployment.json("webhook", "redeliver", webhook["id"], delivered)["requested"] == 1
    once_more = receiver.arrived.get(timeout=SECONDS)
    assert once_more.headers["webhook-id"] == delivered
    assert once_more.body == first.body
    assert deployment.run("webhook", "redeliver", webhook["id"], "msg_none").code == 3
    assert deployment.run("webhook", "redeliver", webhook["id"], delivered, "--since", "1h").code == 2
    assert deployment.run("webhook", "redeliver", webhook["id"], "--since", "yesterday").code == 2
    dead = deployment.json("webhook", "deliveries", webhook["id"], "--status", "dead")
    assert dead == {"deliveries": [], "next": None}
    assert deployment.run("webhook", "deliveries", webhook["id"], "--status", "lost").code == 2


def test_a_webhook_is_changed_without_another_secret(
    deployment: Deployment, interlock: Interlock, receiver: Receiver
) -> None:
    code, out, _ = interlock("webhook", "add", "http://127.0.0.1:9/", "--events", "thread.*", "--json")
    added = orjson.loads(out)
    changes = ("--url", receiver.url, "--events", "ticket.created", "--where", "context.queue == 'de'")
    code, out, _ = interlock("webhook", "update", added["id"], *changes, "--header", "X-Team: desk", "--json")
    assert code == 0
    changed = orjson.loads(out)
    assert (changed["url"], changed["events"]) == (receiver.url, ["ticket.created"])
    assert changed["changes"][0]["fields"] == ["url", "events", "where", "headers"]
    opened(deployment)
    key = opened(deployment, queue="de")
    arrived = receiver.arrived.get(timeout=SECONDS)
    assert Webhook(added["secret"]).verify(arrived.body, arrived.headers)["subject"] == key
    assert arrived.headers["x-team"] == "desk"
    [listed] = orjson.loads(interlock("webhook", "list", "--json")[1])["webhooks"]
    assert listed["updated_at"] == changed["updated_at"] is not None
    assert changed["updated_at"] in interlock("webhook", "list")[1]
    interlock("webhook", "remove", added["id"])


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ((), 2, "--url"),
        (("--url", "http://10.0.0.1/"), 4, "INTERLOCK_WEBHOOK_ALLOW_CIDRS"),
        (("--where", "context.qeue == 'de'"), 4, "context.qeue"),
        (("--machine", "queue"), 4, "context.priority"),
        (("--profile", "svix"), 4, "use standard, engage"),
        (("--verify-token", "x", "--description", "y"), 2, "--profile engage"),
    ],
)
def test_a_change_that_cannot_be_changes_nothing(
    options: tuple[str, ...], code: int, message: str, interlock: Interlock, receiver: Receiver
) -> None:
    where = ("--machine", "ticket", "--where", "context.priority == 1")
    added = orjson.loads(interlock("webhook", "add", receiver.url, *where, "--json")[1])
    before = interlock("webhook", "list", "--json")[1]
    done = interlock("webhook", "update", added["id"], *options, "--json")
    assert (done[0], done[1]) == (code, "")
    assert message in done[2]
    assert interlock("webhook", "list", "--json")[1] == before
    interlock("webhook", "remove", added["id"])
    assert interlock("webhook", "update", added["id"], "--description", "x")[0] == 3


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--machine", "ticket", "--where", "context.prioritty <= 2"), 4, "Did you mean 'priority'"),
        (("--where", "context.nobody_has_it == 1"), 4, "context.nobody_has_it"),
        (("--where", "context.priority <= 2"), 0, ""),
    ],
)
def test_an_expression_is_checked_against_the_charts(
    options: tuple[str, ...], code: int, message: str, interlock: Interlock, receiver: Receiver
) -> None:
    done = interlock("webhook", "add", receiver.url, *options, "--json")
    assert done[0] == code, done
    assert message in done[2]
    for one in orjson.loads(interlock("webhook", "list", "--json")[1])["webhooks"]:
        assert code == 0
        interlock("webhook", "remove", one["id"])


def test_what_is_found_foreign_is_told_beside_the_json(
    deployment: Deployment, interlock: Interlock, receiver: Receiver
) -> None:
    with deployment.client() as client:
        client.hset("interlock:charts", "no chart of ours", "x")
        code, out, err = interlock(
            "webhook", "add", receiver.url, "--where", "context.priority == 1", "--json"
        )
        client.hdel("interlock:charts", "no chart of ours")
    assert code == 0
    assert "foreign_data" in err
    interlock("webhook", "remove", orjson.loads(out)["id"])


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--events", "ticket.*.x"), 4, "no event filter"),
        (("--since", "1h", "--until", "2h"), 2, "not after --since"),
        (("\udcff",), 3, "no delivery"),
        (("--status", "lost"), 2, "--status is one of"),
    ],
)
def test_sending_again_refuses_what_means_nothing(
    options: tuple[str, ...], code: int, message: str, interlock: Interlock, receiver: Receiver
) -> None:
    added = orjson.loads(interlock("webhook", "add", receiver.url, "--json")[1])
    done = interlock("webhook", "redeliver", added["id"], *options, "--json")
    assert (done[0], done[1]) == (code, "")
    assert message in done[2]
    interlock("webhook", "remove", added["id"])

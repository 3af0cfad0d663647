"""A customer's endpoint over real HTTP: subscribed by the command line, checked by an independent library."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import orjson
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.acceptance.deployment import Deployment, Receiver

SECONDS = 60


@pytest.fixture
def webhook(deployment: Deployment, receiver: Receiver) -> Iterator[dict[str, str]]:
    """A subscription of the receiver: ``{"id", "secret"}``."""
    added = deployment.json("webhook", "add", receiver.url, "--events", "ticket.*")
    yield added
    deployment.run("webhook", "remove", added["id"])


def opened(deployment: Deployment) -> str:
    """The key of a new ticket."""
    key = uuid.uuid4().hex
    deployment.json("publish", f"ticket/{key}", "open", "--correlation-id", "case-1", "--wait", "30")
    return key


def test_an_event_arrives_signed_and_says_what_happened(
    deployment: Deployment, receiver: Receiver, webhook: dict[str, str]
) -> None:
    key = opened(deployment)
    delivery = receiver.arrived.get(timeout=SECONDS)
    event = Webhook(webhook["secret"]).verify(delivery.body, delivery.headers)
    assert (event["specversion"], event["type"], event["source"]) == (
        "1.0",
        "ticket.created",
        "/interlock/ticket",
    )
    assert (event["subject"], event["data"]["version"], event["data"]["to"][-1]) == (
        key,
        1,
        "open.work.queued",
    )
    assert str(event["sequence"]) == "1"
    assert event["correlationid"] == "case-1"
    assert "metadata" not in event["data"]["context"]


def test_another_secret_does_not_verify(
    deployment: Deployment, receiver: Receiver, webhook: dict[str, str]
) -> None:
    opened(deployment)
    delivery = receiver.arrived.get(timeout=SECONDS)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 43 + "=").verify(delivery.body, delivery.headers)


def test_a_failed_delivery_comes_again_under_the_same_id(
    deployment: Deployment, receiver: Receiver, webhook: dict[str, str]
) -> None:
    receiver.answers.put(500)
    opened(deployment)
    first, second = receiver.arrived.get(timeout=SECONDS), receiver.arrived.get(timeout=SECONDS)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert orjson.loads(first.body)["type"] == "ticket.created"


def test_the_delivery_log_tells_each_attempt(
    deployment: Deployment, receiver: Receiver, webhook: dict[str, str]
) -> None:
    receiver.answers.put(503)
    opened(deployment)
    for _ in range(2):
        delivery = receiver.arrived.get(timeout=SECONDS)
    deployment.settle()  # the attempt is recorded after the endpoint has answered
    log = deployment.json("webhook", "deliveries", webhook["id"])["deliveries"]
    assert [one["event_id"] for one in log] == [delivery.headers["webhook-id"]]
    assert [attempt["status"] for attempt in log[0]["attempts"]] == [503, 204]
    assert set(log[0]["attempts"][0]) == {"at", "status", "duration_ms", "error"}


def test_a_webhook_gets_only_the_events_it_asked_for(deployment: Deployment, receiver: Receiver) -> None:
    added = deployment.json("webhook", "add", receiver.url, "--events", "ticket.assigned")
    key = opened(deployment)
    deployment.json("publish", f"ticket/{key}", "assign", "--data", '{"agent": "ann"}', "--wait", "30")
    event = orjson.loads(receiver.arrived.get(timeout=SECONDS).body)
    assert (event["type"], event["subject"]) == ("ticket.assigned", key)
    deployment.run("webhook", "remove", added["id"])


def test_the_secret_is_shown_once(deployment: Deployment, webhook: dict[str, str]) -> None:
    listed = deployment.run("webhook", "list", "--json")
    assert webhook["id"] in listed.out
    assert webhook["secret"].removeprefix("whsec_") not in listed.out
    with deployment.client() as client:
        assert webhook["secret"].removeprefix("whsec_") not in str(client.hgetall("interlock:webhooks"))


def test_a_test_makes_one_attempt_and_tells_how_it_went(
    deployment: Deployment, receiver: Receiver, webhook: dict[str, str]
) -> None:
    assert deployment.json("webhook", "test", webhook["id"])["status"] == 204
    receiver.answers.put(500)
    done = deployment.run("webhook", "test", webhook["id"], "--json")
    assert (done.code, done.json["status"]) == (1, 500)


def test_a_disabled_webhook_gets_nothing_until_it_is_enabled(
    deployment: Deployment, receiver: Receiver, webhook: dict[str, str]
) -> None:
    assert deployment.json("webhook", "disable", webhook["id"])["enabled"] is False
    missed = opened(deployment)
    deployment.settle()  # the event was passed by
    assert deployment.json("webhook", "enable", webhook["id"])["enabled"] is True
    got = opened(deployment)
    assert orjson.loads(receiver.arrived.get(timeout=SECONDS).body)["subject"] == got != missed


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "http://10.0.0.1/", "http://169.254.169.254/", "ftp://example.org/", "nonsense"],
)
def test_a_url_that_must_not_be_reached_is_refused(deployment: Deployment, url: str) -> None:
    done = deployment.run("webhook", "add", url, "--json", env={"INTERLOCK_WEBHOOK_ALLOW_CIDRS": ""})
    assert (done.code, done.out) == (4, "")
    assert done.err.startswith("interlock: ")
    if url.endswith(".1/"):
        assert "INTERLOCK_WEBHOOK_ALLOW_CIDRS" in done.err

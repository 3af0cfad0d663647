"""What operators and receivers can steer: rotation, headers, filters, rates, breaker, sending again."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from delivery_desk import Desk
from hostile_receiver import Receiver, Request, answer, hang
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from interlock.engine import (
    breaker,
    delivery_log,
    redelivery,
    subscription_changes,
    subscriptions,
    webhook_health,
)
from interlock.engine.breaker import HEALTHY, BreakerState, Health
from interlock.engine.delivery_log import DeliveryStatus
from interlock.engine.signing import message_id
from interlock.engine.webhook_statistics import statistics
from interlock.workers import endpoints
from interlock.workers.backlog import Backlog


def verifies(secret: str, request: Request) -> bool:
    try:
        Webhook(secret).verify(request.body, request.headers)
    except WebhookVerificationError:
        return False
    return True


def counted(desk: Desk, webhook: subscriptions.Subscription) -> dict[str, Any]:
    return statistics(desk.client, desk.keys, webhook.id)


def test_receivers_with_the_old_the_new_and_both_secrets_verify_during_a_rotation(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk(webhook_retry_schedule="1")
    webhook, old = desk.subscribe(receiver.url("/hook", answer(500), answer(200)))
    desk.tell("T-1", 1)
    desk.deliver(shift_seconds=0.4)
    _, new = subscription_changes.rotate(
        desk.client, desk.keys, desk.settings, webhook.id, grace_seconds=3600
    )
    desk.deliver_until(desk.settled(webhook))
    before, during = receiver.requests[0], receiver.requests[-1]
    assert before.headers["webhook-id"] == during.headers["webhook-id"]
    assert (verifies(old, before), verifies(new, before)) == (True, False)
    assert (verifies(old, during), verifies(new, during)) == (True, True)
    assert len(during.headers["webhook-signature"].split()) == 2
    subscription_changes.rotate(desk.client, desk.keys, desk.settings, webhook.id, grace_seconds=0)
    desk.tell("T-1", 2)
    desk.deliver()
    after = receiver.requests[-1]
    assert (verifies(old, after), verifies(new, after)) == (False, False)


def test_each_attempt_has_a_fresh_timestamp(make_desk: Callable[..., Desk], receiver: Receiver) -> None:
    desk = make_desk(webhook_retry_schedule="1.1")
    webhook, _ = desk.subscribe(receiver.url("/hook", answer(500), answer(200)))
    desk.tell("T-1", 1)
    desk.deliver_until(desk.settled(webhook))
    first, second = (int(one.headers["webhook-timestamp"]) for one in receiver.requests)
    assert second > first


def test_a_webhook_with_a_key_pair_signs_v1a(make_desk: Callable[..., Desk], receiver: Receiver) -> None:
    desk = make_desk()
    webhook, _ = desk.subscribe(receiver.url("/hook"), signature="ed25519")
    changed, _ = subscription_changes.rotate(
        desk.client, desk.keys, desk.settings, webhook.id, grace_seconds=3600
    )
    desk.tell("T-1", 1)
    desk.deliver()
    [request] = receiver.requests
    signed = (
        f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    )
    signatures = request.headers["webhook-signature"].split()
    for stored, signature in zip(changed.secrets, signatures, strict=True):
        raw = base64.b64decode((stored.public_key or "").removeprefix("whpk_"))
        version, _, text = signature.partition(",")
        assert version == "v1a"
        Ed25519PublicKey.from_public_bytes(raw).verify(base64.b64decode(text), signed)


def test_extra_headers_arrive_and_stand_nowhere_else(
    make_desk: Callable[..., Desk], receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    desk = make_desk(webhook_retry_schedule="")
    webhook, _ = desk.subscribe(
        receiver.url("/hook", answer(500)), headers=["Authorization: Bearer canary-7", "X-Team: desk"]
    )
    desk.tell("T-1", 1)
    desk.deliver()
    [request] = receiver.requests
    assert (request.headers["authorization"], request.headers["x-team"]) == ("Bearer canary-7", "desk")
    stored = [desk.client.dump(key) or b"" for key in desk.client.scan_iter()]
    assert all(b"canary-7" not in one for one in stored)
    assert "canary-7" not in "".join(capfd.readouterr()) + str(desk.log(webhook))


def test_a_filter_lets_through_what_it_says_and_a_broken_one_stops_nothing(
    make_desk: Callable[..., Desk], receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    desk = make_desk()
    desk.subscribe(receiver.url("/urgent"), where="context.priority <= 2", machines=["ticket"])
    desk.subscribe(receiver.url("/closed"), states=["closed"])
    desk.subscribe(receiver.url("/all"))
    for version, data in enumerate(
        [
            {"context": {"priority": 1}, "from": [], "to": ["open"]},
            {"context": {"priority": 5}, "from": ["open"], "to": ["closed"]},
            {"context": {}, "from": ["closed"], "to": ["closed"]},
            {"context": {"priority": "high"}, "from": ["closed"], "to": ["open"]},
        ],
        start=1,
    ):
        desk.tell("T-1", version, data=data)
    desk.deliver()
    arrived = {
        path: [orjson.loads(one.body)["sequence"] for one in receiver.at(path)] for path in receiver.scripts
    }
    assert {path: sorted(found) for path, found in arrived.items()} == {
        "/urgent": [1],
        "/closed": [2],
        "/all": [1, 2, 3, 4],
    }
    desk.tell("T-1", 5, data={"context": {"priority": []}})
    desk.deliver()
    assert "".join(capfd.readouterr()).count("webhook_filter_failed") == 1, "said once, over all shifts"


def test_a_rate_holds_though_much_is_due(make_desk: Callable[..., Desk], receiver: Receiver) -> None:
    desk = make_desk()
    slow, _ = desk.subscribe(receiver.url("/slow"), rate="20/second")
    desk.subscribe(receiver.url("/fast"))
    for number in range(30):
        desk.tell(f"T-{number}", 1)
    desk.deliver(shift_seconds=20)
    assert len(receiver.at("/fast")) == 30
    moments = [one.at for one in receiver.at("/slow")]
    assert len(moments) == 30, "all in one shift"
    assert moments[-1] - moments[0] >= (30 - 5) / 20
    assert receiver.at("/fast")[-1].at < moments[-1]
    assert counted(desk, slow)["delivered"] == 30


def test_a_reply_is_kept_by_its_beginning(make_desk: Callable[..., Desk], receiver: Receiver) -> None:
    async def explains(writer: Any) -> None:
        body = b"no such \x1b[31mqueue\xff" + b"x" * 5000
        writer.write(b"HTTP/1.1 422 X\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()

    desk = make_desk(webhook_retry_schedule="")
    webhook, _ = desk.subscribe(receiver.url("/hook", explains))
    desk.tell("T-1", 1)
    desk.deliver()
    [one] = desk.log(webhook)
    attempt = one["attempts"][0]
    assert set(attempt) == {"at", "status", "duration_ms", "error", "reply"}
    assert attempt["reply"].startswith("no such \ufffd[31mqueue\ufffdx")
    assert len(attempt["reply"]) == 1024


@pytest.mark.parametrize("profile", ["standard", "sunshine"])
def test_secrets_that_an_endpoint_repeats_are_not_kept(
    profile: str, make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    async def repeats(writer: Any) -> None:
        sent = receiver.requests[-1].headers
        secrets = {name: sent.get(name) for name in ("authorization", "x-api-key", "x-team")}
        body = orjson.dumps({"message": "no such queue", "headers": secrets, "token": "canary-7"})
        writer.write(b"HTTP/1.1 422 X\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()

    desk = make_desk(webhook_retry_schedule="")
    webhook, secret = desk.subscribe(
        receiver.url("/hook", repeats), profile=profile, headers=["Authorization: Bearer canary-7"]
    )
    desk.tell("T-1", 1)
    desk.deliver()
    assert receiver.requests[-1].headers.get("x-api-key") == (secret if profile == "sunshine" else None)
    [one] = desk.log(webhook)
    assert "no such queue" in one["attempts"][0]["reply"]
    stored = b"".join(desk.client.dump(key) or b"" for key in desk.client.scan_iter())
    for canary in ("canary-7", secret):
        assert canary not in str(one)
        assert canary.encode() not in stored


def test_an_answer_may_stop_the_retries(make_desk: Callable[..., Desk], receiver: Receiver) -> None:
    desk = make_desk(webhook_retry_schedule="0.02,0.02")
    webhook, _ = desk.subscribe(
        receiver.url("/hook", answer(422, "webhook-delivery: abort-message"), answer(200))
    )
    desk.tell("T-1", 1)
    desk.deliver()
    assert [one["status"] for one in desk.log(webhook)] == ["dead"]
    assert len(receiver.requests) == 1


def test_a_webhook_that_gives_up_is_announced_to_those_who_ask(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk()
    gone, _ = desk.subscribe(receiver.url("/gone", answer(410)), description="the old desk")
    desk.subscribe(receiver.url("/ops"), "interlock.*")
    desk.subscribe(receiver.url("/all"), "*")
    desk.tell("T-1", 1)
    desk.deliver()
    [told] = [orjson.loads(one.body) for one in receiver.at("/ops")]
    assert (told["type"], told["subject"]) == ("interlock.webhook.disabled", gone.id)
    assert told["data"] == {
        "webhook": gone.id,
        "description": "the old desk",
        "reason": "the endpoint answered 410 (gone)",
    }
    assert [orjson.loads(one.body)["type"] for one in receiver.at("/all")] == ["ticket.noted"]


def test_days_of_failure_disable_a_webhook(make_desk: Callable[..., Desk], receiver: Receiver) -> None:
    desk = make_desk(webhook_retry_schedule="60")
    webhook, _ = desk.subscribe(receiver.url("/hook", answer(500)))
    long_ago = int((time.time() - 5 * 86_400 - 60) * 1000)
    webhook_health.change(
        desk.client,
        desk.keys,
        webhook.id,
        lambda _: Health(failures=breaker.FAILURES_TO_DISABLE, since_ms=long_ago),
    )
    desk.tell("T-1", 1)
    desk.deliver()
    desk.deliver()
    stored = subscriptions.get(desk.client, desk.keys, webhook.id)
    assert (stored.enabled, stored.disabled_reason) == (False, "every attempt failed for 5.0 days")
    assert [one["status"] for one in desk.log(webhook)] == ["cancelled"]
    subscriptions.enable(desk.client, desk.keys, webhook.id)
    assert webhook_health.read(desk.client, desk.keys, [webhook.id])[webhook.id] == HEALTHY


# Guards backlog.py: what an open breaker holds is not begun.
def test_what_an_open_breaker_holds_loses_no_attempt(
    make_desk: Callable[..., Desk], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "FAILING_MS_TO_OPEN", 0)
    desk = make_desk(webhook_retry_schedule="0.5")
    webhook, _ = desk.subscribe(receiver.url("/hook", answer(500)))
    for number in range(200):
        desk.tell(f"T-{number}", 1)
    desk.deliver(shift_seconds=0.1)
    assert len(receiver.requests) < 120, "it must open while most has not been tried"
    receiver.url("/hook", answer(200))
    desk.deliver_until(desk.settled(webhook, 200))
    log = desk.log(webhook)
    assert {one["status"] for one in log} == {"delivered"}, "each within its two attempts"
    assert len(receiver.requests) == sum(len(one["attempts"]) for one in log)
    assert webhook_health.read(desk.client, desk.keys, [webhook.id])[webhook.id] == HEALTHY


def test_a_dead_endpoint_is_probed_and_its_probes_are_few(
    make_desk: Callable[..., Desk], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "FAILING_MS_TO_OPEN", 0)
    desk = make_desk(webhook_retry_schedule="0.2,60")
    webhook, _ = desk.subscribe(receiver.url("/hook", answer(500)))
    for number in range(100):
        desk.tell(f"T-{number}", 1)
    desk.deliver(shift_seconds=0.3)
    opened = len(receiver.requests)
    health = webhook_health.read(desk.client, desk.keys, [webhook.id])[webhook.id]
    assert health.state(0) is BreakerState.OPEN
    began = time.monotonic()
    while time.monotonic() - began < 1.5 or (
        len(receiver.requests) == opened and time.monotonic() - began < 30
    ):
        desk.deliver(shift_seconds=0.2)
    probes = len(receiver.requests) - opened
    assert 1 <= probes <= 5
    assert counted(desk, webhook)["pending"] == 100


def test_nobody_is_woken_before_a_probe_may_begin(make_desk: Callable[..., Desk], receiver: Receiver) -> None:
    desk = make_desk()
    webhook, _ = desk.subscribe(receiver.url("/hook"))
    until_ms = int(time.time() * 1000) + 60_000
    opened = Health(failures=50, since_ms=1, opened=1, until_ms=until_ms)
    webhook_health.change(desk.client, desk.keys, webhook.id, lambda _: opened)
    for number in range(20):
        desk.tell(f"T-{number}", 1)
    desk.deliver()
    assert receiver.requests == []
    for number in range(desk.keys.partitions):
        assert desk.client.zscore(desk.keys.partition(number).due, webhook.id) == until_ms
    redelivery.resend_by_status(desk.client, desk.keys, webhook, [DeliveryStatus.PENDING])
    desk.deliver()
    assert len(receiver.requests) == 20, "who sends again by hand does not wait for the breaker"


def test_an_endpoint_that_hangs_gets_one_probe_over_several_shifts(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk(webhook_timeout_seconds=1, partitions=2, webhook_retry_schedule="60")
    webhook, _ = desk.subscribe(receiver.url("/hook", hang))
    webhook_health.change(
        desk.client, desk.keys, webhook.id, lambda _: Health(failures=50, since_ms=1, opened=1, until_ms=1)
    )
    for number in range(20):
        desk.tell(f"T-{number}", 1)
    desk.deliver(shift_seconds=0.5)
    desk.deliver(shift_seconds=0.1)
    assert len(receiver.requests) == 1


def test_a_resend_by_hand_makes_the_pending_attempt_at_once_and_keeps_the_budget(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk(webhook_retry_schedule="60,60")
    webhook, _ = desk.subscribe(receiver.url("/hook", answer(500)))
    desk.tell("T-1", 1)
    desk.deliver()
    one = desk.log(webhook)[0]["id"]
    for _ in range(4):
        assert redelivery.resend_one(desk.client, desk.keys, webhook, one) == 1
        desk.deliver()
    [shown] = desk.log(webhook)
    assert (shown["status"], len(shown["attempts"])) == ("pending", 5), (
        "two of three by the schedule are left"
    )
    receiver.url("/hook", answer(200))
    redelivery.resend_one(desk.client, desk.keys, webhook, one)
    desk.deliver()
    assert desk.log(webhook)[0]["status"] == "delivered"
    desk.deliver()
    assert len(receiver.requests) == 6, "the automatic attempt is cancelled"
    assert len({one.headers["webhook-id"] for one in receiver.requests}) == 1


def test_dead_letters_are_listed_and_sent_again_by_type(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk(webhook_retry_schedule="")
    webhook, _ = desk.subscribe(receiver.url("/hook", *[answer(500)] * 4, answer(200)))
    desk.tell("T-1", 1, 2)
    desk.tell("T-2", 1, 2, type="ticket.closed")
    desk.deliver()
    desk.tell("T-3", 1)
    desk.deliver()

    def dead(limit: int = 50, cursor: str | None = None) -> dict[str, Any]:
        return delivery_log.deliveries(desk.client, desk.keys, webhook.id, limit, cursor, DeliveryStatus.DEAD)

    assert len(dead()["deliveries"]) == 4
    first = dead(limit=3)
    rest = dead(limit=3, cursor=first["next"])
    assert len({one["id"] for one in first["deliveries"] + rest["deliveries"]}) == 4
    assert redelivery.resend_by_status(desk.client, desk.keys, webhook, types=["ticket.closed"]) == 2
    desk.deliver()
    assert len(dead()["deliveries"]) == 2
    again = [orjson.loads(one.body)["type"] for one in receiver.requests[5:]]
    assert again == ["ticket.closed"] * 2
    assert (counted(desk, webhook)["dead"], counted(desk, webhook)["delivered"]) == (2, 3)


def test_a_time_window_sends_exactly_what_was_missed(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk(webhook_retry_schedule="")
    webhook, _ = desk.subscribe(receiver.url("/hook", answer(200), answer(500), answer(200)), "ticket.*")
    begun = datetime.now(UTC)
    for version in (1, 2, 3):  # the second dies
        desk.tell("T-1", version)
        desk.deliver()
    subscriptions.disable(desk.client, desk.keys, webhook.id)
    desk.tell("T-1", 4, 5)
    desk.tell("X-1", 1, type="other.thing")
    desk.deliver()
    with pytest.raises(redelivery.RedeliveryRefused, match="enable"):
        disabled = subscriptions.get(desk.client, desk.keys, webhook.id)
        redelivery.resend_missed(desk.client, desk.keys, desk.settings, disabled, begun)
    enabled = subscriptions.enable(desk.client, desk.keys, webhook.id)
    desk.tell("T-1", 6)
    desk.deliver()

    def send_again(since: datetime, until: datetime | None = None) -> int:
        return redelivery.resend_missed(desk.client, desk.keys, desk.settings, enabled, since, until)

    assert send_again(begun - timedelta(hours=1), begun - timedelta(minutes=1)) == 0
    before = len(receiver.requests)
    assert send_again(begun - timedelta(seconds=1)) == 3
    desk.deliver()
    again = sorted(orjson.loads(one.body)["sequence"] for one in receiver.requests[before:])
    assert again == [2, 4, 5]
    assert send_again(begun - timedelta(seconds=1)) == 0, "nothing is missed any more"
    desk.deliver()
    assert len(receiver.requests) == before + 3


def test_a_wish_right_after_the_webhook_was_enabled_is_fulfilled(
    make_desk: Callable[..., Desk], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "_REFRESH_SECONDS", 3600.0)
    desk = make_desk()
    webhook, _ = desk.subscribe(receiver.url("/hook", answer(200)), "ticket.*")
    subscriptions.disable(desk.client, desk.keys, webhook.id)
    desk.tell("T-1", 1)
    backlog = Backlog(desk.client, desk.keys, desk.settings)
    assert backlog.turn(take_more=True)  # the event is passed by
    enabled = subscriptions.enable(desk.client, desk.keys, webhook.id)
    since = datetime.now(UTC) - timedelta(hours=1)
    assert redelivery.resend_missed(desk.client, desk.keys, desk.settings, enabled, since) == 1
    backlog.turn(take_more=True)
    assert [one.delivery.id for one in backlog.ready[webhook.id]] == [message_id("T-1:1", webhook.id)]
    backlog.release()


def test_a_window_behind_the_log_is_refused(make_desk: Callable[..., Desk], receiver: Receiver) -> None:
    desk = make_desk(webhook_log_seconds=60)
    webhook, _ = desk.subscribe(receiver.url("/hook"))
    fields = orjson.loads(webhook.to_bytes()) | {"created_at": "2026-01-01T00:00:00.000Z"}
    old = subscriptions.Subscription.from_bytes(orjson.dumps(fields), webhook.id)
    with pytest.raises(redelivery.RedeliveryRefused, match="log goes back"):
        redelivery.resend_missed(desk.client, desk.keys, desk.settings, old, datetime(2026, 2, 1, tzinfo=UTC))


def test_a_delivered_one_may_be_sent_again_and_stays_delivered(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk()
    webhook, _ = desk.subscribe(receiver.url("/hook", answer(200), answer(500)))
    desk.tell("T-1", 1)
    desk.deliver()
    redelivery.resend_one(desk.client, desk.keys, webhook, message_id("T-1:1", webhook.id))
    desk.deliver()
    [one] = desk.log(webhook)
    assert (one["status"], [each["status"] for each in one["attempts"]]) == ("delivered", [200, 500])
    assert counted(desk, webhook)["pending"] == 0
    with pytest.raises(redelivery.DeliveryNotFound):
        redelivery.resend_one(desk.client, desk.keys, webhook, "msg_unknown")


def test_wishes_that_are_none_are_passed_by(make_desk: Callable[..., Desk], receiver: Receiver) -> None:
    desk = make_desk(partitions=1)
    webhook, _ = desk.subscribe(receiver.url("/hook", answer(200)))
    desk.tell("T-1", 1)
    desk.deliver()
    keys = desk.keys.partition(0)
    one = desk.log(webhook)[0]["id"]
    entry = desk.client.xrange(keys.outbox)[0][0].decode()
    wishes = [
        b"garbage",
        b"[]",
        redelivery.Wish("wh_none", one, "1-1").to_bytes(),
        redelivery.Wish(webhook.id, "msg_forged", "1-1").to_bytes(),
        redelivery.Wish(webhook.id, one, "1-1").to_bytes(),
        redelivery.Wish(webhook.id, one, entry, only_missed=True).to_bytes(),
    ]
    desk.client.rpush(keys.resends, *wishes)
    desk.deliver()
    assert desk.client.llen(keys.resends) == 0
    assert len(receiver.requests) == 1, "neither for another event than its own, nor for one that has arrived"
    desk.client.set(keys.resends, "somebody else's")
    desk.tell("T-1", 2)
    desk.deliver()
    assert len(receiver.requests) == 2


def test_statistics_are_what_the_receiver_has_seen(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk(webhook_retry_schedule="0.02")
    failing = [answer(500)] * 7
    webhook, _ = desk.subscribe(receiver.url("/hook", *failing, answer(200)), ordered=True)
    for number in range(5):
        desk.tell(f"T-{number}", 1, 2)
    assert counted(desk, webhook)["pending"] == 0
    desk.deliver_until(desk.settled(webhook, 10))
    found, log = counted(desk, webhook), desk.log(webhook)
    assert found["attempts"] == len(receiver.requests) == sum(len(one["attempts"]) for one in log)
    assert found["failed_attempts"] == 7
    for status in ("delivered", "dead", "pending", "cancelled"):
        assert found[status] == sum(one["status"] == status for one in log)
    assert found["last_success"] >= found["last_failure"]

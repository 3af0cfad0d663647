"""Deliveries on a real Valkey to a real HTTP receiver that is not always kind."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from delivery_desk import PROCESS, Desk
from hostile_receiver import Behaviour, Receiver, answer, drip_body, drip_headers, drop, hang
from standardwebhooks.webhooks import Webhook

from interlock import __version__
from interlock.engine import subscriptions
from interlock.engine.secrets import SecretKeyWrong
from interlock.workers import delivery
from interlock.workers.delivery import DeliverySummary, deliver
from interlock.workers.places import DOUBTFUL_PLACES, PLACES_PER_ENDPOINT

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def statuses(log: list[dict[str, Any]]) -> list[int | None]:
    return [attempt["status"] for attempt in log[0]["attempts"]]


def test_every_event_arrives_signed_and_byte_for_byte(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk()
    webhook, secret = desk.subscribe(receiver.url("/hook"))
    bodies = desk.announce(100, traceparent=TRACE)
    summary = desk.deliver()
    assert (summary.events, summary.delivered) == (100, 100)
    assert sorted(one.body for one in receiver.requests) == sorted(bodies)
    for request in receiver.requests:
        Webhook(secret).verify(request.body, request.headers)
        assert request.headers["content-type"] == "application/cloudevents+json"
        assert request.headers["user-agent"] == f"Interlock/{__version__}"
        assert request.headers["accept-encoding"] == "identity"
        assert request.headers["traceparent"] == TRACE
    assert {one.headers["webhook-id"] for one in receiver.requests} == {
        one["event_id"] for one in desk.log(webhook)
    }
    attempt = desk.log(webhook)[0]["attempts"][0]
    assert set(attempt) == {"at", "status", "duration_ms", "error"}
    assert (attempt["status"], attempt["error"]) == (200, None)


def test_a_second_shift_sends_nothing_again(make_desk: Callable[..., Desk], receiver: Receiver) -> None:
    desk = make_desk()
    desk.subscribe(receiver.url("/hook"))
    desk.announce(8)
    desk.deliver()
    assert desk.deliver() == DeliverySummary()
    assert len(receiver.requests) == 8


def test_a_failure_is_tried_again_after_its_time(make_desk: Callable[..., Desk], receiver: Receiver) -> None:
    desk = make_desk(webhook_retry_schedule="0.3,0.6")
    webhook, secret = desk.subscribe(receiver.url("/hook", answer(500), drop, answer(204)))
    bodies = desk.announce(1)
    desk.deliver_until(desk.settled(webhook))
    first, second, third = receiver.requests
    assert second.at - first.at >= 0.3
    assert third.at - second.at >= 0.6
    assert {one.body for one in receiver.requests} == set(bodies)
    assert len({one.headers["webhook-id"] for one in receiver.requests}) == 1
    for request in receiver.requests:
        Webhook(secret).verify(request.body, request.headers)
    assert desk.log(webhook)[0]["status"] == "delivered"
    assert statuses(desk.log(webhook)) == [500, None, 204]


def test_when_the_schedule_is_used_up_the_delivery_is_dead(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk()
    webhook, _ = desk.subscribe(receiver.url("/hook", answer(503)))
    desk.announce(1)
    desk.deliver_until(desk.settled(webhook))
    desk.deliver()
    assert desk.log(webhook)[0]["status"] == "dead"
    assert statuses(desk.log(webhook)) == [503, 503, 503]
    assert len(receiver.requests) == 3


def test_retry_after_is_obeyed(make_desk: Callable[..., Desk], receiver: Receiver) -> None:
    desk = make_desk()
    webhook, _ = desk.subscribe(receiver.url("/hook", answer(429, "Retry-After: 1"), answer(200)))
    desk.announce(1)
    desk.deliver_until(desk.settled(webhook))
    first, second = receiver.requests
    assert second.at - first.at >= 1.0


def test_410_disables_the_webhook_and_cancels_what_waits(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk(partitions=1, webhook_retry_schedule="60")
    webhook, _ = desk.subscribe(receiver.url("/hook", answer(500), answer(410)))
    desk.announce(1)
    desk.deliver()
    desk.announce(1, id="e-later")
    desk.deliver()
    stored = subscriptions.get(desk.client, desk.keys, webhook.id)
    assert (stored.enabled, stored.disabled_reason) == (False, "the endpoint answered 410 (gone)")
    assert [one["status"] for one in desk.log(webhook)] == ["dead", "cancelled"]
    desk.announce(1, id="e-after")
    desk.deliver()
    assert len(receiver.requests) == 2


def test_a_redirect_is_a_failure_and_is_not_followed(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk(webhook_retry_schedule="")
    elsewhere = receiver.url("/elsewhere")
    webhook, _ = desk.subscribe(receiver.url("/hook", answer(302, f"Location: {elsewhere}")))
    desk.announce(1)
    desk.deliver()
    assert desk.log(webhook)[0]["status"] == "dead"
    assert "redirect" in desk.log(webhook)[0]["attempts"][0]["error"]
    assert receiver.at("/elsewhere") == []


def test_cookies_are_not_sent_back(make_desk: Callable[..., Desk], receiver: Receiver) -> None:
    desk = make_desk()
    webhook, _ = desk.subscribe(receiver.url("/hook", answer(500, "Set-Cookie: a=b"), answer(200)))
    desk.announce(1)
    desk.deliver_until(desk.settled(webhook))
    assert all("cookie" not in one.headers for one in receiver.requests)


def test_a_hanging_endpoint_delays_no_other(make_desk: Callable[..., Desk], receiver: Receiver) -> None:
    desk = make_desk(webhook_timeout_seconds=3, webhook_retry_schedule="60")
    slow, _ = desk.subscribe(receiver.url("/slow", hang), "ticket.*")
    desk.subscribe(receiver.url("/fast"), "ticket.*")
    desk.announce(200)
    started = time.monotonic()
    shift = threading.Thread(target=desk.deliver, kwargs={"shift_seconds": 0.5})
    shift.start()
    fast = receiver.wait_for("/fast", 200)
    assert fast[-1].at - started < 2.0
    assert len(receiver.at("/slow")) == PLACES_PER_ENDPOINT, "places of one endpoint only"
    # Past the end of its shift, while the hanging attempts run out, the others are still served.
    time.sleep(max(0.0, started + 1.2 - time.monotonic()))
    desk.announce(50, event_type="ticket.closed")
    receiver.wait_for("/fast", 250, seconds=1.5)
    shift.join(15)
    assert not shift.is_alive(), "hanging attempts must not prolong a shift for ever"
    assert len(receiver.at("/slow")) == PLACES_PER_ENDPOINT, "none is begun past the end of a shift"
    assert {one["status"] for one in desk.log(slow)} == {"pending"}


def test_many_hanging_endpoints_leave_places_to_a_healthy_one(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk(webhook_timeout_seconds=3, webhook_retry_schedule="60")
    hanging = 16
    for number in range(hanging):
        desk.subscribe(receiver.url(f"/slow/{number}", hang), "ticket.assigned")
    desk.subscribe(receiver.url("/fast"), "ticket.*")  # the last in every order
    desk.announce(100)
    started = time.monotonic()
    shift = threading.Thread(target=desk.deliver, kwargs={"shift_seconds": 2.0})
    shift.start()
    assert receiver.wait_for("/fast", 100)[-1].at - started < 2.5, "it had to wait for the others' deadline"
    # And when all of them are known to hang.
    time.sleep(max(0.0, started + 1.2 - time.monotonic()))
    announced = time.monotonic()
    desk.announce(1, event_type="ticket.closed")
    assert receiver.wait_for("/fast", 101)[-1].at - announced < 1.0
    slow = [one for one in receiver.requests if one.path != "/fast"]
    assert len(slow) <= DOUBTFUL_PLACES + hanging
    shift.join(15)
    assert not shift.is_alive()


@pytest.mark.parametrize(
    ("behaviour", "status", "final"),
    [
        (hang, None, "dead"),
        (drip_headers, None, "dead"),
        (drip_body(200), 200, "delivered"),
        (drip_body(500), 500, "dead"),
    ],
    ids=["hang", "header drip", "body drip after 200", "body drip after 500"],
)
def test_an_attempt_ends_with_its_deadline(
    behaviour: Behaviour, status: int | None, final: str, make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk(webhook_timeout_seconds=0.4, webhook_retry_schedule="")
    webhook, _ = desk.subscribe(receiver.url("/hook", behaviour))
    desk.announce(1)
    desk.deliver()
    [one] = desk.log(webhook)
    assert one["status"] == final
    assert one["attempts"][0]["status"] == status
    assert 350 <= one["attempts"][0]["duration_ms"] <= 1400


def test_of_an_endless_answer_little_is_read(make_desk: Callable[..., Desk], receiver: Receiver) -> None:
    sent = 0

    async def flood(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(2000):
            writer.write(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
            await writer.drain()
            sent += 0x8000

    desk = make_desk()
    webhook, _ = desk.subscribe(receiver.url("/hook", flood))
    desk.announce(1)
    desk.deliver()
    assert desk.log(webhook)[0]["status"] == "delivered"
    assert sent < 16 * 1024 * 1024, "64 MB were on offer; the sockets' buffers take a few"


def test_what_a_killed_process_was_sending_is_sent_again_under_the_same_id(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk(webhook_timeout_seconds=30)
    webhook, secret = desk.subscribe(receiver.url("/hook", hang, answer(200)))
    desk.announce(1)
    process = subprocess.Popen([sys.executable, "-c", PROCESS], env=desk.environment(lease_seconds=1))
    try:
        receiver.wait_for("/hook", 1)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    desk.deliver_until(desk.settled(webhook))
    first, second = receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    for request in (first, second):
        Webhook(secret).verify(request.body, request.headers)
    assert desk.log(webhook)[0]["status"] == "delivered"


def test_a_long_attempt_keeps_its_lease(make_desk: Callable[..., Desk], receiver: Receiver) -> None:
    desk = make_desk(partitions=1, webhook_timeout_seconds=1.6, webhook_retry_schedule="", lease_seconds=0.5)
    webhook, _ = desk.subscribe(receiver.url("/hook", hang))
    desk.announce(1)
    shift = threading.Thread(target=desk.deliver)
    shift.start()
    receiver.wait_for("/hook", 1)
    while shift.is_alive():
        desk.deliver(shift_seconds=0.1)
    assert len(receiver.requests) == 1, "another process took the partition over during the attempt"
    assert desk.log(webhook)[0]["status"] == "dead"


def test_a_removed_webhook_is_not_tried_again(make_desk: Callable[..., Desk], receiver: Receiver) -> None:
    desk = make_desk(webhook_retry_schedule="0.1")
    webhook, _ = desk.subscribe(receiver.url("/hook", answer(500)))
    desk.announce(1)

    async def removing(writer: asyncio.StreamWriter) -> None:
        subscriptions.remove(desk.client, desk.keys, webhook.id)
        await asyncio.sleep(0.6)
        await answer(500)(writer)

    receiver.url("/hook", removing)
    desk.deliver_until(desk.settled(webhook))
    desk.deliver()
    assert desk.log(webhook)[0]["status"] == "cancelled"
    assert len(receiver.requests) == 1


def test_stop_ends_the_shift_after_the_running_attempts(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk, stop, go_on = make_desk(), threading.Event(), threading.Event()

    async def held_up(writer: asyncio.StreamWriter) -> None:
        await asyncio.to_thread(go_on.wait, 5)
        await answer(200)(writer)

    webhook, _ = desk.subscribe(receiver.url("/hook", held_up))
    desk.announce(100)
    shift = threading.Thread(
        target=deliver, args=(desk.store, desk.settings), kwargs={"shift_seconds": 30, "stop": stop}
    )
    shift.start()
    receiver.wait_for("/hook", PLACES_PER_ENDPOINT)
    stop.set()
    go_on.set()
    shift.join(5)
    assert not shift.is_alive()
    sent = {one.headers["webhook-id"] for one in receiver.requests}
    assert len(sent) == PLACES_PER_ENDPOINT
    assert {one["id"] for one in desk.log(webhook) if one["status"] == "delivered"} == sent


def test_a_process_with_another_key_sends_nothing(
    make_desk: Callable[..., Desk], receiver: Receiver, tmp_path: Path
) -> None:
    desk = make_desk()
    desk.subscribe(receiver.url("/hook"))
    desk.announce(1)
    stranger = make_desk(secret_key_file=tmp_path / "other.key")
    with pytest.raises(SecretKeyWrong, match="INTERLOCK_SECRET_KEY"):
        stranger.deliver()
    assert receiver.requests == []
    desk.deliver()
    assert len(receiver.requests) == 1


def test_the_test_event_is_signed_and_its_outcome_told(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk()
    webhook, secret = desk.subscribe(receiver.url("/hook", answer(200), answer(500)))
    assert delivery.test_endpoint(desk.settings, webhook).succeeded
    failed = delivery.test_endpoint(desk.settings, webhook)
    assert (failed.status, failed.succeeded) == (500, False)
    event = Webhook(secret).verify(receiver.requests[0].body, receiver.requests[0].headers)
    assert event["type"] == "interlock.webhook.tested"
    refused = delivery.test_endpoint(make_desk(webhook_allow_cidrs="").settings, webhook)
    assert refused.status is None
    assert "INTERLOCK_WEBHOOK_ALLOW_CIDRS" in (refused.error or "")
    assert desk.log(webhook) == []


def test_no_log_line_carries_a_secret(
    make_desk: Callable[..., Desk], receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    desk = make_desk(webhook_retry_schedule="")
    _, secret = desk.subscribe(receiver.url("/hook", answer(500), drop, answer(410)))
    for number in range(3):
        desk.announce(1, id=f"e-{number}")
        desk.deliver()
    written = "".join(capfd.readouterr())
    assert "delivery_failed" in written
    assert secret.removeprefix("whsec_") not in written
    assert all(one.headers["webhook-signature"] not in written for one in receiver.requests)

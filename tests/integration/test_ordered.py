"""Ordered deliveries: one instance's events one after the other, whatever happens; other instances pass."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable

import orjson
from delivery_desk import PROCESS, Desk
from hostile_receiver import Receiver, Request, answer, drop, hang

from interlock.engine import redelivery, subscriptions
from interlock.engine.signing import message_id


def sequences(requests: list[Request], key: str) -> list[int]:
    events = [orjson.loads(one.body) for one in requests]
    return [event["sequence"] for event in events if event["subject"] == key]


def never_goes_back(found: list[int]) -> bool:
    return found == sorted(found)


def lanes(desk: Desk) -> list[bytes]:
    return list(desk.client.scan_iter(match="*:lane:*"))


def test_each_instance_arrives_in_its_order_though_attempts_fail(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk(webhook_retry_schedule="0.02,0.02,0.02,0.02,0.02")
    failing = [answer(500), drop, answer(429)] * 10
    webhook, _ = desk.subscribe(receiver.url("/hook", *failing, answer(200)), ordered=True)
    keys = [f"T-{number}" for number in range(8)]
    for version in range(1, 13):
        for key in keys:
            desk.tell(key, version)
    desk.deliver_until(desk.settled(webhook, 96))
    for key in keys:
        found = sequences(receiver.requests, key)
        assert never_goes_back(found), f"{key}: {found}"
        assert set(found) == set(range(1, 13))
    assert {one["status"] for one in desk.log(webhook)} == {"delivered"}
    assert lanes(desk) == [], "a lane goes with its last delivery"


# Guards recording.py: only a lane's first is among what is due.
def test_the_next_waits_until_the_one_before_has_arrived(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk(webhook_retry_schedule="60")
    webhook, _ = desk.subscribe(receiver.url("/hook", answer(500), answer(200)), ordered=True)
    desk.tell("T-1", 1, 2, 3)
    desk.deliver()
    desk.tell("T-2", 1, 2, 3)
    desk.deliver()
    assert sequences(receiver.requests, "T-1") == [1], "nothing overtakes what waits for its retry"
    assert sequences(receiver.requests, "T-2") == [1, 2, 3], "and another instance passes it"
    assert len([one for one in desk.log(webhook) if one["status"] == "pending"]) == 3


def test_an_unordered_webhook_waits_for_nothing(make_desk: Callable[..., Desk], receiver: Receiver) -> None:
    desk = make_desk(webhook_retry_schedule="60")
    desk.subscribe(receiver.url("/hook", answer(500), answer(200)))
    desk.tell("T-1", 1, 2, 3)
    desk.deliver()
    assert sorted(sequences(receiver.requests, "T-1")) == [1, 2, 3]


def test_what_is_behind_a_dead_delivery_goes_on(make_desk: Callable[..., Desk], receiver: Receiver) -> None:
    desk = make_desk(webhook_retry_schedule="0.02")
    webhook, _ = desk.subscribe(receiver.url("/hook", answer(500), answer(500), answer(200)), ordered=True)
    desk.tell("T-1", 1, 2, 3)
    desk.deliver_until(desk.settled(webhook, 3))
    assert sequences(receiver.requests, "T-1") == [1, 1, 2, 3]
    status = {one["id"]: one["status"] for one in desk.log(webhook)}
    assert status[message_id("T-1:1", webhook.id)] == "dead"
    assert list(status.values()).count("delivered") == 2


def test_an_instance_that_hangs_holds_up_no_other(make_desk: Callable[..., Desk], receiver: Receiver) -> None:
    desk = make_desk(webhook_timeout_seconds=1, webhook_retry_schedule="60")

    async def hangs_for_one(writer: asyncio.StreamWriter) -> None:
        stuck = orjson.loads(receiver.requests[-1].body)["subject"] == "T-0"
        await (hang(writer) if stuck else answer(200)(writer))

    desk.subscribe(receiver.url("/hook", hangs_for_one), ordered=True)
    for number in range(5):
        desk.tell(f"T-{number}", 1, 2, 3, 4)
    others = [f"T-{number}" for number in range(1, 5)]
    desk.deliver_until(lambda: all(len(sequences(receiver.requests, key)) >= 4 for key in others), 60)
    assert sequences(receiver.requests, "T-0") == [1]
    for key in others:
        assert sequences(receiver.requests, key) == [1, 2, 3, 4]


def test_the_order_outlives_processes_that_are_killed(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk(webhook_timeout_seconds=30)
    behaviours = [answer(200)] * 3 + [hang] + [answer(200)] * 4 + [hang, answer(200)]
    webhook, _ = desk.subscribe(receiver.url("/hook", *behaviours), ordered=True)
    desk.tell("T-1", *range(1, 13))
    for arrived in (4, 9):
        process = subprocess.Popen([sys.executable, "-c", PROCESS], env=desk.environment(lease_seconds=1))
        try:
            receiver.wait_for("/hook", arrived)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    desk.deliver_until(desk.settled(webhook, 12))
    found = sequences(receiver.requests, "T-1")
    assert never_goes_back(found), found
    assert set(found) == set(range(1, 13))


def test_disabling_cancels_a_whole_lane_and_enabling_begins_anew(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk(partitions=1, webhook_retry_schedule="60")
    webhook, _ = desk.subscribe(receiver.url("/hook", answer(500), answer(200)), ordered=True)
    desk.tell("T-1", *range(1, 61))
    desk.deliver()
    subscriptions.disable(desk.client, desk.keys, webhook.id)
    desk.deliver()
    assert {one["status"] for one in desk.log(webhook)} == {"cancelled"}
    assert lanes(desk) == []
    subscriptions.enable(desk.client, desk.keys, webhook.id)
    desk.tell("T-1", 61, 62)
    desk.deliver()
    assert sequences(receiver.requests, "T-1") == [1, 61, 62]


def test_a_lane_whose_first_was_lost_goes_on_with_the_next_event(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk(webhook_retry_schedule="60")
    webhook, _ = desk.subscribe(receiver.url("/hook", answer(500), answer(200)), ordered=True)
    desk.tell("T-1", 1, 2)
    desk.deliver()
    keys = desk.keys.of_instance("ticket", "T-1")
    desk.client.zrem(keys.webhook_due(webhook.id), message_id("T-1:1", webhook.id))
    desk.tell("T-1", 3)
    desk.deliver()
    assert sequences(receiver.requests, "T-1") == [1, 1, 2, 3]


def test_where_a_lane_is_somebody_elses_key_events_arrive_out_of_order(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk()
    webhook, _ = desk.subscribe(receiver.url("/hook"), ordered=True)
    desk.client.set(desk.keys.of_instance("ticket", "T-1").webhook_lane(webhook.id, "ticket/T-1"), "x")
    desk.tell("T-1", 1, 2, 3)
    desk.deliver()
    assert sorted(sequences(receiver.requests, "T-1")) == [1, 2, 3]


def test_what_is_sent_again_by_hand_goes_before_what_waits_and_in_order(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk(webhook_retry_schedule="")
    webhook, _ = desk.subscribe(receiver.url("/hook", *[answer(500)] * 3, answer(200)), ordered=True)
    desk.tell("T-1", 1, 2, 3)
    desk.deliver()
    assert {one["status"] for one in desk.log(webhook)} == {"dead"}
    desk.tell("T-1", 4, 5)
    assert redelivery.resend_by_status(desk.client, desk.keys, webhook) == 3
    desk.deliver()
    found = sequences(receiver.requests, "T-1")
    again = found[3:]
    assert sorted(again) == [1, 2, 3, 4, 5]
    assert [one for one in again if one < 4] == [1, 2, 3]
    assert {one["status"] for one in desk.log(webhook)} == {"delivered"}


def test_a_resend_joins_a_lane_whose_first_is_being_attempted(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk(webhook_retry_schedule="")
    webhook, _ = desk.subscribe(receiver.url("/hook", answer(500), answer(200)), ordered=True)
    desk.tell("T-1", 1)
    desk.deliver()

    async def asks_meanwhile(writer: asyncio.StreamWriter) -> None:
        redelivery.resend_one(desk.client, desk.keys, webhook, message_id("T-1:1", webhook.id))
        await asyncio.sleep(0.3)
        await answer(200)(writer)

    receiver.url("/hook", asks_meanwhile, answer(200))
    desk.tell("T-1", 2, 3)
    desk.deliver()
    assert sequences(receiver.requests, "T-1") == [1, 2, 1, 3], "after the one under way, before the rest"
    _, under_way, again, _ = receiver.requests
    assert again.at - under_way.at >= 0.3, "never two of one instance at once"

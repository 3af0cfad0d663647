"""What becomes of a delivery after an attempt, on a fake clock: every row of the schedule, and resends by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from interlock.engine.delivery_log import Attempt, Delivery, DeliveryStatus
from interlock.engine.profiles import Verdict, profile_of
from interlock.engine.settings import STANDARD_WEBHOOKS_SCHEDULE
from interlock.workers.attempting import _verdict, after

NEW = Delivery("msg_1", "wh_1", "1-1", 0)
FAILED = Attempt(0, 500, 1, "the endpoint answered 500")
DONE = Attempt(0, 200, 1, None)
SHORT = (1.0, 2.0, 3.0)


def fail(delivery: Delivery, now: float = 0.0, **changes: object) -> tuple[Delivery, int | None]:
    given = {"schedule": SHORT, "dice": 0.0, "attempt": FAILED, "verdict": Verdict.RETRY} | changes
    return after(delivery, now_seconds=now, **given)  # type: ignore[arg-type]


def test_every_row_of_the_standard_schedule() -> None:
    delivery, now, waits = NEW, 1_000_000.0, []
    while True:
        delivery, next_ms = fail(delivery, now, schedule=STANDARD_WEBHOOKS_SCHEDULE)
        if next_ms is None:
            break
        waits.append(next_ms / 1000 - now)
        now = next_ms / 1000
    assert waits == pytest.approx([5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400], abs=0.002)
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.DEAD, 10)


@pytest.mark.parametrize("row", range(len(STANDARD_WEBHOOKS_SCHEDULE)))
def test_jitter_only_adds_in_every_row(row: int) -> None:
    plain = STANDARD_WEBHOOKS_SCHEDULE[row]
    for dice in (0.0, 0.5, 0.999):
        _, next_ms = fail(replace(NEW, attempts=row), schedule=STANDARD_WEBHOOKS_SCHEDULE, dice=dice)
        assert next_ms is not None
        assert plain * 1000 <= next_ms <= plain * 1100 + 1


def test_retry_after_lengthens_is_capped_and_never_shortens() -> None:
    def wait(seconds: float) -> int | None:
        return fail(NEW, attempt=replace(FAILED, retry_after_seconds=seconds))[1]

    assert [wait(0.0), wait(30.0), wait(10**9)] == [1_000, 30_000, 86_400_000]


@pytest.mark.parametrize("verdict", [Verdict.DEAD, Verdict.DISABLE])
def test_an_answer_that_ends_it_is_no_success(verdict: Verdict) -> None:
    delivery, next_ms = fail(NEW, verdict=verdict)
    assert (delivery.status, next_ms) == (DeliveryStatus.DEAD, None)


def test_a_resend_of_a_pending_delivery_keeps_the_budget() -> None:
    waiting, _ = fail(NEW)
    by_hand = replace(waiting, resent_from=DeliveryStatus.PENDING)
    failed, next_ms = fail(by_hand)
    assert next_ms == 1_000, "the schedule goes on from where it was"
    assert (failed.attempts, failed.scheduled, failed.resent_from) == (2, 1, None)
    attempts = 0
    while next_ms is not None:
        failed, next_ms = fail(failed)
        attempts += 1
    assert (attempts, failed.status, failed.attempts) == (3, DeliveryStatus.DEAD, 5)


@pytest.mark.parametrize(
    ("before", "attempts", "status", "next_ms"),
    [
        (DeliveryStatus.DEAD, 4, DeliveryStatus.DEAD, None),
        (DeliveryStatus.DEAD, 1, DeliveryStatus.DEAD, None),
        (DeliveryStatus.DELIVERED, 1, DeliveryStatus.DELIVERED, None),
        (DeliveryStatus.CANCELLED, 0, DeliveryStatus.PENDING, 1_000),
        (DeliveryStatus.CANCELLED, 2, DeliveryStatus.PENDING, 2_000),
    ],
)
def test_a_resend_that_fails_leaves_what_was(
    before: DeliveryStatus, attempts: int, status: DeliveryStatus, next_ms: int | None
) -> None:
    resent = replace(NEW, attempts=attempts, resent_from=before)
    failed, following = fail(resent)
    assert (failed.status, following) == (status, next_ms)
    done, _ = fail(resent, attempt=DONE, verdict=Verdict.DELIVERED)
    assert done.status is DeliveryStatus.DELIVERED


@pytest.mark.parametrize(
    ("status", "header", "verdict"),
    [
        (500, "abort-message", Verdict.DEAD),
        (500, " Abort-Message ", Verdict.DEAD),
        (500, "disable", Verdict.DISABLE),
        (200, "disable", Verdict.DISABLE),
        (200, "abort-message", Verdict.DELIVERED),
        (500, "anything", Verdict.RETRY),
        (500, "", Verdict.RETRY),
        (410, "abort-message", Verdict.DISABLE),
        (302, "", Verdict.RETRY),
    ],
)
def test_the_header_that_stops_retries(status: int, header: str, verdict: Verdict) -> None:
    headers = {"webhook-delivery": header} if header else {}
    assert _verdict(profile_of("standard"), status, headers) is verdict

"""Deliveries in the vendors' profiles, to receivers as their customers have written them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
import redis
from delivery_desk import Desk
from hostile_receiver import Behaviour, Receiver, answer, drop, hang

from interlock.engine import subscriptions
from interlock.engine.addresses import UrlRefused
from interlock.engine.profiles import PROFILES
from interlock.workers import verification
from interlock.workers.verification import EndpointUnverified, verify_endpoint
from tests.stored import values


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def make_desk(redis_client: redis.Redis, valkey_url: str, tmp_path: Path) -> Callable[..., Desk]:
    def make(**fields: Any) -> Desk:
        return Desk.open(redis_client, valkey_url, tmp_path, **fields)

    return make


def added(desk: Desk, url: str, profile: str) -> tuple[subscriptions.Subscription, str]:
    return subscriptions.add(desk.client, desk.keys, desk.settings, url, profile=profile)


@pytest.mark.parametrize(
    ("profile", "answers", "statuses", "final"),
    [
        ("engage", [204, 200], [204, 200], "delivered"),
        ("engage", [500, 201, 202, 404, 503, 204, 200], [500, 201, 202, 404, 503, 204], "dead"),
        ("sunshine", [404], [404], "dead"),
        ("sunshine", [406], [406], "dead"),
        ("sunshine", [500, 429, 204], [500, 429, 204], "delivered"),
        ("sunshine", [500], [500] * 5, "dead"),
        ("genesys", [202, 200], [202, 200], "delivered"),
        ("plain", [500], [500] * 5, "dead"),
        ("plain", [302, 201], [302, 201], "delivered"),
    ],
)
def test_each_profile_counts_answers_and_attempts_as_its_vendor_does(
    profile: str,
    answers: list[int],
    statuses: list[int],
    final: str,
    make_desk: Callable[..., Desk],
    receiver: Receiver,
) -> None:
    desk = make_desk(webhook_retry_schedule=",".join(["0.01"] * 9))
    webhook, _ = added(desk, receiver.url("/hook", *map(answer, answers)), profile)
    desk.announce(1)
    desk.deliver_until(desk.settled(webhook))
    [one] = desk.log(webhook)
    assert (one["status"], [each["status"] for each in one["attempts"]]) == (final, statuses)
    assert len({each.headers["webhook-id"] for each in receiver.requests}) == 1
    assert len({each.body for each in receiver.requests}) == 1, "the same bytes in every attempt"


def test_without_a_schedule_in_the_settings_the_vendors_delays_hold(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk()
    desk.settings = type(desk.settings)(
        **{
            name: value
            for name, value in desk.settings
            if name in desk.settings.model_fields_set and name != "webhook_retry_schedule"
        }
    )
    webhook, _ = added(desk, receiver.url("/hook", answer(500)), "engage")
    desk.announce(1)
    desk.deliver()
    [one] = desk.log(webhook)
    seconds, microseconds = desk.client.time()
    number = next(
        n
        for n in range(desk.keys.partitions)
        if desk.client.exists(desk.keys.partition(n).webhook_due(webhook.id))
    )
    due_ms = desk.client.zscore(desk.keys.partition(number).webhook_due(webhook.id), one["id"])
    waits = due_ms / 1000 - seconds - microseconds / 1e6
    assert 25 < waits <= 32 * 1.1


def challenge_answer(request: Callable[[], str], status: int = 200, extra: str = "") -> Behaviour:
    async def behave(writer: Any) -> None:
        body = (parse_qs(urlsplit(request()).query)["hub.challenge"][0] + extra).encode()
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
        await writer.drain()

    return behave


class AnyPath(dict[str, list[Behaviour]]):
    """One script for all paths: a challenge's has a query that nobody knows beforehand."""

    def __missing__(self, _path: str) -> list[Behaviour]:
        return self[""]


@pytest.fixture
def challenged(receiver: Receiver) -> Receiver:
    receiver.scripts = AnyPath()
    return receiver


def test_an_endpoint_that_repeats_the_challenge_is_taken(
    make_desk: Callable[..., Desk], challenged: Receiver
) -> None:
    desk = make_desk()
    challenged.url("", challenge_answer(lambda: challenged.requests[-1].path))
    secret = verify_endpoint(
        desk.settings, f"http://127.0.0.1:{challenged.port}/hook?tenant=a%20b", "what we agreed"
    )
    [request] = challenged.requests
    asked = parse_qs(urlsplit(request.path).query)
    assert asked["tenant"] == ["a b"]
    assert asked["hub.mode"] == ["subscribe"]
    assert asked["hub.verify_token"] == ["what we agreed"]
    assert len(asked["hub.challenge"][0]) >= 32
    assert request.headers["x-dimelo-secret"] == secret
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("another body", "something else"),
        ("an empty body", "something else"),
        ("500", "answered 500"),
        ("201", "answered 201"),
        ("redirect", "answered 302"),
        ("drop", "closed the connection"),
        ("hang", "no answer within 0.3 s"),
    ],
)
def test_an_endpoint_that_does_not_is_refused_and_told_what_to_do(
    name: str, why: str, make_desk: Callable[..., Desk], challenged: Receiver
) -> None:
    def path() -> str:
        return challenged.requests[-1].path

    behaviour = {
        "another body": challenge_answer(path, extra="!"),
        "an empty body": answer(200),
        "500": challenge_answer(path, 500),
        "201": challenge_answer(path, 201),
        "redirect": answer(302, f"Location: http://127.0.0.1:{challenged.port}/else"),
        "drop": drop,
        "hang": hang,
    }[name]
    desk = make_desk(webhook_timeout_seconds=0.3)
    challenged.url("", behaviour)
    with pytest.raises(EndpointUnverified, match=why) as refused:
        verify_endpoint(desk.settings, f"http://127.0.0.1:{challenged.port}/hook")
    assert "hub.challenge" in str(refused.value)
    assert "whsec_" not in str(refused.value)
    assert all(one.path.startswith("/hook?") for one in challenged.requests), "a redirect was followed"


def test_a_forbidden_address_is_not_asked(make_desk: Callable[..., Desk], challenged: Receiver) -> None:
    desk = make_desk(webhook_allow_cidrs="")
    with pytest.raises(UrlRefused, match="INTERLOCK_WEBHOOK_ALLOW_CIDRS"):
        verify_endpoint(desk.settings, f"http://127.0.0.1:{challenged.port}/hook")
    assert challenged.requests == []


def test_the_default_verify_token_is_no_secret() -> None:
    assert verification.VERIFY_TOKEN == "interlock"


def test_a_profile_that_this_version_does_not_have_fails_the_attempt_and_not_the_shift(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk()
    webhook, _ = added(desk, receiver.url("/newer"), "standard")
    stored = orjson.loads(desk.client.hget(desk.keys.webhooks, webhook.id)) | {"profile": "from-tomorrow"}
    desk.client.hset(desk.keys.webhooks, webhook.id, orjson.dumps(stored))
    other, _ = added(desk, receiver.url("/ours"), "standard")
    desk.announce(1)
    desk.deliver_until(desk.settled(webhook))
    assert desk.log(other)[0]["status"] == "delivered"
    assert "from-tomorrow" in desk.log(webhook)[0]["attempts"][0]["error"]
    assert receiver.at("/newer") == []


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_in_no_profile_is_the_secret_logged_or_stored(
    profile: str, make_desk: Callable[..., Desk], receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    desk = make_desk(webhook_retry_schedule="0.01,0.01,0.01")
    reset = answer(500, "Connection: close")
    webhook, secret = added(desk, receiver.url("/hook", reset, drop, answer(302), answer(410)), profile)
    desk.announce(1)
    desk.deliver_until(desk.settled(webhook))
    told = [
        "".join(capfd.readouterr()),
        str(desk.log(webhook)),
        str(subscriptions.get(desk.client, desk.keys, webhook.id).shown()),
    ]
    told += [text for _, text in values(desk.client)]
    assert "delivery_failed" in told[0]
    bare = secret.removeprefix("whsec_")
    assert [text for text in told if bare in text] == []
    proofs = {"x-dimelo-secret", "x-api-key", "x-hub-signature", "webhook-signature"}
    for request in receiver.requests:
        for name in proofs & request.headers.keys():
            assert [text for text in told if request.headers[name] in text] == []

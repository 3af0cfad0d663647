"""Events over HTTP: who hears what, and who was away hears the rest."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from interlock.engine import tokens
from interlock.gateway import listener
from interlock.gateway.native import events
from tests.integration.asgi import Listener, in_gateway
from tests.integration.gateway_setup import KEYS, Gateway
from tests.integration.http_client import Client


class Stream:
    """What a server sends, event by event: ``{id, event, data}``."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self._answer = answer
        self.begun = self.next()

    def next(self) -> dict[str, str]:
        found: dict[str, str] = {}
        while (line := self._answer.readline().decode().rstrip("\n")) or not found:
            name, _, value = line.partition(":")
            if name:
                found[name] = value.removeprefix(" ")
        return found

    def event(self) -> tuple[str, str, str]:
        """Type, subject and command of the next event."""
        found = self.next()
        data = orjson.loads(found["data"])
        assert data["type"] == found["event"]
        return found["event"], data["subject"], data["data"]["command"]["name"]


@contextmanager
def asked(client: Client, query: str = "", **headers: str) -> Iterator[http.client.HTTPResponse]:
    place = urlsplit(client.url)
    assert place.hostname
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
    sent = {"authorization": f"Bearer {client.token}"} | {k.replace("_", "-"): v for k, v in headers.items()}
    try:
        connection.request("GET", f"/interlock/v1/events{query}", headers=sent)
        yield connection.getresponse()
    finally:
        connection.close()


@contextmanager
def listening(client: Client, query: str = "", **headers: str) -> Iterator[Stream]:
    with asked(client, query, **headers) as answer:
        told = answer.status, answer.getheader("content-type")
        assert told == (200, "text/event-stream; charset=utf-8")
        yield Stream(answer)


def post(client: Client, key: str, **data: Any) -> None:
    assert client.command(f"parcel/{key}", "post", data={"owner": "ann", **data}).status == 200


def test_events_come_as_they_happen_to_those_who_ask_for_them(gateway: Gateway) -> None:
    with (
        listening(gateway.admin, "?machine=parcel&key=sse-1&key=sse-2") as both,
        listening(gateway.admin, "?events=parcel.updated&key=sse-2") as updated,
        listening(gateway.admin, "?where=context.weight%20%3E%204&key=sse-1") as heavy,
    ):
        post(gateway.admin, "sse-1", pin="secret-pin")
        post(gateway.admin, "sse-2")
        gateway.admin.command("parcel/sse-2", "send")
        gateway.admin.command("parcel/sse-1", "weigh", data={"grams": 5})
        assert [both.event() for _ in range(4)] == [
            ("parcel.created", "sse-1", "post"),
            ("parcel.created", "sse-2", "post"),
            ("parcel.updated", "sse-2", "send"),
            ("parcel.updated", "sse-1", "weigh"),
        ]
        assert updated.event() == ("parcel.updated", "sse-2", "send")
        assert heavy.event() == ("parcel.updated", "sse-1", "weigh")


def test_who_was_away_hears_everything_once(gateway: Gateway) -> None:
    with listening(gateway.admin, "?machine=parcel") as first:
        begun = first.begun["id"]
        post(gateway.admin, "away-0")
        seen = first.next()
        assert orjson.loads(seen["data"])["subject"] == "away-0"
    for number in range(1, 30):
        post(gateway.admin, f"away-{number}")
    with (
        listening(gateway.admin, "?machine=parcel", last_event_id=seen["id"]) as again,
        listening(gateway.admin, "?machine=parcel", last_event_id=begun) as whole,
    ):
        post(gateway.admin, "away-30")
        assert [again.event()[1] for _ in range(30)] == [f"away-{number}" for number in range(1, 31)]
        assert [whole.event()[1] for _ in range(31)] == [f"away-{number}" for number in range(31)]


def test_nobody_hears_of_what_he_may_not_read(gateway: Gateway) -> None:
    acme = gateway.with_token("admin", tenant="sseacme")
    web = gateway.with_token("agent", permissions=["read:web"])
    with (
        listening(acme) as theirs,
        listening(web) as some,
        listening(gateway.admin, "?machine=thread") as ours,
    ):
        post(acme, "sse-theirs")
        for key, source in (("sse-fax", "fax"), ("sse-web", "web")):
            gateway.admin.command(f"thread/{key}", "message", data={"content_id": "1", "source_id": source})
        first = orjson.loads(theirs.next()["data"])
        assert (first["subject"], "~" in orjson.dumps(first).decode()) == ("sse-theirs", False)
        assert some.event()[1] == "sse-web"
        assert [ours.event()[1] for _ in range(2)] == ["sse-fax", "sse-web"]


def test_what_cannot_be_listened_to_is_refused(gateway: Gateway) -> None:
    for query in ("?events=no%20type", "?where=1%20%2B", "?machine=no%20machine"):
        assert gateway.admin.get(f"/interlock/v1/events{query}").status == 400
    for place in ("x", "0.1", "-", "0" * 400):
        assert gateway.admin.get("/interlock/v1/events", last_event_id=place).status == 400
    assert gateway.with_token("agent").get("/interlock/v1/events").status == 403


def stream_of(key: str) -> str:
    return f"/interlock/v1/events?machine=parcel&key={key}"


async def weigh(gateway: Gateway, key: str, grams: int) -> None:
    answer = await asyncio.to_thread(gateway.admin.command, f"parcel/{key}", "weigh", data={"grams": grams})
    assert answer.status == 200


def grams_in(event: dict[str, str] | None) -> int:
    assert event is not None, "the stream has ended"
    return int(orjson.loads(event["data"])["data"]["context"]["weight"])


@pytest.mark.parametrize(
    ("limit", "most"), [("MAX_AHEAD", 3), ("MAX_BYTES_AHEAD", 2000)], ids=["events", "bytes"]
)
def test_who_listens_too_slowly_is_cut_off_and_begins_again_where_he_was(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    monkeypatch.setattr(listener, limit, most)
    post(gateway.admin, f"slow-{limit}")
    bearer = {"authorization": f"Bearer {gateway.admin.token}"}
    target = stream_of(f"slow-{limit}")

    async def act(app, _deployment):  # type: ignore[no-untyped-def]
        async with Listener(app, target, **bearer) as slow, Listener(app, target, **bearer) as quick:
            await weigh(gateway, f"slow-{limit}", 1)
            last = await slow.event()
            assert grams_in(last) == grams_in(await quick.event()) == 1
            slow.pause()
            for grams in range(2, 12):
                await weigh(gateway, f"slow-{limit}", grams)
                assert grams_in(await quick.event()) == grams
            assert slow.stands_still.is_set()
            slow.go_on()
            heard = []
            while (event := await slow.event()) is not None:
                heard.append(grams_in(event))
                last = event
        async with Listener(app, target, last_event_id=last["id"], **bearer) as again:
            rest = [grams_in(await again.event()) for _ in range(11 - heard[-1])]
        return heard, rest

    heard, rest = in_gateway(gateway, act)
    assert len(heard) <= 4  # those that waited, and the one that was under way
    assert heard + rest == list(range(2, 12))


@pytest.mark.parametrize("busy", [True, False])
def test_a_stream_ends_when_its_token_is_revoked_also_while_events_come(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    monkeypatch.setattr(events, "CHECK_SECONDS", 0)
    post(gateway.admin, f"revoked-{busy}")
    made = tokens.create(gateway.client, KEYS, "admin")
    target = stream_of(f"revoked-{busy}")

    async def act(app, _deployment):  # type: ignore[no-untyped-def]
        async with Listener(app, target, authorization=f"Bearer {made['token']}") as listener:
            await weigh(gateway, f"revoked-{busy}", 1)
            assert grams_in(await listener.event()) == 1
            tokens.revoke(gateway.client, KEYS, made["key_id"])
            if busy:
                await weigh(gateway, f"revoked-{busy}", 2)
            return await listener.event()

    assert in_gateway(gateway, act) is None


def test_who_was_away_for_too_long_is_told_that_events_are_gone(gateway: Gateway) -> None:
    with listening(gateway.admin) as stream:
        begun = stream.begun["id"]
    for number in range(40):  # in every partition, so that whichever is cut has lost some
        post(gateway.admin, f"gone-{number}")
    with listening(gateway.admin, "?machine=parcel", last_event_id=begun) as again:
        seen = [again.next()["id"] for _ in range(40)]
    for number in range(KEYS.partitions):
        gateway.client.xtrim(KEYS.partition(number).outbox, maxlen=1, approximate=False)
    later = begun.replace(begun.split(".")[0], "f" * 12, 1)
    for place in (begun, later):
        with asked(gateway.admin, last_event_id=place) as lost:
            assert (lost.status, lost.getheader("content-type")) == (410, "application/problem+json")
            assert orjson.loads(lost.read())["code"] == "place_lost"
    with listening(gateway.admin, "?machine=parcel&key=gone-last", last_event_id=seen[-1]) as known:
        post(gateway.admin, "gone-last")
        assert known.event()[1] == "gone-last"


def test_a_place_goes_on_with_what_others_hear(gateway: Gateway) -> None:
    """Else who waits for something rare would have an old place, and be told that events are gone."""
    bearer = {"authorization": f"Bearer {gateway.admin.token}"}
    keys = (f"others-{number}" for number in range(100))
    other = next(
        key for key in keys if KEYS.partition_of("parcel", key) != KEYS.partition_of("parcel", "rare")
    )

    async def act(app, _deployment):  # type: ignore[no-untyped-def]
        async with (
            Listener(app, stream_of(other), **bearer) as quick,
            Listener(app, stream_of("rare"), **bearer) as rare,
        ):
            await asyncio.to_thread(post, gateway.admin, other)
            heard = await quick.event()
            await asyncio.to_thread(post, gateway.admin, "rare")
            return heard, await rare.event()

    heard, rare = in_gateway(gateway, act)
    number = KEYS.partition_of("parcel", other)
    assert rare["id"].split(".")[number] == heard["id"].split(".")[number]

"""Events over HTTP: who hears what, and who was away hears the rest."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import orjson

from tests.integration.gateway_setup import Gateway
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
def listening(client: Client, query: str = "", **headers: str) -> Iterator[Stream]:
    place = urlsplit(client.url)
    assert place.hostname
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
    sent = {"authorization": f"Bearer {client.token}"} | {k.replace("_", "-"): v for k, v in headers.items()}
    try:
        connection.request("GET", f"/interlock/v1/events{query}", headers=sent)
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("content-type")) == (
            200,
            "text/event-stream; charset=utf-8",
        )
        yield Stream(answer)
    finally:
        connection.close()


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

"""Notifications of Genesys' API with two gateways: a session is at home in both, and costs what it may."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import orjson
import pytest

from interlock.gateway.dialects.genesys import bayeux, notifications
from interlock.gateway.listener import Announced, Listening
from tests.integration.asgi import Beside, beside
from tests.integration.bayeux_client import CHANNEL, Bayeux
from tests.integration.gateway_setup import KEYS, Gateway
from tests.integration.genesys_client import Genesys, done
from tests.integration.genesys_floor import Floor, states, unknown
from tests.integration.http_client import wait_until


@pytest.fixture(scope="module")
def floor(gateway: Gateway) -> Floor:
    return Floor(gateway)


@pytest.fixture(scope="module")
def second(gateway: Gateway) -> Iterator[Beside]:
    with beside(gateway) as found:
        yield found


def at_both(second: Beside, agent: Genesys) -> tuple[Bayeux, Bayeux]:
    """A client that listens, as it asks the shared gateway and the second one; what both tell is in one list."""
    here = Bayeux(agent.client).listen()
    return here, replace(here, client=second.with_token(agent.client.token))


def kept(floor: Floor, agent: Genesys) -> dict[str, Any]:
    """The agent's sessions as they are kept."""
    key = KEYS.listeners("default", "agent", agent.id)
    return {name.decode(): orjson.loads(raw) for name, raw in floor.gateway.client.hgetall(key).items()}


def waits(floor: Floor, agent: Genesys, listener: Bayeux, turn: int) -> bool:
    return bool(kept(floor, agent)[listener.client_id]["turn"] == turn)


def test_every_gateway_serves_a_session(floor: Floor, second: Beside) -> None:
    agent = floor.agent("both")
    here, there = at_both(second, agent)
    assert there.ask("/meta/unsubscribe", subscription=CHANNEL)["successful"]
    assert there.ask("/meta/subscribe", subscription="/v2/me/*")["successful"]
    key = floor.invited(agent)
    there.hear(lambda one: one["id"] == key)
    done(agent.do(key, "Accept"))
    here.hear(lambda one: one["state"] == "Processing")
    done(agent.do(key, "Complete"))
    there.hear(lambda one: one["state"] == "Completed")
    assert states(here, key) == ["Invited", "Processing", "Completed"], "nothing is lost or told twice"
    assert here.connect(advice={"timeout": 0})["successful"]
    assert len(here.told) == 3
    assert there.ask("/meta/disconnect")["successful"]
    unknown(here.connect())


def test_of_two_connects_at_two_gateways_the_later_tells(floor: Floor, second: Beside) -> None:
    agent = floor.agent("twice")
    here, there = at_both(second, agent)
    told_there = replace(there, told=[])
    with ThreadPoolExecutor() as pool:
        earlier = pool.submit(here.connect)
        wait_until(lambda: waits(floor, agent, here, 2))
        later = pool.submit(told_there.connect)
        wait_until(lambda: waits(floor, agent, here, 3))
        key = floor.invited(agent)
        assert all(one.result(60)["successful"] for one in (earlier, later))
    assert (states(here, key), states(told_there, key)) == ([], ["Invited"])


def test_of_two_connects_at_one_gateway_the_earlier_is_answered(
    floor: Floor, second: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = floor.agent("again")
    _here, there = at_both(second, agent)
    monkeypatch.setattr(bayeux, "HOLD_SECONDS", 3600.0)
    with ThreadPoolExecutor() as pool:
        earlier = pool.submit(there.connect)
        wait_until(lambda: waits(floor, agent, there, 2))
        later = pool.submit(there.connect)
        assert earlier.result(60)["successful"]
        floor.invited(agent)
        assert later.result(60)["successful"]


def test_a_gateway_that_ends_answers_who_waits_and_another_tells_the_rest(
    floor: Floor, second: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = floor.agent("moved")
    here, there = at_both(second, agent)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(there.connect)
        wait_until(lambda: waits(floor, agent, here, 2))
        monkeypatch.setattr(second.deployment.commands, "stopping", True)
        assert waiting.result(60)["successful"]
    key = floor.invited(agent)
    here.hear(lambda one: one["id"] == key)


def test_the_content_of_a_workbin_asked_of_one_gateway_is_told_by_another(
    floor: Floor, second: Beside
) -> None:
    agent = floor.agent("bins")
    _here, there = at_both(second, agent)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(there.connect)
        wait_until(lambda: waits(floor, agent, there, 2))
        reference = done(agent.get(f"/me/workbins/{floor.workbin}"))["referenceId"]
        assert waiting.result(60)["successful"]
    assert [(one["messageType"], one["referenceId"]) for one in there.told] == [
        ("WorkbinsMessage", reference)
    ]


# What a client may cost


@pytest.mark.parametrize(
    ("limit", "value", "expected"), [("MOST_MESSAGES", 2, [2, 2, 1]), ("MOST_BYTES", 1, [1, 1, 1, 1, 1])]
)
def test_an_answer_tells_so_much_and_the_next_the_rest(
    floor: Floor, second: Beside, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, expected: list[int]
) -> None:
    agent = floor.agent("much")
    _here, there = at_both(second, agent)
    key = floor.invited(agent)
    done(agent.do(key, "Accept"))
    for number in range(3):
        done(agent.do(key, "UpdateUserData", userData={"n": number}))
    monkeypatch.setattr(notifications, limit, value)
    lengths = []
    while len(there.told) < 5:
        before = len(there.told)
        there.connect()
        lengths.append(len(there.told) - before)
    assert lengths == expected
    assert [one["userData"].get("n") for one in there.told] == [None, None, 0, 1, 2]


def test_a_client_that_lets_too_much_wait_begins_again(
    floor: Floor, second: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = floor.agent("slow")
    _here, there = at_both(second, agent)
    key = floor.invited(agent)
    done(agent.do(key, "Accept"))
    monkeypatch.setattr(notifications, "MOST_WAITING", 1)
    unknown(there.connect())
    assert kept(floor, agent) == {}


def test_a_client_that_asks_no_more_is_forgotten(floor: Floor) -> None:
    agent = floor.agent("dead")
    listener = Bayeux(agent.client).listen()
    name = KEYS.listeners("default", "agent", agent.id)
    client = floor.gateway.client
    assert 0 < client.pttl(name) <= 90_000
    for _ in range(20):
        ((key, session),) = kept(floor, agent).items()
        client.hset(name, key, orjson.dumps({**session, "seen_ms": session["seen_ms"] - 91_000}))
        unknown(listener.connect())
        assert listener.handshake()["successful"]


def test_a_connect_that_waits_when_its_session_is_ended_is_told_to_give_up(floor: Floor) -> None:
    agent = floor.agent("bye")
    listener = Bayeux(agent.client).listen()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(listener.connect)
        wait_until(lambda: waits(floor, agent, listener, 2))
        assert listener.ask("/meta/disconnect")["successful"]
        reply = waiting.result(60)
    assert (reply["successful"], reply["advice"]) == (False, {"reconnect": "none"})


def test_the_vendors_own_address_is_served_too(floor: Floor) -> None:
    agent = floor.agent("cometd")
    listener = Bayeux(agent.client, base="/genesys/cometd", path="").listen()
    key = floor.invited(agent)
    listener.hear(lambda one: one["id"] == key)
    assert listener.post({"channel": "/meta/handshake"}, path="/handshake").status == 200


def test_a_listener_is_told_nothing_twice_where_another_gateway_was_ahead() -> None:
    async def run() -> tuple[Any, bool]:
        listening = Listening(place=[(5, 0)], ends=[(3, 0)])
        for number in (4, 5, 6):  # what its gateway reads then
            listening.tell(Announced({"id": f"e{number}"}, b"", 0, (number, 0)))
        one = await listening.following(60)
        return one and one.event["id"], listening.has_more

    assert asyncio.run(run()) == ("e6", False)

"""Notifications of Genesys' API by CometD, over HTTP on a running deployment: what an agent hears, and when."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest

from tests.integration.bayeux_client import CHANNEL, Bayeux
from tests.integration.gateway_setup import Gateway
from tests.integration.genesys_client import BASE, done, refused
from tests.integration.genesys_floor import Floor, states, unknown
from tests.integration.http_client import Client


@pytest.fixture(scope="module")
def floor(gateway: Gateway) -> Floor:
    return Floor(gateway)


def test_an_agent_hears_of_the_offer_and_of_each_step_with_the_reference_of_the_call(floor: Floor) -> None:
    listener = Bayeux(floor.ann.client).listen()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(listener.hear, lambda one: one["state"] == "Invited")
        key = floor.invited(floor.ann)
        offer = waiting.result(60)
    assert (offer["id"], offer["capabilities"]) == (key, ["Accept", "Reject"])
    assert (offer["messageTypeName"], offer["userData"]) == ("InteractionStateMessage", {"a": 1})
    shown = done(floor.ann.get(f"/me/interactions/{key}"))
    assert {"statusCode", "referenceId"} == shown.keys() - offer["interaction"].keys()
    assert offer["interaction"].items() <= shown.items()
    references = {
        "Processing": done(floor.ann.do(key, "Accept"))["referenceId"],
        "PropertiesUpdated": done(floor.ann.do(key, "UpdateUserData", userData={"b": 2}))["referenceId"],
        "Completed": done(floor.ann.do(key, "Complete"))["referenceId"],
    }
    end = listener.hear(lambda one: one["state"] == "Completed")
    assert states(listener, key) == ["Invited", "Processing", "Processing", "Completed"]
    _, accepted, updated, _ = listener.told
    assert (accepted["referenceId"], accepted["notificationType"]) == (
        references["Processing"],
        "StatusChange",
    )
    assert "Complete" in accepted["capabilities"], "as things stood after that step"
    assert (updated["referenceId"], updated["notificationType"]) == (
        references["PropertiesUpdated"],
        "PropertiesUpdated",
    )
    assert updated["userData"] == {"a": 1, "b": 2}
    assert (end["referenceId"], end["capabilities"]) == (references["Completed"], [])


def test_a_transfer_is_told_to_both_and_what_follows_to_who_has_it(floor: Floor) -> None:
    ann, bob, eve = (Bayeux(one.client).listen() for one in (floor.ann, floor.bob, floor.agent("eve")))
    key = floor.invited(floor.ann)
    done(floor.ann.do(key, "Accept"))
    done(floor.ann.do(key, "Transfer", userId=floor.bob.id))
    done(floor.bob.do(key, "Reject"))
    bob.hear(lambda one: one["state"] == "Completed")
    other = floor.invited(floor.ann)
    ann.hear(lambda one: one["id"] == other)
    assert states(ann, key) == ["Invited", "Processing", "Completed"], "nothing of what is not theirs"
    assert states(bob, key) == ["Invited", "Completed"]
    assert eve.connect(advice={"timeout": 0})["successful"]
    assert eve.told == []


def test_the_content_of_a_workbin_comes_as_a_notification(floor: Floor) -> None:
    key = floor.invited(floor.bob)
    done(floor.bob.do(key, "Accept"))
    done(floor.bob.do(key, "PlaceInWorkbin", workbin=floor.workbin))
    listener = Bayeux(floor.bob.client).listen()
    asked = done(floor.bob.do(key, "GetWorkbinContent", workbin=floor.workbin))
    content = listener.hear(lambda one: one["messageType"] == "WorkbinsMessage")
    assert (content["referenceId"], content["workbin"]) == (asked["referenceId"], floor.workbin)
    assert [(one["id"], one["state"]) for one in content["interactions"]] == [(key, "InWorkbin")]


def test_what_a_client_that_acknowledges_did_not_get_comes_again(floor: Floor) -> None:
    agent = floor.agent("zoe")
    listener = Bayeux(agent.client)
    assert listener.handshake(ext={"ack": True})["ext"] == {"ack": True}
    listener.ask("/meta/subscribe", subscription=CHANNEL)
    first = listener.connect(ext={"ack": -1})["ext"]["ack"]
    key = floor.invited(agent)
    lost = listener.connect(ext={"ack": first})["ext"]["ack"]
    assert states(listener, key) == ["Invited"]
    again = listener.connect(ext={"ack": first}, advice={"timeout": 0})["ext"]["ack"]
    assert states(listener, key) == ["Invited", "Invited"]
    assert first < lost < again
    listener.connect(ext={"ack": again}, advice={"timeout": 0})
    assert states(listener, key) == ["Invited", "Invited"]


def test_nothing_is_told_without_a_subscription(floor: Floor) -> None:
    agent = floor.agent("mute")
    listener = Bayeux(agent.client).listen()
    assert listener.ask("/meta/unsubscribe", subscription=CHANNEL)["successful"]
    key = floor.invited(agent)
    listener.connect(advice={"timeout": 0})
    assert listener.ask("/meta/subscribe", subscription=["/v2/me/*", "/v2/me/calls"])["successful"]
    done(agent.do(key, "Reject"))
    listener.hear(lambda one: one["id"] == key)
    assert states(listener, key)[-1] == "Completed"


def test_a_session_is_its_principals_and_ends_with_a_disconnect(floor: Floor) -> None:
    listener = Bayeux(floor.ann.client, path="/notifications/connect").listen()
    unknown(Bayeux(floor.bob.client, client_id=listener.client_id).connect())
    unknown(Bayeux(floor.ann.client, client_id="other").connect())
    unknown(Bayeux(floor.ann.client, client_id="other").ask("/meta/subscribe", subscription=CHANNEL))
    assert listener.ask("/meta/disconnect")["successful"]
    unknown(listener.connect())


def test_what_is_refused(floor: Floor) -> None:
    listener = Bayeux(floor.ann.client).listen()
    for channel in ("/v2/you", "/v2/medium", "/meta/*"):
        reply = listener.ask("/meta/subscribe", subscription=channel)
        assert (reply["successful"], reply["error"][:3]) == (False, "403")
    assert listener.ask("/meta/subscribe", subscription=7)["error"][:3] == "400"
    assert listener.ask("/v2/me/interactions", data={})["error"][:3] == "403"
    assert listener.handshake(supportedConnectionTypes=["websocket"])["error"][:3] == "400"
    (reply,) = listener.post({"id": "1"}).body
    assert (reply["successful"], reply["error"][:3]) == (False, "400")
    for body in (b"{", b"[]", b"[7]", b"7", orjson.dumps([{}] * 101)):
        refused(floor.ann.client.send("POST", f"{BASE}/notifications", body), 10)
    refused(Bayeux(floor.hub.client).post({"channel": "/meta/handshake"}), 5)
    refused(Bayeux(Client(floor.gateway.url)).post({"channel": "/meta/handshake"}), 20)


def test_a_principal_has_so_many_sessions_and_no_more(floor: Floor) -> None:
    agent = floor.agent("many")
    replies = [Bayeux(agent.client).handshake() for _ in range(21)]
    assert [one["successful"] for one in replies] == [True] * 20 + [False]
    assert replies[-1]["error"][:3] == "429"

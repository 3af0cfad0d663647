"""Genesys Web Services' API on a running deployment: each operation, and each code that it may be refused with."""

from __future__ import annotations

from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import orjson
import pytest

from tests.integration.gateway_setup import KEYS, Gateway
from tests.integration.genesys_client import BASE, Genesys, done, refused
from tests.integration.http_client import Answer, Client, wait_until

WORK = [
    *("Complete", "PlaceInQueue", "Transfer", "SingleStepTransfer", "PlaceInWorkbin"),
    *("UpdateUserData", "AttachUserData", "DeleteUserData", "SetInFocus", "SetComment"),
]
DATA = {"kind": "claim", "customer": {"name": "Hugo", "tier": 2}}


@dataclass(frozen=True)
class Desk:
    """A queue whose work goes to ann alone; bob is ready, and gets what he is given by hand."""

    gateway: Gateway
    queue: str
    shelf: str
    workbin: str
    hub: Genesys
    ann: Genesys
    bob: Genesys
    eve: Genesys
    boss: Genesys

    def offered(self, **fields: Any) -> str:
        """An interaction that is offered to ann."""
        wish = {"channel": "workitem", "queueName": self.queue, **fields}
        key = str(done(self.hub.create(**wish))["id"])
        wait_until(lambda: self.ann.get(f"/me/interactions/{key}").status == 200)
        return key

    def accepted(self, **fields: Any) -> str:
        key = self.offered(**fields)
        done(self.ann.do(key, "Accept"))
        return key

    def parked(self) -> str:
        key = self.accepted()
        done(self.ann.do(key, "PlaceInWorkbin", workbin=self.workbin))
        return key

    def user_data(self, key: str) -> Any:
        return done(self.ann.get(f"/interactions/{key}"))["userData"]


@pytest.fixture(scope="module")
def desk(gateway: Gateway) -> Desk:
    wait_until(lambda: any(name.startswith(b"interaction") for name in gateway.client.hkeys(KEYS.charts)))
    mark = token_hex(3)
    queue, shelf, workbin = f"claims-{mark}", f"shelf-{mark}", f"later-{mark}"

    def put(path: str, **fields: Any) -> None:
        assert gateway.admin.send("PUT", f"/interlock/v1/{path}", orjson.dumps(fields)).status == 200

    def genesys(kind: str, name: str, *permissions: str) -> Genesys:
        principal = f"{name}-{mark}"
        return Genesys(gateway.with_token(kind, id=principal, permissions=permissions), principal)

    put(f"queues/{queue}")
    put(f"queues/{shelf}")
    put(f"workbins/{workbin}")
    made = Desk(
        gateway=gateway,
        queue=queue,
        shelf=shelf,
        workbin=workbin,
        hub=genesys("system", "hub"),
        ann=genesys("agent", "ann"),
        bob=genesys("agent", "bob"),
        eve=genesys("agent", "eve"),
        boss=genesys("supervisor", "boss", "read:*"),
    )
    for agent, queues in ((made.ann, [queue]), (made.bob, [])):
        put(f"agents/{agent.id}", name="A", queues=queues, capacity={"workitem": 500, "chat": 500})
        done(agent.start("workitem", "chat"))
    put(f"agents/{made.eve.id}", name="Eve")
    return made


# What comes in


def test_what_a_system_creates_is_offered_to_an_agent_who_is_ready(desk: Desk) -> None:
    made = done(desk.hub.create(channel="workitem", queueName=desk.queue, userData=DATA, subject="A claim"))
    key = made["id"]
    assert made["uri"] == f"{desk.gateway.url}{BASE}/interactions/{key}"
    assert (made["userData"], made["currentQueue"], made["interactionType"]) == (DATA, desk.queue, "Inbound")
    assert made["referenceId"]
    wait_until(lambda: desk.ann.get(f"/me/interactions/{key}").status == 200)
    shown = done(desk.ann.get(f"/me/interactions/{key}"))
    assert (shown["state"], shown["workflowState"]) == ("Invited", "Delivering")
    assert shown["capabilities"] == ["Accept", "Reject"]
    assert (shown["channel"], shown["mediaType"], shown["subject"]) == ("workitem", "workitem", "A claim")
    assert (shown["userData"], shown["assignedTo"]) == (DATA, desk.ann.id)
    assert None not in shown.values()
    again = done(desk.ann.get(f"/interactions/{key}"))
    assert {**shown, "referenceId": again["referenceId"]} == again


def test_who_may_create_what(desk: Desk) -> None:
    wish = {"channel": "workitem", "queueName": desk.queue}
    refused(desk.hub.create(channel="workitem"), 1)
    refused(desk.hub.create(queueName=desk.queue), 1)
    refused(desk.hub.create(**{**wish, "queueName": f"no-{desk.queue}"}), 6)
    refused(desk.hub.create(**{**wish, "queueName": 7}), 10)
    refused(desk.hub.create(**wish, userData=["x"]), 10)
    refused(desk.hub.create(**wish, interactionType="Sideways"), 10)
    refused(desk.hub.send("/interactions", {"operationName": "Destroy"}), 10)
    refused(desk.hub.send("/interactions", {"channel": "workitem"}), 1)
    refused(desk.ann.create(channel="chat", queueName=desk.queue), 5)
    refused(Genesys(desk.gateway.with_token("bot", id="b"), "b").create(**wish), 5)
    refused(Genesys(Client(desk.gateway.url), "nobody").create(**wish), 20)
    made = done(desk.ann.create(channel="workitem", queueName=desk.shelf, userData=DATA))
    assert (made["state"], made["capabilities"], made["assignedTo"]) == ("Processing", WORK, desk.ann.id)
    refused(desk.ann.create(channel="workitem", queueName=desk.shelf, parentId="nothing"), 6)
    done(desk.ann.do(made["id"], "Complete"))


def test_a_create_under_the_same_name_creates_once(desk: Desk) -> None:
    wish = {"operationName": "Create", "channel": "workitem", "queueName": desk.shelf}
    first, again = (
        done(desk.hub.send("/interactions", wish, idempotency_key=f"once-{desk.queue}")) for _ in range(2)
    )
    assert first["id"] == again["id"]
    other = done(desk.boss.send("/interactions", wish, idempotency_key=f"once-{desk.queue}"))
    assert other["id"] != first["id"]


# A session


def test_a_session_makes_an_agent_ready_and_its_end_not(desk: Desk) -> None:
    agent = Genesys(desk.gateway.with_token("agent", id=f"zoe-{desk.queue}"), f"zoe-{desk.queue}")
    key = desk.accepted()

    refused(desk.ann.do(key, "Transfer", userId=agent.id), 6)
    done(agent.start("chat"))
    refused(desk.ann.do(key, "Transfer", userId=agent.id), 2)
    done(agent.start("workitem"))
    done(agent.end())
    done(agent.end())
    refused(desk.ann.do(key, "Transfer", userId=agent.id), 2)
    done(agent.start("workitem"))
    assert done(agent.start("workitem")).keys() == {"statusCode", "referenceId"}
    done(desk.ann.do(key, "Transfer", userId=agent.id))
    assert agent.sees(key) == ("Invited", ["Accept", "Reject"])


def test_who_is_ready_on_a_channel_gets_one_item_where_their_capacity_says_nothing_of_it(desk: Desk) -> None:
    queue = f"new-{desk.queue}"
    agent = Genesys(desk.gateway.with_token("agent", id=queue), queue)
    for path, body in (
        (f"queues/{queue}", {}),
        (f"agents/{queue}", {"queues": [queue], "capacity": {"chat": 20}}),
    ):
        assert desk.gateway.admin.send("PUT", f"/interlock/v1/{path}", orjson.dumps(body)).status == 200
    done(agent.start("workitem"))
    keys = [done(desk.hub.create(channel="workitem", queueName=queue))["id"] for _ in range(2)]
    wait_until(lambda: agent.get(f"/me/interactions/{keys[0]}").status == 200)
    refused(agent.get(f"/me/interactions/{keys[1]}"), 6)
    for key in keys:
        wait_until(lambda key=key: agent.get(f"/me/interactions/{key}").status == 200)
        done(agent.do(key, "Accept"))
        done(agent.do(key, "Complete"))


def test_me_tells_of_the_session(desk: Desk) -> None:
    mark = f"max-{desk.queue}"
    agent = Genesys(desk.gateway.with_token("agent", id=mark), mark)

    def told() -> Any:
        found = done(agent.get("/me"))
        states = {one["channel"]: one["userState"]["state"] for one in found["channels"]}
        return found["state"], found["session"]["active"], states

    assert told() == ("LoggedOut", False, {})
    agent_data = orjson.dumps({"name": "Max", "capacity": {"workitem": 1}, "skills": ["tax"]})
    assert desk.gateway.admin.send("PUT", f"/interlock/v1/agents/{mark}", agent_data).status == 200
    assert told() == ("LoggedOut", False, {"workitem": "NotReady"})
    done(agent.start("chat"))
    assert told() == ("Ready", True, {"chat": "Ready", "workitem": "NotReady"})
    assert done(agent.get("/me"))["user"] == {
        "id": mark,
        "userName": mark,
        "displayName": "Max",
        "roles": ["ROLE_AGENT"],
        "skills": ["tax"],
        "enabled": True,
        "uri": f"{desk.gateway.url}{BASE}/users/{mark}",
        "path": f"/users/{mark}",
    }
    assert desk.gateway.admin.command(f"agent/{mark}", "not_ready").status == 200
    assert told() == ("NotReady", True, {"workitem": "NotReady"})
    done(agent.end())
    assert told() == ("LoggedOut", False, {"workitem": "NotReady"})
    refused(desk.hub.get("/me"), 5)
    refused(Genesys(Client(desk.gateway.url), "nobody").get("/me"), 20)


def test_what_a_session_is_refused_with(desk: Desk) -> None:
    refused(desk.ann.send("/me", {}), 1)
    refused(desk.ann.send("/me", {"operationName": "Dance"}), 10)
    refused(desk.ann.send("/me", {"operationName": "StartContactCenterSession"}), 1)
    refused(desk.ann.start(), 10)
    refused(desk.ann.send("/me", {"operationName": "StartContactCenterSession", "channels": [7]}), 10)
    refused(desk.hub.start("workitem"), 5)
    refused(Genesys(Client(desk.gateway.url), "nobody").start("workitem"), 20)
    stranger = Genesys(desk.gateway.with_token("agent", id="never-there"), "never-there")
    refused(stranger.end(), 6)


# Accept and reject


def test_accept(desk: Desk) -> None:
    key = desk.offered()
    answer = done(desk.ann.do(key, "Accept"))
    assert answer == {"statusCode": 0, "referenceId": answer["referenceId"], "status": "ok"}
    assert desk.ann.sees(key) == ("Processing", WORK)
    refused(desk.ann.do(key, "Accept"), 2)
    refused(desk.ann.do(key, "Reject"), 2)
    refused(desk.bob.do(key, "Accept"), 6)


def test_a_chat_in_hand_is_chatting(desk: Desk) -> None:
    assert desk.ann.sees(desk.accepted(channel="chat"))[0] == "Chatting"


def test_the_same_call_again_is_answered_as_the_first_time(desk: Desk) -> None:
    key = desk.offered()
    first = done(desk.ann.do(key, "Accept", named="one"))
    assert done(desk.ann.do(key, "Accept", named="one")) == first
    assert done(desk.ann.do(key, "Complete", named="two"))["referenceId"] != first["referenceId"]
    assert done(desk.ann.do(key, "Complete", named="two"))
    refused(desk.ann.do(key, "Complete", named="three"), 2)
    refused(desk.ann.do(key, "Complete", named="three"), 2)


def test_reject_leads_to_another_agent(desk: Desk) -> None:
    key = desk.offered()
    assert done(desk.ann.do(key, "Reject"))["status"] == "ok"
    assert desk.ann.sees(key) == ("Completed", [])
    refused(desk.ann.do(key, "Reject"), 2)
    refused(desk.ann.do(key, "Accept"), 2)
    shown = done(desk.boss.get(f"/interactions/{key}"))
    assert (shown["state"], shown["capabilities"]) == ("Routing", ["PlaceInQueue"])


# What is done with it


def test_complete(desk: Desk) -> None:
    key = desk.offered()
    refused(desk.ann.do(key, "Complete"), 2)
    done(desk.ann.do(key, "Accept"))
    answer = done(desk.ann.do(key, "Complete"))
    assert answer.keys() == {"statusCode", "referenceId"}
    assert desk.ann.sees(key) == ("Completed", [])
    refused(desk.ann.do(key, "Complete"), 2)
    refused(desk.bob.do(key, "Complete"), 6)
    assert done(desk.ann.get(f"/interactions/{key}"))["workflowState"] == "Stopped"


def test_complete_into_a_queue(desk: Desk) -> None:
    key = desk.accepted()
    refused(desk.ann.do(key, "Complete", queueName=f"no-{desk.queue}"), 6)
    done(desk.ann.do(key, "Complete", queueName=desk.shelf))
    shown = done(desk.ann.get(f"/interactions/{key}"))
    assert (shown["state"], shown["workflowState"], shown["queue"]) == ("Completed", "Queued", desk.shelf)


def test_place_in_queue(desk: Desk) -> None:
    key = desk.offered()
    refused(desk.ann.do(key, "PlaceInQueue", queueName=desk.shelf), 2)
    done(desk.ann.do(key, "Accept"))
    refused(desk.ann.do(key, "PlaceInQueue"), 1)
    refused(desk.ann.do(key, "PlaceInQueue", queueName=None), 1)
    refused(desk.ann.do(key, "PlaceInQueue", queueName=f"no-{desk.queue}"), 6)
    refused(desk.ann.do(key, "PlaceInQueue", queueName=["x"]), 10)
    refused(desk.bob.do(key, "PlaceInQueue", queueName=desk.shelf), 6)
    assert done(desk.ann.do(key, "PlaceInQueue", queueName=desk.shelf))["status"] == "ok"
    refused(desk.ann.do(key, "PlaceInQueue", queueName=desk.shelf), 2)
    assert desk.ann.sees(key) == ("Completed", [])


def test_user_data(desk: Desk) -> None:
    key = desk.accepted(userData=DATA)
    sent = {"kind": "other", "customer": {"name": "Ida"}, "new": 1}
    assert done(desk.ann.do(key, "AttachUserData", userData=sent))["status"] == "ok"
    assert desk.user_data(key)["kind"] == "claim", "what is there stays"
    assert desk.user_data(key)["new"] == 1
    assert done(desk.ann.do(key, "UpdateUserData", userData={"kind": "other"}))["status"] == "ok"
    assert desk.user_data(key)["kind"] == "other"
    gone = {"kind": "", "customer": {"tier": 0}}
    for _ in range(2):
        assert done(desk.ann.do(key, "DeleteUserData", userData=gone))["status"] == "ok"
    assert desk.user_data(key) == {"customer": {"name": "Hugo"}, "new": 1}


@pytest.mark.parametrize("operation", ["UpdateUserData", "AttachUserData", "DeleteUserData"])
def test_what_user_data_is_refused_with(desk: Desk, operation: str) -> None:
    key = desk.offered()
    refused(desk.ann.do(key, operation, userData={}), 2)
    refused(desk.ann.do(key, operation), 1)
    refused(desk.ann.do(key, operation, userData="x"), 10)
    refused(desk.bob.do(key, operation, userData={}), 6)


def test_focus_and_comment(desk: Desk) -> None:
    key = desk.accepted()
    done(desk.ann.do(key, "SetInFocus"))
    done(desk.ann.do(key, "SetComment", comment="late"))
    shown = done(desk.ann.get(f"/me/interactions/{key}"))
    assert (shown["inFocus"], shown["comment"]) == (True, "late")
    refused(desk.ann.do(key, "SetInFocus", inFocus="yes"), 10)
    refused(desk.ann.do(key, "SetComment"), 1)


def test_an_update_sets_user_data_or_a_comment(desk: Desk) -> None:
    key = desk.accepted(userData=DATA)
    path = f"/interactions/{key}"
    shown = done(desk.ann.send(path, {"userData": {"kind": "x"}}, "PUT"))
    assert (shown["userData"]["kind"], shown["id"], shown["state"]) == ("x", key, "Processing")
    assert done(desk.ann.send(path, {"comment": "c"}, "PUT"))["comment"] == "c"
    refused(desk.ann.send(path, {}, "PUT"), 1)
    refused(desk.ann.send(path, {"comment": "c", "userData": {}}, "PUT"), 10)
    refused(desk.ann.send(path, {"comment": 7}, "PUT"), 10)
    refused(desk.bob.send(path, {"comment": "c"}, "PUT"), 6)


# Transfer


@pytest.mark.parametrize("name", ["Transfer", "SingleStepTransfer"])
def test_transfer_to_an_agent(desk: Desk, name: str) -> None:
    key = desk.offered()
    refused(desk.ann.do(key, name, userId=desk.bob.id), 2)
    done(desk.ann.do(key, "Accept"))
    assert done(desk.ann.do(key, name, userId=desk.bob.id)).keys() == {"statusCode", "referenceId"}
    assert desk.ann.sees(key) == ("Completed", [])
    assert desk.bob.sees(key) == ("Invited", ["Accept", "Reject"])
    refused(desk.ann.do(key, name, userId=desk.bob.id), 2)
    refused(desk.ann.do(key, "Complete"), 2)
    done(desk.bob.do(key, "Accept"))
    done(desk.bob.do(key, name, targetUri=f"{desk.gateway.url}{BASE}/users/{desk.ann.id}"))
    assert desk.ann.sees(key)[0] == "Invited"


def test_transfer_to_a_queue(desk: Desk) -> None:
    key = desk.accepted()
    done(desk.ann.do(key, "Transfer", targetUri=f"http://x{BASE}/queues/{desk.shelf}"))
    assert done(desk.ann.get(f"/interactions/{key}"))["queue"] == desk.shelf


def test_what_a_transfer_is_refused_with(desk: Desk) -> None:
    key = desk.accepted()
    refused(desk.ann.do(key, "Transfer"), 1)
    refused(desk.ann.do(key, "Transfer", userId=7), 10)
    refused(desk.ann.do(key, "Transfer", userId="a\nb"), 10)
    refused(desk.ann.do(key, "Transfer", targetUri="http://x/teams/7"), 10)
    refused(desk.ann.do(key, "Transfer", userId=desk.bob.id, queueName=desk.shelf), 10)
    refused(desk.ann.do(key, "Transfer", userId="nobody"), 6)
    refused(desk.ann.do(key, "Transfer", queueName=f"no-{desk.queue}"), 6)
    refused(desk.ann.do(key, "Transfer", userId=desk.eve.id), 2)
    refused(desk.ann.do(key, "Transfer", userId=desk.ann.id), 2)
    refused(desk.bob.do(key, "Transfer", userId=desk.bob.id), 6)
    assert desk.ann.sees(key) == ("Processing", WORK), "nothing was changed"


# Workbins


def test_into_a_workbin_and_out_of_it(desk: Desk) -> None:
    key = desk.accepted(userData=DATA)
    assert done(desk.ann.do(key, "PlaceInWorkbin", workbin=desk.workbin))["status"] == "ok"
    assert desk.ann.sees(key) == ("InWorkbin", ["PlaceInWorkbin", "PullInteraction"])
    for answer in (
        desk.ann.do(key, "GetWorkbinContent", workbin=desk.workbin),
        desk.ann.send(f"/me/workbins/{desk.workbin}", {"operationName": "GetWorkbinContent"}),
        desk.ann.get(f"/me/workbins/{desk.workbin}"),
    ):
        content = done(answer)
        (lies,) = content["interactions"]
        assert (content["status"], content["workbin"]) == ("ok", desk.workbin)
        assert (lies["id"], lies["state"], lies["workbin"]) == (key, "InWorkbin", desk.workbin)
    done(desk.ann.pull(desk.workbin, key))
    assert desk.ann.sees(key) == ("Processing", WORK)
    assert done(desk.ann.get(f"/me/workbins/{desk.workbin}"))["interactions"] == []
    refused(desk.ann.pull(desk.workbin, key), 2)


def test_what_a_workbin_is_refused_with(desk: Desk) -> None:
    key = desk.offered()
    refused(desk.ann.do(key, "PlaceInWorkbin", workbin=desk.workbin), 2)
    done(desk.ann.do(key, "Accept"))
    refused(desk.ann.do(key, "PlaceInWorkbin"), 1)
    refused(desk.ann.do(key, "PlaceInWorkbin", workbin=7), 10)
    refused(desk.ann.do(key, "PlaceInWorkbin", workbin="nowhere"), 6)
    refused(desk.bob.do(key, "PlaceInWorkbin", workbin=desk.workbin), 6)
    refused(desk.ann.do(key, "GetWorkbinContent"), 1)
    refused(desk.ann.do(key, "GetWorkbinContent", workbin="nowhere"), 6)
    refused(desk.bob.do(key, "GetWorkbinContent", workbin=desk.workbin), 6)
    refused(desk.ann.get("/me/workbins/nowhere"), 6)
    refused(desk.ann.pull("nowhere", key), 6)
    refused(desk.ann.pull(desk.workbin, key), 2)
    refused(desk.ann.pull(desk.workbin, "nothing"), 6)
    refused(desk.ann.send(f"/me/workbins/{desk.workbin}", {"operationName": "PullInteraction"}), 1)
    refused(desk.ann.send(f"/me/workbins/{desk.workbin}", {"operationName": "Burn", "id": key}), 10)
    refused(desk.ann.send(f"/me/workbins/{desk.workbin}", {}), 1)


def test_of_two_who_pull_the_first_has_it(desk: Desk) -> None:
    key = desk.parked()
    refused(desk.bob.pull(desk.workbin, key), 6)
    assert key in [one["id"] for one in done(desk.boss.get(f"/me/workbins/{desk.workbin}"))["interactions"]]
    assert done(desk.bob.get(f"/me/workbins/{desk.workbin}"))["interactions"] == []
    done(desk.boss.pull(desk.workbin, key))
    assert desk.boss.sees(key)[0] == "Processing"
    assert desk.ann.sees(key) == ("Completed", [])
    refused(desk.ann.pull(desk.workbin, key), 2)


def test_what_another_agent_has_parked_is_not_for_who_once_had_it(desk: Desk) -> None:
    key = desk.accepted()
    done(desk.ann.do(key, "Transfer", userId=desk.bob.id))
    done(desk.bob.do(key, "Accept"))
    done(desk.bob.do(key, "PlaceInWorkbin", workbin=desk.workbin))
    refused(desk.ann.pull(desk.workbin, key), 5)
    done(desk.bob.do(key, "PullFromWorkbin"))


def test_a_closed_workbin_gives_and_does_not_take(desk: Desk) -> None:
    bin_ = f"old-{desk.queue}"
    assert desk.gateway.admin.command(f"workbin/{bin_}", "define").status == 200
    key, other = desk.accepted(), desk.accepted()
    done(desk.ann.do(key, "PlaceInWorkbin", workbin=bin_))
    assert desk.gateway.admin.command(f"workbin/{bin_}", "close").status == 200
    refused(desk.ann.do(other, "PlaceInWorkbin", workbin=bin_), 6)
    done(desk.ann.pull(bin_, key))


# Drafts


def test_a_reply_is_a_draft_that_is_cancelled_or_sent(desk: Desk) -> None:
    parent = desk.offered()
    refused(desk.ann.do(parent, "Reply"), 2)
    done(desk.ann.do(parent, "Accept"))
    refused(desk.ann.do(parent, "Cancel"), 2)
    draft, other = (done(desk.ann.do(parent, name)) for name in ("Reply", "ReplyAll"))
    assert (draft["state"], draft["parentId"], draft["interactionType"]) == ("Composing", parent, "Outbound")
    answer = done(desk.ann.do(draft["id"], "Cancel"))
    assert answer == {"statusCode": 0, "referenceId": answer["referenceId"], "status": 0}
    assert desk.ann.sees(draft["id"]) == ("Canceled", [])
    refused(desk.ann.do(draft["id"], "Cancel"), 2)
    done(desk.ann.do(other["id"], "Send"))
    assert desk.ann.sees(other["id"]) == ("Sent", [])
    assert desk.ann.sees(parent) == ("Processing", WORK), "the parent stays as it is"
    outbound = done(desk.ann.create(channel="email", interactionType="Outbound", queueName=desk.shelf))
    assert outbound["state"] == "Composing"
    refused(desk.bob.do(outbound["id"], "Cancel"), 6)


# Reading


def test_an_agents_own_list_holds_what_is_offered_and_what_is_in_hand(desk: Desk) -> None:
    offered, accepted, parked, completed = desk.offered(), desk.accepted(), desk.parked(), desk.accepted()
    done(desk.ann.do(completed, "Complete"))
    found = done(desk.ann.get("/me/interactions?fields=*"))["interactions"]
    states = {one["id"]: one["state"] for one in found}
    assert (states[offered], states[accepted]) == ("Invited", "Processing")
    assert not {parked, completed} & states.keys()
    uris = done(desk.ann.get("/me/interactions"))
    assert [uri.rpartition("/")[2] for uri in uris["uris"]] == [one["id"] for one in found]
    assert "interactions" not in uris
    assert done(desk.eve.get("/me/interactions"))["uris"] == []


def test_the_list_of_all_is_for_who_may_read(desk: Desk) -> None:
    channel = f"fax-{desk.queue}"
    keys = [
        done(desk.hub.create(channel=channel, queueName=desk.shelf, userData=DATA))["id"] for _ in range(3)
    ]
    reader = Genesys(desk.gateway.with_token("agent", permissions=(f"read:{channel}",)), "")
    found = done(reader.get("/interactions?fields=*"))
    assert ([one["id"] for one in found["interactions"]], found["totalCount"]) == (keys, 3)
    assert {one["state"] for one in found["interactions"]} == {"Queued"}
    page = done(reader.get("/interactions?offset=1&limit=1"))
    assert [uri.rpartition("/")[2] for uri in page["uris"]] == keys[1:2]
    assert done(reader.get(f"/interactions/{keys[0]}"))["capabilities"] == []
    refused(reader.get(f"/me/interactions/{keys[0]}"), 6)
    refused(reader.get("/interactions?limit=0"), 10)
    refused(Genesys(desk.gateway.with_token("bot", id="b"), "b").get("/interactions"), 5)
    assert done(desk.eve.get("/interactions"))["totalCount"] == 0
    refused(desk.eve.get(f"/interactions/{keys[0]}"), 6)


def test_the_list_of_all_shows_an_agent_their_own_work_too(desk: Desk) -> None:
    queue = f"mine-{desk.queue}"
    assert desk.gateway.admin.send("PUT", f"/interlock/v1/queues/{queue}", b"{}").status == 200
    reads = f"read:fax-{queue}"
    agent = Genesys(desk.gateway.with_token("agent", id=queue, permissions=(reads,)), queue)
    done(agent.start("workitem"))
    own = [done(agent.create(channel="workitem", queueName=queue))["id"] for _ in range(2)]
    done(agent.do(own[1], "PlaceInWorkbin", workbin=desk.workbin))
    fax = done(desk.hub.create(channel=f"fax-{queue}", queueName=queue))["id"]
    found = done(agent.get("/interactions"))
    assert ([one["id"] for one in found["interactions"]], found["totalCount"]) == ([*own, fax], 3)
    assert [uri.rpartition("/")[2] for uri in found["uris"]] == [*own, fax]
    for offset, part in enumerate(([own[0], own[1]], [own[1], fax], [fax], [])):
        page = done(agent.get(f"/interactions?fields=*&offset={offset}&limit=2"))
        assert ([one["id"] for one in page["interactions"]], page["totalCount"]) == (part, 3)
        assert "uris" not in page


def test_who_leads_the_desk_moves_what_they_may_read(desk: Desk) -> None:
    key = desk.offered()
    for permissions, code in (((), 6), (("read:chat",), 6), (("read:workitem",), 0)):
        boss = Genesys(desk.gateway.with_token("supervisor", id="b2", permissions=permissions), "b2")
        answer = boss.do(key, "PlaceInQueue", queueName=desk.shelf)
        assert refused(answer, code) if code else done(answer), permissions


def test_another_tenants_things_are_not_found(desk: Desk) -> None:
    key = desk.accepted()
    other = {"tenant": "acme"}
    agent = Genesys(desk.gateway.with_token("agent", id=desk.ann.id, **other), desk.ann.id)
    admin = Genesys(desk.gateway.with_token("admin", id="root", **other), "root")
    for one in (agent, admin):
        refused(one.get(f"/interactions/{key}"), 6)
        refused(one.do(key, "Complete"), 6)
        refused(one.get(f"/me/workbins/{desk.workbin}"), 6)
    refused(admin.create(channel="workitem", queueName=desk.queue), 6)
    assert done(admin.get("/interactions"))["totalCount"] == 0


@pytest.mark.parametrize("key", ["nothing", "x" * 300, "a%0Ab", "%7Eacme%7Ek", "%ff"])
def test_an_id_of_nothing_is_6(desk: Desk, key: str) -> None:
    refused(desk.ann.get(f"/interactions/{key}"), 6)
    refused(desk.ann.get(f"/me/interactions/{key}"), 6)
    refused(desk.ann.do(key, "Accept"), 6)
    refused(desk.ann.do(key, "GetWorkbinContent", workbin=desk.workbin), 6)


def test_what_is_no_operation_is_refused_before_anything_is_looked_at(desk: Desk) -> None:
    path = f"/me/interactions/{desk.accepted()}"
    refused(desk.ann.send(path, {}), 1)
    refused(desk.ann.send(path, {"operationName": 7}), 10)
    refused(desk.ann.send(path, {"operationName": "Explode"}), 10)
    refused(desk.ann.send(path, []), 10)
    refused(desk.ann.client.send("POST", BASE + path, b"{"), 10)
    refused(desk.ann.client.send("POST", BASE + path, b""), 1)
    refused(desk.hub.send(path, {"operationName": "Accept"}), 5)
    refused(Genesys(Client(desk.gateway.url), "").send(path, {"operationName": "Accept"}), 20)
    refused(Genesys(Client(desk.gateway.url, "wrong"), "").get("/me/interactions"), 20)
    refused(desk.ann.get("/nothing"), 6)


def test_a_method_that_is_not_there_is_told_in_the_envelope(desk: Desk) -> None:
    answer: Answer = desk.ann.client.send("DELETE", f"{BASE}/interactions/x")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, PUT")
    assert answer.body["status"] == "error"


def test_the_document_tells_all_that_an_operation_answers(desk: Desk) -> None:
    document = desk.gateway.admin.get("/openapi.json").body
    operations = {
        f"{method} {path.removeprefix(BASE)}": operation
        for path, item in document["paths"].items()
        if path.startswith(BASE)
        for method, operation in item.items()
    }
    assert operations.keys() == {
        *(
            "get /me",
            "post /me",
            "get /me/interactions",
            "get /me/interactions/{id}",
            "post /me/interactions/{id}",
        ),
        *("get /interactions", "post /interactions", "get /interactions/{id}", "put /interactions/{id}"),
        *("get /me/workbins/{name}", "post /me/workbins/{name}"),
        *("post /notifications", "post /notifications/{kind}"),
    }
    for name, operation in operations.items():
        assert operation["security"]
        assert ("requestBody" in operation) == (not name.startswith("get"))
        for status in ("400", "401", "403", "404", "409", "413", "429", "500", "503"):
            schema = operation["responses"][status]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/GenesysFailure"}
        assert "422" not in operation["responses"]

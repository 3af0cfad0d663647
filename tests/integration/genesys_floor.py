"""Agents who are ready for what they are given by hand, and what a client of theirs was told."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

from tests.integration.bayeux_client import Bayeux
from tests.integration.gateway_setup import Gateway
from tests.integration.genesys_client import Genesys, done


class Floor:
    """Two agents who are ready, and what is given to them by hand."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway, self.mark = gateway, token_hex(3)
        self.queue, self.workbin = f"calls-{self.mark}", f"bin-{self.mark}"
        for path in (f"queues/{self.queue}", f"workbins/{self.workbin}"):
            answer = gateway.admin.send("PUT", f"/interlock/v1/{path}", b"{}", timeout_seconds=60)
            assert answer.status == 200
        self.ann, self.bob = self.agent("ann"), self.agent("bob")
        self.hub = Genesys(gateway.with_token("system", id="hub"), "hub")

    def agent(self, name: str) -> Genesys:
        key = f"{name}-{self.mark}"
        agent = Genesys(self.gateway.with_token("agent", id=key), key)
        done(agent.start("workitem"))
        return agent

    def invited(self, agent: Genesys) -> str:
        key = str(done(self.hub.create(channel="workitem", queueName=self.queue, userData={"a": 1}))["id"])
        answer = self.gateway.admin.command(f"interaction/{key}", "invite", data={"agent": agent.id})
        assert answer.status == 200
        return key


def states(listener: Bayeux, key: str) -> list[str]:
    return [one["state"] for one in listener.told if one.get("id") == key]


def unknown(reply: Any) -> None:
    assert (reply["successful"], reply["error"][:4]) == (False, "402:")
    assert reply["advice"]["reconnect"] == "handshake"

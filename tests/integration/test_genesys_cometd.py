"""A CometD client of others (aiocometd-ng) hears of accept, reject and transfer, with the calls' references."""

from __future__ import annotations

import asyncio
import logging
from secrets import token_hex
from typing import Any

import pytest
from aiocometd_ng import AuthExtension, Client

from tests.integration.gateway_setup import Gateway
from tests.integration.genesys_client import BASE, Genesys, done


class _Bearer(AuthExtension):  # type: ignore[misc]
    def __init__(self, token: str | None) -> None:
        self.token = token

    async def incoming(self, payload: Any, headers: Any = None) -> None:
        """Nothing to do."""

    async def outgoing(self, payload: Any, headers: Any) -> None:
        headers["Authorization"] = f"Bearer {self.token}"

    async def authenticate(self) -> None:
        """The token is good for as long as the test takes."""


def test_it_hears_the_true_response(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    # When it closes it cancels its own connect, and asyncio says so.
    caplog.set_level(logging.CRITICAL, "asyncio")
    mark = token_hex(3)
    ann, bob = (
        Genesys(gateway.with_token("agent", id=f"{name}-{mark}"), f"{name}-{mark}") for name in ("ann", "bob")
    )
    hub = Genesys(gateway.with_token("system", id="hub"), "hub")
    assert gateway.admin.send("PUT", f"/interlock/v1/queues/q-{mark}", b"{}").status == 200
    for agent in (ann, bob):
        done(agent.start("workitem"))

    def invite() -> str:
        key = str(done(hub.create(channel="workitem", queueName=f"q-{mark}"))["id"])
        answer = gateway.admin.command(f"interaction/{key}", "invite", data={"agent": ann.id})
        assert answer.status == 200
        return key

    async def told(client: Client) -> tuple[str, str, str | None]:
        async with asyncio.timeout(60):
            message = await client.receive()
        data = message["data"]
        return data["id"], data["state"], data["referenceId"]

    async def work() -> None:
        url = f"{gateway.url}{BASE}/notifications"
        async with Client(url, auth=_Bearer(ann.client.token)) as client:
            await client.subscribe("/v2/me/interactions")
            for operation, fields, state in (
                ("Reject", {}, "Completed"),
                ("Accept", {}, "Processing"),
                ("Transfer", {"userId": bob.id}, "Completed"),
            ):
                if operation != "Transfer":
                    key = await asyncio.to_thread(invite)
                    assert (await told(client))[:2] == (key, "Invited")
                answer = done(await asyncio.to_thread(ann.do, key, operation, **fields))
                assert await told(client) == (key, state, answer["referenceId"])

    asyncio.run(work())
    assert bob.sees(key_of(bob)) == ("Invited", ["Accept", "Reject"])


def key_of(agent: Genesys) -> str:
    (address,) = done(agent.get("/me/interactions"))["uris"]
    return str(address.rpartition("/")[2])

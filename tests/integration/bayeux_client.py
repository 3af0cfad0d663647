"""A client of Bayeux for tests: handshake, subscribe, connect, with what it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.integration.genesys_client import BASE
from tests.integration.http_client import Answer, Client

CHANNEL = "/v2/me/interactions"


@dataclass
class Bayeux:
    """``told``: the data of all messages, in their order."""

    client: Client
    path: str = "/notifications"
    base: str = BASE
    client_id: str = ""
    told: list[Any] = field(default_factory=list)

    def post(self, *messages: Any, path: str | None = None) -> Answer:
        body = orjson.dumps(list(messages))
        return self.client.send(
            "POST",
            self.base + (self.path if path is None else path),
            body,
            content_type="application/json",
            timeout_seconds=60,
        )

    def ask(self, channel: str, **fields: Any) -> Any:
        """The answer to one message; what else comes is in ``told``."""
        answer = self.post({"channel": channel, "clientId": self.client_id, "id": "7", **fields})
        assert answer.status == 200, answer.raw
        *events, reply = answer.body
        assert (reply["channel"], reply["id"]) == (channel, "7")
        for one in events:
            assert one["channel"] == CHANNEL
            self.told.append(one["data"])
        return reply

    def handshake(self, **fields: Any) -> Any:
        wish = {"version": "1.0", "supportedConnectionTypes": ["long-polling"], **fields}
        reply = self.ask("/meta/handshake", **wish)
        self.client_id = reply.get("clientId", "")
        return reply

    def listen(self) -> Bayeux:
        """Until it is connected and hears of interactions."""
        assert self.handshake()["successful"]
        assert self.ask("/meta/subscribe", subscription=CHANNEL)["successful"]
        assert self.connect()["successful"]
        return self

    def connect(self, **fields: Any) -> Any:
        return self.ask("/meta/connect", connectionType="long-polling", **fields)

    def hear(self, fits: Callable[[Any], bool]) -> Any:
        """The first message that fits; connects until it comes."""
        while (found := next((one for one in self.told if fits(one)), None)) is None:
            assert self.connect()["successful"]
        return found

"""A client of Genesys Web Services' API for tests: its operations, and its answers checked for their envelope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from tests.integration.http_client import Answer, Client

BASE = "/genesys/api/v2"
HTTP = {1: 400, 2: 409, 3: 403, 5: 403, 6: 404, 10: 400, 20: 401}
"""What each ``statusCode`` has to be in HTTP, of the contract."""


@dataclass(frozen=True)
class Genesys:
    """``id``: of the principal whose token it has."""

    client: Client
    id: str

    def get(self, path: str) -> Answer:
        return self.client.get(BASE + path)

    def send(self, path: str, body: Any, method: str = "POST", **headers: str) -> Answer:
        return self.client.send(
            method, BASE + path, orjson.dumps(body), content_type="application/json", **headers
        )

    def start(self, *channels: str) -> Answer:
        return self.send("/me", {"operationName": "StartContactCenterSession", "channels": channels})

    def end(self) -> Answer:
        return self.send("/me", {"operationName": "EndContactCenterSession"})

    def create(self, **fields: Any) -> Answer:
        return self.send("/interactions", {"operationName": "Create", **fields})

    def do(self, key: str, operation: str, *, named: str | None = None, **fields: Any) -> Answer:
        """``named``: the Idempotency-Key."""
        headers = {"idempotency_key": named} if named else {}
        return self.send(f"/me/interactions/{key}", {"operationName": operation, **fields}, **headers)

    def pull(self, workbin: str, key: str) -> Answer:
        return self.send(f"/me/workbins/{workbin}", {"operationName": "PullInteraction", "id": key})

    def sees(self, key: str) -> Any:
        """State and capabilities of the client's leg."""
        found = done(self.get(f"/me/interactions/{key}"))
        return found["state"], found["capabilities"]


def done(answer: Answer) -> Any:
    assert (answer.status, answer.body["statusCode"]) == (200, 0), (answer.status, answer.raw)
    assert answer.body["referenceId"]
    return answer.body


def refused(answer: Answer, code: int) -> str:
    """The message of a refusal, which has to be in Genesys' envelope."""
    body = answer.body
    assert (answer.status, body["statusCode"]) == (HTTP[code], code), answer.raw
    assert body.keys() == {"statusCode", "statusMessage", "referenceId", "status", "errorDescription"}
    assert body["referenceId"]
    assert body["status"] == "error"
    assert body["errorDescription"] == body["statusMessage"] != ""
    return str(body["statusMessage"])

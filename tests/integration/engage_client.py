"""A client of Engage's API for tests: its operations, with the parameters in the query, a form or JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson

from tests.integration.http_client import Answer, Client

BASE = "/engage/1.0"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Engage:
    """``id``: of the principal whose token it has."""

    client: Client
    id: str

    def call(
        self, method: str, path: str, parameters: Any = (), *, place: str = "query", **headers: str
    ) -> Answer:
        """``place``: where the parameters go, ``query``, ``form`` or ``json``."""
        where, body = f"{BASE}{path}", None
        if place == "query" and parameters:
            where = f"{where}?{urlencode(parameters, doseq=True)}"
        elif place == "form":
            headers["content_type"] = FORM
            body = urlencode(parameters, doseq=True).encode()
        elif place == "json":
            headers["content_type"] = "application/json"
            body = orjson.dumps(parameters)
        return self.client.send(method, where, body, **headers)

    def ask(self, source: str, author: str, **more: Any) -> str:
        """A customer's message; the content's id."""
        sent = {"source_id": source, "author_id": author, "body": "Hello", **more}
        return str(done(self.call("POST", "/contents", sent))["id"])

    def open(self, content: str, **more: Any) -> Answer:
        return self.call("POST", "/interventions", {"content_id": content, **more})

    def reply(self, content: str, **more: Any) -> Answer:
        return self.call("POST", "/contents", {"in_reply_to_id": content, "body": "Hi", **more})

    def get(self, key: str) -> Answer:
        return self.call("GET", f"/interventions/{key}")

    def close(self, key: str, **headers: str) -> Answer:
        return self.call("PUT", f"/interventions/{key}/close", **headers)

    def cancel(self, key: str, **headers: str) -> Answer:
        return self.call("DELETE", f"/interventions/{key}/cancel", **headers)

    def listed(self, **filters: Any) -> Any:
        return done(self.call("GET", "/interventions", filters))


def done(answer: Answer) -> Any:
    assert answer.status == 200, (answer.status, answer.raw)
    return answer.body


def refused(answer: Answer, status: int, identifier: str) -> str:
    """The message of a refusal, which has to be in Engage's envelope."""
    body = answer.body
    assert (answer.status, body["error"]) == (status, identifier), answer.raw
    assert body.keys() == {"error", "message", "status"}
    assert body["status"] == status
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    return str(body["message"])

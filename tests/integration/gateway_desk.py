"""A tenant with one of everything that the gateway shows, and the operations by which it does."""

from __future__ import annotations

from dataclasses import dataclass
from secrets import token_hex
from typing import Any
from urllib.parse import urlencode

import orjson

from tests.integration.gateway_setup import Gateway


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    document: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.document["operationId"])

    @property
    def streams(self) -> bool:
        return "text/event-stream" in self.document["responses"].get("200", {}).get("content", {})

    @property
    def names_something(self) -> bool:
        return "{" in self.path.replace("{kind}", "")  # a kind of messages is nobody's


@dataclass(frozen=True)
class Desk:
    """What a tenant has. ``values``: by the name of a parameter or field. ``canary`` stands in all of it."""

    tenant: str
    canary: str
    values: dict[str, Any]


def operations_of(document: dict[str, Any]) -> list[Operation]:
    """Those of an OpenAPI document."""
    return [
        Operation(method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def furnish(gateway: Gateway, word: str = "own") -> Desk:
    """A new tenant's desk. ``word``: the name of all that may be named."""
    tenant, canary = f"matrix-{token_hex(3)}", f"canary-{token_hex(6)}"
    admin = gateway.with_token("admin", tenant=tenant, id="root")

    def made(method: str, path: str, body: Any = None) -> Any:
        raw = None if body is None else orjson.dumps(body)
        answer = admin.send(method, path, raw, content_type="application/json")
        assert answer.status in (200, 201), (path, answer.status, answer.raw)
        return answer.body

    parcel = admin.command(
        f"parcel/{word}", "post", data={"owner": canary}, headers={"idempotency_key": f"{word}-id"}
    )
    ticket = {"queue": word, "content": {"text": canary}, "metadata": {"roomId": canary}}
    assert [parcel.status, admin.command(f"ticket/{word}", "open", data=ticket).status] == [200, 200]
    made("PUT", f"/interlock/v1/queues/{word}", {})
    made("PUT", f"/interlock/v1/workbins/{word}", {"description": canary})
    made("PUT", f"/interlock/v1/agents/{word}", {"name": canary, "queues": [word]})
    said = urlencode({"source_id": "mail", "author_id": "cid", "body": canary})
    content = made("POST", f"/engage/1.0/contents?{said}")["id"]
    intervention = made("POST", f"/engage/1.0/interventions?content_id={content}")["id"]
    said = urlencode({"intervention_id": intervention, "body": canary})
    comment = made("POST", f"/engage/1.0/intervention_comments?{said}")["id"]
    app = f"/sunshine/v2/apps/{tenant}"
    board = made("POST", f"{app}/switchboards")["switchboard"]["id"]
    member = {"name": "desk", "integrationType": "zd:agentWorkspace", "deliverStandbyEvents": False}
    integration = made("POST", f"{app}/switchboards/{board}/switchboardIntegrations", member)
    talk = made("POST", f"{app}/conversations", {"type": "sdkGroup", "displayName": canary})
    spoken = {"author": {"type": "business"}, "content": {"type": "text", "text": canary}}
    message = made("POST", f"{app}/conversations/{talk['conversation']['id']}/messages", spoken)["messages"][
        0
    ]
    user = made("POST", f"{app}/users", {"externalId": word, "profile": {"givenName": canary}})
    create = {"operationName": "Create", "channel": "chat", "queueName": word, "userData": {"word": canary}}
    interaction = made("POST", "/genesys/api/v2/interactions", create)["id"]
    values = {
        "machine": "parcel",
        "key": word,
        "name": word,
        "command_id": f"{word}-id",
        "agentID": word,
        "agentId": word,
        "ticketID": word,
        "interventionId": intervention,
        "intervention_id": intervention,
        "interventionCommentId": comment,
        "contentId": content,
        "content_id": content,
        "appId": tenant,
        "conversationId": talk["conversation"]["id"],
        "messageId": message["id"],
        "switchboardId": board,
        "switchboardIntegrationId": next(iter(integration.values()))["id"],
        "userIdOrExternalId": user["user"]["id"],
        "id": interaction,
        "webhook_id": "wh_none",
        "letter_id": "0:1-1",
        "kind": "handshake",
        "channel": "chat",
    }
    return Desk(tenant, canary, values)

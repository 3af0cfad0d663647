"""An event as the vendors' profiles read it, and what their requests have in common. Pure.

Events come out of Redis, where others may write too: whatever has not the shape that ours have is read as
empty, so that no attempt breaks on it.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from interlock.engine.profiles.outgoing import Outgoing
from interlock.engine.shared_secrets import shared_text, signing_key
from interlock.engine.signing import signed_headers
from interlock.engine.tenancy import split

SOURCE = "/interlock/"
_HEADER_WORD = re.compile(r"\A[\x21-\x7e]{1,256}\Z")


@dataclass(frozen=True, slots=True)
class Announced:
    """The parts of a CloudEvent. ``tenant``: what a vendor calls the domain or the app; ``key``: the tenant's.

    ``machine`` and ``verb``: of ``ticket.assigned``; ``state`` and ``came_from``: the first of the atomic states
    after and before the step, ``""`` where there is none; ``states``: all of those after; ``actor_kind``: ``""``
    where the system acted; ``changed``: public context fields that the step has changed, each with ``from`` and ``to``.
    """

    id: str
    type: str
    machine: str
    verb: str
    tenant: str
    key: str
    time: str
    version: int
    state: str
    came_from: str
    states: Sequence[str]
    context: dict[str, Any]
    changed: dict[str, Any]
    actor_id: str
    actor_kind: str
    command_id: str

    def get(self, field: str) -> Any:
        """A public context field; None where there is none."""
        return self.context.get(field)

    def part(self, field: str) -> dict[str, Any]:
        """A public context field that is an object; empty where it is none."""
        return _object(self.context.get(field))


def read(event: bytes) -> Announced:
    """The parts of an event from the outbox."""
    fields = _object(orjson.loads(event))
    data = _object(fields.get("data"))
    kind = _text(fields.get("type"))
    prefix, _, verb = kind.partition(".")
    source = _text(fields.get("source"))
    actor, command = _object(data.get("actor")), _object(data.get("command"))
    version = data.get("version")
    tenant, key = split(_text(fields.get("subject")))
    return Announced(
        id=_text(fields.get("id")),
        type=kind,
        machine=source.removeprefix(SOURCE) if source.startswith(SOURCE) else prefix,
        verb=verb or kind,
        tenant=tenant,
        key=key,
        time=_text(fields.get("time")),
        version=version if isinstance(version, int) else 0,
        state=_first(data.get("to")),
        came_from=_first(data.get("from")),
        states=_texts(data.get("to")),
        context=_object(data.get("context")),
        changed=_object(data.get("changed")),
        actor_id=_text(actor.get("id")),
        actor_kind=_text(actor.get("kind")),
        command_id=_text(command.get("id")),
    )


def post(
    body: bytes, vendor: dict[str, str], *, message: str, secrets: Sequence[bytes], at: datetime
) -> Outgoing:
    """``body``, which is JSON, under the vendor's headers.

    Beside them stand those of Standard Webhooks, over this body: a receiver can drop repetitions by
    ``webhook-id`` and check the signature without a subscription of another profile.
    """
    headers = signed_headers([signing_key(one) for one in secrets], message, int(at.timestamp()), body)
    headers["Content-Type"] = "application/json"
    return Outgoing(body, headers | vendor)


def hub_signature(secret: bytes, body: bytes) -> str:
    """``sha1=<hex>`` of the body, as WebSub has it. The key is the secret's text: what was handed over.

    SHA-1 is what these vendors' receivers check; as an HMAC it is not broken.
    """
    return "sha1=" + hmac.digest(shared_text(secret).encode(), body, "sha1").hex()


def camel(verb: str) -> str:
    """``user_data_updated`` as ``userDataUpdated``."""
    first, *rest = verb.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def fits_header(text: str) -> bool:
    """Whether a text may stand in a header: visible ASCII, at most 256 characters."""
    return _HEADER_WORD.match(text) is not None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _first(states: object) -> str:
    return _text(states[0]) if isinstance(states, list) and states else ""

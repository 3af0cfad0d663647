"""Where things are: the app's switchboard, conversations as the switchboard of now sees them, users."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from interlock.engine.messages import is_printable
from interlock.gateway.dialects.sunshine.calls import Call
from interlock.gateway.dialects.sunshine.errors import missing
from interlock.gateway.reading import Instance, listed, read

BOARD = "app"
"""The key of the app's one board."""
STANDING = ["posted"]
"""The state of a message that was not deleted."""
_MAX_ID = 128
_MAX_EXTERNAL_ID = 1024


@dataclass(frozen=True, slots=True)
class Conversation:
    """``instance``: its `switchboard`; ``integrations``: those among which its control is."""

    instance: Instance
    integrations: list[Mapping[str, Any]]

    @property
    def key(self) -> str:
        return str(self.instance["key"])

    @property
    def context(self) -> Mapping[str, Any]:
        return self.instance["context"]  # type: ignore[no-any-return]

    @property
    def is_deleted(self) -> bool:
        return self.instance["state"] == ["deleted"]  # type: ignore[no-any-return]


def switchboard_id(app_id: str) -> str:
    """The id of an app's switchboard: 24 hexadecimal digits."""
    return _digest(f"switchboard/{app_id}")


def user_id(external_id: str) -> str:
    """The id of the user whom an app knows by this id of its own."""
    return _digest(f"user/{external_id}")


def participant_id(conversation: str, user: str) -> str:
    """The id of a user's part in a conversation."""
    return _digest(f"participant/{conversation}/{user}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


async def known_board(call: Call) -> Instance | None:
    """The app's board, also one that was deleted; None where it never had one."""
    return await read(call.deployment, call.principal, "board", BOARD)


async def board(call: Call) -> Instance | None:
    """The app's board, or None."""
    found = await known_board(call)
    return found if found is not None and found["state"] != ["absent"] else None


async def needed_board(call: Call, key: str) -> Instance:
    """The app's board, where it has this id. Raises SunshineError (404)."""
    found = await board(call) if key == switchboard_id(call.principal.tenant) else None
    if found is None:
        raise missing("switchboard")
    return found


def integration_of(found: Instance | None, key: str) -> Mapping[str, Any]:
    """A switchboard integration of a board. Raises SunshineError (404)."""
    for each in found["context"]["integrations"] if found else ():
        if each["id"] == key:
            return each  # type: ignore[no-any-return]
    raise missing("switchboard_integration")


def board_data(found: Instance | None) -> dict[str, Any]:
    """What a conversation is told of the app's board."""
    context = found["context"] if found else {}
    return {
        "integrations": context.get("integrations", []),
        "default_integration": context.get("default_integration"),
        "enabled": found is not None and found["state"] == ["present.enabled"],
        "board": BOARD,
        "board_version": context.get("board_version", 0),
    }


async def known_conversation(call: Call, key: str) -> Conversation:
    """The conversation of this id, also one that was deleted. Raises SunshineError (404)."""
    found = await read(call.deployment, call.principal, "switchboard", key) if is_id(key) else None
    if found is None:
        raise missing("conversation")
    return seen(found, await known_board(call))


async def conversation(call: Call, key: str) -> Conversation:
    """The conversation of this id, as the board of now sees it. Raises SunshineError (404)."""
    found = await known_conversation(call, key)
    if found.is_deleted:
        raise missing("conversation")
    return found


def seen(instance: Instance, app_board: Instance | None) -> Conversation:
    """A conversation's instance, and its integrations: the board's, or its very own."""
    context = instance["context"]
    if context["board"] == BOARD and app_board is not None:
        return Conversation(instance, app_board["context"]["integrations"])
    return Conversation(instance, context["integrations"])


async def last_messages(call: Call, key: str, limit: int) -> list[Instance]:
    """The latest that was said in a conversation and still stands, last first."""
    where, sort = {"conversation": key}, ["-created_at"]
    found = await listed(
        call.deployment, call.principal, "message", where=where, states=STANDING, sort=sort, limit=limit
    )
    return found.instances


async def up_to_date(call: Call, key: str) -> Conversation:
    """The same, told of the board of now before anything is done with its control. Raises SunshineError."""
    found = await conversation(call, key)
    if found.context["board"] != BOARD:
        return found
    app_board = await known_board(call)
    data = board_data(app_board)
    if data["board_version"] <= found.context["board_version"]:
        return found
    await call.as_system().do("switchboard", key, "configure", data, step=".board")
    return await conversation(call, key)


async def user(call: Call, reference: str) -> Instance | None:
    """The user of this id."""
    found = await read(call.deployment, call.principal, "user", reference) if is_id(reference) else None
    return found if found is not None and found["state"] != ["absent"] else None


async def user_by(call: Call, given: Mapping[str, Any]) -> Instance | None:
    """The user that ``userId`` or ``userExternalId`` of a body names."""
    if "userId" in given:
        return await user(call, given["userId"])
    return await user(call, user_id(given["userExternalId"]))


async def needed_user(call: Call, given: Mapping[str, Any]) -> Instance:
    """The same. Raises SunshineError (404)."""
    found = await user_by(call, given)
    if found is None:
        raise missing("user")
    return found


async def ensured_user(call: Call, given: Mapping[str, Any], step: str) -> str:
    """The id of the user that a body names; one of a new ``userExternalId`` is made. Raises SunshineError."""
    found = await user_by(call, given)
    if found is not None:
        return str(found["key"])
    if "userId" in given:
        raise missing("user")
    external_id = given["userExternalId"]
    key = user_id(external_id)
    await call.do("user", key, "create", {"external_id": external_id}, step=step, done="user_exists")
    return key


def is_id(text: str) -> bool:
    """Whether something may have this id."""
    return 0 < len(text) <= _MAX_ID and is_printable(text)

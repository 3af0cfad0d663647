"""The door: what was found in the ingress stream becomes an inbox entry of one partition. Pure.

A command that can be addressed goes to its instance's partition as it came. What cannot be read, addressed
or carried goes to some partition as a refusal, so that even that is answered by a fenced commit, once.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import ValidationError

from interlock.engine.errors import CommandRefused, ErrorClass
from interlock.engine.ids import command_id_from_entry, fingerprint
from interlock.engine.keys import Keys
from interlock.engine.messages import MAX_ID_LENGTH, Command, Error, format_time, is_printable
from interlock.engine.sealing import may_hold_sealed
from interlock.engine.tenancy import plain

COMMAND = b"c"
EXCLUSIVE = b"x"
"""A command that holds its instance's slot in ``:exclusive``; the commit that takes it clears the slot."""
IN_FLIGHT = b"f"
"""An exclusive command that came in while another one held the slot."""
TIMER = b"t"
REJECTED = b"r"
"""Fields of an inbox entry."""

MAX_DEPTH = 64
"""Levels of nesting in a command."""
_PARSE_LIMIT = 4 * 1024 * 1024
_KEPT_BYTES = 2048


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """What goes into the inbox of ``partition``: one field and its payload.

    ``body``: the payload of a command, read.
    """

    partition: int
    field: bytes
    payload: bytes
    body: Mapping[str, Any] | None = None


def admit(keys: Keys, entry_id: str, fields: Mapping[bytes, bytes], max_bytes: int) -> InboxEntry:
    """The inbox entry for one entry of the ingress stream, however broken that is."""
    raw = fields.get(b"command")
    if raw is None:
        names = ", ".join(sorted(name.decode(errors="replace")[:50] for name in fields)[:5])
        error = Error(
            "malformed", "no_command_field", f"the entry has {names or 'no field'}: XADD it as `command`"
        )
        return _reject(keys, entry_id, b"", {}, error)
    if len(raw) > (_sealed_limit(max_bytes) if may_hold_sealed(raw) else max_bytes):
        # Still parsed where that is cheap, so that the sender gets an answer under the command's id.
        body = read_object(raw) if len(raw) <= _PARSE_LIMIT else None
        error = Error(
            "too_large", "too_large", f"{len(raw)} bytes, the limit is {max_bytes}", {"bytes": len(raw)}
        )
        return _reject(keys, entry_id, raw, body or {}, error)
    body = read_object(raw)
    if body is None:
        error = Error(
            "malformed",
            "not_an_object",
            f"no JSON object in UTF-8 with numbers of 64 bits and at most {MAX_DEPTH} levels",
        )
        return _reject(keys, entry_id, raw, _salvage(raw), error)
    machine, key = body.get("machine"), body.get("key")
    if not isinstance(machine, str) or not isinstance(key, str):
        missing = "machine" if not isinstance(machine, str) else "key"
        error = Error("malformed", "invalid_field", f"{missing}: a string is required", {"field": missing})
        return _reject(keys, entry_id, raw, body, error)
    if body.get("id") is None:
        body["id"] = command_id_from_entry(keys.commands, entry_id, raw)
        raw = orjson.dumps(body)
    return InboxEntry(keys.partition_of(machine, key), COMMAND, raw, body)


def parse_command(keys: Keys, raw: bytes) -> Command:
    """The command in an inbox entry. Raises CommandRefused (malformed), naming the field, never its value."""
    try:
        body = orjson.loads(raw)
        command = Command.model_validate(body)
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])[:200]
        if first["type"] == "extra_forbidden":
            raise CommandRefused(
                ErrorClass.MALFORMED,
                "unknown_field",
                f"unknown field {field!r}: leave it out",
                {"field": field},
            ) from None
        raise CommandRefused(
            ErrorClass.MALFORMED, "invalid_field", f"{field}: {first['msg']}", {"field": field}
        ) from None
    except ValueError as problem:
        raise CommandRefused(ErrorClass.MALFORMED, "not_an_object", f"no JSON: {problem}") from None
    if command.not_before is not None:
        try:
            format_time(command.not_before)
        except (OverflowError, ValueError):
            raise CommandRefused(
                ErrorClass.MALFORMED,
                "invalid_field",
                "not_before: lies outside of the years 1 to 9999 in UTC",
                {"field": "not_before"},
            ) from None
    if command.reply_to is not None and not keys.is_reply(command.reply_to):
        raise CommandRefused(
            ErrorClass.MALFORMED,
            "invalid_field",
            f"reply_to: name a list {keys.reply('<token>')}",
            {"field": "reply_to"},
        )
    return command


def _sealed_limit(max_bytes: int) -> int:
    """Sealed, a value is a third longer: a command that may be published in clear may be published sealed too."""
    return max_bytes * 4 // 3 + _KEPT_BYTES


def body_fingerprint(body: Mapping[str, Any]) -> str:
    """The fingerprint of a broken command; where its answer goes is no part of it."""
    return fingerprint({name: value for name, value in body.items() if name != "reply_to"})


def usable_id(body: Mapping[str, Any]) -> str | None:
    """The command id of a broken command, where at least that is sound; its sender is answered under it."""
    named = body.get("id")
    return (
        named
        if isinstance(named, str) and len(plain(named)) <= MAX_ID_LENGTH and is_printable(named)
        else None
    )


def read_object(raw: bytes) -> dict[str, Any] | None:
    """The JSON object, or None where it is none or nested too deep for those who read it after us."""
    try:
        body = orjson.loads(raw)
    except ValueError:
        return None
    if not isinstance(body, dict) or (
        raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _depth(body) > MAX_DEPTH
    ):
        return None
    return body


def _salvage(raw: bytes) -> dict[str, Any]:
    """The texts of a command that strict JSON does not read (a huge number, half a surrogate, too deep), so that its
    sender is answered; empty where a lenient reader finds no object either."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(body, dict):
        return {}
    names = ("id", "machine", "key", "name", "reply_to")
    texts = {name: body[name] for name in names if isinstance(body.get(name), str)}
    return {name: text for name, text in texts.items() if text.isascii() or text.isprintable()}


def _depth(value: object) -> int:
    deepest, level = 0, [value]
    while level:
        deepest += 1
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        level = inner
    return deepest


def _reject(keys: Keys, entry_id: str, raw: bytes, body: Mapping[str, Any], error: Error) -> InboxEntry:
    named = usable_id(body)
    reply_to = body.get("reply_to")
    payload = {
        "id": named,
        "entry": entry_id,
        "machine": body.get("machine") if isinstance(body.get("machine"), str) else None,
        "key": body.get("key") if isinstance(body.get("key"), str) else None,
        "reply_to": reply_to if isinstance(reply_to, str) and keys.is_reply(reply_to) else None,
        "error": error.as_dict(),
        "fingerprint": body_fingerprint(body) if body else f"{zlib.crc32(raw):08x}{len(raw):08x}",
        "raw": raw[:_KEPT_BYTES].decode("utf-8", "replace"),
    }
    number = zlib.crc32((named or entry_id).encode()) % keys.partitions
    return InboxEntry(number, REJECTED, orjson.dumps(payload))

"""What stands in an inbox, parsed: each entry becomes an `Item`, a foreign one too. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from interlock.engine.errors import CommandRefused, ErrorClass
from interlock.engine.ids import fingerprint
from interlock.engine.ingress import (
    COMMAND,
    EXCLUSIVE,
    IN_FLIGHT,
    REJECTED,
    TIMER,
    body_fingerprint,
    parse_command,
    read_object,
    usable_id,
)
from interlock.engine.keys import Keys, exclusive_slot
from interlock.engine.messages import Command, Error, format_time
from interlock.engine.sealing import FindSealer, Known, NotOpened
from interlock.engine.stored_forms import open_command

Address = tuple[str, str]
"""Machine and key of an instance."""


@dataclass(frozen=True, slots=True)
class Item:
    """An inbox entry, parsed. Exactly one of ``command``, ``timer`` and ``rejected`` is set.

    ``mark``: the fingerprint of the body that came under ``id``. ``slot``: the field of ``:exclusive`` that
    this entry holds. ``in_flight``: an exclusive command that another one's slot keeps out. ``failures``: how
    often the step of a timer has failed already. ``raw`` is as it came, ``command`` in clear; ``known``: what of
    its data came sealed.
    """

    raw: bytes
    id: str | None = None
    mark: str = ""
    command: Command | None = None
    timer: tuple[str, str, str] | None = None
    rejected: Mapping[str, Any] | None = None
    slot: bytes | None = None
    in_flight: bool = False
    failures: int = 0
    known: Known = field(default_factory=dict)

    @property
    def address(self) -> Address | None:
        """The instance it is for, if it is for one."""
        if self.command:
            return self.command.machine, self.command.key
        return self.timer[:2] if self.timer else None


def parse(keys: Keys, fields: Mapping[bytes, bytes], find: FindSealer) -> Item:
    """The item in an inbox entry; what is no item of ours becomes a rejected one.

    ``find``: asked where something came sealed; what it raises but for NotOpened is raised.
    """
    for name, raw in fields.items():
        if name == COMMAND:
            return _parse_command(keys, raw, find)
        if name in (EXCLUSIVE, IN_FLIGHT):
            return _parse_exclusive(keys, raw, find, held=name == EXCLUSIVE)
        if name == TIMER:
            return _parse_timer(raw)
        if name == REJECTED:
            return _parse_rejected(raw)
    return _foreign(next(iter(fields.values()), b""), "no inbox entry of ours")


def _parse_command(keys: Keys, raw: bytes, find: FindSealer) -> Item:
    known: Known = {}
    try:
        command = _opened(find, parse_command(keys, raw), known)
    except CommandRefused as refusal:
        error = Error(refusal.error_class.value, refusal.code, refusal.message, refusal.details).as_dict()
        return _parse_rejected(orjson.dumps({"error": error, **_address_of(keys, raw)}), raw)
    actor = (command.actor.id, command.actor.kind) if command.actor else None
    not_before = format_time(command.not_before) if command.not_before else None
    body = (
        command.machine,
        command.key,
        command.name,
        command.data,
        actor,
        command.expected_version,
        not_before,
    )
    return Item(raw, command.id, fingerprint(body), command=command, known=known)


def _opened(find: FindSealer, command: Command, known: Known) -> Command:
    try:
        return open_command(find, command, known)
    except NotOpened as fault:
        raise CommandRefused(ErrorClass.INVALID_DATA, "not_opened", str(fault)) from None


def _parse_exclusive(keys: Keys, raw: bytes, find: FindSealer, *, held: bool) -> Item:
    item = _parse_command(keys, raw, find)
    if not held:
        return replace(item, in_flight=True)
    # Of the body as the pump read it, so that the slot of a malformed command is cleared too.
    body = read_object(raw) or {}
    return replace(item, slot=exclusive_slot(body.get("machine"), body.get("key"), body.get("name")))


def _address_of(keys: Keys, raw: bytes) -> dict[str, Any]:
    """What can be told of a broken command: only parts that are sound by themselves."""
    body = read_object(raw) or {}
    known = {name: body[name] for name in ("machine", "key", "reply_to") if isinstance(body.get(name), str)}
    if not keys.is_reply(known.get("reply_to", "")):
        known.pop("reply_to", None)
    return {
        **known,
        "id": usable_id(body),
        "fingerprint": body_fingerprint(body),
    }


def _parse_timer(raw: bytes) -> Item:
    """``[machine, key, timer id]``, and how often its step has failed where it has."""
    try:
        machine, key, timer_id, *failures = orjson.loads(raw)
    except (ValueError, TypeError):
        return _foreign(raw, "no timer of ours")
    count = failures[0] if len(failures) == 1 else 0
    if not isinstance(count, int) or not all(isinstance(part, str) for part in (machine, key, timer_id)):
        return _foreign(raw, "no timer of ours")
    return Item(raw, timer=(machine, key, timer_id), failures=count)


def _parse_rejected(raw: bytes, shown: bytes | None = None) -> Item:
    try:
        rejected = orjson.loads(raw)
        error, command_id, mark = rejected["error"], rejected.get("id"), rejected.get("fingerprint", "")
        Error(error["class"], error["code"], error["message"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return _foreign(raw, "no refusal of ours")
    if not isinstance(mark, str) or not (command_id is None or isinstance(command_id, str)):
        return _foreign(raw, "no refusal of ours")
    return Item(shown if shown is not None else raw, command_id, mark, rejected=rejected)


def _foreign(raw: bytes, why: str) -> Item:
    return Item(raw, rejected={"error": Error("malformed", "foreign_entry", why).as_dict()})

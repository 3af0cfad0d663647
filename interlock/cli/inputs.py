"""What the commands take: addresses, JSON, and the settings behind flags, environment and file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from interlock.cli.exits import CliError, Exit

if TYPE_CHECKING:
    from interlock.engine.settings import Settings

_overrides: dict[str, Any] = {}


def override(**flags: Any) -> None:
    """Settings given as flags before the command, and no others; those that are None were not given."""
    _overrides.clear()
    _overrides.update({name: value for name, value in flags.items() if value is not None})


def settings(**flags: Any) -> Settings:
    """The settings: ``flags`` (None: not given) > environment > ``interlock.toml`` > default.

    Raises CliError (usage) that names the setting at fault.
    """
    from pydantic import ValidationError

    from interlock.engine.settings import Settings

    given = _overrides | {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "?"
        raise CliError(
            Exit.USAGE,
            f"The setting {name} is not valid: {first['msg']}. Correct the flag, INTERLOCK_{name.upper()} or "
            f"interlock.toml; `interlock schema config` lists what each may be.",
        ) from None
    except ValueError as error:  # a TOML file that is no TOML
        raise CliError(Exit.USAGE, f"interlock.toml cannot be read: {error}. Correct the file.") from None


def parse_address(text: str) -> tuple[str, str]:
    """``ticket/T-1`` as machine and key; the key may hold slashes. Raises CliError (usage)."""
    machine, slash, key = text.partition("/")
    if not (machine and slash and key):
        raise CliError(Exit.USAGE, f"{text!r} names no instance. Write MACHINE/KEY, such as ticket/T-1.")
    return machine, key


def parse_object(text: str, what: str) -> dict[str, Any]:
    """A JSON object from a flag: the JSON itself, ``@FILE``, or ``-`` for stdin.

    Raises CliError: usage where the file cannot be read, invalid where it holds no JSON object.
    """
    raw = _read(text, what)
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise CliError(
            Exit.INVALID, f'{what} is not JSON: {error}. Write it as in {what} \'{{"agent": "ann"}}\'.'
        ) from None
    if not isinstance(value, dict):
        raise CliError(
            Exit.INVALID, f'{what} is no JSON object. Write it as in {what} \'{{"agent": "ann"}}\'.'
        )
    return value


def _read(text: str, what: str) -> bytes:
    if text == "-":
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape")
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise CliError(
            Exit.USAGE, f"{what} {text}: {error.strerror}. Name a file that can be read."
        ) from None


def parse_pair(text: str, what: str) -> tuple[str, Any]:
    """``field=value``; the value is JSON where it is JSON, else text. Raises CliError (usage)."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise CliError(
            Exit.USAGE, f"{what} {text!r} is not FIELD=VALUE. Write it as in {what} queue=billing."
        )
    try:
        return name, orjson.loads(value)
    except orjson.JSONDecodeError:
        return name, value


def wants_debug() -> bool:
    """Whether an unexpected error shall show its traceback."""
    try:
        return settings().log_level == "debug"
    except CliError:
        return False

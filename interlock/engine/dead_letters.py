"""What could not be applied, once more or never again.

A letter stays until somebody decides: `retry` publishes its command anew, `discard` throws it away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import orjson

from interlock.engine.errors import InterlockError
from interlock.engine.ingress import read_object, usable_id
from interlock.engine.store import Store

SealData = Callable[[str, str, str, Mapping[str, Any]], Mapping[str, Any]]


class LetterNotFound(InterlockError):
    """No dead letter has this id: `interlock dead list` shows them."""

    def __init__(self, letter_id: str) -> None:
        super().__init__(f"there is no dead letter {letter_id[:100]!r}: `interlock dead list` shows them")


class RetryRefused(InterlockError):
    """What was published is no command, or is not kept whole. Publish it anew by hand, then discard the letter."""


def find(store: Store, letter_id: str) -> dict[str, Any]:
    """A dead letter as `Store.dead_letters` gives it. Raises LetterNotFound."""
    key, entry = _place(store, letter_id)
    found = cast("list[tuple[bytes, dict[bytes, bytes]]]", store.client.xrange(key, entry, entry))
    letter = store.read_letter(letter_id, found[0][1]) if found else None
    if letter is None:
        raise LetterNotFound(letter_id)
    return letter


def discard(store: Store, letter_id: str) -> None:
    """Throw a letter away. Raises LetterNotFound."""
    key, entry = _place(store, letter_id)
    if not store.client.xdel(key, entry):
        raise LetterNotFound(letter_id)


def retry(store: Store, letter_id: str, seal: SealData) -> str:
    """Publish a letter's command again and throw the letter away; the command's new id.

    The old id has had its answer. The new one follows from the letter's, so a retry that is interrupted and made
    again counts once. ``seal``: seals private data. Raises LetterNotFound, RetryRefused.
    """
    letter = find(store, letter_id)
    body = read_object(letter["raw"].encode())
    parts = [body.get(name) for name in ("machine", "key", "name")] if body else []
    if body is None or not all(isinstance(part, str) for part in parts):
        raise RetryRefused(
            f"what stands in the letter {letter_id} is no whole command: publish it by hand, then discard it"
        )
    body["id"] = f"retry-{letter_id}"
    if usable_id(body) is None:
        raise LetterNotFound(letter_id)
    body.pop("reply_to", None)
    if isinstance(body.get("data"), dict) and body["data"]:
        body["data"] = dict(seal(body["machine"], body["key"], body["name"], body["data"]))
    store.client.xadd(store.keys.commands, {"command": orjson.dumps(body)})
    key, entry = _place(store, letter_id)
    store.client.xdel(key, entry)
    return str(body["id"])


def _place(store: Store, letter_id: str) -> tuple[str, str]:
    """The stream and the entry that a letter's id names. Raises LetterNotFound."""
    number, colon, entry = letter_id.partition(":")
    parts = [number, *entry.split("-")]
    whole = len(parts) == 3 and all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts)
    if not colon or not whole or int(number) >= store.keys.partitions:
        raise LetterNotFound(letter_id)
    return store.keys.partition(int(number)).dead, entry

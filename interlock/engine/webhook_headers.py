"""Headers of an operator's own that every request to an endpoint carries, such as ``Authorization``. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from interlock.engine.errors import InterlockError

MAX_HEADERS = 20
MAX_VALUE = 4096

_NAME = re.compile(r"\A[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}\Z")
_VALUE = re.compile(r"\A[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?\Z")
# What HTTP says of a connection or a message (RFC 9110, 7.6.1), the client's business, and what every request says
# for itself.
_REFUSED = frozenset(
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "host",
        "content-length",
        "content-encoding",
        "expect",
        "content-type",
        "accept-encoding",
        "user-agent",
        "traceparent",
    ]
)
_REFUSED_START = "webhook-"


class HeaderInvalid(InterlockError):
    """An extra header cannot be sent. Correct what the message names; it never repeats the value."""


def parse_headers(texts: Sequence[str]) -> dict[str, str]:
    """``Name: value`` each, to values by name. Raises HeaderInvalid."""
    found: dict[str, str] = {}
    for text in texts:
        name, colon, value = text.partition(":")
        name, value = name.strip(), value.strip()
        if not colon or not _NAME.match(name):
            raise HeaderInvalid("a header is written 'Name: value', its name of letters, digits and dashes")
        if name.lower() in _REFUSED or name.lower().startswith(_REFUSED_START):
            raise HeaderInvalid(f"the header {name} is set by Interlock or by the connection: leave it out")
        if name.lower() in {one.lower() for one in found}:
            raise HeaderInvalid(f"the header {name} is given twice: leave one out")
        if len(value) > MAX_VALUE or not _VALUE.match(value):
            raise HeaderInvalid(
                f"the value of header {name} is not 1 to {MAX_VALUE} printable ASCII characters: encode it"
            )
        found[name] = value
    if len(found) > MAX_HEADERS:
        raise HeaderInvalid(f"{len(found)} headers: use at most {MAX_HEADERS}")
    return found


def bound_to(webhook_id: str, name: str) -> str:
    """What the ciphertext of a header's value is bound to, so that it cannot be taken for a signing secret,
    nor a signing secret be sent as a header."""
    return f"{webhook_id}\nheader\n{name}"

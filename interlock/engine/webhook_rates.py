"""How many attempts a second an endpoint may get: ``10/second``, ``30/minute``, ``100/hour``. Pure."""

from __future__ import annotations

import re

from interlock.engine.errors import InterlockError

_RATE = re.compile(r"\A([1-9][0-9]{0,5})/(second|minute|hour)\Z")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600}


class RateInvalid(InterlockError):
    """A rate is a whole number up to 999999 and a time: 10/second, 30/minute or 100/hour."""

    def __init__(self) -> None:
        super().__init__(str(self.__doc__))


def interval_us(rate: str) -> int:
    """Microseconds from one attempt to the next, at least. Raises RateInvalid."""
    found = _RATE.match(rate)
    if found is None:
        raise RateInvalid
    return _SECONDS[found[2]] * 1_000_000 // int(found[1])

"""In which shape a problem is answered: each API has its own, by the start of the path."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Response

from interlock.gateway.problems import Problem

Envelope = Callable[[Problem], Response]
"""A problem as one API answers it."""


class Envelopes:
    """The shapes by path. Paths that no API claims, and the native API's, get RFC 9457 problems."""

    def __init__(self) -> None:
        self._by_prefix: dict[str, Envelope] = {}

    def add(self, prefix: str, envelope: Envelope) -> None:
        """Everything at ``prefix`` and below it is answered by ``envelope``: 401, 404, 405, 413, 422, 429, 5xx too."""
        self._by_prefix[prefix] = envelope

    def response(self, path: str, problem: Problem) -> Response:
        """What a request for ``path`` is answered."""
        for prefix, envelope in self._by_prefix.items():
            if path == prefix or path.startswith(f"{prefix}/"):
                return envelope(problem)
        return problem.response()

"""Connections to vetted addresses: every name is resolved here, every address vetted, and the socket made for
one address and no other; at last the peer is compared.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from interlock.engine.addresses import AddressPolicy

Lookup = Callable[[str, int, int], list[Any]]
"""``(host, port, family)`` to what `socket.getaddrinfo` returns; blocking, called in a thread."""


class AddressForbidden(OSError):
    """The policy allows none of the host's addresses; the text says why."""


class _VettingResolver(AbstractResolver):
    """Names to those of their addresses that the policy allows."""

    def __init__(self, policy: AddressPolicy, lookup: Lookup, threads: ThreadPoolExecutor) -> None:
        self._policy = policy
        self._lookup = lookup
        self._threads = threads

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, self._lookup, host, port, family)
        reasons = {info[4][0]: self._policy.refusal(info[4][0]) for info in found}
        vetted = [info for info in found if reasons[info[4][0]] is None]
        if not vetted:
            reason = next((text for text in reasons.values() if text), f"the name {host!r} has no address")
            raise AddressForbidden(reason)
        return [
            ResolveResult(
                hostname=host,
                host=info[4][0],
                port=port,
                family=info[0],
                proto=info[2],
                flags=socket.AI_NUMERICHOST,
            )
            for info in vetted
        ]

    async def close(self) -> None:
        """The threads belong to the client."""


def socket_factory(policy: AddressPolicy) -> Callable[[Any], socket.socket]:
    """Makes sockets for allowed addresses only, literal ones too, which no resolver sees."""

    def make(info: Any) -> socket.socket:
        family, kind, protocol, _, address = info
        reason = policy.refusal(address[0])
        if reason is not None:
            raise AddressForbidden(reason)
        return _BoundSocket(address[0], family, kind, protocol)

    return make


class _BoundSocket(socket.socket):
    """A socket that connects to the one address it was vetted for, whoever asks it to."""

    def __init__(self, vetted: str, family: int, kind: int, protocol: int) -> None:
        super().__init__(family, kind, protocol)
        self._vetted = vetted

    def connect(self, address: Any) -> None:
        self._compare(address)
        super().connect(address)

    def connect_ex(self, address: Any) -> int:
        self._compare(address)
        return super().connect_ex(address)

    def _compare(self, address: Any) -> None:
        if address[0] != self._vetted:
            raise AddressForbidden(f"{address[0]} is not the address that was looked at, {self._vetted}")


class VettingConnector(aiohttp.TCPConnector):
    """Connections that end where the policy allows. ``options``: those of aiohttp's own.

    Who is at the other end is compared before a request is written, on new connections and on those that are
    used again.
    """

    def __init__(
        self, policy: AddressPolicy, lookup: Lookup, threads: ThreadPoolExecutor, **options: Any
    ) -> None:
        super().__init__(
            resolver=_VettingResolver(policy, lookup, threads),
            socket_factory=socket_factory(policy),
            **options,
        )
        self._policy = policy
        self._allowed_peers: set[str] = set()

    async def connect(self, *arguments: Any, **options: Any) -> aiohttp.connector.Connection:
        connection = await super().connect(*arguments, **options)
        peer = connection.transport.get_extra_info("peername") if connection.transport else None
        address = peer[0] if peer else ""
        if address not in self._allowed_peers:
            reason = self._policy.refusal(address) if address else "the connection is gone"
            if reason is not None:
                connection.close()
                raise AddressForbidden(reason)
            self._allowed_peers.add(address)
        return connection


def system_lookup(host: str, port: int, family: int) -> list[Any]:
    """What the C library finds."""
    return socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)

"""One POST to one endpoint, which may be slow, broken or hostile: the only module that speaks to receivers.

Every name is resolved here, every address vetted, and the socket made for a vetted address; the policy is
asked once more where the socket is made, which literal addresses pass too. No redirects, no cookies, no
proxy from the environment, one deadline around everything, at most 16 KiB of the answer read.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from interlock import __version__
from interlock.engine.addresses import AddressPolicy, policy_for
from interlock.engine.delivery_log import Attempt
from interlock.engine.settings import Settings
from interlock.workers.schedule import parse_retry_after

MAX_ANSWER_BYTES = 16 * 1024
MAX_ERROR_LENGTH = 300
# A connection idle for longer may be closed by the receiver just as it is used again: gunicorn waits 2 s.
_KEEP_ALIVE_SECONDS = 1.5
_DNS_CACHE_SECONDS = 10
_DNS_THREADS = 32
_CERTIFICATE_ERROR = aiohttp.ClientConnectorCertificateError  # a connector error without `os_error`

Lookup = Callable[[str, int, int], list[Any]]
"""``(host, port, family)`` to what `socket.getaddrinfo` returns; blocking, called in a thread."""


class AddressForbidden(OSError):
    """The policy allows none of the host's addresses; the text says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``status``: None without an answer, and then ``error`` is a sentence; ``body``: at most
    `MAX_ANSWER_BYTES` of it."""

    status: int | None
    body: bytes
    error: str | None


class HttpClient:
    """Open connections to endpoints, for the time of an ``async with``. ``lookup``: resolves names."""

    def __init__(self, settings: Settings, *, lookup: Lookup | None = None) -> None:
        self._settings = settings
        self._lookup = lookup or _lookup
        self._sessions: dict[AddressPolicy, aiohttp.ClientSession] = {}
        self._threads = ThreadPoolExecutor(_DNS_THREADS, thread_name_prefix="webhook-dns")

    async def __aenter__(self) -> HttpClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in self._sessions.values():
            await session.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, timeout_seconds: float | None = None
    ) -> Attempt:
        """Make one attempt; whatever goes wrong stands in the attempt, nothing is raised.

        The status line is the answer: what happens in the body after it changes nothing. What the answer
        means is not judged here: with a status, ``error`` is None. ``timeout_seconds``: the deadline where
        it is not the setting's.
        """
        deadline_seconds = timeout_seconds or self._settings.webhook_timeout_seconds
        started_ms, started = int(time.time() * 1000), time.perf_counter()
        status: int | None = None
        retry_after: float | None = None
        answer_headers: dict[str, str] = {}
        error: str | None = None
        try:
            async with asyncio.timeout(deadline_seconds):
                async with self._session(URL(url)).post(
                    url, data=body, headers=headers, allow_redirects=False
                ) as response:
                    status = response.status
                    answer_headers = {name.lower(): value for name, value in response.headers.items()}
                    retry_after = parse_retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
                    await _discard(response)
        except TimeoutError:
            error = f"no answer within {deadline_seconds:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            error = _sentence(problem)
        if status is not None:
            error = None
        duration_ms = round((time.perf_counter() - started) * 1000)
        return Attempt(started_ms, status, duration_ms, error, retry_after, answer_headers)

    async def get(self, url: str, headers: Mapping[str, str]) -> Answer:
        """Ask for a short text, under the rules of an attempt; nothing is raised."""
        try:
            async with asyncio.timeout(self._settings.webhook_timeout_seconds):
                async with self._session(URL(url)).get(
                    url, headers=headers, allow_redirects=False
                ) as response:
                    return Answer(response.status, await _beginning(response), None)
        except TimeoutError:
            return Answer(None, b"", f"no answer within {self._settings.webhook_timeout_seconds:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            return Answer(None, b"", _sentence(problem))

    def _session(self, url: URL) -> aiohttp.ClientSession:
        if url.scheme not in ("http", "https"):
            raise aiohttp.InvalidURL(url)
        policy = policy_for(
            url.scheme,
            url.port,
            self._settings.webhook_allow_cidrs,
            host=url.raw_host or "",  # what is looked up, not what was written
            hosts=self._settings.webhook_allow_hosts,
        )
        session = self._sessions.get(policy)
        if session is None:
            session = self._sessions[policy] = self._open(policy)
        return session

    def _open(self, policy: AddressPolicy) -> aiohttp.ClientSession:
        connector = _Connector(
            policy,
            limit=0,
            ttl_dns_cache=_DNS_CACHE_SECONDS,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            resolver=_VettingResolver(policy, self._lookup, self._threads),
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            read_bufsize=MAX_ANSWER_BYTES,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            headers={
                "User-Agent": f"Interlock/{__version__}",
                "Accept": "*/*",
                "Accept-Encoding": "identity",
            },
        )


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


def _socket_factory(policy: AddressPolicy) -> Callable[[Any], socket.socket]:
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


class _Connector(aiohttp.TCPConnector):
    """Compares who is at the other end with the policy before a request is written, on new connections and
    on those that are used again."""

    def __init__(self, policy: AddressPolicy, **options: Any) -> None:
        super().__init__(socket_factory=_socket_factory(policy), **options)
        self._policy = policy

    async def connect(self, *arguments: Any, **options: Any) -> aiohttp.connector.Connection:
        connection = await super().connect(*arguments, **options)
        peer = connection.transport.get_extra_info("peername") if connection.transport else None
        reason = self._policy.refusal(peer[0]) if peer else "the connection is gone"
        if reason is not None:
            connection.close()
            raise AddressForbidden(reason)
        return connection


def _lookup(host: str, port: int, family: int) -> list[Any]:
    return socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """The first `MAX_ANSWER_BYTES` of an answer; what follows is left."""
    body = b""
    while chunk := await response.content.read(MAX_ANSWER_BYTES - len(body)):
        body += chunk
        if len(body) >= MAX_ANSWER_BYTES:
            response.close()
            break
    return body


async def _discard(response: aiohttp.ClientResponse) -> None:
    """Read a short answer to its end, so that the connection serves again; leave a long one."""
    read = 0
    while chunk := await response.content.read(MAX_ANSWER_BYTES - read):
        read += len(chunk)
        if read >= MAX_ANSWER_BYTES:
            response.close()
            return


def _sentence(problem: BaseException) -> str:
    """What went wrong, without anything of the request in it."""
    cause = problem
    if isinstance(problem, aiohttp.ClientConnectorError) and not isinstance(problem, _CERTIFICATE_ERROR):
        cause = problem.os_error
    match cause:
        case AddressForbidden():
            text = str(cause)
        case socket.gaierror():
            text = f"the host's name has no address ({cause.strerror})"
        case aiohttp.ClientConnectorCertificateError():
            text = f"the endpoint's certificate is not valid ({cause.certificate_error})"
        case aiohttp.ServerDisconnectedError():
            text = "the endpoint closed the connection without an answer"
        case aiohttp.InvalidURL():
            text = "the URL cannot be used: its host or its form is not valid"
        case aiohttp.ClientResponseError():
            text = f"the endpoint's answer is no HTTP ({cause.message})"
        case OSError():
            text = f"no connection ({cause.strerror or cause})"
        case _:
            text = f"the attempt failed ({type(cause).__name__}: {cause})"
    return "".join(character if character.isprintable() else " " for character in text)[:MAX_ERROR_LENGTH]

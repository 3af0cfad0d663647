"""One POST to one endpoint, which may be slow, broken or hostile: the only module that speaks to receivers.

Connections go to vetted addresses only (`vetted_connections`). No redirects, no cookies, no proxy from the
environment, one deadline around everything, at most 16 KiB of the answer read.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType

import aiohttp
from yarl import URL

from interlock import __version__
from interlock.engine.addresses import AddressPolicy, policy_for
from interlock.engine.delivery_log import Attempt
from interlock.engine.settings import Settings
from interlock.workers.schedule import parse_retry_after
from interlock.workers.vetted_connections import AddressForbidden, Lookup, VettingConnector, system_lookup

MAX_ANSWER_BYTES = 16 * 1024
MAX_REPLY_BYTES = 1024
"""Of the answer's body, what the delivery log keeps."""
MAX_ERROR_LENGTH = 300
# A connection idle for longer may be closed by the receiver just as it is used again: gunicorn waits 2 s.
_KEEP_ALIVE_SECONDS = 1.5
_DNS_CACHE_SECONDS = 10
_DNS_THREADS = 32
_CERTIFICATE_ERROR = aiohttp.ClientConnectorCertificateError  # a connector error without `os_error`


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``status``: None without an answer, and then ``error`` is a sentence; ``body``: its beginning."""

    status: int | None
    body: bytes
    error: str | None


class HttpClient:
    """Open connections to endpoints, for the time of an ``async with``. ``lookup``: resolves names."""

    def __init__(self, settings: Settings, *, lookup: Lookup | None = None) -> None:
        self._settings = settings
        self._lookup = lookup or system_lookup
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
        reply = bytearray()
        error: str | None = None
        try:
            async with asyncio.timeout(deadline_seconds):
                async with self._session(URL(url)).post(
                    url, data=body, headers=headers, allow_redirects=False
                ) as response:
                    status = response.status
                    answer_headers = {name.lower(): value for name, value in response.headers.items()}
                    retry_after = parse_retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
                    await _read(response, reply)
        except TimeoutError:
            error = f"no answer within {deadline_seconds:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            error = _sentence(problem)
        if status is not None:
            error = None
        duration_ms = round((time.perf_counter() - started) * 1000)
        return Attempt(started_ms, status, duration_ms, error, retry_after, answer_headers, _text(reply))

    async def get(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        max_bytes: int = MAX_ANSWER_BYTES,
        timeout_seconds: float | None = None,
    ) -> Answer:
        """Ask for a short text, under the rules of an attempt; nothing is raised. ``max_bytes``: so much is read."""
        deadline_seconds = timeout_seconds or self._settings.webhook_timeout_seconds
        try:
            async with asyncio.timeout(deadline_seconds):
                async with self._session(URL(url)).get(
                    url, headers=headers, allow_redirects=False
                ) as response:
                    return Answer(response.status, await _beginning(response, max_bytes), None)
        except TimeoutError:
            return Answer(None, b"", f"no answer within {deadline_seconds:g} s")
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
        connector = VettingConnector(
            policy,
            self._lookup,
            self._threads,
            limit=0,
            ttl_dns_cache=_DNS_CACHE_SECONDS,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
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


async def _beginning(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The first bytes of an answer; what follows is left."""
    body = b""
    while chunk := await response.content.read(max_bytes - len(body)):
        body += chunk
        if len(body) >= max_bytes:
            response.close()
            break
    return body


async def _read(response: aiohttp.ClientResponse, reply: bytearray) -> None:
    """Read a short answer to its end, so that the connection serves again; leave a long one.

    ``reply`` gets its first bytes, as they came: what is compressed is never unpacked.
    """
    read = 0
    while chunk := await response.content.read(MAX_ANSWER_BYTES - read):
        read += len(chunk)
        reply += chunk[: MAX_REPLY_BYTES - len(reply)]
        if read >= MAX_ANSWER_BYTES:
            response.close()
            return


def _text(reply: bytearray) -> str:
    """Bytes that may be anything, as text that may stand in a log."""
    text = reply.decode(errors="replace")
    return "".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in text)


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

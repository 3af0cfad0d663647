"""A webhook receiver as a customer would write one: checks every delivery with the ``standardwebhooks``
library, counts, and answers 204.

``python -m interlock.cli.demo.receiver --port 9000 --secret-file FILE``; it prints ``{"port": 9000}`` when it
listens. ``POST /`` takes deliveries, ``GET /stats`` tells the counts, ``GET /events`` what arrived.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from interlock.engine import lifeline


class Receiver:
    """What arrived. ``secret_file``: holds the ``whsec_`` secret; read when the first delivery comes."""

    def __init__(self, secret_file: Path) -> None:
        self._secret_file = secret_file
        self._verifier: Webhook | None = None
        self._seen: set[str] = set()
        self._events: list[tuple[str, int, str]] = []
        self._counts: Counter[str] = Counter()

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/", self._receive), web.get("/stats", self._stats), web.get("/events", self._list)]

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        self._counts["deliveries"] += 1
        verifier = self._load()
        if verifier is None:
            return web.Response(status=503, text="the secret is not there yet")
        try:
            verifier.verify(body, dict(request.headers), json_parse=False)
        except WebhookVerificationError:
            self._counts["failed"] += 1
            return web.Response(status=401, text="the signature does not fit")
        self._take(request.headers["webhook-id"], orjson.loads(body))
        return web.Response(status=204)

    def _load(self) -> Webhook | None:
        if self._verifier is None and self._secret_file.exists():
            self._verifier = Webhook(self._secret_file.read_text().strip())
        return self._verifier

    def _take(self, delivery_id: str, event: dict[str, Any]) -> None:
        if delivery_id in self._seen:
            self._counts["duplicates"] += 1
            return
        self._seen.add(delivery_id)
        self._counts["verified"] += 1
        self._events.append((event.get("subject", ""), int(event.get("sequence", 0)), event["type"]))

    async def _stats(self, _request: web.Request) -> web.Response:
        names = ("deliveries", "verified", "duplicates", "failed")
        return _json({name: self._counts[name] for name in names})

    async def _list(self, _request: web.Request) -> web.Response:
        return _json({"events": self._events})


def _json(value: Any) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")


async def serve(host: str, port: int, secret_file: Path) -> None:
    """Listen until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    app = web.Application()
    app.add_routes(Receiver(secret_file).routes())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    sys.stdout.write(orjson.dumps({"port": runner.addresses[0][1]}).decode() + "\n")
    sys.stdout.flush()
    await stop.wait()
    await runner.cleanup()


def main() -> None:
    """The entry point of ``python -m interlock.cli.demo.receiver``."""
    parser = argparse.ArgumentParser(
        prog="interlock.cli.demo.receiver", description="A receiver of signed webhooks."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument(
        "--secret-file", type=Path, required=True, help="holds the whsec_ secret; may come later"
    )
    parser.add_argument("--parent-pid", type=int, help="end when this process, which started us, does")
    given = parser.parse_args()
    if given.parent_pid:
        lifeline.die_with_parent(given.parent_pid)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(given.host, given.port, given.secret_file))


if __name__ == "__main__":
    main()

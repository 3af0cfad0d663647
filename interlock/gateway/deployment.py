"""The deployment that the gateway serves: what every route needs, made once a process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

import redis.asyncio
from fastapi import Depends, Request

from interlock.engine.clients import connect, connect_async
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from interlock.gateway.batching import Batcher
from interlock.gateway.commanding import MAX_WAITING_APART, CommandPort
from interlock.gateway.feed import Feed
from interlock.gateway.jwt_tokens import JwtVerifier
from interlock.gateway.metrics import Metrics
from interlock.gateway.rate_limit import RateLimit
from interlock.statecharts.calendars import functions_over_later
from interlock.statecharts.functions import FUNCTIONS
from interlock.statecharts.registered import RegisteredCharts
from interlock.statecharts.sealed_commands import CommandSealer

_QUICK_CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class ServedDeployment:
    """``store``, ``charts`` and ``sealer`` block: they are for routes that run in a thread (``def``, not
    ``async def``)."""

    settings: Settings
    store: Store
    charts: RegisteredCharts
    commands: CommandPort
    sealer: CommandSealer
    quick: redis.asyncio.Redis
    batcher: Batcher
    waiting: redis.asyncio.Redis
    rate_limit: RateLimit
    feed: Feed
    metrics: Metrics
    jwt: JwtVerifier

    @classmethod
    def open(cls, settings: Settings) -> ServedDeployment:
        """Connect. Raises ServerUnreachable, JwtKeyInvalid."""
        jwt = JwtVerifier(settings)
        store = Store.open(connect(settings), settings, found=True)
        # Blocking reads have a pool of their own, so that they never hold up who asks for a token. The few more
        # connections are for the readers of results and of events.
        waiting = connect_async(settings, connections=MAX_WAITING_APART + _QUICK_CONNECTIONS)
        quick = connect_async(settings, connections=_QUICK_CONNECTIONS)
        batcher = Batcher(quick)
        metrics = Metrics(store)
        charts = RegisteredCharts(store, {**FUNCTIONS, **functions_over_later(settings.charts)})
        return cls(
            settings=settings,
            store=store,
            charts=charts,
            commands=CommandPort(waiting, batcher, store.keys),
            sealer=CommandSealer(store, charts),
            quick=quick,
            batcher=batcher,
            waiting=waiting,
            feed=Feed(waiting, store.keys),
            metrics=metrics,
            rate_limit=RateLimit(settings.rate_limit),
            jwt=jwt,
        )

    async def token(self, key_id: str) -> bytes | None:
        """What is stored under a token's key id."""
        return cast("bytes | None", await self.batcher.run("HGET", self.store.keys.tokens, key_id))

    async def close(self) -> None:
        """Close all connections."""
        await self.jwt.close()
        await self.feed.close()
        await self.commands.close()
        await self.batcher.close()
        await self.quick.aclose()
        await self.waiting.aclose()
        self.store.client.close()


async def _of(request: Request) -> ServedDeployment:
    return cast(ServedDeployment, request.app.state.deployment)


Deployment = Annotated[ServedDeployment, Depends(_of)]

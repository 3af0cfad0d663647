"""Numbers for Prometheus: what this gateway has answered, and how the deployment behind it does. Counts alone."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from interlock.engine.store import Store

MEDIA_TYPE = CONTENT_TYPE_LATEST
_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The numbers of one gateway."""

    def __init__(self, store: Store) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "interlock_http_requests",
            "Answered requests.",
            ("api", "method", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "interlock_http_request_seconds",
            "From a request's head to its answer's.",
            ("api",),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._registry.register(_Deployment(store))

    def answered(self, path: str, method: str, status: int, seconds: float) -> None:
        """Count an answer."""
        api = _api_of(path)
        self._requests.labels(api, method if method in _METHODS else "other", status).inc()
        self._seconds.labels(api).observe(seconds)

    def text(self) -> bytes:
        """All numbers in the text format. Blocks. Raises redis.RedisError."""
        return generate_latest(self._registry)


_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_APIS = ("interlock", "engage", "oneview", "sunshine", "genesys")


def _api_of(path: str) -> str:
    """Which API a path belongs to; no more of it, for paths hold whatever clients write."""
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    return first if first in _APIS else "other"


class _Deployment(Collector):
    """Asks the server of the state when the numbers are asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> list[GaugeMetricFamily]:
        return []  # else the registry would collect at once to learn the names

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        due_ms = self._store.earliest_timer_ms()
        lag = 0.0 if due_ms is None else max(0.0, time.time() - due_ms / 1000)
        yield GaugeMetricFamily(
            "interlock_backlog", "Commands that are published and not yet committed.", self._store.backlog()
        )
        yield GaugeMetricFamily("interlock_timer_lag_seconds", "How long the first timer has been due.", lag)
        yield GaugeMetricFamily(
            "interlock_pump_leads", "1 where a pump takes commands in.", float(self._store.pump_leads())
        )
        commands = CounterMetricFamily("interlock_commands", "Answered commands.", labels=("status", "error"))
        for name, count in sorted(self._store.counters().items()):
            status, _, error = name.partition(":")
            commands.add_metric((status, error), count)
        yield commands

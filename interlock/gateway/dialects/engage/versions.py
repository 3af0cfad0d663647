"""Instances as they were: what a call that is repeated was answered the first time."""

from __future__ import annotations

import structlog

from interlock.engine.errors import ChartError, InterlockError
from interlock.engine.machine import Machine
from interlock.engine.migration_command import first_chart_version, replay_versions
from interlock.engine.tokens import Principal
from interlock.gateway.deployment import ServedDeployment
from interlock.gateway.reading import Instance, shown
from interlock.gateway.tenants import key_for
from interlock.statecharts.registered import ChartUnknown

log = structlog.get_logger()

MAX_VERSIONS = 1000
"""Versions that are applied again for one answer; of an older instance today's image is shown."""


def at_version(
    deployment: ServedDeployment, principal: Principal, instance: Instance, version: int
) -> Instance:
    """The instance as it was at this version, or as it is where its history does not say any more. Blocks."""
    machine, key = instance["machine"], key_for(principal, instance["key"])
    if version > MAX_VERSIONS:
        return instance

    def find(number: int) -> Machine | None:
        try:
            return deployment.charts.machine(machine, number)
        except (ChartUnknown, ChartError):
            return None

    entries = deployment.store.history(machine, key, 1, version)
    try:
        first = first_chart_version(entries, instance["chart_version"])
        return shown(deployment, replay_versions(find, key, entries, first))
    except (InterlockError, KeyError, ValueError) as error:
        log.warning("image_not_replayed", machine=machine, key=key, version=version, error=str(error))
        return instance

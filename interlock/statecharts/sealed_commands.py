"""What publishers do with private data: seal it before it leaves the process, where the key is here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interlock.engine.clients import connect
from interlock.engine.publishing import Publisher
from interlock.engine.sealing import Place, is_sealed, seal_fields
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from interlock.statecharts.registered import RegisteredCharts


class CommandSealer:
    """Seals the data of commands by what the registered charts call private. Safe to share between threads."""

    def __init__(self, store: Store, charts: RegisteredCharts | None = None) -> None:
        self._vault = store.vault
        self._charts = charts or RegisteredCharts(store)

    def is_known_public(self, machine: str, name: str, data: Mapping[str, Any]) -> bool:
        """Whether the data surely need no sealing, as far as that is remembered. Does not block."""
        return self._charts.is_known_public(machine, name, data) and not any(map(is_sealed, data.values()))

    def __call__(self, machine: str, key: str, name: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """The data as it is published. In clear where this machine has no key, or where no chart is registered.

        Raises SecretKeyWrong and SecretKeyInvalid where a key is here that is not the deployment's.
        """
        fields = dict(data)
        private = self._charts.private_data(machine, name, fields)
        if not private and not any(map(is_sealed, fields.values())):
            return fields
        sealer = self._vault.if_here()
        if sealer is None:
            return fields
        return seal_fields(lambda: sealer, Place(machine, key, "data"), fields, private)


def sealing_publisher(settings: Settings | None = None) -> Publisher:
    """A publisher that seals private data, for an application that has the deployment's key in its settings.

    Raises ServerUnreachable, ForeignDeployment.
    """
    used = settings or Settings()
    store = Store.open(connect(used), used)
    return Publisher(store.client, store.keys, CommandSealer(store))

"""The deployment's key for private values, looked for when one is to be sealed or opened, and not before."""

from __future__ import annotations

from typing import cast

import redis

from interlock.engine.keys import Keys
from interlock.engine.sealing import NotOpened, Sealer
from interlock.engine.secrets import SecretKeyWrong, claim_key, load_key
from interlock.engine.settings import Settings


class Vault:
    """Finds the key once and keeps it. Safe to share between threads."""

    def __init__(self, client: redis.Redis, keys: Keys, settings: Settings) -> None:
        self._client, self._keys, self._settings = client, keys, settings
        self._sealer: Sealer | None = None

    def sealer(self) -> Sealer:
        """For who runs a deployment: the key, made and claimed where the deployment has none yet.

        Raises SecretKeyWrong where another key is in use or it is not here, and SecretKeyInvalid.
        """
        if self._sealer is None:
            if self._claimed() and not self._is_here():
                raise self._missing()
            key = load_key(self._settings)
            claim_key(self._client, self._keys, key)
            self._sealer = key.sealer()
        return self._sealer

    def opener(self) -> Sealer:
        """For who only reads: makes and claims nothing. Raises as `sealer` does, and NotOpened where the deployment
        has no key: then nobody has sealed anything."""
        if self._sealer is None and not self._claimed():
            raise NotOpened("a value begins as a sealed one does, and this deployment has never sealed any")
        return self.sealer()

    def if_here(self) -> Sealer | None:
        """For who may do without: None where no key is on this machine. Raises as `sealer` does."""
        return self.sealer() if self._sealer is not None or self._is_here() else None

    def _claimed(self) -> bool:
        return cast("bytes | None", self._client.hget(self._keys.meta, "secret_key_id")) is not None

    def _is_here(self) -> bool:
        return self._settings.secret_key is not None or self._settings.secret_key_file.exists()

    def _missing(self) -> SecretKeyWrong:
        return SecretKeyWrong(
            f"private fields are stored under a key that this process has not (no {self._settings.secret_key_file}): "
            "set INTERLOCK_SECRET_KEY (or INTERLOCK_SECRET_KEY_FILE) to the key that the other processes use"
        )

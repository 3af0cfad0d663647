"""Settings: a flag of the command line > ``INTERLOCK_*`` in the environment > ``interlock.toml`` > default.

The one module that reads the environment.
"""

from __future__ import annotations

import math
import os
import re
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from interlock.engine.addresses import Network, host_name

RETRY_STRETCH = 1.1
"""By how much jitter lengthens the delays between attempts at most."""
EVENT_LOG_SPARE_SECONDS = 86_400.0
"""What the event log keeps beyond the last attempt: for times when nothing could be delivered at all."""
STANDARD_WEBHOOKS_SCHEDULE = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)
"""Seconds between attempts as the Standard Webhooks 1.0 specification suggests, after the first at once."""
_HOST = re.compile(r"\A(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\Z")
"""A name, or an address without brackets."""


def _state_directory() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")


class Settings(BaseSettings):
    """All that can be configured; each field's environment variable is ``INTERLOCK_`` and its name."""

    model_config = SettingsConfigDict(env_prefix="INTERLOCK_", toml_file="interlock.toml", extra="ignore")

    redis_url: str = Field(
        default_factory=lambda: os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"),
        description="Server that holds the state; INTERLOCK_REDIS_URL, else REDIS_URL.",
    )
    rq_redis_url: str | None = Field(
        default=None,
        description="Server that holds RQ's queues, where it is another one (RQ does not run on Cluster).",
    )
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] = Field(
        default="interlock", description="Start of every key."
    )
    partitions: Annotated[int, Field(ge=1, le=1024)] = Field(
        default=16, description="Partitions of a new deployment; an existing one keeps its number."
    )
    charts: Annotated[list[Path], NoDecode] = Field(
        default_factory=list, description="Directories of charts beside the shipped ones, separated by ':'."
    )
    max_command_bytes: Annotated[int, Field(ge=1024)] = Field(
        default=256 * 1024, description="A larger command is refused as too_large."
    )
    result_ttl_seconds: Annotated[int, Field(ge=60)] = Field(
        default=86_400, description="How long results and command ids are kept: the window of deduplication."
    )
    lease_seconds: Annotated[float, Field(ge=0.5, le=60)] = Field(
        default=5.0, description="A worker that is silent for so long loses its partition."
    )
    batch_size: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=200, description="Commands in one commit."
    )
    webhook_retry_schedule: Annotated[tuple[float, ...], NoDecode] = Field(
        default=STANDARD_WEBHOOKS_SCHEDULE, description="Seconds between attempts, separated by commas."
    )
    webhook_allow_cidrs: Annotated[tuple[Network, ...], NoDecode] = Field(
        default=(), description="Private networks that webhooks may reach, plain http and any port included."
    )
    webhook_allow_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Hosts that webhooks may reach at whatever address they have, by plain http and any port too.",
    )
    webhook_timeout_seconds: Annotated[float, Field(gt=0, le=120)] = Field(
        default=20.0, description="Total deadline of one attempt."
    )
    webhook_disable_after_seconds: Annotated[float, Field(ge=0)] = Field(
        default=5 * 86_400.0,
        description="A webhook whose every attempt failed for so long is disabled; 0: never.",
    )
    secret_key: str | None = Field(
        default=None,
        repr=False,
        description="32 bytes in URL-safe base64 that encrypt secrets at rest; else a file holds them.",
    )
    secret_key_file: Path = Field(
        default_factory=lambda: _state_directory() / "interlock" / "secret.key",
        description="Where that file is; by default below the user's state directory.",
    )
    event_log_seconds: Annotated[float, Field(ge=60)] = Field(
        default=30 * 86_400.0,
        validate_default=True,
        description="How long an event stays in the event log once it was dispatched: a day longer than retries go.",
    )
    webhook_log_seconds: Annotated[float, Field(ge=60)] = Field(
        default=14 * 86_400.0, description="How long a finished delivery stays in the delivery log."
    )
    rate_limit: Annotated[int, Field(ge=0, le=10_000_000)] = Field(
        default=500,
        description="Requests a minute that one principal may make of one gateway; 0: any number.",
    )
    jwt_secret: Annotated[str, Field(min_length=32)] | None = Field(
        default=None,
        repr=False,
        description="Whoever signs a JWT with it (HS256) is believed; at least 32 characters.",
    )
    jwt_public_key_file: Path | None = Field(
        default=None,
        description="PEM file with the public key of whoever signs JWTs: RSA (RS256) or Ed25519 (EdDSA).",
    )
    jwt_jwks_file: Path | None = Field(
        default=None,
        description="JSON Web Key Set with the public keys of whoever signs JWTs; it may change while we run.",
    )
    jwt_jwks_url: str | None = Field(
        default=None,
        max_length=4096,
        description="The same at a URL, https: the `jwks_uri` of an identity provider; keys are chosen by `kid`.",
    )
    jwt_audience: str | None = Field(
        default=None, description="The `aud` that a JWT must have; to be set with any of the keys."
    )
    jwt_issuer: str | None = Field(
        default=None, description="The `iss` that a JWT must have, where one is set."
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: console on a terminal, JSON elsewhere."
    )

    @field_validator("charts", mode="before")
    @classmethod
    def _split_paths(cls, value: Any) -> Any:
        return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value

    @field_validator("webhook_retry_schedule", mode="before")
    @classmethod
    def _split_schedule(cls, value: Any) -> Any:
        seconds = (
            [float(part) for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )
        if any(not 0 <= second <= 30 * 86_400 for second in seconds):
            raise ValueError("each number of seconds lies between 0 and 30 days")
        return tuple(seconds)

    @field_validator("webhook_allow_cidrs", mode="before")
    @classmethod
    def _split_networks(cls, value: Any) -> Any:
        parts = (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )
        return tuple(ip_network(part) for part in parts)

    @field_validator("webhook_allow_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: Any) -> Any:
        parts = (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )
        for part in parts:
            if not _HOST.match(part):
                raise ValueError(
                    f"{part!r} is no host: write its name or address alone, without scheme, port or wildcard; "
                    "names beyond ASCII as xn--..."
                )
        return tuple(host_name(part) for part in parts)

    @field_validator("event_log_seconds")
    @classmethod
    def _outlives_the_last_attempt(cls, value: float, info: ValidationInfo) -> float:
        # An attempt sends the bytes that stand in the event log: trimmed too early, deliveries die of it.
        # A validator of the field, not of the model, whose error would show every input, the secret key too.
        retries = sum(info.data.get("webhook_retry_schedule", ()))
        least = math.ceil(retries * RETRY_STRETCH + EVENT_LOG_SPARE_SECONDS)
        if value < least:
            raise ValueError(
                f"event_log_seconds is {value:.0f}, and webhook_retry_schedule goes on for {retries:.0f} s: make "
                f"event_log_seconds at least {least} (the schedule, its jitter, a day), or the schedule shorter"
            )
        return value

    @cached_property
    def queue_names(self) -> tuple[str, str]:
        """Names of the RQ queues: of the drains, of the deliveries."""
        return f"{self.prefix}-drain", f"{self.prefix}-deliver"

    @property
    def invoke_queue_name(self) -> str:
        """Name of the RQ queue of invoked functions; it has a worker only where a package offers some."""
        return f"{self.prefix}-invoke"

    def environment(self) -> dict[str, str]:
        """This process's environment with these settings in it: what a child process is to see."""
        chosen = {}
        for name in self.model_fields_set:
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, (list, tuple)):
                text = (os.pathsep if name == "charts" else ",").join(map(str, value))
            else:
                text = str(value)
            chosen[f"INTERLOCK_{name.upper()}"] = text
        return {**os.environ, **chosen}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  pydantic's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

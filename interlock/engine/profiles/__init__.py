"""Payload profiles: how deliveries look to a receiver, one module each. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from interlock.engine.errors import InterlockError
from interlock.engine.profiles.engage import Engage
from interlock.engine.profiles.genesys import Genesys
from interlock.engine.profiles.outgoing import Outgoing, Profile, Verdict
from interlock.engine.profiles.plain import Plain
from interlock.engine.profiles.standard import Standard
from interlock.engine.profiles.sunshine import Sunshine

__all__ = ["PROFILES", "Outgoing", "Profile", "ProfileUnknown", "Verdict", "profile_of"]

_ALL: tuple[Profile, ...] = (Standard(), Engage(), Sunshine(), Genesys(), Plain())
PROFILES: Mapping[str, Profile] = MappingProxyType({one.name: one for one in _ALL})


class ProfileUnknown(InterlockError):
    """There is no payload profile of this name. Use one of those that the message names."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is no profile {name!r}: use {', '.join(PROFILES)}")


def profile_of(name: str) -> Profile:
    """The profile of this name. Raises ProfileUnknown."""
    profile = PROFILES.get(name)
    if profile is None:
        raise ProfileUnknown(name)
    return profile

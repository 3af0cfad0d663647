"""Tenants: how their instances are kept apart in one deployment. Pure.

An instance of a tenant has the key ``~<tenant>~<key>``; the default tenant's have their plain key. Charts see the
plain key alone and name others by it: the engine puts what an instance sends into the instance's own namespace. So
no data that a tenant sends can name an instance of another one.
"""

from __future__ import annotations

import re

DEFAULT_TENANT = "default"
_MARK = "~"
_QUALIFIED = re.compile(r"~([A-Za-z0-9][A-Za-z0-9_.-]*)~(.+)", re.DOTALL)


def qualified(tenant: str, key: str) -> str:
    """The key that an instance of ``tenant`` has in the deployment; `split` is its inverse.

    A key of the default tenant that begins with the mark is qualified too, so that none can look like another's.
    An empty one stays empty, and so is refused wherever a key is read.
    """
    if not key or (tenant == DEFAULT_TENANT and not key.startswith(_MARK)):
        return key
    return f"{_MARK}{tenant}{_MARK}{key}"


def split(key: str) -> tuple[str, str]:
    """Tenant and plain key of a key of the deployment."""
    if key.startswith(_MARK) and (found := _QUALIFIED.fullmatch(key)):
        return found[1], found[2]
    return DEFAULT_TENANT, key


def plain(key: str) -> str:
    """The key as its tenant knows it."""
    return split(key)[1] if key.startswith(_MARK) else key


def beside(key: str, other: str) -> str:
    """The key in the deployment of what the instance ``key`` calls ``other``."""
    if not key.startswith(_MARK) and not other.startswith(_MARK):
        return other
    return qualified(split(key)[0], other)

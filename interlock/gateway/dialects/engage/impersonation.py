"""Acting as another user: ``impersonated_user_id`` on any call, for tokens that may."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool

from interlock.engine import tokens
from interlock.engine.messages import MAX_ID_LENGTH, is_printable
from interlock.engine.tokens import Principal
from interlock.gateway.deployment import ServedDeployment
from interlock.gateway.permissions import READ_ALL, permits
from interlock.gateway.problems import Problem

_PERMISSION = "impersonate_user"
_USERS = ("agent", "supervisor", "bot")
"""Kinds that are users: nobody is given an administrator's rights by naming one."""
_OF_ALL_SOURCES = ("read:*", "reply:*")


async def impersonated(deployment: ServedDeployment, caller: Principal, user_id: object) -> Principal:
    """In whose name a call is made: the caller's, or that of the user whom he names.

    Raises Problem (400) where he may not, or names nobody.
    """
    if user_id is None or user_id == "":
        return caller
    if not permits(caller, _PERMISSION):
        raise Problem(
            400, "bad_request", f"impersonated_user_id: this token lacks the permission {_PERMISSION}."
        )
    if not isinstance(user_id, str) or len(user_id) > MAX_ID_LENGTH or not is_printable(user_id):
        raise Problem(400, "bad_request", "impersonated_user_id is no user's id. Correct it.")
    return await run_in_threadpool(_user, deployment, caller, user_id)


def _user(deployment: ServedDeployment, caller: Principal, user_id: str) -> Principal:
    """The user, with the rights of his tokens. One without a token has the caller's rights, not more. Blocks."""
    found = [
        token.principal
        for token in tokens.list_all(deployment.store.client, deployment.store.keys)
        if token.principal.id == user_id
        and token.principal.tenant == caller.tenant
        and token.principal.kind in _USERS
    ]
    if found:
        rights = {one: None for principal in found for one in principal.permissions}
        return Principal(user_id, found[0].kind, caller.tenant, tuple(rights))
    own = _OF_ALL_SOURCES if caller.kind in READ_ALL else ()
    kept = [one for one in caller.permissions if one != _PERMISSION]
    return Principal(user_id, "agent", caller.tenant, tuple(dict.fromkeys([*own, *kept])))

"""Sunshine's users: the customers, whom an app knows by ids of its own."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BeforeValidator

from interlock.engine.profiles.sunshine_resources import user_data
from interlock.gateway.answers import answer
from interlock.gateway.dialects.sunshine import shapes
from interlock.gateway.dialects.sunshine.bodies import USER_CREATE, USER_UPDATE, taken
from interlock.gateway.dialects.sunshine.calls import Call, Called
from interlock.gateway.dialects.sunshine.errors import missing
from interlock.gateway.dialects.sunshine.finding import user, user_id
from interlock.gateway.dialects.sunshine.words import SunshineDone, SunshineUserOne, answers, errors
from interlock.gateway.parameters import takes
from interlock.gateway.reading import Instance

router = APIRouter(prefix="/users")
UserId = Annotated[str, Path(alias="userIdOrExternalId", min_length=1), BeforeValidator(unquote)]


@router.post(
    "",
    status_code=201,
    response_model=None,
    responses={**answers(SunshineUserOne, 201), **errors(409)},
    openapi_extra=takes(USER_CREATE),
)
async def create_user(call: Called, body: Annotated[dict[str, Any], Depends(taken(USER_CREATE))]) -> Response:
    """The app knows a customer."""
    key = user_id(body["externalId"])
    known = {"user_exists": (409, "conflict")}
    await call.do("user", key, "create", user_data(body), known=known)
    return answer({"user": shapes.user(await _found(call, key))}, 201)


@router.get("/{userIdOrExternalId}", response_model=None, responses=answers(SunshineUserOne))
async def get_user(call: Called, reference: UserId) -> Response:
    """One user, by either id."""
    return answer({"user": shapes.user(await _found(call, reference))})


@router.patch(
    "/{userIdOrExternalId}",
    response_model=None,
    responses=answers(SunshineUserOne),
    openapi_extra=takes(USER_UPDATE),
)
async def update_user(
    call: Called, reference: UserId, body: Annotated[dict[str, Any], Depends(taken(USER_UPDATE))]
) -> Response:
    """What is not named stays as it is; of the profile too."""
    key = str((await _found(call, reference))["key"])
    if body:
        await call.do("user", key, "update", user_data(body))
    return answer({"user": shapes.user(await _found(call, key))})


@router.delete("/{userIdOrExternalId}", response_model=None, responses=answers(SunshineDone))
async def delete_user(call: Called, reference: UserId) -> Response:
    """The app knows the customer no more."""
    key = str((await _found(call, reference))["key"])
    await call.do("user", key, "delete")
    return answer({})


async def _found(call: Call, reference: str) -> Instance:
    found = await user(call, reference) or await user(call, user_id(reference))
    if found is None:
        raise missing("user")
    return found

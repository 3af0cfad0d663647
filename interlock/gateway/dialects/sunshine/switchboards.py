"""Sunshine's switchboards, one an app, and the integrations on them. For the app alone."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BeforeValidator

from interlock.engine.profiles.sunshine_resources import filled
from interlock.gateway.answers import answer
from interlock.gateway.dialects.sunshine import shapes
from interlock.gateway.dialects.sunshine.bodies import (
    INTEGRATION_CREATE,
    INTEGRATION_UPDATE,
    SWITCHBOARD_CREATE,
    SWITCHBOARD_UPDATE,
    taken,
)
from interlock.gateway.dialects.sunshine.calls import AppCalled, Call
from interlock.gateway.dialects.sunshine.errors import missing
from interlock.gateway.dialects.sunshine.finding import (
    BOARD,
    board,
    integration_of,
    needed_board,
    switchboard_id,
)
from interlock.gateway.dialects.sunshine.words import (
    SunshineDone,
    SunshineIntegrationOne,
    SunshineIntegrations,
    SunshineSwitchboardOne,
    SunshineSwitchboards,
    answers,
)
from interlock.gateway.parameters import takes

router = APIRouter(prefix="/switchboards")
SwitchboardId = Annotated[str, Path(alias="switchboardId", min_length=1), BeforeValidator(unquote)]
IntegrationId = Annotated[str, Path(alias="switchboardIntegrationId", min_length=1), BeforeValidator(unquote)]

_FIELDS = {
    "name": "name",
    "integrationId": "integration_id",
    "integrationType": "integration_type",
    "deliverStandbyEvents": "deliver_standby_events",
    "nextSwitchboardIntegrationId": "next_id",
    "messageHistoryCount": "message_history_count",
}
_NO_DEFAULT = {
    "default_not_on_board": (404, "switchboard_integration_not_found"),
    "no_default_integration": (404, "switchboard_integration_not_found"),
}
"""The vendor lists these under 404."""


@router.get("", response_model=None, responses=answers(SunshineSwitchboards))
async def list_switchboards(call: AppCalled) -> Response:
    """The app's switchboard, in a list."""
    found = await board(call)
    return answer({"switchboards": [_shown(call, found)] if found else []})


@router.post(
    "",
    status_code=201,
    response_model=None,
    responses=answers(SunshineSwitchboardOne, 201),
    openapi_extra=takes(SWITCHBOARD_CREATE),
)
async def create_switchboard(
    call: AppCalled, body: Annotated[dict[str, Any], Depends(taken(SWITCHBOARD_CREATE))]
) -> Response:
    """The app gets its switchboard, disabled. A second one is refused."""
    del body
    await _send(call, "create", {})
    return await _answered(call, 201)


@router.patch(
    "/{switchboardId}",
    response_model=None,
    responses=answers(SunshineSwitchboardOne),
    openapi_extra=takes(SWITCHBOARD_UPDATE),
)
async def update_switchboard(
    call: AppCalled, key: SwitchboardId, body: Annotated[dict[str, Any], Depends(taken(SWITCHBOARD_UPDATE))]
) -> Response:
    """Enable it, disable it, name the default switchboard integration."""
    await needed_board(call, key)
    names = {"enabled": "enabled", "defaultSwitchboardIntegrationId": "default_integration"}
    await _send(call, "update", {names[name]: value for name, value in body.items()})
    return await _answered(call, 200)


@router.delete("/{switchboardId}", response_model=None, responses=answers(SunshineDone))
async def delete_switchboard(call: AppCalled, key: SwitchboardId) -> Response:
    """The app has no switchboard any more, and no conversation a control record."""
    await needed_board(call, key)
    await _send(call, "delete", {})
    return answer({})


@router.get(
    "/{switchboardId}/switchboardIntegrations", response_model=None, responses=answers(SunshineIntegrations)
)
async def list_switchboard_integrations(call: AppCalled, key: SwitchboardId) -> Response:
    """In the order in which they came."""
    found = await needed_board(call, key)
    shown = [shapes.switchboard_integration(each) for each in found["context"]["integrations"]]
    return answer({"switchboardIntegrations": shown})


@router.post(
    "/{switchboardId}/switchboardIntegrations",
    status_code=201,
    response_model=None,
    responses=answers(SunshineIntegrationOne, 201),
    openapi_extra=takes(INTEGRATION_CREATE),
)
async def create_switchboard_integration(
    call: AppCalled, key: SwitchboardId, body: Annotated[dict[str, Any], Depends(taken(INTEGRATION_CREATE))]
) -> Response:
    """A bot, a desk or another program joins the switchboard; ten at most."""
    await needed_board(call, key)
    made = call.new_id("integration")
    await _send(call, "add_integration", {"id": made, **filled(_words(body))})
    return await _integration(call, made, 201)


@router.patch(
    "/{switchboardId}/switchboardIntegrations/{switchboardIntegrationId}",
    response_model=None,
    responses=answers(SunshineIntegrationOne),
    openapi_extra=takes(INTEGRATION_UPDATE),
)
async def update_switchboard_integration(
    call: AppCalled,
    key: SwitchboardId,
    integration: IntegrationId,
    body: Annotated[dict[str, Any], Depends(taken(INTEGRATION_UPDATE))],
) -> Response:
    """What is not named stays as it is."""
    integration_of(await needed_board(call, key), integration)
    if body:
        await _send(call, "change_integration", {"id": integration, "changes": _words(body)})
    return await _integration(call, integration, 200)


@router.delete(
    "/{switchboardId}/switchboardIntegrations/{switchboardIntegrationId}",
    response_model=None,
    responses=answers(SunshineDone),
)
async def delete_switchboard_integration(
    call: AppCalled, key: SwitchboardId, integration: IntegrationId
) -> Response:
    """It leaves the switchboard; the default, and whoever is named as next, may not."""
    integration_of(await needed_board(call, key), integration)
    await _send(call, "remove_integration", {"id": integration})
    return answer({})


async def _send(call: Call, name: str, data: dict[str, Any]) -> None:
    await call.do("board", BOARD, name, data, known=_NO_DEFAULT)


async def _answered(call: Call, status: int) -> Response:
    found = await board(call)
    if found is None:
        raise missing("switchboard")
    return answer({"switchboard": _shown(call, found)}, status)


async def _integration(call: Call, key: str, status: int) -> Response:
    found = integration_of(await board(call), key)
    return answer({"switchboardIntegration": shapes.switchboard_integration(found)}, status)


def _words(body: dict[str, Any]) -> dict[str, Any]:
    return {_FIELDS[name]: value for name, value in body.items()}


def _shown(call: Call, found: dict[str, Any]) -> dict[str, Any]:
    return shapes.switchboard(found, switchboard_id(call.principal.tenant))

"""The commands that could not be applied: to look at, to send again, to throw away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BeforeValidator

from interlock.engine import dead_letters
from interlock.engine.audit import Action
from interlock.engine.chart import Chart
from interlock.engine.errors import ChartError
from interlock.gateway.answers import answer, decoded, problems
from interlock.gateway.callers import Operator
from interlock.gateway.deployment import Deployment, ServedDeployment
from interlock.gateway.native.auditing import write_down
from interlock.gateway.problems import Problem
from interlock.gateway.shapes import LetterList, LetterShown, Retried
from interlock.statecharts.letters import machine_of, shown_letter

router = APIRouter(prefix="/dead-letters")

LetterId = Annotated[str, Path(max_length=64), BeforeValidator(decoded)]


@router.get("", response_model=None, responses={200: {"model": LetterList}})
def list_letters(
    deployment: Deployment, _operator: Operator, limit: Annotated[int, Query(ge=1, le=1000)] = 50
) -> Response:
    """The newest dead letters, newest first."""
    return answer({"letters": [_shown(deployment, one) for one in deployment.store.dead_letters(limit)]})


@router.get("/{letter_id}", response_model=None, responses={200: {"model": LetterShown}, **problems(404)})
def read_letter(deployment: Deployment, _operator: Operator, letter_id: LetterId) -> Response:
    """One dead letter."""
    with _told():
        return answer(_shown(deployment, dead_letters.find(deployment.store, letter_id)))


@router.post(
    "/{letter_id}/retry",
    status_code=202,
    response_model=None,
    responses={202: {"model": Retried}, **problems(404, 409)},
)
def retry_letter(deployment: Deployment, operator: Operator, letter_id: LetterId) -> Response:
    """Publish its command again, under a new id, and throw the letter away."""
    with _told():
        command_id = dead_letters.retry(deployment.store, letter_id, deployment.sealer)
    write_down(deployment, operator, Action.DEAD_LETTER_RETRIED, letter_id, command=command_id)
    return answer({"letter_id": letter_id, "command": command_id}, 202)


@router.delete("/{letter_id}", status_code=204, response_model=None, responses=problems(404))
def discard_letter(deployment: Deployment, operator: Operator, letter_id: LetterId) -> Response:
    """Throw it away."""
    with _told():
        dead_letters.discard(deployment.store, letter_id)
    write_down(deployment, operator, Action.DEAD_LETTER_DISCARDED, letter_id)
    return Response(status_code=204)


def _shown(deployment: ServedDeployment, letter: dict[str, Any]) -> dict[str, Any]:
    machine = machine_of(letter)
    versions: list[Chart] = []
    try:
        for name, number in sorted(deployment.store.charts()):
            if name == machine:
                versions.append(deployment.charts.chart(name, number))
    except ChartError:  # of what cannot be read here, nobody knows what is private
        versions = []
    return shown_letter(letter, versions)


@contextmanager
def _told() -> Iterator[None]:
    """What the engine refuses, as problems."""
    try:
        yield
    except dead_letters.LetterNotFound:
        raise Problem(404, "not_found", "There is no such dead letter.") from None
    except dead_letters.RetryRefused as error:
        raise Problem(409, "no_whole_command", f"{error}.") from None

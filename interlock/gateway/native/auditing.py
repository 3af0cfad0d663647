"""Writing down who has looked after what, and showing it."""

from __future__ import annotations

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query, Response

from interlock.engine import audit
from interlock.engine.audit import Action, AuditNotKept, Deed
from interlock.engine.tokens import Principal
from interlock.gateway.answers import answer, problems
from interlock.gateway.callers import Operator
from interlock.gateway.deployment import Deployment, ServedDeployment
from interlock.gateway.problems import Problem
from interlock.gateway.shapes import AuditPage

router = APIRouter()

log = structlog.get_logger()


def write_down(
    deployment: ServedDeployment, principal: Principal, action: Action, target: str, **details: Any
) -> None:
    """Keep what the principal has done, and log it. Blocks. Where the server takes it no more, the log alone tells."""
    actor = {"id": principal.id, "kind": principal.kind, "tenant": principal.tenant}
    log.info("audit", action=action, target=target, actor=actor, details=details)
    try:
        audit.record(deployment.store.client, deployment.store.keys, Deed(actor, action, target, details))
    except AuditNotKept as error:
        log.error("audit_not_kept", reason=str(error))


@router.get("/audit", response_model=None, responses={200: {"model": AuditPage}, **problems(400)})
def read_audit(
    deployment: Deployment,
    _operator: Operator,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[
        str | None,
        Query(
            description="`next` of the page before.",
            json_schema_extra={"pattern": r"^[1-9][0-9]{0,17}-[0-9]{1,18}$"},
        ),
    ] = None,
) -> Response:
    """What was done beside commands, newest first."""
    if cursor is not None and not _is_entry(cursor):
        raise Problem(400, "invalid_cursor", "This is no cursor of ours: begin again without one.")
    deeds, following = audit.newest(deployment.store.client, deployment.store.keys, limit, cursor)
    return answer({"audit": deeds, "next": following})


def _is_entry(text: str) -> bool:
    milliseconds, dash, number = text.partition("-")
    return (
        bool(dash)
        and not text.startswith("0")
        and all(part.isascii() and part.isdigit() and len(part) < 19 for part in (milliseconds, number))
    )

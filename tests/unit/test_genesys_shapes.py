"""Interactions in the words of Genesys Web Services, and what refusals are there."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from interlock.engine.errors import ErrorClass
from interlock.gateway.dialects.genesys.creating import interaction_id
from interlock.gateway.dialects.genesys.errors import HTTP_STATUS, envelope, refusal
from interlock.gateway.dialects.genesys.shapes import interaction
from interlock.gateway.dialects.genesys.words import GenesysFailure, GenesysInteractionFields
from interlock.gateway.problems import Problem
from interlock.statecharts.genesys import STATUS_CODES
from tests.desks import Desk

BASE = "http://gws/genesys/api/v2"


def stored(**data: Any) -> dict[str, Any]:
    made = Desk()
    made.send("interaction/A 1", "create", {"queue": "claims", **data})
    made.send("interaction/A 1", "invite", {"agent": "ann"})
    snapshot = made.snapshots["interaction/A 1"]
    machine = made.catalog.machine("interaction")
    assert machine is not None
    return snapshot.shown(machine.chart)


def test_each_sees_the_state_of_their_own_leg_and_who_has_none_that_of_the_interaction() -> None:
    instance = stored(user_data={"a": {"b": 1}})
    hers = interaction(instance, BASE, "ann", ["accept", "reject", "offer"])
    assert (hers["state"], hers["workflowState"]) == ("Invited", "Delivering")
    assert hers["capabilities"] == ["Accept", "Reject"]
    assert hers["userData"] == {"a": {"b": 1}}
    assert hers["uri"] == f"{BASE}/interactions/A%201"
    assert interaction(instance, BASE, "bob", [])["state"] == "Delivering"


def test_what_is_shown_is_what_is_declared_and_nothing_is_null() -> None:
    shown = interaction(stored(), BASE, "ann", [])
    declared = GenesysInteractionFields.model_json_schema()
    assert set(declared["required"]) <= shown.keys() <= declared["properties"].keys()
    assert None not in shown.values()


@pytest.mark.parametrize("error_class", [*ErrorClass])
def test_every_class_of_refusal_has_a_code_and_a_status(error_class: str) -> None:
    error = {"class": error_class, "code": "x", "message": "No.", "details": {}}
    answer = refusal(error).response()
    body = orjson.loads(answer.body)
    assert (body["statusMessage"], body["errorDescription"], body["status"]) == ("No.", "No.", "error")
    assert body.keys() == GenesysFailure.model_fields.keys()
    assert answer.status_code in {400, 403, 404, 409, 413, 500, 503}
    if answer.status_code not in (413, 503):
        assert body["statusCode"] == STATUS_CODES[error_class]
        assert answer.status_code == HTTP_STATUS[body["statusCode"]]


@pytest.mark.parametrize(
    ("status", "code", "shown"),
    [(401, 20, 401), (404, 6, 404), (422, 10, 400), (429, 4, 429), (503, 4, 503), (500, 4, 500)],
)
def test_problems_of_the_gateway_are_told_in_the_same_words(status: int, code: int, shown: int) -> None:
    answer = envelope(Problem(status, "x", "No.", headers={"Retry-After": "2"}))
    assert (answer.status_code, orjson.loads(answer.body)["statusCode"]) == (shown, code)
    assert answer.headers["retry-after"] == "2"


def test_the_id_of_what_a_call_creates_has_16_characters_and_is_the_same_again() -> None:
    first, again, other = (interaction_id(one) for one in ("a", "a", "b"))
    assert first == again != other
    assert len(first) == 16 and first.isalnum()

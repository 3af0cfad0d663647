"""The AsyncAPI document names every command and event of the charts, and its schemas hold for what is really sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from interlock.cli.main import run
from interlock.engine.asyncapi import asyncapi_document, result_schema
from interlock.engine.messages import Error, Result, Status
from tests.desks import shipped
from tests.unit.test_schemas import COMMAND, EVENT


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return asyncapi_document(shipped().charts, "desk", "1.2.3")


def accepts(document: dict[str, Any], message: str, value: Any) -> bool:
    payload = document["components"]["messages"][message]["payload"]
    return jsonschema_rs.validator_for({**payload, "components": document["components"]}).is_valid(value)


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = references(document)
    assert len(found) > 100
    for reference in found:
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
        assert isinstance(place, dict)


def test_every_command_and_event_of_every_chart_is_a_message(document: dict[str, Any]) -> None:
    channels = document["channels"]
    for chart in shipped().charts:
        assert {f"{chart.id}.{name}" for name in chart.commands} <= set(channels["commands"]["messages"])
        assert {*chart.events} <= set(channels["webhooks"]["messages"])
    assert channels["commands"]["address"] == "desk:commands"
    assert document["operations"]["apply_command"]["action"] == "receive"


def test_a_command_is_taken_by_its_own_message_alone(document: dict[str, Any]) -> None:
    assert accepts(document, "command.ticket.assign", COMMAND)
    assert not accepts(document, "command.ticket.close", COMMAND)
    assert not accepts(document, "command.ticket.assign", {**COMMAND, "kye": 1})
    assert not accepts(document, "command.ticket.assign", {**COMMAND, "data": {"agent": 7}})
    assert not accepts(document, "command.ticket.assign", {**COMMAND, "actor": {"id": "a", "kind": "agnt"}})


def test_an_event_is_taken_by_its_own_message_alone(document: dict[str, Any]) -> None:
    assert accepts(document, "event.ticket.assigned", EVENT)
    assert not accepts(document, "event.ticket.closed", EVENT)
    assert not accepts(document, "event.ticket.assigned", {**EVENT, "specversion": "0.3"})


def test_results_are_what_the_engine_answers() -> None:
    error = Error("forbidden", "not_yours", "It is not yours.")
    refused = Result("c-1", Status.REFUSED, "ticket", "T-1", 2, ["open"], [], error).as_dict()
    no_command = Result(None, Status.DEAD, None, None, None, None, [], error).as_dict()
    applied = Result("c-1", Status.APPLIED, "ticket", "T-1", 1, ["open"], ["ticket.opened"]).as_dict()
    validator = jsonschema_rs.validator_for(result_schema())
    for one in (refused, no_command, applied, {**applied, "duplicate": True}):
        assert [each.message for each in validator.iter_errors(one)] == []
    assert not validator.is_valid({**applied, "status": "done"})


def test_the_documents_are_printed_without_a_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTERLOCK_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("INTERLOCK_PREFIX", "desk")
    assert run(["asyncapi"]) == 0
    assert json.loads(capsys.readouterr().out)["channels"]["commands"]["address"] == "desk:commands"
    assert run(["openapi"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["openapi"].startswith("3.")
    paths = {path.split("/")[1] for path in told["paths"]}
    assert {"engage", "oneview", "sunshine", "interlock"} <= paths

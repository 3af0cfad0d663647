"""The published schemas are draft-07, accept what we accept, and refuse what the loader refuses for its shape or for
the kind of its state."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from interlock.engine.messages import Command
from interlock.engine.schemas import chart_schema, command_schema, config_schema, event_schema
from interlock.engine.settings import Settings
from interlock.engine.yaml_source import plain, read_yaml
from interlock.statecharts.catalog import is_chart

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(filter(is_chart, (ROOT / "interlock" / "statecharts").iterdir()))
DOUBTFUL = sorted((ROOT / "tests" / "charts" / "doubtful").glob("*.yaml"))
OF_THE_SHAPE = (
    *("unknown_word", "missing_word", "wrong_kind", "bad_name", "unknown_value", "one_word"),
    *("misplaced_word", "missing_initial", "no_states"),
)
WRONG = [
    path
    for path in sorted((ROOT / "tests" / "charts" / "wrong").glob("*.yaml"))
    if path.read_bytes().split(b": ")[1].decode() in OF_THE_SHAPE
]
COMMAND = {"machine": "ticket", "key": "T-1", "name": "assign", "data": {"agent": "ann"}, "id": "c-1"}
EVENT = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/interlock/ticket",
    "type": "ticket.assigned",
    "subject": "T-1",
    "time": "2026-11-22T02:32:00.000Z",
    "datacontenttype": "application/json",
    "sequence": 2,
    "data": {
        "version": 2,
        "from": ["queued"],
        "to": ["assigned"],
        "command": {"id": "c-1", "name": "assign"},
        "actor": {"id": None, "kind": "system"},
        "changed": {"assignee": {"from": None, "to": "ann"}},
        "context": {"assignee": "ann"},
        "correlation_id": None,
        "causation_id": None,
    },
}


@pytest.mark.parametrize("schema", [chart_schema, command_schema, event_schema, config_schema])
def test_a_schema_is_draft_07(schema):
    made = schema()
    assert made["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert isinstance(jsonschema_rs.validator_for(made), jsonschema_rs.Draft7Validator)
    assert json.loads(json.dumps(made)) == made
    assert "$defs" not in json.dumps(made)


@pytest.mark.parametrize("path", [*SHIPPED, *DOUBTFUL], ids=lambda path: path.stem)
def test_an_editor_accepts_a_chart_that_loads(path):
    chart = plain(read_yaml(path.read_text(), path.name))
    assert [each.message for each in jsonschema_rs.validator_for(chart_schema()).iter_errors(chart)] == []


def test_an_editor_accepts_a_state_whose_kind_stands_in_the_part_that_it_includes():
    chart = plain(
        read_yaml((ROOT / "tests" / "charts" / "wrong" / "include_of_nothing.yaml").read_text(), "")
    )
    assert jsonschema_rs.validator_for(chart_schema()).is_valid(chart)
    name, included = next((n, state) for n, state in chart["states"].items() if "include" in state)
    for more in ({"initial": "a"}, {"type": "parallel"}, {"states": {"a": None}}, {"onDone": "closed"}):
        states = {**chart["states"], name: {**included, **more}}
        assert jsonschema_rs.validator_for(chart_schema()).is_valid({**chart, "states": states})


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
def test_an_editor_marks_what_the_loader_refuses_by_its_shape(path):
    chart = plain(read_yaml(path.read_text(), path.name))
    assert not jsonschema_rs.validator_for(chart_schema()).is_valid(chart)


def test_every_word_of_a_transition_is_told_to_the_editor():
    text = json.dumps(chart_schema())
    for word in ("target", "guard", "require", "actions", "reenter", "ignore", "onDone", "always", "after"):
        assert f'"{word}": ' in text
        assert "A sibling's name" in text


def test_a_command_is_what_the_wire_takes():
    validator = jsonschema_rs.validator_for(command_schema())
    for given in (COMMAND, {name: COMMAND[name] for name in ("machine", "key", "name")}):
        assert validator.is_valid(given)
    assert Command.model_validate(COMMAND)
    for wrong in (
        {**COMMAND, "kye": 1},
        {**COMMAND, "actor": {"id": "a", "kind": "agnt"}},
        {"machine": "ticket"},
    ):
        assert not validator.is_valid(wrong)


def test_an_event_has_the_attributes_of_cloudevents():
    validator = jsonschema_rs.validator_for(event_schema())
    assert [each.message for each in validator.iter_errors(EVENT)] == []
    for name in event_schema()["required"]:
        assert not validator.is_valid({key: value for key, value in EVENT.items() if key != name})
    assert datetime.fromisoformat(EVENT["time"]).tzinfo == UTC


def test_the_configuration_has_every_setting():
    assert config_schema()["properties"].keys() == Settings.model_fields.keys()


def test_the_fixtures_are_yaml_of_other_readers_too():
    # Our reader must not accept more than YAML: what loads here loads elsewhere.
    for path in (*SHIPPED, *DOUBTFUL):
        assert yaml.safe_load(path.read_text())

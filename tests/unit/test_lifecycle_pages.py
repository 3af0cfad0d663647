"""docs/lifecycles says what the charts say, and what the four source documents ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from interlock.engine.machine import Arrow, Machine
from interlock.engine.outcome import Decision
from interlock.engine.policy import parse_policy
from tests.unit.chart_cells import CATALOG, CELLS, CHARTS, Table, table_of
from tools.lifecycles.comparison import comparison_page
from tools.lifecycles.consequences import Consequences, of_arrow, of_beginning
from tools.lifecycles.page import chart_page
from tools.lifecycles.pages import DIRECTORY, PICTURE, SEEDS, pages, picture
from tools.lifecycles.seeds import Seed, problems, read_seeds

PAGES = pages()
SEED: dict[str, Seed] = {seed.id: seed for seed in read_seeds(SEEDS)}
BY_ID = {chart.id: chart for chart in CATALOG.charts}

OPERATIONS = {
    "intervention": (
        *("CancelIntervention", "CategorizeIntervention", "CloseIntervention", "CreateIntervention"),
        *("GetAllInterventions", "GetIntervention", "ReassignIntervention"),
    ),
    "ticket": (
        "GET /v1/{agentID}/tickets",
        "PUT /v1/{agentID}/online",
        "PUT /v1/{agentID}/offline",
    ),
    "switchboard": ("accept_control", "offer_control", "pass_control", "release_control"),
    "interaction": (
        *("GET /interactions", "GET /me/interactions?fields=*", "GET /me/interactions"),
        *("GET /interactions/{id}", "PUT /interactions/{id}"),
        *("Accept", "Reject", "Cancel", "Complete", "PlaceInQueue", "UpdateUserData", "AttachUserData"),
        *("DeleteUserData", "PlaceInWorkbin", "GetWorkbinContent", "SingleStepTransfer"),
    ),
}
"""The operations of the four documents, as these name them."""

FIELDS = {
    "intervention": (
        *("interventionId", "contentId (create)", "categoryIds (categorize)", "userId (reassign)"),
        *("threadId (list)", "userId (list)", "identityGroupId (list)", "identityId (list)"),
        *("sort (list)", "offset (list)", "limit (list)"),
    ),
    "ticket": (
        *("agentID", "Error.errorCode", "Error.errorMessage"),
        *(f"AgentInfo.{name}" for name in ("id", "name", "lastLoginTime", "updatedAt", "agentTimeInStatus")),
        *(
            f"Ticket.{name}"
            for name in ("id", "ticketStatus", "assignedTime", "createdAt", "queue", "channel")
        ),
        *(f"Ticket.{name}" for name in ("content", "metadata", "statusReason", "priority", "customer")),
        *(f"Metadata.{name}" for name in ("ccr", "agentJwt", "roomId", "roomName", "roomSubscriptionToken")),
        *(f"Metadata.{name}" for name in ("orderId", "agentAccesses")),
        *(f"Customer.{name}" for name in ("id", "firstName", "lastName")),
        *(f"TicketStatus.{name}" for name in ("ASSIGNED", "ESCALATED", "CLOSED")),
    ),
    "switchboard": (
        *("app_id", "conversation_id", "accept_control_body.metadata"),
        *("offer_control_body.switchboardIntegration", "offer_control_body.metadata"),
        *("pass_control_body.switchboardIntegration", "pass_control_body.metadata"),
        *("object (the answer)", "200, 403, 404", "the webhook signal of offerControl"),
        "switchboard state: active, pending, standby",
    ),
    "interaction": (
        *("id", "fields", "operationName", "queueName", "userData", "workbin", "userId", "statusCode"),
        *("statusMessage", "status", "errorDescription", "interactions", "uris"),
        "notification on /v2/me/interactions",
    ),
}
"""Their parameters, and the fields of what they take and answer."""


def named(subject: str) -> str:
    """An operation without its address or its other name: ``CloseIntervention``."""
    return re.split(r": | \(", subject)[0]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_says_what_its_chart_says(name: str) -> None:
    path = DIRECTORY / name
    assert path.exists() and path.read_text(encoding="utf-8") == PAGES[name], (
        f"docs/lifecycles/{name} is older than its chart: run `make docs` and commit what it changes"
    )


def test_no_page_is_left_of_a_chart_that_is_gone() -> None:
    made = {
        path.name for path in DIRECTORY.glob("*.md") if "by `make docs`" in path.read_text(encoding="utf-8")
    }
    assert made <= set(PAGES), "remove the pages of charts that are gone"


def test_the_rules_of_a_policy_stand_in_the_page_of_the_chart_that_they_follow() -> None:
    rule = (
        "rules:\n  - on: leg.completed\n    when: context.reason == 'done'\n    description: The desk counts it.\n"
        "    send: {machine: tally, key: context.agent, command: add}\n"
    )
    chart = BY_ID["leg"]
    page = chart_page(Machine(chart, parse_policy([(rule, "a.policy.yaml")]).rules_of(chart)), {})
    row = "| `leg.completed` | `context.reason == 'done'` | `tally add` to `context.agent` | The desk counts it. |"
    assert row in page
    assert "Rules that follow" not in chart_page(Machine(chart), {})


def test_the_picture_in_the_readme_shows_the_ticket_as_it_is() -> None:
    def words(svg: bytes) -> list[str]:
        return sorted(re.findall(r"<(?:title|text)[^>]*>([^<]*)</", svg.decode()))

    assert f"](docs/img/{PICTURE.name})" in (DIRECTORY.parents[1] / "README.md").read_text(encoding="utf-8")
    assert words(PICTURE.read_bytes()) == words(picture()), "run `make docs` and commit what it changes"


def test_every_shipped_chart_has_a_page_with_its_picture() -> None:
    for chart in CHARTS:
        picture = PAGES[f"{chart}.md"].split("```mermaid\n", 1)[1].split("```", 1)[0]
        assert len(picture) < 50_000, "Mermaid's own limit, which GitHub keeps"
        assert f"[{chart}]({chart}.md)" in PAGES["README.md"]


@pytest.mark.parametrize("seed", sorted(OPERATIONS))
def test_every_operation_of_a_document_is_compared(seed: str) -> None:
    assert [*OPERATIONS[seed]] == sorted(
        (named(entry.subject) for entry in SEED[seed].operations), key=OPERATIONS[seed].index
    )


@pytest.mark.parametrize("seed", sorted(FIELDS))
def test_every_field_of_a_document_is_compared(seed: str) -> None:
    assert set(FIELDS[seed]) - {entry.subject for entry in SEED[seed].fields} == set()


def test_the_comparison_names_only_what_the_charts_have() -> None:
    assert problems(SEED.values(), BY_ID) == []
    assert set(SEED) == set(OPERATIONS)


@pytest.mark.parametrize(
    ("way", "name"),
    [
        ("commands", "ticket.explode"),
        ("commands", "ticket.priority"),
        ("is", "ticket.close"),
        ("is", "tickets.priority"),
        ("input", "ticket.close.because"),
        ("input", "ticket.close"),
        ("key", "ticket.priority"),
        ("reads", "tickets"),
    ],
)
def test_a_name_that_no_chart_has_is_found(way: str, name: str) -> None:
    seed = SEED["ticket"]
    wrong = replace(seed.fields[0], way=way, names=(name,))
    found = problems([replace(seed, fields=(wrong,))], BY_ID)
    assert len(found) == 1
    assert repr(name) in found[0]


def test_a_field_that_something_is_made_of_exists_too() -> None:
    seed = SEED["ticket"]
    wrong = replace(seed.fields[0], of=("agent.shoe_size",))
    assert "'agent.shoe_size'" in problems([replace(seed, fields=(wrong,))], BY_ID)[0]


def test_what_a_reading_is_seen_by_exists_too() -> None:
    seed = SEED["ticket"]
    wrong = replace(seed.readings[0], seen=("ticket.open.work.dreaming",))
    assert "'ticket.open.work.dreaming'" in problems([replace(seed, readings=(wrong,))], BY_ID)[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{field: a, is: [ticket.queue], why: b}", "unknown why"),
        ("{field: a}", "name one field"),
        ("{field: a, is: [ticket.queue], computed: b}", "name one field"),
    ],
)
def test_a_seed_that_is_not_well_written_is_refused(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "seeds.yaml"
    path.write_text(f"seeds:\n  - {{id: x, title: X, operations: [], readings: [], fields: [{text}]}}\n")
    with pytest.raises(ValueError, match=told):
        read_seeds(path)


def test_what_is_left_out_says_why() -> None:
    entries = [entry for seed in SEED.values() for entry in (*seed.operations, *seed.later, *seed.fields)]
    left_out = [entry for entry in entries if entry.way == "left_out"]
    assert left_out
    assert [entry.subject for entry in left_out if len(entry.text) < 20] == []


def test_no_operation_of_a_document_is_left_out() -> None:
    assert [
        entry.subject for seed in SEED.values() for entry in seed.operations if entry.way == "left_out"
    ] == []


def test_the_comparison_is_made_of_all_seeds() -> None:
    page = comparison_page(SEED.values())
    assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == [
        seed.title for seed in SEED.values()
    ]


WITH_CELLS = [chart for chart in CHARTS if (CELLS / f"{chart}.yaml").exists()]
"""`test_charts.py` asks the others for theirs."""
REFUSED = [
    (chart, command, *expected.split()[1:])
    for chart in WITH_CELLS
    for cells in table_of(chart).cells.values()
    for command, expected in cells.items()
    if expected.startswith("refused") and not expected.startswith("refused not_accepted")
]


@pytest.mark.parametrize(("chart", "command", "error_class", "code"), sorted(set(REFUSED)))
def test_a_refusal_of_the_cells_stands_in_the_page(
    chart: str, command: str, error_class: str, code: str
) -> None:
    table = PAGES[f"{chart}.md"].split("## Operations", 1)[1].split("## Timers", 1)[0]
    rows = [line for line in table.splitlines() if f" | `{command}` | " in line]
    common = (error_class, code) in [("already_exists", "already_exists"), ("not_found", "not_found")]
    assert common or any(f"`{error_class}` `{code}`" in row for row in rows)


@pytest.mark.parametrize("chart", WITH_CELLS)
def test_what_a_page_calls_certain_happens_and_nothing_else_does(chart: str) -> None:
    table = table_of(chart)
    for state, cells in table.cells.items():
        for command, expected in cells.items():
            if expected.startswith("applied"):
                decision = table.at(state).send(command)
                found = consequences(table, decision, command)
                happened = set(decision.result.events or [])
                certain = {event for each in found for event in each.events}
                possible = {event for each in found for event in each.possible_events} | certain
                # What a step is told as that announces nothing.
                happened -= {f"{chart}.updated", f"{chart}.created"} - possible
                assert certain <= happened <= possible, (state, command)
                letters = [orjson.loads(letter) for letter in decision.sends]
                sent = {f"{letter['machine']} {letter['name']}" for letter in letters}
                named = {name for each in found for name in (*each.sends, *each.possible_sends)}
                assert sent <= named | by_policy(table.machine, happened), (state, command)


def by_policy(machine: Machine, events: Iterable[str]) -> set[str]:
    """What the rules of the shipped policy may send when these events are announced."""
    rules = [rule for event in events for rule in machine.rules.get(event, ())]
    return {f"{send.machine} {send.command}" for rule in rules for send in rule.send}


def consequences(table: Table, decision: Decision, command: str) -> list[Consequences]:
    taken: list[Arrow] = [arrow for arrow in decision.taken if arrow.definition.event == command]
    found = [of_arrow(table.machine, arrow) for arrow in taken]
    began = decision.snapshot is not None and decision.snapshot.version == 1
    return [*found, of_beginning(table.machine)] if began else found


@pytest.mark.parametrize("chart", CHARTS)
def test_every_state_and_command_is_described_for_people(chart: str) -> None:
    read = BY_ID[chart]
    nameless = [f"commands.{name}" for name, command in read.commands.items() if not command.description]
    nameless += [path for path, state in read.states.items() if path and not state.description]
    assert nameless == [], (
        f"interlock/statecharts/{chart}.yaml: give each of these a `description`, then `make docs`"
    )


@pytest.mark.parametrize(
    ("chart", "command", "state", "codes"),
    [
        ("intervention", "close", "*first*", ["intervention_not_found", "close_in_flight"]),
        ("intervention", "close", "`open`", ["no_agent_reply", "not_owner", "source_not_readable"]),
        ("intervention", "cancel", "*first*", ["intervention_not_found", "cancel_in_flight"]),
        ("intervention", "cancel", "`open`", ["has_agent_reply"]),
        ("switchboard", "accept_control", "*first*", ["actor_kind", "metadata_too_large", "not_pending"]),
        ("interaction", "accept", "*first*", ["no_leg", "invalid_leg_state"]),
        ("ticket", "escalate", "*first*", ["not_your_ticket", "unknown_department"]),
        ("agent", "online", "*first*", ["not_you"]),
    ],
)
def test_the_guards_of_an_operation_stand_in_their_order(
    chart: str, command: str, state: str, codes: list[str]
) -> None:
    row = next(line for line in PAGES[f"{chart}.md"].splitlines() if f" | `{command}` | {state} | " in line)
    refused = row.split(" | ")[4]
    assert re.findall(r"`[a-z_]+` `([a-z_]+)`", refused) == codes


@pytest.mark.parametrize("name", sorted(PAGES))
def test_what_a_page_links_to_exists(name: str) -> None:
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", PAGES[name])]
    assert [link for link in links if not (DIRECTORY / link).exists()] == []

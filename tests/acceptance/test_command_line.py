"""The command line against a running deployment: what is printed, and the exit codes."""

from __future__ import annotations

import subprocess
import uuid
from typing import Any

import pytest

from tests.acceptance.deployment import Deployment, until

INSTANCE = {
    "machine",
    "key",
    "chart_version",
    "version",
    "state",
    "context",
    "timers",
    "created_at",
    "updated_at",
}
ENTRY = {"version", "at", "command", "actor", "from", "to", "events", "correlation_id", "causation_id"}

_SLA_OFF = ["open.first_response.off", "open.resolution.off"]
QUEUED, ASSIGNED = [*_SLA_OFF, "open.work.queued"], [*_SLA_OFF, "open.work.assigned"]
"""A ticket is at its work and in the two regions of its service levels."""


@pytest.fixture
def ticket(deployment: Deployment) -> str:
    """The address of an open ticket of this test alone."""
    address = f"ticket/{uuid.uuid4().hex}"
    deployment.json(
        "publish", address, "open", "--data", '{"queue": "billing", "priority": 2}', "--wait", "30"
    )
    return address


def test_a_command_is_published_and_its_result_printed(deployment: Deployment) -> None:
    key = uuid.uuid4().hex
    result = deployment.json("publish", f"ticket/{key}", "open", "--data", '{"queue": "fr"}', "--wait", "30")
    assert (result["status"], result["version"], result["state"]) == ("applied", 1, QUEUED)
    assert (result["machine"], result["key"], result["events"]) == ("ticket", key, ["ticket.created"])
    assert result["error"] is None


def test_without_wait_the_id_is_printed_and_nothing_else(deployment: Deployment) -> None:
    done = deployment.run("publish", f"ticket/{uuid.uuid4().hex}", "open", "--id", "my own id")
    assert (done.code, done.out, done.err) == (0, "my own id\n", "")


def test_data_comes_from_stdin(deployment: Deployment) -> None:
    address = f"ticket/{uuid.uuid4().hex}"
    done = deployment.run_process(
        "publish", address, "open", "--data", "-", "--wait", "30", stdin=b'{"queue": "stdin"}'
    )
    assert done.code == 0
    assert deployment.json("show", address)["context"]["queue"] == "stdin"


def test_an_instance_is_shown_with_the_names_of_the_contract(deployment: Deployment, ticket: str) -> None:
    shown = deployment.json("show", ticket)
    assert set(shown) == INSTANCE
    assert (shown["machine"], shown["version"], shown["state"]) == ("ticket", 1, QUEUED)
    assert shown["context"]["priority"] == 2
    assert set(shown["timers"][0]) == {"id", "event", "state", "due"}


def test_history_has_the_names_of_the_contract(deployment: Deployment, ticket: str) -> None:
    actor = '{"id": "ann", "kind": "supervisor"}'
    deployment.json(
        *("publish", ticket, "assign", "--data", '{"agent": "bob"}', "--actor", actor),
        *("--correlation-id", "case-7", "--id", f"assign {ticket}", "--wait", "30"),
    )
    history = deployment.json("history", ticket)["history"]
    assert [set(entry) for entry in history] == [ENTRY, ENTRY]
    last = history[-1]
    assert last["version"] == 2
    assert last["command"] == {"id": f"assign {ticket}", "name": "assign", "data": {"agent": "bob"}}
    assert last["actor"] == {"id": "ann", "kind": "supervisor", "permissions": []}
    assert (last["from"], last["to"], last["events"]) == (QUEUED, ASSIGNED, ["ticket.assigned"])
    assert last["correlation_id"] == "case-7"


def test_private_fields_are_shown_nowhere(deployment: Deployment) -> None:
    address = f"ticket/{uuid.uuid4().hex}"
    data = '{"queue": "fr", "metadata": {"agentJwt": "SESAME", "roomId": "r1"}}'
    deployment.json("publish", address, "open", "--data", data, "--wait", "30")
    for arguments in (["show"], ["history"], ["why"], ["replay"]):
        for as_json in ([], ["--json"]):
            done = deployment.run(*arguments, address, *as_json)
            assert done.code == 0
            assert "SESAME" not in done.out + done.err
    assert "SESAME" not in deployment.run("list", "ticket", "--limit", "1000", "--json").out
    assert "r1" in deployment.run("show", address).out  # what the chart lets through is there


def broken(deployment: Deployment, ticket: str) -> str:
    """The key of an instance whose snapshot somebody has written over."""
    client = deployment.client()
    name: str = next(client.scan_iter(f"*:instance:{ticket}", count=10_000))
    client.set(name, "broken")
    return name


def test_a_dead_letter_shows_no_private_data(deployment: Deployment, ticket: str) -> None:
    broken(deployment, ticket)
    data = '{"metadata": {"agentJwt": "SESAME-DEAD"}, "agent": "ann-of-the-letter"}'
    for name in ("assign", "open"):
        deployment.run("publish", ticket, name, "--data", data, "--wait", "30")
    deployment.client().xadd("interlock:commands", {"command": '{"agentJwt": "SESAME-DEAD"'})
    deployment.json("publish", f"ticket/{uuid.uuid4().hex}", "open", "--wait", "30")
    told = deployment.json("dead", "list")["letters"]
    assert "SESAME-DEAD" not in str(told) + deployment.run("dead", "list").out
    by_name = {letter["command"]["name"]: letter for letter in told if letter["command"]}
    assert by_name["assign"]["command"] == {"name": "assign", "data": {"agent": "ann-of-the-letter"}}
    assert by_name["assign"]["raw_bytes"] > 50
    assert not any("raw" in letter for letter in told)
    letter_id = by_name["assign"]["letter_id"]
    assert deployment.json("dead", "show", letter_id) == by_name["assign"]
    assert "SESAME-DEAD" not in deployment.run("dead", "show", letter_id).out


def test_a_dead_letter_is_applied_once_its_fault_is_gone(deployment: Deployment, ticket: str) -> None:
    client = deployment.client()
    name = next(client.scan_iter(f"*:instance:{ticket}", count=10_000))
    whole: Any = client.get(name)
    broken(deployment, ticket)
    command_id = uuid.uuid4().hex
    deployment.run(
        "publish", ticket, "assign", "--data", '{"agent": "ann"}', "--id", command_id, "--wait", "30"
    )
    [letter] = [one for one in deployment.json("dead", "list")["letters"] if one["id"] == command_id]
    client.set(name, whole)
    again = deployment.json("dead", "retry", letter["letter_id"])["command"]
    shown = until(lambda: deployment.json("show", ticket), lambda seen: seen["version"] == 2)
    assert (shown["context"]["assignee"], shown["state"]) == ("ann", ASSIGNED)
    assert deployment.json("history", ticket)["history"][-1]["command"]["id"] == again
    assert deployment.run("dead", "show", letter["letter_id"]).code == 3


def test_a_broken_instance_is_named_with_the_way_out(deployment: Deployment, ticket: str) -> None:
    name = broken(deployment, ticket)
    done = deployment.run("show", ticket)
    assert (done.code, done.out) == (1, "")
    assert name in done.err
    assert f"interlock replay {ticket}" in done.err
    again = deployment.run("replay", ticket, "--json")
    assert (again.code, again.json["same"], again.json["instance"]["state"]) == (1, False, QUEUED)
    listed = deployment.run("list", "ticket", "--limit", "1000", "--json")
    assert listed.code == 0
    assert ticket.removeprefix("ticket/") not in {one["key"] for one in listed.json["instances"]}
    assert name in listed.err


def test_a_mistyped_prefix_leaves_nothing_behind(deployment: Deployment) -> None:
    for arguments in (["list", "ticket"], ["show", "ticket/1"], ["dead", "list"], ["doctor"]):
        deployment.run("--prefix", "interlokc", *arguments)
    assert deployment.client().keys("*interlokc*") == []


def test_why_tells_what_would_be_accepted_by_whom(deployment: Deployment, ticket: str) -> None:
    told = deployment.json("why", ticket)
    assert told["state"] == QUEUED
    assert told["last"]["command"]["name"] == "open"
    assert "assign" in told["accepts"]
    assert "return_to_queue" not in told["accepts"]


def test_replay_gives_the_stored_snapshot(deployment: Deployment, ticket: str) -> None:
    deployment.json("publish", ticket, "assign", "--data", '{"agent": "ann"}', "--wait", "30")
    again = deployment.json("replay", ticket)
    assert (again["same"], again["versions"]) == (True, 2)
    assert deployment.json("replay", ticket, "--to", "1")["instance"]["state"] == QUEUED


def test_replay_ends_with_1_where_somebody_has_changed_the_snapshot(
    deployment: Deployment, ticket: str
) -> None:
    client = deployment.client()
    name = next(client.scan_iter(f"*:instance:{ticket}", count=10_000))
    stored = client.get(name)
    client.set(name, stored.replace('"billing"', '"changed"'))
    done = deployment.run("replay", ticket, "--json")
    client.set(name, stored)  # or `doctor` would find indexes that do not fit it
    assert (done.code, done.json["same"]) == (1, False)


def test_a_list_is_filtered_and_paged(deployment: Deployment) -> None:
    queue, run = f"q-{uuid.uuid4().hex}", uuid.uuid4().hex
    for number in range(3):
        data = f'{{"queue": "{queue}"}}'
        deployment.json("publish", f"ticket/{run}-{number}", "open", "--data", data, "--wait", "30")
    deployment.json("publish", f"ticket/{run}-2", "assign", "--data", '{"agent": "ann"}', "--wait", "30")
    first = deployment.json("list", "ticket", "--where", f"queue={queue}", "--limit", "2")
    assert [one["key"] for one in first["instances"]] == [f"{run}-0", f"{run}-1"]
    assert set(first["instances"][0]) == INSTANCE
    rest = deployment.json(
        "list", "ticket", "--where", f"queue={queue}", "--limit", "2", "--cursor", first["next"]
    )
    assert ([one["key"] for one in rest["instances"]], rest["next"]) == ([f"{run}-2"], None)
    waiting = deployment.json("list", "ticket", "--where", f"queue={queue}", "--state", "assigned")
    assert [one["key"] for one in waiting["instances"]] == [f"{run}-2"]


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["publish", "{ticket}", "nonsense", "--wait", "30"], 6, "unknown_command"),
        (["publish", "{ticket}", "return_to_queue", "--wait", "30"], 6, "not_accepted"),
        (["publish", "{ticket}", "open", "--wait", "30"], 6, "already_exists"),
        (["publish", "{ticket}", "resolve", "--expected-version", "7", "--wait", "30"], 6, "stale_version"),
        (["publish", "nonsense/1", "open", "--wait", "30"], 6, "unknown_machine"),
        (["publish", "ticket/not there", "resolve", "--wait", "30"], 3, "not_found"),
        (["publish", "{ticket}", "assign", "--data", '{"agent": 3}', "--wait", "30"], 4, "invalid_data"),
        (["show", "ticket/not there"], 3, "not there"),
        (["history", "ticket/not there"], 3, "not there"),
        (["list", "nonsense"], 3, "ticket"),
        (["list", "ticket", "--where", "content=1"], 2, "queue"),
        (["list", "ticket", "--state", "nonsense"], 2, "queued"),
        (["list", "ticket", "--cursor", "%%"], 2, "--cursor"),
        (["webhook", "remove", "nonsense"], 3, "webhook list"),
        (["webhook", "deliveries", "nonsense"], 3, "webhook list"),
    ],
)
def test_what_cannot_be_done_has_its_exit_code_and_its_reason(
    deployment: Deployment, ticket: str, arguments: list[str], code: int, word: str
) -> None:
    done = deployment.run(
        *(argument.format(ticket=ticket) if argument == "{ticket}" else argument for argument in arguments)
    )
    assert done.code == code, done
    assert word in done.err
    assert "Traceback" not in done.err


def test_no_answer_within_the_wait_ends_with_1(deployment: Deployment, ticket: str) -> None:
    done = deployment.run_process(
        "publish", ticket, "note", "--not-before", "2100-01-01T00:00:00Z", "--wait", "0.3"
    )
    assert done.code == 1
    assert "0.3 s" in done.err


def test_a_resent_command_gets_the_first_answer(deployment: Deployment) -> None:
    arguments = ["publish", f"ticket/{uuid.uuid4().hex}", "open", "--id", uuid.uuid4().hex, "--wait", "30"]
    first, again = deployment.json(*arguments), deployment.json(*arguments)
    assert again.pop("duplicate") is True
    assert again == first


def test_doctor_finds_a_running_deployment_well(deployment: Deployment) -> None:
    report = deployment.json("doctor")
    assert report["ok"] is True
    health = {check["name"]: check["status"] for check in report["checks"]}
    assert all(
        health[name] == "ok" for name in ("server", "persistence", "pump", "workers", "charts", "timers")
    )


def test_doctor_names_the_next_step_for_each_thing_that_fails(deployment: Deployment) -> None:
    done = deployment.run("--prefix", "nobody-works-here", "doctor", "--json")
    assert done.code == 1
    failed = {check["name"]: check["next"] for check in done.json["checks"] if check["status"] == "fail"}
    assert "interlock worker" in failed["pump"]
    assert "interlock worker" in failed["workers"]


def test_an_instance_is_drawn_where_it_stands(deployment: Deployment, ticket: str) -> None:
    done = deployment.run("diagram", ticket, "-o", "ticket.svg")
    assert done.code == 0
    assert b"active" in (deployment.directory / "ticket.svg").read_bytes()


def test_the_way_of_an_instance_is_drawn(deployment: Deployment, ticket: str) -> None:
    deployment.json("publish", ticket, "assign", "--data", '{"agent": "ann"}', "--wait", "30")
    drawn = deployment.run("diagram", ticket, "--taken", "--format", "text").out
    taken = [line.strip(" │") for line in drawn.splitlines() if " => " in line]
    assert taken == [
        "always => open",
        "assign => open.work.assigned",
        "always [context.first_response_left == null] => open.first_response.off",
        "always [context.resolution_left == null] => open.resolution.off",
    ]
    assert " => " not in deployment.run("diagram", ticket, "--format", "text").out


def test_what_is_no_instance_has_taken_no_way(deployment: Deployment) -> None:
    done = deployment.run("diagram", "ticket", "--taken")
    assert done.code == 2
    assert "MACHINE/KEY" in done.err


def test_a_reader_that_goes_away_is_no_error_to_speak_of(deployment: Deployment, ticket: str) -> None:
    done = subprocess.run(
        f"interlock show {ticket} | true",
        shell=True,
        env=deployment.environment,
        capture_output=True,
        timeout=60,
    )
    assert done.stderr == b""

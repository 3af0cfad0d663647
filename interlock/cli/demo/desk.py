"""The log of a real support desk, read as commands to tickets. Pure: rows in, commands out.

A row says what a record looked like after an update; a command says what somebody wants. So each row is
compared with the one before it, and what differs becomes the commands that lead from the one to the other:

    first row                       -> open, then as below
    priority                        -> prioritize
    assignment_group, assigned_to   -> assign, transfer, return_to_queue
    incident_state                  -> wait, resume, resolve, reopen, close
    nothing that a ticket knows     -> note

New and Active both mean open work here: a ticket is `assigned` where an agent is named and `queued` where
none is. A group that is not named is the first line's, `FIRST_LINE`.
"""

from __future__ import annotations

import csv
import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

APPLIED = "applied"
FIRST_LINE = "service desk"
WORKFLOW_SERVER = "Updated by 908"
"""Who closes 885 of 890 incidents, most of them five days after they were resolved: by all signs a program."""

_UNKNOWN = "?"
_WORK = "open.work"
_WAITS = {
    "Awaiting User Info": "user",
    "Awaiting Problem": "problem",
    "Awaiting Vendor": "vendor",
    "Awaiting Evidence": "evidence",
}
_DESK_PERMISSIONS = ("assign_intervention", "monitor_tasks")


@dataclass(frozen=True, slots=True)
class Row:
    """One update of one incident. ``line``: the row's number within its incident, from 1.

    ``agent`` is None where none is named; ``state`` in the log's words; ``at`` in the desk's local time,
    which the log does not name: taken for UTC.
    """

    number: str
    line: int
    at: datetime
    state: str
    queue: str
    agent: str | None
    priority: int
    updated_by: str
    caller: str
    channel: str
    category: str
    closed_code: str

    @property
    def ticket_state(self) -> str:
        """Path of the state that a ticket has to be in after this update, beside those of its clocks."""
        if self.state == "Closed":
            return "closed"
        if self.state in _WAITS:
            return f"{_WORK}.waiting.{_WAITS[self.state]}"
        if self.state == "Resolved":
            return f"{_WORK}.resolved"
        return f"{_WORK}.{'assigned' if self.agent else 'queued'}"


@dataclass(frozen=True, slots=True)
class DeskCommand:
    """A command to publish, and what has to become of it.

    ``at``: when it happened, by the log. ``expected``: ``applied``, or ``refused:<class>:<code>`` with
    ``why``, one sentence. ``number`` of the incident is the ``key``.
    """

    id: str
    key: str
    name: str
    data: dict[str, Any]
    actor: dict[str, Any]
    at: datetime
    expected: str = APPLIED
    why: str = ""
    machine: str = "ticket"

    def as_dict(self) -> dict[str, Any]:
        """The command as it goes over the wire."""
        return {
            "machine": self.machine,
            "key": self.key,
            "name": self.name,
            "data": self.data,
            "id": self.id,
            "actor": self.actor,
        }


def read_rows(path: Path) -> list[Row]:
    """The log's rows in its own order: each incident's together. Raises OSError, KeyError or ValueError."""
    rows: list[Row] = []
    with path.open(encoding="utf-8", newline="") as file:
        for record in csv.DictReader(file):
            same = rows and rows[-1].number == record["number"]
            rows.append(_row(record, rows[-1].line + 1 if same else 1))
    return rows


def merged(rows: Iterable[Row]) -> list[Row]:
    """All incidents as they happened: by time, and never against an incident's own order.

    Where a row's time lies before that of the row above it, the row waits for its turn.
    """
    incidents: dict[str, list[Row]] = {}
    for row in rows:
        incidents.setdefault(row.number, []).append(row)
    return list(heapq.merge(*incidents.values(), key=lambda row: row.at))


def play(rows: Sequence[Row]) -> Iterator[DeskCommand]:
    """The commands that tell what the rows tell, all incidents merged by time."""
    before: dict[str, Row] = {}
    for row in merged(rows):
        previous = before.get(row.number)
        wishes = _opening(row) if previous is None else _update(previous, row)
        for ordinal, command in enumerate(wishes, start=1):
            yield replace(command, id=f"desk-{row.number}-{row.line}-{ordinal}")
        before[row.number] = row


def work_state(states: Sequence[str]) -> str:
    """Which of a ticket's states says who works on it: not those of the clocks that run beside."""
    return next((state for state in states if state.startswith(f"{_WORK}.")), ", ".join(states))


def final_states(rows: Iterable[Row]) -> dict[str, str]:
    """Incident -> the state that its ticket has to end in, from the incident's last row alone."""
    return {row.number: row.ticket_state for row in rows}


def _row(record: dict[str, str], line: int) -> Row:
    group, agent = record["assignment_group"], record["assigned_to"]
    return Row(
        number=record["number"],
        line=line,
        at=datetime.strptime(record["sys_updated_at"], "%d-%m-%Y %H:%M").replace(tzinfo=UTC),
        state=record["incident_state"],
        queue=FIRST_LINE if group == _UNKNOWN else group,
        agent=None if agent == _UNKNOWN else agent,
        priority=int(record["priority"].partition(" ")[0]),
        updated_by=record["sys_updated_by"],
        caller=record["caller_id"],
        channel=record["contact_type"].lower(),
        category=record["category"],
        closed_code=record["closed_code"],
    )


def _opening(row: Row) -> list[DeskCommand]:
    data = {
        "queue": row.queue,
        "channel": row.channel,
        "priority": row.priority,
        "content": {"category": row.category},
        "customer": {"id": row.caller},
    }
    opened = replace(row, state="New", agent=None)
    return [_command(row, "open", data), *_changes(opened, row)]


def _update(previous: Row, row: Row) -> list[DeskCommand]:
    if previous.state == "Closed":
        note = _command(row, "note", {"text": _difference(previous, row)})
        why = f"{row.updated_by} changed {row.number} after it was closed; a closed ticket has to be reopened first."
        return [replace(note, expected="refused:guard_failed:ticket_closed", why=why)]
    return _changes(previous, row) or [_command(row, "note", {"text": _difference(previous, row)})]


def _changes(previous: Row, row: Row) -> list[DeskCommand]:
    """Who is in charge comes before what state it is in: an agent is named, then resolves."""
    changes = []
    if row.priority != previous.priority:
        changes.append(_command(row, "prioritize", {"priority": row.priority}))
    return changes + _moves(previous, row) + _turns(previous, row)


def _moves(previous: Row, row: Row) -> list[DeskCommand]:
    """What leads from one queue and agent to the other."""
    moved = {} if row.queue == previous.queue else {"queue": row.queue}
    if row.agent == previous.agent:
        # An agent goes with the ticket to the other queue.
        stays = {"agent": row.agent} if row.agent else {}
        return [_command(row, "transfer", {**moved, **stays})] if moved else []
    if row.agent is None:
        if not moved and previous.ticket_state == f"{_WORK}.assigned":
            return [_command(row, "return_to_queue", {})]
        return [_command(row, "transfer", {"queue": row.queue})]
    if previous.agent is None:
        there = [_command(row, "transfer", dict(moved))] if moved else []
        return [*there, _command(row, "assign", {"agent": row.agent})]
    return [_command(row, "transfer", {**moved, "agent": row.agent})]


def _turns(previous: Row, row: Row) -> list[DeskCommand]:
    """What leads from one state of the log to the other."""
    if row.state == previous.state:
        return []
    if row.state in _WAITS:
        return [_command(row, "wait", {"reason": _WAITS[row.state]})]
    if row.state == "Resolved":
        return [_command(row, "resolve", {"resolution": row.closed_code})]
    if row.state == "Closed":
        return [_command(row, "close", {"reason": row.closed_code})]
    if previous.state in ("Resolved", "Closed"):
        return [_command(row, "reopen", {})]
    return [_command(row, "resume", {})] if previous.state in _WAITS else []


def _difference(previous: Row, row: Row) -> str:
    if row.state == previous.state:
        return f"updated by {row.updated_by.removeprefix('Updated by ')}"
    return f"{previous.state} -> {row.state}"


def _command(row: Row, name: str, data: dict[str, Any]) -> DeskCommand:
    program = row.updated_by == WORKFLOW_SERVER
    actor = {
        "id": row.updated_by,
        "kind": "system" if program else "agent",
        # On this desk everybody works on and gives away everybody's incidents: the log has no other rule.
        "permissions": [] if program else list(_DESK_PERMISSIONS),
    }
    return DeskCommand(id="", key=row.number, name=name, data=data, actor=actor, at=row.at)

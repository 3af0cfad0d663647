"""``why`` and ``replay``: how an instance came to where it is, and the proof of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlock.cli.exits import CliError, Exit
from interlock.cli.inputs import parse_address, parse_object
from interlock.cli.instances import Address, AsJson, history_row, print_instance
from interlock.cli.output import print_facts, print_json, say

if TYPE_CHECKING:
    from interlock.cli.server import Server
    from interlock.engine.snapshot import Snapshot

app = typer.Typer(rich_markup_mode=None)


@app.command()
def why(
    address: Address,
    actor: Annotated[
        str | None, typer.Option(metavar="JSON", help="Who would ask; the system where not said.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Why an instance is where it is: its last step, its timers, and the commands it would accept now."""
    from interlock.cli.server import Server

    machine, key = parse_address(address)
    server = Server()
    snapshot = server.snapshot(machine, key, private=True)
    entries = server.store.history(machine, key, snapshot.version)
    if not entries:
        raise CliError(
            Exit.FAILED,
            f"{machine}/{key} is at version {snapshot.version}, and its history has no such entry. "
            f"`interlock replay {address}` tells how far it goes.",
        )
    last = server.shown_entry(snapshot, entries[-1])
    answer = {
        "machine": machine,
        "key": key,
        "version": snapshot.version,
        "state": snapshot.state,
        "last": last,
        "timers": server.shown(snapshot)["timers"],
        "accepts": _accepts(server, snapshot, actor),
    }
    if as_json:
        print_json(answer)
        return
    _, at, name, by, before, after, _, data = history_row(last)
    print_facts(
        [
            ("state", ", ".join(snapshot.state)),
            ("since", at),
            ("because", f"{name} by {by}"),
            ("moved", f"{before} to {after}"),
            ("with", data),
            *(("will", f"{timer.event} at {timer.due}") for timer in snapshot.timers),
            ("accepts", ", ".join(answer["accepts"]) or "no command"),
        ]
    )


def _accepts(server: Server, snapshot: Snapshot, actor: str | None) -> list[str]:
    from pydantic import ValidationError

    from interlock.engine.decision import capabilities
    from interlock.engine.machine import Machine
    from interlock.engine.messages import Actor

    try:
        asking = Actor(**parse_object(actor, "--actor")) if actor is not None else None
    except ValidationError as error:
        raise CliError(
            Exit.INVALID,
            f"--actor: {error.errors()[0]['msg']}. "
            """Write it as in --actor '{"id": "ann", "kind": "agent"}'.""",
        ) from None
    chart = server.chart(snapshot.machine, snapshot.chart_version)
    return list(capabilities(Machine(chart), snapshot, asking, datetime.now(UTC)))


@app.command()
def replay(
    address: Address,
    to: Annotated[int | None, typer.Option(metavar="VERSION", min=1, help="Stop there, and show it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Apply an instance's history again and compare with what is stored. Exit code 1 where they differ."""
    from interlock.cli.server import Server
    from interlock.engine.migration_command import first_chart_version, replay_versions
    from interlock.engine.snapshot import CorruptSnapshot

    machine, key = parse_address(address)
    server = Server()
    snapshot: Snapshot | None = None
    try:
        snapshot = server.stored(machine, key)
    except CorruptSnapshot as error:
        say(f"interlock: {error}. This is what its history makes of it.")
    entries = server.store.history(machine, key)
    # Which version a broken one was at nobody knows; where it has not moved, the newest is likely.
    current = snapshot.chart_version if snapshot else server.latest(machine).version
    began = first_chart_version(entries, current)
    entries = entries[:to]
    again = replay_versions(server.versions(machine), key, entries, began)
    chart = server.chart(machine, again.chart_version)
    shown: dict[str, Any] = again.shown(chart)
    whole = snapshot is None or to is None or to >= snapshot.version
    same = (snapshot is not None and again.to_bytes() == snapshot.to_bytes()) if whole else None
    if as_json:
        print_json(
            {"machine": machine, "key": key, "versions": len(entries), "same": same, "instance": shown}
        )
    else:
        print_instance(shown)
        if whole:
            say(f"{len(entries)} versions applied again: {'the same' if same else 'NOT the same'} as stored.")
    if same is False:
        raise typer.Exit(Exit.FAILED)

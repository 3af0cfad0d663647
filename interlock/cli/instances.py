"""``show``, ``history`` and ``list``: what is where, and how it came there."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from interlock.cli.exits import CliError, Exit
from interlock.cli.inputs import parse_address, parse_pair
from interlock.cli.output import compact, print_facts, print_json, print_table, say

app = typer.Typer(rich_markup_mode=None)

Address = Annotated[str, typer.Argument(metavar="MACHINE/KEY", help="The instance, such as ticket/T-1.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def show(address: Address, as_json: AsJson = False) -> None:
    """An instance as it is now: state, context, timers."""
    from interlock.cli.server import Server

    machine, key = parse_address(address)
    server = Server()
    instance = server.shown(server.snapshot(machine, key))
    if as_json:
        print_json(instance)
    else:
        print_instance(instance)


def print_instance(instance: dict[str, Any]) -> None:
    """An instance as it is shown, for people."""
    print_facts(
        [
            ("instance", f"{instance['machine']}/{instance['key']}"),
            ("chart", f"{instance['machine']}@{instance['chart_version']}"),
            ("version", instance["version"]),
            ("state", ", ".join(instance["state"])),
            ("created", instance["created_at"]),
            ("updated", instance["updated_at"]),
            *((f"  {name}", compact(value)) for name, value in instance["context"].items()),
            *((f"timer {timer['event']}", f"due {timer['due']}") for timer in instance["timers"]),
        ]
    )


@app.command()
def history(
    address: Address,
    first: Annotated[int, typer.Option(min=1, help="The first version to show.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many entries.")] = None,
    as_json: AsJson = False,
) -> None:
    """What happened to an instance, version by version."""
    from interlock.cli.server import Server

    machine, key = parse_address(address)
    server = Server()
    snapshot = server.snapshot(machine, key)
    entries = [
        server.shown_entry(snapshot, entry)
        for entry in server.store.history(machine, key, first, limit, private=False)
    ]
    if as_json:
        print_json({"history": entries})
        return
    print_table(
        ["version", "at", "command", "by", "from", "to", "events", "data"],
        [history_row(entry) for entry in entries],
    )


def history_row(entry: dict[str, Any]) -> list[str]:
    """A history entry as cells, for people."""
    command, actor = entry["command"] or {}, entry["actor"] or {}
    return [
        str(entry["version"]),
        entry["at"],
        command.get("name") or "(timer)",
        f"{actor['kind']} {actor['id'] or ''}".strip() if actor else "system",
        ", ".join(entry["from"] or []) or "-",
        ", ".join(entry["to"] or []),
        ", ".join(entry["events"]),
        compact(command.get("data") or {}),
    ]


@app.command(name="list")
def list_(
    machine: Annotated[str, typer.Argument(metavar="MACHINE", help="The chart's id, such as ticket.")],
    state: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="In this state: its path, or how only that one ends."),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=VALUE", help="Only those; FIELD is in the chart's index."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="`next` of the page before.")] = None,
    as_json: AsJson = False,
) -> None:
    """The instances of a machine, by key."""
    from interlock.cli.server import Server

    server = Server()
    chart = server.latest(machine)
    conditions = dict(parse_pair(text, "--where") for text in where or [])
    state = _whole_path(chart.states, state)
    _check_filters(chart.listed_by, chart.states, conditions, state)
    page = _page(server, machine, state, conditions, limit, cursor)
    instances = [server.shown(snapshot) for snapshot in page.instances]
    if as_json:
        print_json({"instances": instances, "next": page.next})
        return
    if not instances:
        say(f"No instance of {machine} is like that.")
        return
    print_table(
        ["key", "state", "version", "updated", *chart.index],
        [
            [
                instance["key"],
                ", ".join(instance["state"]),
                str(instance["version"]),
                instance["updated_at"],
                *(compact(instance["context"].get(name)) for name in chart.index),
            ]
            for instance in instances
        ],
    )
    if page.next:
        say(f"More: --cursor {page.next}")


def _whole_path(states: Any, state: str | None) -> str | None:
    """The state that is meant: its path, or the end of it where only one path ends so."""
    if state is None or state in states:
        return state
    ending = [path for path in states if path.endswith(f".{state}")]
    return ending[0] if len(ending) == 1 else state


def _check_filters(index: Any, states: Any, conditions: dict[str, Any], state: str | None) -> None:
    for name in conditions:
        if name not in index:
            raise CliError(
                Exit.USAGE,
                f"--where {name}: the chart lists by {', '.join(index) or 'no field'}. Add it to `index`.",
            )
    if state is not None and state not in states:
        names = ", ".join(path for path in states if path)
        raise CliError(Exit.USAGE, f"--state {state}: the chart has no such state. It has: {names}.")


def _page(
    server: Any, machine: str, state: str | None, where: dict[str, Any], limit: int, cursor: str | None
) -> Any:
    from interlock.engine.store import InvalidCursor

    try:
        return server.store.page(machine, state=state, where=where, limit=limit, cursor=cursor, private=False)
    except InvalidCursor as error:
        raise CliError(Exit.USAGE, f"--cursor: {error}") from None

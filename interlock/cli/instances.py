"""``show``, ``history`` and ``list``: what is where, and how it came there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from interlock.cli.exits import CliError, Exit
from interlock.cli.inputs import parse_address
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
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="Only those in this state or below it: its path, or how only that one ends; several: in one of them.",
        ),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="TAG", help="Only those in a state with this tag; several: with one of them."),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=VALUE",
            help="Only those; FIELD is in the chart's index. Fields must all hold, of the values of one field any.",
        ),
    ] = None,
    sort: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD|-FIELD",
            help="Order: a field of the index, created_at, updated_at, key; - is downwards; several: the first counts "
            "most. By key, where none is given.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="`next` of the page before.")] = None,
    offset: Annotated[int, typer.Option(min=0, help="Leave out so many at the beginning.")] = 0,
    count: Annotated[bool, typer.Option("--count", help="Tell how many there are in all, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """The instances of a machine, filtered and sorted."""
    from interlock.cli.server import Server
    from interlock.engine.queries import InvalidCursor, InvalidQuery, TooBroad
    from interlock.statecharts.lists import AskedWrong, read_query

    server = Server()
    charts = server.all_versions(machine)
    try:
        query = read_query(charts, states=state or (), tags=tag or (), where=where or (), sort=sort or ())
        page = server.store.page(query, limit=limit, cursor=cursor, offset=offset, private=False)
        total = server.store.total(query) if count else None
    except AskedWrong as error:
        raise CliError(Exit.USAGE, f"--{error.parameter}: {error}") from None
    except InvalidCursor as error:
        raise CliError(Exit.USAGE, f"--cursor: {error}") from None
    except InvalidQuery as error:
        raise CliError(Exit.USAGE, f"{error}.") from None
    except TooBroad as error:
        raise CliError(Exit.FAILED, f"{error}.") from None
    if missed := server.store.unlisted(query):
        say(
            f"{missed} more are of versions of the chart that do not list by these fields: "
            f"`interlock migrate {machine}` brings them along."
        )
    instances = [server.shown(snapshot) for snapshot in page.instances]
    if as_json:
        counted = {"count": total.count, "count_exact": total.exact} if total else {}
        print_json({"instances": instances, "next": page.next, **counted})
        return
    _print_list(machine, charts[0].listed_by, instances)
    if total:
        say(f"{'' if total.exact else 'at least '}{total.count} in all")
    if page.next:
        say(f"More: --cursor {page.next}")


def _print_list(machine: str, index: Sequence[str], instances: Sequence[dict[str, Any]]) -> None:
    if not instances:
        say(f"No instance of {machine} is like that.")
        return
    print_table(
        ["key", "state", "version", "updated", *index],
        [
            [
                instance["key"],
                ", ".join(instance["state"]),
                str(instance["version"]),
                instance["updated_at"],
                *(compact(instance["context"].get(name)) for name in index),
            ]
            for instance in instances
        ],
    )

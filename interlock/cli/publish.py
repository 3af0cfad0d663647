"""``publish``: a command onto the stream, and its result where it is waited for."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from interlock.cli.exits import CliError, Exit, exit_of_result
from interlock.cli.inputs import parse_address, parse_object, settings
from interlock.cli.output import plain, print_json, print_line, say

app = typer.Typer(rich_markup_mode=None)


@app.command()
def publish(
    address: Annotated[str, typer.Argument(metavar="MACHINE/KEY", help="The instance, such as ticket/T-1.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="The command, such as assign.")],
    data: Annotated[
        str | None, typer.Option(metavar="JSON", help="An object; @FILE and - (stdin) are read.")
    ] = None,
    id_: Annotated[
        str | None, typer.Option("--id", help="Idempotency key; a UUIDv7 where none is named.")
    ] = None,
    actor: Annotated[
        str | None, typer.Option(metavar="JSON", help='Who asks: {"id": "ann", "kind": "agent"}.')
    ] = None,
    expected_version: Annotated[
        int | None, typer.Option(min=0, help="Refuse it at any other version.")
    ] = None,
    not_before: Annotated[
        str | None, typer.Option(metavar="TIME", help="Apply it no earlier (RFC 3339).")
    ] = None,
    correlation_id: Annotated[str | None, typer.Option(help="Carried into every event that follows.")] = None,
    wait: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0.001, max=3600, help="Wait for the result and print it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Send a command to an instance. Prints its id or, with --wait, its result.

    Exit code with --wait: 0 applied or ignored, 6 refused, 3 no such instance, 4 invalid data,
    1 no answer in time.
    """
    machine, key = parse_address(address)
    wish: dict[str, Any] = {
        "machine": machine,
        "key": key,
        "name": name,
        "data": parse_object(data, "--data") if data is not None else {},
        "id": id_,
        "actor": parse_object(actor, "--actor") if actor is not None else None,
        "expected_version": expected_version,
        "not_before": _time(not_before),
        "correlation_id": correlation_id,
    }
    _check(wish)
    if wait is None:
        command_id = _publisher().publish(**wish)
        if as_json:
            print_json({"id": command_id})
        else:
            print_line(command_id)
        return
    result = _publisher().request(**wish, timeout_seconds=wait)
    if result is None:
        raise CliError(
            Exit.FAILED,
            f"No answer within {wait:g} s. The command stays on the stream; `interlock doctor` says whether "
            "workers run.",
        )
    _print_result(result, as_json)
    code = exit_of_result(result)
    if code:
        raise typer.Exit(code)


def _check(wish: dict[str, Any]) -> None:
    """The form only; whether the chart takes it is decided by a worker. Raises CliError (invalid)."""
    from pydantic import ValidationError

    from interlock.engine.messages import Command

    try:
        Command(
            **{name: value for name, value in wish.items() if value is not None} | {"id": wish["id"] or "new"}
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise CliError(
            Exit.INVALID, f"The command's {place} is not valid: {first['msg']}. Correct it."
        ) from None


def _time(text: str | None) -> Any:
    from interlock.engine.messages import parse_time

    if text is None:
        return None
    try:
        return parse_time(text)
    except ValueError as error:
        raise CliError(Exit.USAGE, f"--not-before: {error}. Write it as in 2026-11-22T08:00:00Z.") from None


def _publisher() -> Any:
    from interlock.statecharts.sealed_commands import sealing_publisher

    return sealing_publisher(settings())


def _print_result(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    error = result.get("error")
    where = f" at version {result['version']}: {', '.join(result['state'])}" if result.get("state") else ""
    again = " (a re-send; this is the first answer)" if result.get("duplicate") else ""
    print_line(f"{result['status']} {result['machine']}/{result['key']}{where}{again}")
    for event in result["events"]:
        print_line(f"event {event}")
    if error:
        say(f"interlock: {plain(error['class'])} {plain(error['code'])}: {error['message']}")

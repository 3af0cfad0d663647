"""The command ``interlock``: finds the command's module, loads only that one, and turns what went wrong
into one line and an exit code.

The names and their one-line descriptions stand here so that ``interlock --help`` imports nothing else.
"""

from __future__ import annotations

import importlib
import signal
import sys
import traceback
from types import FrameType
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from interlock.cli.exits import CliError, Exit
from interlock.cli.output import say
from interlock.engine.collecting import begin_loading

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo.command", "The whole way once, on real input, with an embedded server."),
    "dev": ("processes", "An embedded server with workers and HTTP for development; Ctrl-C stops all."),
    "worker": ("processes", "Run the workers that apply commands and deliver webhooks."),
    "serve": ("serve", "Run the gateway: commands and instances over HTTP."),
    "publish": ("publish", "Send a command to an instance."),
    "show": ("instances", "An instance as it is now."),
    "history": ("instances", "What happened to an instance, version by version."),
    "why": ("explain", "Why an instance is where it is, and what it would accept now."),
    "replay": ("explain", "Apply an instance's history again and compare."),
    "list": ("instances", "The instances of a machine."),
    "check": ("charts", "Find the mistakes in charts."),
    "diagram": ("diagram", "Draw a chart, or where an instance stands in it."),
    "simulate": ("simulate", "Step a chart under a virtual clock, without a server."),
    "paths": ("paths", "The shortest command sequence to every state and over every transition of a chart."),
    "cover": ("cover", "Which transitions of a machine's chart its instances have taken."),
    "import": ("import_chart", "Turn a machine of XState or transitions into a chart."),
    "webhook": ("webhook", "Who is told what happens: subscriptions and their deliveries."),
    "listen": ("listen", "Watch events as they are announced, and forward them to a local receiver."),
    "dead": ("dead", "Commands that could not be applied: list, show, retry, discard."),
    "token": ("token", "Who may come in over HTTP: make, list and revoke tokens."),
    "doctor": ("doctor", "Look for what is wrong with this deployment."),
    "chart": ("chart_versions", "What is different between two versions of a chart."),
    "migrate": ("migrate", "Move live instances to another version of their chart."),
    "reindex": ("reindex", "Compare the indexes behind lists with the instances, and correct them."),
    "asyncapi": ("documents", "The AsyncAPI document: commands, results and events of the charts."),
    "openapi": ("documents", "The OpenAPI document of the gateway; no server is asked."),
    "schema": ("charts", "The JSON Schema of charts, commands, events or the configuration."),
}
"""Command: (module below `interlock.cli`, what it does)."""


class LazyCommands(TyperGroup):
    """The commands of `COMMANDS`, each imported when it is called."""

    def list_commands(self, _ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"interlock.cli.{COMMANDS[cmd_name][0]}")
        group = typer.main.get_group(module.app)
        if group.name == cmd_name:
            return group
        return group.commands[cmd_name]

    def format_commands(self, _ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


app = typer.Typer(
    name="interlock",
    cls=LazyCommands,
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(wanted: bool) -> None:
    if wanted:
        from interlock import __version__

        sys.stdout.write(f"interlock {__version__}\n")
        raise typer.Exit


@app.callback()
def _interlock(
    redis_url: str | None = typer.Option(
        None, metavar="URL", help="The server. [INTERLOCK_REDIS_URL, REDIS_URL]"
    ),
    prefix: str | None = typer.Option(None, metavar="WORD", help="Start of every key. [INTERLOCK_PREFIX]"),
    log_level: str | None = typer.Option(None, metavar="LEVEL", help="debug, info, warning or error."),
    _version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Say the version."
    ),
) -> None:
    """Run the lifecycles of customer conversations as statecharts on Redis.

    Data goes to stdout, everything else to stderr.
    """
    from interlock.cli.inputs import override

    override(redis_url=redis_url, prefix=prefix, log_level=log_level)


def main() -> NoReturn:
    """The entry point of the command line; leaves through `sys.exit` with a code of `Exit`."""
    begin_loading()  # a command that goes on for long ends it
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; the exit code."""
    try:
        code = int(app(arguments, prog_name="interlock", standalone_mode=False) or 0)
        sys.stdout.flush()  # here, where a reader that has gone is still understood
        return code
    except CliError as error:
        say(f"interlock: {error}")
        return error.code
    except typer.TyperException as error:
        return _usage(error)
    except (KeyboardInterrupt, typer.Abort):
        return Exit.INTERRUPTED
    except BrokenPipeError:
        sys.stdout = None
        return Exit.FAILED
    except Exception as error:
        return _failed(error)


def _usage(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "interlock"
    text = error.format_message()
    if "\n" in text:  # no arguments at all: the help
        print(text, file=sys.stderr)  # noqa: T201
    else:
        say(f"interlock: {text.rstrip('.')}. See `{path} --help`.")
    return Exit.USAGE


def _failed(error: Exception) -> int:
    from interlock.engine.errors import ChartError, InterlockError, ServerUnreachable

    if isinstance(error, ChartError):
        for finding in error.findings:
            say(str(finding))
        return Exit.INVALID
    if isinstance(error, ServerUnreachable) or type(error).__module__.startswith("redis."):
        return _server_error(error)
    if isinstance(error, InterlockError):
        say(f"interlock: {error}")
        return Exit.FAILED
    return _unexpected(error)


def _server_error(error: Exception) -> int:
    from interlock.cli.inputs import settings

    names = {kind.__name__ for kind in type(error).__mro__}
    if not names & {"ServerUnreachable", "ConnectionError", "TimeoutError"}:
        return _unexpected(error)
    if "ServerUnreachable" in names:
        say(f"interlock: {error}")
    else:
        from interlock.engine.clients import shown_url

        say(
            f"interlock: the server at {shown_url(settings().redis_url)} does not answer ({error}). "
            "Start it, or correct INTERLOCK_REDIS_URL."
        )
    return Exit.UNREACHABLE


def _unexpected(error: Exception) -> int:
    from interlock.cli.inputs import wants_debug

    if wants_debug():
        traceback.print_exception(error)
    say(
        f"interlock: unexpected {type(error).__name__}: {error}. "
        "Run it again with INTERLOCK_LOG_LEVEL=debug to see where, and report it."
    )
    return Exit.FAILED


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(Exit.TERMINATED)


if __name__ == "__main__":
    main()

"""``listen``: events as they are announced, and copies of them for a receiver on this machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlock.cli.exits import CliError, Exit
from interlock.cli.inputs import settings
from interlock.cli.instances import AsJson
from interlock.cli.output import print_json, print_line, say

if TYPE_CHECKING:
    from interlock.engine.delivery_log import Attempt
    from interlock.workers.listening import Heard

app = typer.Typer(rich_markup_mode=None)


class _Lines:
    """What is heard, a line each, at once. ``url``: where it is forwarded to, None where it is not."""

    def __init__(self, url: str | None, secret: str, as_json: bool) -> None:
        self._url, self._secret, self._as_json = url, secret, as_json

    def ready(self) -> None:
        if self._url is None:
            say("Listening. Ctrl-C ends it.")
        else:
            say(f"Listening, forwarding to {self._url}. Ctrl-C ends it.")
            say(f"The secret of this session is {self._secret}")

    def heard(self, one: Heard) -> None:
        if self._as_json:
            self._write({"event": one.event})
        else:
            self._write(f"--> {one.type} [{one.id}]")

    def answered(self, one: Heard, attempt: Attempt) -> None:
        if self._as_json:
            shown = {"event_id": one.id, "url": self._url} | attempt.shown()
            self._write({"attempt": shown})
            return
        status = attempt.status if attempt.status is not None else "no answer"
        told = f" {attempt.error}" if attempt.error else ""
        self._write(f"<-- [{status}] POST {self._url} [{one.id}]{told}")

    def lost(self, reason: str) -> None:
        say(f"The server does not answer ({reason}). Waiting for it; Ctrl-C ends it.")

    def back(self, complete: bool) -> None:
        say("The server answers again. Going on after the last event.")
        if not complete:
            say(
                "It came back without the last of what it had announced: those events may come once more, or never."
            )

    def _write(self, line: Any) -> None:
        if self._as_json:
            print_json(line)
        else:
            print_line(line)
        sys.stdout.flush()  # whoever watches through a pipe sees it now


@app.command()
def listen(
    forward_to: Annotated[
        str | None,
        typer.Option(metavar="URL", help="POST each event there too: 4242, localhost:4242/hook, or a URL."),
    ] = None,
    events: Annotated[
        list[str] | None,
        typer.Option(metavar="TYPE", help="Only these: ticket.assigned, ticket.*; may be repeated."),
    ] = None,
    machine: Annotated[
        list[str] | None, typer.Option(metavar="M", help="Only events of this machine; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Watch events as they are announced, and forward them to a local receiver.

    Forwarded events are signed as webhooks are, with a secret of this session; no webhook is made, and an
    attempt that fails is not repeated.
    """
    import asyncio
    import os

    from interlock.engine import event_filters, logs
    from interlock.engine.addresses import UrlRefused
    from interlock.engine.clients import connect
    from interlock.engine.collecting import end_loading
    from interlock.engine.signing import SECRET_BYTES, format_secret
    from interlock.engine.store import Store
    from interlock.workers import listening

    used = settings()
    logs.configure(used)
    try:
        url = listening.receiver_url(forward_to, used) if forward_to is not None else None
        wanted = event_filters.checked(events or ("*",), machine or (), (), None)
    except (UrlRefused, event_filters.FilterInvalid) as error:
        raise CliError(Exit.INVALID, str(error)) from None
    with connect(used) as client:
        keys = Store.open(client, used).keys
    secret = os.urandom(SECRET_BYTES)
    lines = _Lines(url, format_secret(secret), as_json)
    end_loading()
    listener = listening.Listener(wanted, lines.ready, lines.heard, lines.answered, lines.lost, lines.back)
    asyncio.run(listening.listen(used, keys, listener, url=url, secret=secret))

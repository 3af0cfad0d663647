"""``webhook test``, ``deliveries``, ``redeliver``: how it went, and once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlock.cli.auditing import write_down
from interlock.cli.exits import CliError, Exit
from interlock.cli.inputs import settings
from interlock.cli.instances import AsJson
from interlock.cli.output import print_json, print_line, print_table, say

if TYPE_CHECKING:
    from datetime import datetime

    from interlock.engine.settings import Settings
    from interlock.engine.store import Store
    from interlock.engine.subscription import Subscription

WebhookId = Annotated[str, typer.Argument(metavar="ID", help="The webhook, as `webhook list` shows it.")]
Types = Annotated[
    list[str] | None,
    typer.Option("--events", metavar="TYPE", help="Only of events of this type; may be repeated."),
]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="What was missed from then on: 2h ago as 2h, or 2026-01-31T09:00:00Z."),
]


def opened() -> tuple[Store, Settings]:
    """The store and the settings. What the engine refuses ends the command with the code that it means."""
    from interlock.engine import logs
    from interlock.engine.clients import connect
    from interlock.engine.store import Store

    used = settings()
    logs.configure(used)  # to stderr: what is found foreign has no place among the data
    return Store.open(connect(used), used), used


def find(store: Store, webhook_id: str) -> Subscription:
    """The webhook. Raises CliError (not found)."""
    from interlock.engine import subscriptions

    try:
        return subscriptions.get(store.client, store.keys, webhook_id)
    except subscriptions.SubscriptionNotFound as error:
        raise CliError(Exit.NOT_FOUND, str(error)) from None


def add_to(app: typer.Typer) -> None:
    """Offer the commands of this module in the group ``webhook``."""
    for command in (test, deliveries, redeliver):
        app.command()(command)


def test(
    webhook_id: WebhookId,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="In the event: data.x=1; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make one attempt now with a test event. Exit code 1 where it is refused or fails."""
    from interlock.engine.audit import Action
    from interlock.engine.trial_event import TrialInvalid
    from interlock.workers.delivery import test_endpoint

    store, used = opened()
    subscription = find(store, webhook_id)
    try:
        attempt = test_endpoint(used, subscription, changes or ()).shown()
    except TrialInvalid as error:
        raise CliError(Exit.INVALID, f"--set: {error}") from None
    write_down(store.client, store.keys, Action.WEBHOOK_TESTED, webhook_id)
    if as_json:
        print_json(attempt)
    else:
        print_line(f"{attempt['status'] or 'no answer'} after {attempt['duration_ms']} ms")
        if attempt.get("reply"):
            print_line(attempt["reply"])
    if attempt["error"]:
        raise CliError(Exit.FAILED, f"The endpoint was not reached as it should be: {attempt['error']}")


def deliveries(
    webhook_id: WebhookId,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="`next` of the page before.")] = None,
    status: Annotated[
        str | None, typer.Option(help="Only these: pending, delivered, dead or cancelled.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The deliveries of a webhook, newest first, with each attempt. --status dead: its dead letters."""
    from interlock.engine import delivery_log

    wanted = _statuses([status])[0] if status is not None else None
    store, _ = opened()
    find(store, webhook_id)
    try:
        page = delivery_log.deliveries(store.client, store.keys, webhook_id, limit, cursor, wanted)
    except delivery_log.CursorInvalid as error:
        raise CliError(Exit.USAGE, str(error)) from None
    if as_json:
        print_json(page)
        return
    print_table(["event", "status", "attempts", "last"], [_row(one) for one in page["deliveries"]])
    if page["next"]:
        say(f"More: --cursor {page['next']}")


def redeliver(
    webhook_id: WebhookId,
    delivery: Annotated[
        str | None,
        typer.Argument(metavar="DELIVERY", help="One of `webhook deliveries`, whatever its status."),
    ] = None,
    status: Annotated[
        list[str] | None, typer.Option(help="All that are dead, cancelled, ...; may be repeated.")
    ] = None,
    events: Types = None,
    since: Since = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="And before then.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send again: one delivery, those of a status, or with --since exactly what was missed.

    Without any of these: all that is dead or cancelled.
    """
    from interlock.engine import redelivery
    from interlock.engine.audit import Action

    if (delivery is not None) + (status is not None) + (since is not None) > 1:
        raise CliError(Exit.USAGE, "Name one delivery, or a --status, or a time --since: not two of them.")
    if (until is not None and since is None) or (delivery is not None and events):
        raise CliError(Exit.USAGE, "--until goes with --since, and --events with --status or --since.")
    statuses, types = _statuses(status or []), _types(events)
    store, used = opened()
    client, keys = store.client, store.keys
    webhook = find(store, webhook_id)
    now = _now(store)
    try:
        if delivery is not None:
            count = redelivery.resend_one(client, keys, webhook, delivery)
        elif since is not None:
            window = _window(since, until, now)
            count = redelivery.resend_missed(client, keys, used, webhook, *window, types)
        else:
            chosen = statuses or redelivery.MISSED
            count = redelivery.resend_by_status(client, keys, webhook, chosen, types)
    except redelivery.DeliveryNotFound as error:
        raise CliError(Exit.NOT_FOUND, str(error)) from None
    except redelivery.RedeliveryRefused as error:
        raise CliError(Exit.REFUSED, str(error)) from None
    write_down(client, keys, Action.WEBHOOK_REDELIVERED, webhook_id, requested=count)
    if as_json:
        print_json({"id": webhook_id, "requested": count})
    else:
        say(
            f"{count} to be sent again, by the next delivery process. `webhook deliveries` shows how it goes."
        )


def _statuses(texts: list[str]) -> list[Any]:
    from interlock.engine.delivery_log import DeliveryStatus

    try:
        return [DeliveryStatus(text) for text in texts]
    except ValueError:
        names = ", ".join(DeliveryStatus)
        raise CliError(Exit.USAGE, f"--status is one of {names}, not {', '.join(texts)}.") from None


def _types(texts: list[str] | None) -> tuple[str, ...]:
    """Raises CliError (invalid)."""
    from interlock.engine.event_filters import FilterInvalid, checked

    try:
        return checked(texts, (), (), None).events if texts else ()
    except FilterInvalid as error:
        raise CliError(Exit.INVALID, f"--events: {error}") from None


def _window(since: str, until: str | None, now: datetime) -> tuple[datetime, datetime | None]:
    """Raises CliError (usage)."""
    start, end = _time(since, now), _time(until, now) if until is not None else None
    if end is not None and end <= start:
        raise CliError(Exit.USAGE, f"--until {until} is not after --since {since}: change one of them.")
    return start, end


def _now(store: Store) -> datetime:
    from datetime import UTC, datetime

    from interlock.engine import subscriptions

    return datetime.fromtimestamp(subscriptions.server_ms(store.client) / 1000, UTC)


def _time(text: str, now: datetime) -> datetime:
    """A time, or how long ago. Raises CliError (usage)."""
    from datetime import timedelta

    from interlock.engine.durations import delay_ms, meant_as_delay
    from interlock.engine.messages import parse_time

    try:
        return now - timedelta(milliseconds=delay_ms(text)) if meant_as_delay(text) else parse_time(text)
    except (ValueError, OverflowError):
        raise CliError(
            Exit.USAGE, f"{text!r} is no time. Write how long ago, 90m, or 2026-01-31T09:00:00Z."
        ) from None


def _row(delivery: dict[str, Any]) -> list[str]:
    attempts = delivery["attempts"]
    last = attempts[-1] if attempts else None
    words = f"{last['at']} {last['status'] or ''} {last['error'] or ''}".strip() if last else "-"
    return [delivery["event_id"], delivery["status"], str(len(attempts)), words]

"""``webhook``: who is told what happens, and how that went."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from interlock.cli.exits import CliError, Exit
from interlock.cli.inputs import settings
from interlock.cli.instances import AsJson
from interlock.cli.output import print_facts, print_json, print_line, print_table, say

app = typer.Typer(name="webhook", rich_markup_mode=None, no_args_is_help=True)

WebhookId = Annotated[str, typer.Argument(metavar="ID", help="The webhook, as `webhook list` shows it.")]


def _open() -> tuple[Any, Any]:
    """The store and the settings. What the engine refuses ends the command with the code that it means."""
    from interlock.engine.clients import connect
    from interlock.engine.store import Store

    used = settings()
    return Store.open(connect(used), used), used


@app.callback()
def webhook() -> None:
    """Who is told what happens: subscriptions and their deliveries."""


@app.command()
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where events are POSTed.")],
    profile: Annotated[
        str, typer.Option(help="How deliveries look: standard, engage, sunshine, genesys or plain.")
    ] = "standard",
    events: Annotated[
        list[str] | None,
        typer.Option(metavar="TYPE", help="Only these: ticket.assigned, ticket.*; may be repeated."),
    ] = None,
    ordered: Annotated[
        bool, typer.Option("--ordered", help="One instance's events one after the other.")
    ] = False,
    description: Annotated[str, typer.Option(help="For people.")] = "",
    verify_token: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Engage: hub.verify_token of the challenge. [interlock]"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Subscribe a URL. Prints its id and its secret, which is never shown again."""
    from interlock.engine import subscriptions
    from interlock.engine.addresses import UrlRefused
    from interlock.workers.verification import EndpointUnverified

    store, used = _open()
    try:
        secret_for_challenge = _verified(used, url, profile, verify_token)
        subscription, secret = subscriptions.add(
            store.client,
            store.keys,
            used,
            url,
            events=events or ("*",),
            description=description,
            ordered=ordered,
            profile=profile,
            secret=secret_for_challenge,
        )
    except (UrlRefused, subscriptions.SubscriptionInvalid) as error:
        raise CliError(Exit.INVALID, str(error)) from None
    except EndpointUnverified as error:
        raise CliError(Exit.FAILED, str(error)) from None
    if as_json:
        print_json({"id": subscription.id, "secret": secret})
    else:
        print_facts([("id", subscription.id), ("secret", secret)])
        say("Keep the secret: the receiver checks signatures with it, and it is never shown again.")


def _verified(used: Any, url: str, profile: str, verify_token: str | None) -> str | None:
    """The secret that an endpoint which must answer a challenge has seen in it; None in other profiles."""
    from interlock.workers.verification import VERIFY_TOKEN, verify_endpoint

    if profile != "engage":
        if verify_token is not None:
            raise CliError(Exit.USAGE, "--verify-token goes with --profile engage: only there is a challenge")
        return None
    return verify_endpoint(used, url, VERIFY_TOKEN if verify_token is None else verify_token)


@app.command(name="list")
def list_(as_json: AsJson = False) -> None:
    """All webhooks, oldest first."""
    from interlock.engine import subscriptions

    store, _ = _open()
    shown = [one.shown() for one in subscriptions.list_all(store.client, store.keys)]
    if as_json:
        print_json({"webhooks": shown})
        return
    if not shown:
        say("No webhook. Add one with `interlock webhook add URL`.")
        return
    print_table(
        ["id", "url", "events", "enabled", "description"],
        [
            [
                one["id"],
                one["url"],
                ", ".join(one["events"]),
                "yes" if one["enabled"] else f"no: {one['disabled_reason']}",
                one["description"],
            ]
            for one in shown
        ],
    )


def _change(action: str, webhook_id: str, as_json: bool) -> None:
    from interlock.engine import subscriptions

    store, _ = _open()
    try:
        changed = getattr(subscriptions, action)(store.client, store.keys, webhook_id)
    except subscriptions.SubscriptionNotFound as error:
        raise CliError(Exit.NOT_FOUND, str(error)) from None
    if as_json:
        print_json(changed.shown() if changed else {"id": webhook_id})
    else:
        say(f"{webhook_id}: {action}d.")


@app.command()
def remove(webhook_id: WebhookId, as_json: AsJson = False) -> None:
    """End a subscription; what is still to be delivered is cancelled."""
    _change("remove", webhook_id, as_json)


@app.command()
def enable(webhook_id: WebhookId, as_json: AsJson = False) -> None:
    """Deliver to it again, events from now on."""
    _change("enable", webhook_id, as_json)


@app.command()
def disable(webhook_id: WebhookId, as_json: AsJson = False) -> None:
    """Deliver nothing more to it; what is still to be delivered is cancelled."""
    _change("disable", webhook_id, as_json)


@app.command()
def test(webhook_id: WebhookId, as_json: AsJson = False) -> None:
    """Make one attempt now with a test event. Exit code 1 where it is refused or fails."""
    from interlock.engine import subscriptions
    from interlock.workers.delivery import test_endpoint

    store, used = _open()
    try:
        subscription = subscriptions.get(store.client, store.keys, webhook_id)
    except subscriptions.SubscriptionNotFound as error:
        raise CliError(Exit.NOT_FOUND, str(error)) from None
    attempt = test_endpoint(used, subscription).shown()
    if as_json:
        print_json(attempt)
    else:
        print_line(f"{attempt['status'] or 'no answer'} after {attempt['duration_ms']} ms")
    if attempt["error"]:
        raise CliError(Exit.FAILED, f"The endpoint was not reached as it should be: {attempt['error']}")


@app.command()
def deliveries(
    webhook_id: WebhookId,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="`next` of the page before.")] = None,
    as_json: AsJson = False,
) -> None:
    """The deliveries of a webhook, newest first, with each attempt."""
    from interlock.engine import delivery_log, subscriptions

    store, _ = _open()
    try:
        subscriptions.get(store.client, store.keys, webhook_id)
        page = delivery_log.deliveries(store.client, store.keys, webhook_id, limit, cursor)
    except subscriptions.SubscriptionNotFound as error:
        raise CliError(Exit.NOT_FOUND, str(error)) from None
    except delivery_log.CursorInvalid as error:
        raise CliError(Exit.USAGE, str(error)) from None
    if as_json:
        print_json(page)
        return
    print_table(["event", "status", "attempts", "last"], [_delivery_row(one) for one in page["deliveries"]])
    if page["next"]:
        say(f"More: --cursor {page['next']}")


def _delivery_row(delivery: dict[str, Any]) -> list[str]:
    attempts = delivery["attempts"]
    last = attempts[-1] if attempts else None
    words = f"{last['at']} {last['status'] or ''} {last['error'] or ''}".strip() if last else "-"
    return [delivery["event_id"], delivery["status"], str(len(attempts)), words]

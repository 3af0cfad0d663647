"""``webhook``: who is told what happens, and how that went."""

from __future__ import annotations

from typing import Annotated

import typer

from interlock.cli import webhook_changes, webhook_deliveries
from interlock.cli.auditing import write_down
from interlock.cli.exits import CliError, Exit
from interlock.cli.instances import AsJson
from interlock.cli.output import print_facts, print_json, print_table, say
from interlock.cli.webhook_deliveries import WebhookId, find
from interlock.cli.webhook_deliveries import opened as _open
from interlock.cli.webhook_options import (
    SecretFile,
    VerifyToken,
    check_where,
    print_keys,
    read_headers,
    read_secret,
    verified,
)

app = typer.Typer(name="webhook", rich_markup_mode=None, no_args_is_help=True)


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
    machine: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only events of this chart; may be repeated.")
    ] = None,
    states: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Only steps that enter it: closed, open.*; may be repeated."),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(metavar="EXPRESSION", help="Only where it is true: 'context.priority <= 2'."),
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(
            metavar="'NAME: VALUE'",
            help="Sent with each request, or @FILE with one a line; kept as a secret; may be repeated.",
        ),
    ] = None,
    rate: Annotated[
        str | None, typer.Option(metavar="N/second", help="No more attempts than that (minute, hour).")
    ] = None,
    signature: Annotated[str, typer.Option(help="hmac, or ed25519 with a public key.")] = "hmac",
    ordered: Annotated[
        bool, typer.Option("--ordered", help="One instance's events one after the other.")
    ] = False,
    description: Annotated[str, typer.Option(help="For people.")] = "",
    verify_token: VerifyToken = None,
    secret_file: SecretFile = None,
    as_json: AsJson = False,
) -> None:
    """Subscribe a URL. Prints its id and its secret, which is never shown again."""
    from interlock.engine import subscriptions
    from interlock.engine.addresses import UrlRefused
    from interlock.engine.audit import Action, origin_of
    from interlock.engine.shared_secrets import SharedSecretInvalid
    from interlock.engine.signing import SecretInvalid
    from interlock.workers.verification import EndpointUnverified

    store, used = _open()
    check_where(store, used, where, machine or ())
    try:
        given = verified(used, url, profile, verify_token, read_secret(secret_file))
        subscription, secret = subscriptions.add(
            store.client,
            store.keys,
            used,
            url,
            events=events or ("*",),
            machines=machine or (),
            states=states or (),
            where=where,
            headers=read_headers(header or ()),
            rate=rate,
            signature=signature,
            description=description,
            ordered=ordered,
            profile=profile,
            secret=given,
        )
    except (UrlRefused, subscriptions.SubscriptionInvalid, SecretInvalid, SharedSecretInvalid) as error:
        raise CliError(Exit.INVALID, str(error)) from None
    except EndpointUnverified as error:
        raise CliError(Exit.FAILED, str(error)) from None
    told = {"origin": origin_of(subscription.url), "profile": subscription.profile}
    write_down(store.client, store.keys, Action.WEBHOOK_ADDED, subscription.id, **told)
    print_keys(subscription, secret, as_json)


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
        ["id", "url", "events", "enabled", "updated", "description"],
        [
            [
                one["id"],
                one["url"],
                ", ".join(one["events"]),
                "yes" if one["enabled"] else f"no: {one['disabled_reason']}",
                one["updated_at"] or "-",
                one["description"],
            ]
            for one in shown
        ],
    )


def _change(action: str, webhook_id: str, as_json: bool) -> None:
    from interlock.engine import subscriptions
    from interlock.engine.audit import Action

    store, _ = _open()
    try:
        changed = getattr(subscriptions, action)(store.client, store.keys, webhook_id)
    except subscriptions.SubscriptionNotFound as error:
        raise CliError(Exit.NOT_FOUND, str(error)) from None
    write_down(store.client, store.keys, Action(f"webhook.{action}d"), webhook_id)
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
def show(webhook_id: WebhookId, as_json: AsJson = False) -> None:
    """One webhook with its statistics and its breaker."""
    from interlock.engine import subscriptions, webhook_health, webhook_statistics
    from interlock.engine.breaker import HEALTHY

    store, _ = _open()
    subscription = find(store, webhook_id)
    counted = webhook_statistics.statistics(store.client, store.keys, webhook_id)
    health = webhook_health.read(store.client, store.keys, [webhook_id]).get(webhook_id, HEALTHY)
    now_ms = subscriptions.server_ms(store.client)
    shown = subscription.shown() | {"statistics": counted, "breaker": health.shown(now_ms)}
    if as_json:
        print_json(shown)
        return
    nested = ("statistics", "breaker", "signing", "changes")
    facts = [(name, value) for name, value in shown.items() if name not in nested]
    print_facts([*facts, *counted.items(), *((f"breaker {k}", v) for k, v in shown["breaker"].items())])


webhook_changes.add_to(app)
webhook_deliveries.add_to(app)

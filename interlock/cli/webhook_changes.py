"""``webhook update``, ``rotate``: a webhook that goes on as another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from interlock.cli.auditing import write_down
from interlock.cli.exits import CliError, Exit
from interlock.cli.instances import AsJson
from interlock.cli.output import print_json, say
from interlock.cli.webhook_deliveries import WebhookId, find, opened
from interlock.cli.webhook_options import (
    SecretFile,
    VerifyToken,
    check_where,
    print_keys,
    read_headers,
    read_secret,
    verified,
)

if TYPE_CHECKING:
    from interlock.engine.settings import Settings
    from interlock.engine.subscription import Subscription
    from interlock.engine.subscription_changes import Update


def add_to(app: typer.Typer) -> None:
    """Offer the commands of this module in the group ``webhook``."""
    for command in (update, rotate):
        app.command()(command)


def update(
    webhook_id: WebhookId,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where events go now, those too that wait.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="How deliveries look.")] = None,
    events: Annotated[
        list[str] | None, typer.Option(metavar="TYPE", help="Only these; may be repeated.")
    ] = None,
    machine: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only events of this chart; '' for all.")
    ] = None,
    states: Annotated[
        list[str] | None, typer.Option(metavar="PATH", help="Only steps that enter it; '' for all.")
    ] = None,
    where: Annotated[
        str | None, typer.Option(metavar="EXPRESSION", help="Only where it is true; '' for all.")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(
            metavar="'NAME: VALUE'",
            help="Sets this one, or @FILE with one a line; 'NAME:' takes it away, '' all; others stay.",
        ),
    ] = None,
    rate: Annotated[
        str | None, typer.Option(metavar="N/second", help="No more attempts than that; '' for no limit.")
    ] = None,
    ordered: Annotated[
        bool | None, typer.Option("--ordered/--unordered", help="One instance's events one after the other.")
    ] = None,
    description: Annotated[str | None, typer.Option(help="For people.")] = None,
    verify_token: VerifyToken = None,
    as_json: AsJson = False,
) -> None:
    """Change what is named; its id, its secret and what waits for it stay. --events, --machine, --states replace."""
    from interlock.engine.audit import Action
    from interlock.engine.subscription_changes import Update
    from interlock.engine.subscription_changes import update as change

    wish = Update(
        url=url,
        description=description,
        events=events,
        machines=machine,
        states=states,
        where=where,
        headers=read_headers(header) if header is not None else None,
        rate=rate,
        ordered=ordered,
        profile=profile,
    )
    if not wish.named:
        raise CliError(Exit.USAGE, "Name what is to be different: --url, --events, ... See --help.")
    store, used = opened()
    before = find(store, webhook_id)
    if where is not None or machine is not None:
        texts = before.where if where is None else where
        check_where(
            store, used, texts, [one for one in (before.machines if machine is None else machine) if one]
        )
    with _refusals():
        seen = _asked_again(used, before, wish, verify_token)
        changed = change(store.client, store.keys, used, webhook_id, wish, seen=seen)
    write_down(store.client, store.keys, Action.WEBHOOK_UPDATED, webhook_id, changed=wish.named)
    if as_json:
        print_json(changed.shown())
    else:
        say(f"{webhook_id}: updated {', '.join(wish.named)}.")


def rotate(
    webhook_id: WebhookId,
    grace: Annotated[
        str, typer.Option(metavar="TIME", help="How long the old secret signs along: 0s, 30m, 24h, 7d.")
    ] = "24h",
    verify_token: VerifyToken = None,
    secret_file: SecretFile = None,
    as_json: AsJson = False,
) -> None:
    """Sign with a new secret, which is printed once; the old one signs along for a while."""
    from interlock.engine import durations
    from interlock.engine.audit import Action
    from interlock.engine.subscription_changes import rotate as renew

    try:
        grace_seconds = durations.delay_ms(grace) / 1000
    except ValueError as error:
        raise CliError(Exit.USAGE, f"--grace {grace!r}: {error}.") from None
    store, used = opened()
    before = find(store, webhook_id)
    given = read_secret(secret_file)
    with _refusals():
        secret = verified(used, before.url, before.profile, verify_token, given)
        seen = before if before.profile == "engage" else None
        changed, told = renew(
            store.client, store.keys, used, webhook_id, grace_seconds, secret=secret, seen=seen
        )
    details = {"grace_seconds": grace_seconds}
    write_down(store.client, store.keys, Action.WEBHOOK_ROTATED, webhook_id, **details)
    print_keys(changed, told, as_json)


def _asked_again(
    used: Settings, before: Subscription, wish: Update, verify_token: str | None
) -> Subscription | None:
    """The webhook, where the endpoint has answered a challenge under the secret that stays; None where there is none.

    It is asked where it is another endpoint or one that was never asked.
    """
    profile = before.profile if wish.profile is None else wish.profile
    url = before.url if wish.url is None else wish.url
    if profile == "engage" and (url, profile) == (before.url, before.profile):
        if verify_token is not None:
            raise CliError(Exit.USAGE, "--verify-token goes with another --url or --profile")
        return None
    if (
        profile != "engage" or before.signature != "hmac"
    ):  # a private key is shown to nobody; it is refused later
        verified(used, url, "standard", verify_token, None)
        return None
    from datetime import UTC, datetime

    from interlock.engine.secrets import load_key
    from interlock.engine.shared_secrets import shared_text

    current = before.signing_secrets(load_key(used), datetime.now(UTC))[0]
    verified(used, url, profile, verify_token, shared_text(current))
    return before


@contextmanager
def _refusals() -> Iterator[None]:
    """What the engine refuses ends the command with the code that it means."""
    from interlock.engine.addresses import UrlRefused
    from interlock.engine.shared_secrets import SharedSecretInvalid
    from interlock.engine.signing import SecretInvalid
    from interlock.engine.subscriptions import SubscriptionInvalid, SubscriptionNotFound
    from interlock.workers.verification import EndpointUnverified

    try:
        yield
    except SubscriptionNotFound as error:
        raise CliError(Exit.NOT_FOUND, str(error)) from None
    except (UrlRefused, SubscriptionInvalid, SecretInvalid, SharedSecretInvalid) as error:
        raise CliError(Exit.INVALID, str(error)) from None
    except EndpointUnverified as error:
        raise CliError(Exit.FAILED, str(error)) from None

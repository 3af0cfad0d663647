"""What several commands of ``webhook`` take and print: headers, secrets, the challenge, filters."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlock.cli.exits import CliError, Exit
from interlock.cli.output import print_facts, print_json, say

if TYPE_CHECKING:
    from interlock.engine.settings import Settings
    from interlock.engine.store import Store
    from interlock.engine.subscription import Subscription

VerifyToken = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="Engage: hub.verify_token of the challenge. [interlock]"),
]
SecretFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="The secret that the receiver has already; - for stdin. Made where left out."
    ),
]


def read_headers(texts: Sequence[str]) -> list[str]:
    """``Name: value`` each; ``@FILE`` stands for the lines of a file, which keeps them off the command line."""
    found: list[str] = []
    for text in texts:
        if not text.startswith("@"):
            found.append(text)
            continue
        try:
            found += [line for line in Path(text[1:]).read_text("utf-8").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError):
            raise CliError(Exit.USAGE, f"--header {text}: name a text file that can be read.") from None
    return found


def print_keys(subscription: Subscription, secret: str, as_json: bool) -> None:
    """What the subscriber needs: the secret, this once, or the public key."""
    facts: dict[str, Any] = {"id": subscription.id, "secret": secret or None}
    public = subscription.secrets[0].public_key
    if public is not None:
        facts["public_key"] = public
    if as_json:
        print_json(facts)
        return
    print_facts([(name, value) for name, value in facts.items() if value is not None])
    if secret:
        say("Keep the secret: the receiver checks signatures with it, and it is never shown again.")
    else:
        say("The receiver checks signatures with the public key; the private one is never shown.")


def read_secret(file: str | None) -> str | None:
    """The first line of a file, or of stdin: a secret has no place on a command line."""
    if file is None:
        return None
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise CliError(Exit.USAGE, f"--secret-file {file}: name a text file that can be read.") from None
    return text.partition("\n")[0].strip()


def verified(
    used: Settings, url: str, profile: str, verify_token: str | None, secret: str | None
) -> str | None:
    """The secret that an endpoint which must answer a challenge has seen in it; ``secret`` in other profiles.

    Raises CliError (usage), and what `verify_endpoint` raises.
    """
    from interlock.workers.verification import VERIFY_TOKEN, verify_endpoint

    if profile != "engage":
        if verify_token is not None:
            raise CliError(Exit.USAGE, "--verify-token goes with --profile engage: only there is a challenge")
        return secret
    return verify_endpoint(used, url, VERIFY_TOKEN if verify_token is None else verify_token, secret)


def check_where(store: Store, used: Settings, where: str | None, machines: Sequence[str]) -> None:
    """See that events could have the fields that an expression reads. Raises CliError (invalid)."""
    if not where:
        return
    from interlock.engine.event_fields import check_where as check
    from interlock.engine.event_filters import FilterInvalid, checked
    from interlock.statecharts.declared import declared_charts

    try:
        checked((), machines, (), where)
        check(where, machines, declared_charts(store, used))
    except FilterInvalid as error:
        raise CliError(Exit.INVALID, str(error)) from None

"""What the command line does to a deployment goes into the audit, beside what is done over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interlock.cli.output import say

if TYPE_CHECKING:
    from interlock.engine.audit import Action
    from interlock.engine.keys import Keys


def write_down(client: Any, keys: Keys, action: Action, target: str, **details: Any) -> None:
    """Keep what whoever runs this process has done. ``details``: JSON, no secrets.

    Where the server takes it no more, what was done stays done, and stderr says so.
    """
    from interlock.engine.audit import AuditNotKept, Deed, at_the_shell, record

    try:
        record(client, keys, Deed(at_the_shell(), action, target, details))
    except AuditNotKept as error:
        say(f"{error}: write it down by hand.")

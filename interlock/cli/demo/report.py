"""What the demo prints at its end."""

from __future__ import annotations

from collections import Counter
from typing import Any

from interlock.cli.demo.play import IN_FLIGHT
from interlock.cli.demo.runner import Outcome
from interlock.cli.demo.stage import WORKER_PROCESSES
from interlock.cli.output import print_json, print_line, print_table, say

_SHOWN_MISMATCHES = 20
_METHOD = f"from XADD to the result being read, at most {IN_FLIGHT} in flight"


def print_report(outcome: Outcome, as_json: bool) -> None:
    """The table on stdout; what is not as it should be on stderr."""
    facts = as_dict(outcome)
    if as_json:
        print_json(facts)
    else:
        _print_tables(facts)
    mismatches = outcome.verdict.mismatches
    for line in mismatches[:_SHOWN_MISMATCHES]:
        say(f"NOT AS IT SHOULD BE: {line}")
    if len(mismatches) > _SHOWN_MISMATCHES:
        say(f"... and {len(mismatches) - _SHOWN_MISMATCHES} more.")


def as_dict(outcome: Outcome) -> dict[str, Any]:
    """The report as JSON; times in milliseconds where the name says so."""
    played, verdict = outcome.played, outcome.verdict
    statuses = Counter(result["status"] for result in played.results.values())
    return {
        "rows": outcome.rows,
        "incidents": outcome.incidents,
        "commands": {
            "published": len(outcome.commands),
            "applied": statuses["applied"],
            "ignored": statuses["ignored"],
            "refused": statuses["refused"],
        },
        "refusals": [
            {"class": class_, "code": code, "count": count, "why": why}
            for (class_, code, why), count in sorted(_refusals(outcome).items())
        ],
        "states": dict(sorted(verdict.states.items())),
        "queues": verdict.queues,
        "agents": verdict.agents,
        "events": {
            "announced": verdict.announced,
            "delivered": verdict.delivered,
            "verified": verdict.verified,
            "duplicates": verdict.duplicates,
        },
        "commands_per_second": round(played.per_second),
        "publish_to_commit_ms": {
            "p50": round(played.percentile(0.5) * 1000, 1),
            "p99": round(played.percentile(0.99) * 1000, 1),
        },
        "delivered_after_last_command_seconds": round(outcome.delivery_seconds, 1),
        "replayed": verdict.replayed,
        "ok": not verdict.mismatches,
        "mismatches": verdict.mismatches,
        "pictures": [str(path) for path in outcome.pictures],
        "seconds": round(outcome.total_seconds, 1),
    }


def _refusals(outcome: Outcome) -> Counter[tuple[str, str, str]]:
    """How often each kind of refusal came, with the desk's sentence for it."""
    expected = {command.id: command.why for command in outcome.commands}
    return Counter(
        (result["error"]["class"], result["error"]["code"], expected[id_] or result["error"]["message"])
        for id_, result in outcome.played.results.items()
        if result["error"]
    )


def _print_tables(facts: dict[str, Any]) -> None:
    commands, events, speed = facts["commands"], facts["events"], facts["publish_to_commit_ms"]
    print_table(
        ["what", "how many", ""],
        [
            ["incidents", str(facts["incidents"]), f"{facts['rows']} rows of the log, merged by time"],
            ["commands published", str(commands["published"]), "JSON by plain XADD"],
            ["  applied", str(commands["applied"]), ""],
            ["  ignored", str(commands["ignored"]), ""],
            ["  refused", str(commands["refused"]), ""],
            *(
                [f"    {one['class']} {one['code']}", str(one["count"]), one["why"]]
                for one in facts["refusals"]
            ),
            *([f"incidents {state}", str(count), ""] for state, count in facts["states"].items()),
            ["queues", str(facts["queues"]), "in the end nothing waits in them"],
            ["agents", str(facts["agents"]), "in the end nobody holds anything"],
            ["events announced", str(events["announced"]), ""],
            ["  delivered", str(events["delivered"]), _again(events["duplicates"])],
            ["  verified", str(events["verified"]), "by the standardwebhooks library"],
            ["histories replayed", str(facts["replayed"]), "to the stored snapshot, byte for byte"],
            [
                "commands a second",
                str(facts["commands_per_second"]),
                f"{WORKER_PROCESSES} worker processes",
            ],
            ["publish to commit, median", f"{speed['p50']} ms", _METHOD],
            ["publish to commit, p99", f"{speed['p99']} ms", ""],
        ],
    )
    for path in facts["pictures"]:
        print_line(f"picture: {path}")
    words = (
        "All is as it should be"
        if facts["ok"]
        else f"{len(facts['mismatches'])} things are not as they should be"
    )
    print_line(f"{words}; {facts['seconds']} s in all.")


def _again(duplicates: int) -> str:
    return f"{duplicates} of them more than once, told apart by webhook-id" if duplicates else "each once"

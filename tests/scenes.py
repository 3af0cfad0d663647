"""Plays the scenarios of tests/scenarios. Their form is told in tests/scenarios/README.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, cast

import yaml

from interlock.engine.messages import Actor, Command
from interlock.engine.snapshot import Snapshot
from tests.desks import Desk

SCENARIOS = Path(__file__).parent / "scenarios"
RIGHTS = ["read:*", "reply:*"]
ACTORS = {
    **{
        name: Actor(id=name, kind="agent", permissions=RIGHTS) for name in ("ann", "bob", "cid", "dan", "eve")
    },
    **{f"{name}-app": Actor(id=f"{name}-app", kind="integration") for name in ("hub", "voice", "payment")},
    "bot": Actor(id="bot-app", kind="bot", permissions=RIGHTS),
    "sue": Actor(id="sue", kind="supervisor", permissions=[*RIGHTS, "update_intervention", "monitor_tasks"]),
}
QUIET_EVENTS = ("queue.", "agent.")
QUIET_COMMANDS = ("queue/", "agent/", "leg/")


def scenarios() -> list[dict[str, Any]]:
    """All scenarios, in the order of their numbers."""
    files = sorted(path for path in SCENARIOS.glob("*.yaml") if path.stem != "standard")
    return [scene for path in files for scene in _read(path)]


@cache
def _desk(name: str) -> list[dict[str, Any]]:
    """The steps by which a desk that scenarios share is set up."""
    (steps,) = _read(SCENARIOS / f"{name}.yaml")
    return cast(list[dict[str, Any]], steps)


def _read(path: Path) -> list[Any]:
    return list(yaml.load_all(path.read_text(encoding="utf-8"), yaml.CSafeLoader))


@dataclass
class Told:
    """What a step led to. ``results`` of its commands; ``refused``: those of the charts' own."""

    events: list[str]
    flow: list[str]
    results: Counter[str]
    refused: list[str]


@dataclass
class Scene:
    """One way to play a scenario. ``seed`` None: as it stands, first come, first served."""

    scenario: dict[str, Any]
    seed: int | None = None
    doubled: bool = False
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        choose: Callable[[Sequence[str]], str] | None = None
        if self.seed is not None:
            self.random = Random(self.seed)
            choose = self.random.choice
        self.desk = Desk(choose=choose, doubled=self.doubled)
        given = self.scenario.get("desk", "standard")
        for step in _desk(given) if isinstance(given, str) else given:
            self.play(step)

    def play(self, step: dict[str, Any]) -> Told:
        """Take a step and let all messages be taken; what that led to."""
        desk = self.desk
        seen = len(desk.events), len(desk.commands), len(desk.refusals)
        ids = self._begin(step)
        desk.run()
        events, commands = desk.events[seen[0] :], desk.commands[seen[1] :]
        own = [command for command in commands if command.id not in ids]
        self._check_correlations(ids, events, own, "wait" in step)
        return Told(
            [
                event["type"]
                for event in events
                if step.get("with_desk")
                or not (event["type"].startswith(QUIET_EVENTS) or event["type"].endswith(".updated"))
            ],
            [
                text
                for text in (f"{each.machine}/{each.key} {each.name}" for each in own)
                if not text.startswith(QUIET_COMMANDS)
            ],
            Counter(desk.result(each) for each in ids),
            [self._refusal(each.id, own) for each in desk.refusals[seen[2] :] if each.id not in ids],
        )

    def _begin(self, step: dict[str, Any]) -> list[str]:
        """Publish what a step says, or let its time pass; where both, either may be first."""
        if "wait" not in step:
            return self._publish(step)
        if "together" not in step:
            self.desk.advance(**step["wait"])
            return []
        ids = self._publish(step) if self.seed is not None and self.seed % 3 == 0 else []
        self.desk.advance(run=False, **step["wait"])
        return ids or self._publish(step)

    def _publish(self, step: dict[str, Any]) -> list[str]:
        together = list(step["together"]) if "together" in step else [step]
        if self.seed is not None and not step.get("ordered"):
            self.random.shuffle(together)
        ids = []
        for each in together:
            address, _, name = each["do"].rpartition(" ")
            actor = ACTORS[each["as"]] if "as" in each else None
            ids.append(self.desk.send(address, name, each.get("data"), actor=actor, run=False))
        return ids

    def _check_correlations(
        self, ids: list[str], events: list[dict[str, Any]], own: list[Command], wait: bool
    ) -> None:
        """Events and commands carry the correlation of the command that they go back to."""
        known = (
            set(ids)
            if ids and not wait
            else {each.id for each in self.desk.commands} - {each.id for each in own}
        )
        for event in events:
            assert event["correlationid"] in known, event
        for command in own:
            assert command.correlation_id in known, command

    @staticmethod
    def _refusal(command_id: str | None, own: list[Command]) -> str:
        command = next(each for each in own if each.id == command_id)
        return f"{command.machine}/{command.key} {command.name}"

    def check_then(self, step: dict[str, Any]) -> None:
        for address, wanted in step.get("then", {}).items():
            fields = wanted if isinstance(wanted, dict) else {"state": wanted}
            state, context = self.desk.state(address), self.desk.context(address)
            for name, value in fields.items():
                if name == "state":
                    assert value in state, f"{address}: {state}"
                else:
                    assert context[name] == value, f"{address}: {name} is {context[name]!r}"

    def check_agreement(self) -> None:
        """What has to be so whenever all messages have been taken: control, case, ticket and legs agree."""
        for key, conversation in self.desk.of("conversation").items():
            control = self.desk.context(f"switchboard/{key}")
            holder = {None: "nobody", "desk": "desk"}.get(control["active"], "other")
            assert conversation.context["holder"] == holder
            assert conversation.context["offered"] == (control["pending"] == "desk")
            has_case = conversation.state[0].startswith("open.")
            assert has_case or "desk" not in (control["active"], control["pending"])
            for ticket in self.desk.of("ticket"):
                if ticket.startswith(f"{key}/"):
                    self._check_ticket(ticket, conversation, has_case)

    def _check_ticket(self, key: str, conversation: Snapshot, has_case: bool) -> None:
        ticket = self.desk.snapshot(f"ticket/{key}")
        is_open = any(state.startswith("open.") for state in ticket.state)
        assert is_open == (has_case and conversation.context["ticket"] == key)
        assert (conversation.state == ["open.taken"]) <= (
            conversation.context["agent"]
            == self.desk.context(f"ticket/{conversation.context['ticket']}")["assignee"]
        )
        interactions = self.desk.of("interaction").items()
        live = [n for n, one in interactions if one.context["ticket_id"] == key and one.state != ["stopped"]]
        assert live == [name for name in [ticket.context["interaction"]] if name is not None and is_open]
        for name in live:
            owner = self.desk.context(f"interaction/{name}")["owner"]
            assert owner in (None, ticket.context["assignee"])
        for agent in self.desk.of("agent").values():
            held = {booking["key"] for booking in agent.context["load"].values()}
            assert {name for name in held if name.startswith(f"{key}/")} <= set(live)

    def check_end(self) -> None:
        desk = self.desk
        desk.check_replay()
        for wanted in self.scenario.get("once", ()):
            event_type, _, key = wanted.partition(" ")
            said = [e for e in desk.events if e["type"] == event_type and key in ("", e["subject"])]
            assert len(said) == 1, f"{wanted}: {len(said)} times"
        last: dict[tuple[str, str], int] = {}
        for event in desk.events:
            name = (event["source"], event["subject"])
            assert event["sequence"] >= last.get(name, 0), event
            last[name] = event["sequence"]

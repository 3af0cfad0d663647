"""What is tried on a chart: its commands, what its functions come back with, and how long to wait. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from interlock.engine.chart import INVOKE_DONE, INVOKE_ERROR, CommandDef
from interlock.engine.durations import MAX_DELAY_MS
from interlock.engine.exploration_reading import assignments, conditions, deciding_fields, relations
from interlock.engine.exploration_trials import Surroundings, Trials, surroundings
from interlock.engine.expressions import Expression
from interlock.engine.machine import Machine, matches

_MAX_WAITS = 6


class Plan:
    """``commands``, ``outcomes``: the trials by command and by ``done.invoke.<id>``; ``waits``: milliseconds that
    conditions on the time now reckon with; ``deciding``: `deciding_fields`; ``counts_steps``: the version decides."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        chart = machine.chart
        self.deciding = deciding_fields(chart)
        self.counts_steps = any("version" in each.names for each in conditions(chart))
        self._around = self._surroundings()
        self.commands = {command.name: self._trials(command) for command in chart.commands.values()}
        self.outcomes = {event: self._trials(made, by_system=True) for event, made in self._outcomes()}
        self.waits = self._waits()

    def _surroundings(self) -> Surroundings:
        chart = self.machine.chart
        ambient: list[Expression] = []
        for node in self.machine.nodes:
            ambient += [each for _, each in assignments(node.definition.standing)]
            for arrow in (*node.always, *(a for rows in node.on.values() for a in rows)):
                if arrow.definition.event in chart.commands:
                    continue
                ambient += [arrow.guard] if arrow.guard else []
                ambient += [row.check for row in arrow.require]
                ambient += [each for _, each in assignments(arrow.actions)]
        longest = max((arrow.definition.delay_ms or 0 for arrow in self.machine.arrows), default=0)
        return surroundings(relations(conditions(chart)), self.deciding, ambient, longest)

    def _trials(self, command: CommandDef, *, by_system: bool = False) -> Trials:
        arrows = [
            arrow.definition for arrow in self.machine.arrows if selects(arrow.definition.event, command.name)
        ]
        return Trials(command, arrows, self._around, by_system=by_system)

    def _outcomes(self) -> Iterator[tuple[str, CommandDef]]:
        """What an invoked function may come back with, as if it were a command of the system."""
        for state in self.machine.chart.states.values():
            for invoke in state.invoke:
                for start, name, schema in (
                    (INVOKE_DONE, "output", {}),
                    (INVOKE_ERROR, "error", {"type": "string"}),
                ):
                    event = f"{start}{invoke.id}"
                    data = {"type": "object", "properties": {name: schema}, "required": [name]}
                    yield event, CommandDef(event, False, data, (), invoke.mark)

    def _waits(self) -> list[int]:
        """Milliseconds that conditions on the time now reckon with: their numbers, as seconds, and a little more."""
        seconds: dict[int, None] = {}
        for related in self._around.wide.values():
            if not related.timed:
                continue
            defaults = [self.machine.defaults.get(path[1]) for path in related.paths if path[0] == "context"]
            for value in (*related.literals, *defaults):
                if type(value) in (int, float) and 0 <= value * 1000 < MAX_DELAY_MS:
                    seconds[int(value) + 1] = None
        return [each * 1000 for each in sorted(seconds)[:_MAX_WAITS]]


def selects(descriptor: str, event: str) -> bool:
    """Whether a transition on ``descriptor``, wildcards included, is a candidate for ``event``."""
    if descriptor == event:
        return True
    return (descriptor == "*" or descriptor.endswith(".*")) and matches(descriptor, event)

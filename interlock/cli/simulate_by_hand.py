"""``simulate`` by hand: one line, one step."""

from __future__ import annotations

import sys
from collections.abc import Callable

import orjson

from interlock.cli.exits import CliError
from interlock.cli.output import compact, print_block, print_line, say
from interlock.cli.simulate import actor_of, apply, print_told
from interlock.engine.simulation import Simulation

HELP = """\
NAME [JSON]          send a command, with its data
+30m                 let time pass
as KIND [ID] [RIGHT...]   who asks from now on; `as system` for the system
can                  the commands that may be sent now
show                 state, context and timers
undo                 take back the last step
quit                 end (Ctrl-D too)"""


class Console:
    """Reads lines from stdin until they end. A mistake is told, and nothing has happened."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._steps = 0
        self._words: dict[str, Callable[[str], None]] = {
            "help": lambda _: print_block(HELP),
            "as": self._as,
            "can": lambda _: print_line(", ".join(self._simulation.can()) or "nothing"),
            "show": lambda _: self._show(),
            "undo": lambda _: self._undo(),
        }

    def run(self) -> None:
        """Until `quit` or the end of stdin."""
        chart = self._simulation.machine.chart
        say(f"{chart.id}@{chart.version} under a virtual clock. `help` lists what there is.")
        say(f"Begin with: {', '.join(self._simulation.can())}")
        while (line := self._read()) is not None:
            if line == "quit":
                return
            if line:
                self._do(line)

    def _read(self) -> str | None:
        try:
            if sys.stdin.isatty():
                return input("> ").strip()
            line = sys.stdin.readline()
        except EOFError:
            return None
        return line.strip() if line else None

    def _do(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        try:
            if word in self._words:
                self._words[word](rest.strip())
            elif line.startswith("+"):
                self._step({"advance": line[1:].strip()})
            else:
                self._step({"type": word, "data": _data(rest)})
        except (CliError, ValueError) as error:
            say(str(error))

    def _step(self, event: dict[str, object]) -> None:
        self._steps += 1
        print_told(event, apply(self._simulation, event, self._steps), self._simulation)

    def _as(self, rest: str) -> None:
        kind, *more = rest.split() or ["system"]
        if kind == "system" and not more:
            self._simulation.actor = None
            return
        identity, *rights = more or [kind]
        self._simulation.actor = actor_of({"id": identity, "kind": kind, "permissions": rights})

    def _show(self) -> None:
        snapshot = self._simulation.snapshot
        if snapshot is None:
            print_line("There is no instance yet.")
            return
        print_line(f"{snapshot.machine}/{snapshot.key} v{snapshot.version}  {', '.join(snapshot.state)}")
        for name, value in snapshot.context.items():
            print_line(f"    {name}: {compact(value)}")
        for timer in snapshot.timers:
            print_line(f"    timer {timer.event} due {timer.due}")

    def _undo(self) -> None:
        if not self._simulation.undo():
            say("There is nothing to take back.")
        self._show()


def _data(text: str) -> object:
    if not text.strip():
        return {}
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(
            f'The data are not JSON: {error}. Write them as in assign {{"agent": "ann"}}.'
        ) from None

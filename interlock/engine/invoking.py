"""Runs of invoked functions: what a step starts, and which command brings the outcome back. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from interlock.engine.chart import INVOKE_DONE, INVOKE_ERROR
from interlock.engine.ids import run_id
from interlock.engine.machine import Machine
from interlock.engine.sending import Sender
from interlock.engine.snapshot import Running
from interlock.engine.step import Step


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it is stored until its outcome is published. ``invoke``: the id that the chart gives it.

    ``input``: a text where it is sealed (`stored_forms`).
    ``attempts``: how often at most; ``interval_ms`` before the second, ``backoff`` times as long each after.
    """

    id: str
    machine: str
    key: str
    invoke: str
    function: str
    input: dict[str, Any] | str
    attempts: int
    interval_ms: int
    backoff: float
    correlation_id: str | None
    causation_id: str | None
    traceparent: str | None

    def to_bytes(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Run:
        """The inverse of `to_bytes`. Raises ValueError or TypeError for anything else."""
        return cls(**orjson.loads(raw))

    def pause_ms(self, failed: int) -> int:
        """How long to wait after so many attempts have failed: at most a day."""
        return int(min(self.interval_ms * self.backoff ** min(failed - 1, 100), 86_400_000))

    def outcome(self, *, output: Any = None, error: str | None = None) -> bytes:
        """The command that brings the outcome back, as JSON. Raises TypeError where ``output`` is no JSON."""
        start = INVOKE_DONE if error is None else INVOKE_ERROR
        command = {
            "machine": self.machine,
            "key": self.key,
            "name": f"{start}{self.invoke}",
            "id": self.id,
            "data": {"output": output} if error is None else {"error": error},
            "correlation_id": self.correlation_id,
            "causation_id": self.causation_id,
            "traceparent": self.traceparent,
        }
        return orjson.dumps({name: value for name, value in command.items() if value is not None})


def is_outcome(name: str) -> bool:
    """Whether a command of this name brings the outcome of a run back."""
    return name.startswith((INVOKE_DONE, INVOKE_ERROR))


def runs_of(machine: Machine, step: Step, sender: Sender) -> tuple[list[Run], list[Running]]:
    """The runs that a step at rest starts: of every state that it entered and that is still active.

    Raises EvaluationError where an input's expression fails.
    """
    runs: list[Run] = []
    running: list[Running] = []
    step.look()
    for node in machine.nodes_in(step.starting):
        for one in node.invokes:
            given = {name: value.evaluate(step.scope) for name, value in one.input.items()}
            name = run_id(sender.machine, sender.key, sender.version, one.id)
            runs.append(
                Run(
                    name,
                    sender.machine,
                    sender.key,
                    one.id,
                    one.function,
                    given,
                    one.attempts,
                    one.interval_ms,
                    one.backoff,
                    sender.correlation_id,
                    sender.causation_id,
                    sender.traceparent,
                )
            )
            running.append(Running(name, one.id, node.path))
    return runs, running

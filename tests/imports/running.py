"""Imported charts on the bench, and the library `transitions` beside them."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

from transitions import Machine, MachineError
from transitions.extensions.nesting import HierarchicalMachine

from interlock.engine.interchange.chart_yaml import Imported, chart_yaml
from interlock.engine.interchange.transitions_config import ITSELF, read_transitions
from interlock.engine.interchange.xstate_json import read_xstate
from interlock.engine.yaml_source import plain, read_yaml
from tests.charting import Bench

Json = dict[str, Any]


def from_transitions(config: Json) -> Imported:
    return chart_yaml(read_transitions(config), origin="transitions")


def from_xstate(config: Json) -> Imported:
    return chart_yaml(read_xstate(config), origin="XState")


def codes(imported: Imported) -> set[str]:
    return {note.code for note in imported.notes}


def bench_of(imported: Imported, verdicts: Mapping[str, bool] | None = None) -> Bench:
    """An instance of an imported chart. ``verdicts``: what the guards that were code say, by field."""
    assert not imported.findings, (imported.findings, imported.text)
    words = plain(read_yaml(imported.text, "<chart>"))
    for field, verdict in (verdicts or {}).items():
        if field in words.get("context", {}):
            words["context"][field]["default"] = verdict
    return Bench(json.dumps(words))


class Model:
    """What a machine's callbacks and conditions are looked up in; ``said``: the callbacks in order.

    ``verdicts``: the conditions by name; every other name is a callback.
    """

    def __init__(self, verdicts: Mapping[str, bool], callbacks: Sequence[str] = ()) -> None:
        self.said: list[str] = []
        for name, verdict in verdicts.items():
            setattr(self, name, verdict)
        for name in callbacks:
            setattr(self, name, self._saying(name))

    def _saying(self, name: str) -> Any:
        return lambda *_, **__: self.said.append(name)


class Theirs:
    """A machine of the library with one model."""

    def __init__(
        self, config: Json, verdicts: Mapping[str, bool] | None = None, callbacks: Sequence[str] = ()
    ) -> None:
        self.model = Model(verdicts or {}, callbacks)
        self.is_nested = any(
            isinstance(each, dict) and {"children", "parallel", "states"} & each.keys()
            for each in config["states"]
        )
        kind = HierarchicalMachine if self.is_nested else Machine
        self.machine = kind(model=self.model, **copy.deepcopy(config))

    def send(self, trigger: str) -> str:
        """applied, false, or refused (MachineError)."""
        try:
            return "applied" if self.model.trigger(trigger) else "false"  # type: ignore[attr-defined]
        except (MachineError, AttributeError):
            return "refused"

    @property
    def state(self) -> list[str]:
        """The active states as our paths, sorted."""
        return sorted(self._ours(name) for name in _flat(self.model.state))  # type: ignore[attr-defined]

    def _ours(self, name: str) -> str:
        if not self.is_nested:
            return name
        path = name.replace("_", ".")
        return f"{path}.{ITSELF}" if self.machine.get_state(name).states else path


def _flat(state: Any) -> list[str]:
    return [name for each in state for name in _flat(each)] if isinstance(state, list) else [state]

"""All charts that a process knows: the shipped ones and those of the directories it was given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import structlog

from interlock.engine.calendar_files import CALENDAR_SUFFIX
from interlock.engine.chart import Chart
from interlock.engine.errors import ChartError, Finding, Mark
from interlock.engine.includes import PART_SUFFIX
from interlock.engine.loader import load_chart, parse_chart, read_source
from interlock.engine.machine import Machine
from interlock.engine.policy import POLICY_SUFFIX, Policy, Rule, parse_policy
from interlock.engine.private_fields import PrivateFields
from interlock.engine.yaml_source import raise_findings
from interlock.statecharts.calendars import SHIPPED, files_of, functions_over
from interlock.statecharts.functions import FUNCTIONS

log = structlog.get_logger()

_SUFFIXES = (".yaml", ".yml")

Registered = Callable[[], Mapping[tuple[str, int], str]]
"""The texts of the charts that any process of the deployment has registered, by id and version."""


class Catalog:
    """Charts by id and version, each compiled to a `Machine` when it is first asked for.

    Instances stay with the version that they began with, so a version is needed for longer than its file
    stands: one that no file has any more is read from where it was registered.
    """

    def __init__(
        self,
        charts: Iterable[Chart],
        functions: Mapping[str, Callable[..., Any]] = FUNCTIONS,
        registered: Registered = dict,
        policy: Policy | None = None,
    ) -> None:
        """``functions``: what the charts' expressions may call; ``policy``: the rules between them.

        Raises ChartError where two charts differ in their text only.
        """
        self.functions = MappingProxyType(dict(functions))
        self._registered = registered
        self._policy = policy or Policy()
        self._unreadable: set[tuple[str, int]] = set()
        self._charts: dict[tuple[str, int], Chart] = {}
        self._newest: dict[str, int] = {}
        self._machines: dict[tuple[str, int], Machine] = {}
        self._private: PrivateFields | None = None
        for chart in charts:
            self._add(chart)

    @classmethod
    def load(
        cls,
        directories: Sequence[Path] = (),
        functions: Mapping[str, Callable[..., Any]] | None = None,
        registered: Registered = dict,
    ) -> Catalog:
        """The shipped charts and every ``*.yaml`` or ``*.yml`` straight in ``directories``, which win over them; with
        the rules of every ``*.policy.yaml`` and the calendar of every ``*.calendar.yaml``, of which the first of a
        name wins.

        ``functions``: the application's own, beside the shipped ones. ``registered``: asked for a version that
        no file has (`Store.charts`). Raises ChartError with the findings of all files; a directory that is
        none is a finding too.
        """
        registry = {**FUNCTIONS, **functions_over(directories), **(functions or {})}
        charts: list[Chart] = []
        findings: list[Finding] = []
        for path in _files([*directories, SHIPPED], findings):
            try:
                charts.append(load_chart(path, functions=registry))
            except ChartError as error:
                findings += error.findings
        if findings:
            raise ChartError(findings)
        given = {(chart.id, chart.version) for chart in charts if Path(chart.mark.file).parent != SHIPPED}
        own = [
            chart
            for chart in charts
            if Path(chart.mark.file).parent != SHIPPED or (chart.id, chart.version) not in given
        ]
        policy = parse_policy(_policies([*directories, SHIPPED]), registry)
        raise_findings(policy.check(own))
        return cls(own, registry, registered, policy)

    @property
    def charts(self) -> list[Chart]:
        """Every chart, by id and then by version."""
        return [self._charts[name] for name in sorted(self._charts)]

    @property
    def private(self) -> PrivateFields:
        """What the charts keep private, those too that were read from where they were registered."""
        if self._private is None:
            compiled = {name: machine.chart for name, machine in self._machines.items()}
            self._private = PrivateFields((compiled | self._charts).values())
        return self._private

    def machine(self, chart_id: str, version: int | None = None) -> Machine | None:
        """The compiled chart; None where there is no such chart.

        ``version`` None: the newest of those in files, which new instances begin with.
        """
        if version is None:
            version = self._newest.get(chart_id, 0)
        name = (chart_id, version)
        machine = self._machines.get(name)
        if machine is None and (chart := self._charts.get(name) or self._read_registered(name)):
            machine = self._machines[name] = Machine(chart, self._rules(chart))
            self._private = None
        return machine

    def _rules(self, chart: Chart) -> Mapping[str, Sequence[Rule]]:
        """The rules that follow a chart. A version that no file has any more may lack what they read: they are
        not for it."""
        try:
            return self._policy.rules_of(chart)
        except ChartError as error:
            log.warning(
                "policy_not_for_this_version", machine=chart.id, chart_version=chart.version, error=str(error)
            )
            return {}

    def _read_registered(self, name: tuple[str, int]) -> Chart | None:
        text = None if name in self._unreadable or not name[1] else self._registered().get(name)
        if text is None:
            return None
        try:
            return parse_chart(text, f"{name[0]}@{name[1]}", functions=self.functions)
        except ChartError as error:  # a registered text never changes: one look is enough
            self._unreadable.add(name)
            log.error("registered_chart_unreadable", machine=name[0], chart_version=name[1], error=str(error))
            return None

    def _add(self, chart: Chart) -> None:
        name = (chart.id, chart.version)
        known = self._charts.setdefault(name, chart)
        if known.digest != chart.digest:
            raise ChartError(
                [
                    Finding(
                        chart.mark,
                        "chart_exists",
                        f"version {chart.version} of {chart.id} stands in {known.mark.file} with another text.",
                        f"Give this one version: {chart.version + 1}.",
                    )
                ]
            )
        self._newest[chart.id] = max(chart.version, self._newest.get(chart.id, chart.version))


def is_chart(path: Path) -> bool:
    """Whether a file's name is a chart's, and not that of a part that charts include, of a policy or of a
    calendar."""
    return path.suffix in _SUFFIXES and not path.name.endswith((PART_SUFFIX, POLICY_SUFFIX, CALENDAR_SUFFIX))


def _policies(directories: Sequence[Path]) -> list[tuple[str, str]]:
    """The texts of the policy files in some directories, each with its path; the first of a name wins."""
    return [(read_source(path), str(path)) for path in files_of(directories, POLICY_SUFFIX)]


def _files(directories: Sequence[Path], findings: list[Finding]) -> list[Path]:
    found: list[Path] = []
    for directory in directories:
        if not directory.is_dir():
            findings.append(
                Finding(
                    Mark(str(directory), 1, 1),
                    "no_directory",
                    "there is no such directory.",
                    "Name one with charts.",
                )
            )
            continue
        found += sorted(path for path in directory.iterdir() if is_chart(path))
    return found

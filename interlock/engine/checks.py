"""Findings in a chart that loads: what is allowed and still, as a rule, not meant. All are warnings.

Each check is a function from a chart to findings; `CHECKS` lists them in the order in which they report.
What makes a chart unloadable is found by the loader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from interlock.engine.chart import Chart
from interlock.engine.checks_declarations import (
    event_names,
    handled_creations,
    leaks,
    private_indexes,
    undeclared_events,
    unhandled_commands,
    unhandled_raises,
    unused_data,
    unused_fields,
)
from interlock.engine.checks_structure import (
    dead_ends,
    endless_lives,
    eventless_loops,
    final_regions,
    futile_timers,
    never_done,
    raising_loops,
    resets,
    unreachable_states,
    unsaid_histories,
)
from interlock.engine.checks_transitions import (
    equal_timers,
    idle_requirements,
    idle_transitions,
    impossible_guards,
    overridden_transitions,
    reentering_nothing,
    shadowed_transitions,
)
from interlock.engine.errors import Finding

CHECKS: tuple[Callable[[Chart], Iterator[Finding]], ...] = (
    unreachable_states,
    dead_ends,
    endless_lives,
    never_done,
    final_regions,
    unsaid_histories,
    resets,
    eventless_loops,
    raising_loops,
    futile_timers,
    shadowed_transitions,
    overridden_transitions,
    impossible_guards,
    idle_requirements,
    idle_transitions,
    reentering_nothing,
    equal_timers,
    unhandled_commands,
    handled_creations,
    unhandled_raises,
    undeclared_events,
    event_names,
    private_indexes,
    unused_data,
    unused_fields,
    leaks,
)


def check_chart(chart: Chart) -> list[Finding]:
    """All warnings, in the file's order."""
    found = [finding for check in CHECKS for finding in check(chart)]
    return sorted(found, key=lambda finding: (finding.mark.line, finding.mark.column, finding.code))

"""`harel`: its pure engine (`harel.engine.core.process`) on an `Execution` made of active path and context.

No driver, store or outbox, which its public runners all have. A region is an execution of its own there, with a
context of its own; the broadcast of its driver is one `process` for each region, and so it is done here, and the
regions' contexts are given back as one. A state without a transition ends its parent there, hence ``never``.
"""

from __future__ import annotations

from typing import Any

from harel import definition_from_dsl
from harel.engine.core import process
from harel.engine.execution import Execution, Status
from harel.spec.states import Event

from benchmarks.steps.charts import Advance, Names

DO = "on go where context.{f} >= 0 set context.{f} = context.{f} + 1"
COUNT = DO.format(f="n")
FLAT = f"""
event go {{}}
machine bench {{
  context {{ n: int = 0 }}
  initial a
  state a {{}}
  state b {{}}
  state c {{}}
  from a to b {COUNT}
  from b to c {COUNT}
  from c to a {COUNT}
}}
"""
TWO_LEVEL = f"""
event go {{}}
event never {{}}
machine bench {{
  context {{ n: int = 0 }}
  initial idle
  state idle {{}}
  state work {{
    no history
    initial draft
    state draft {{}}
    state review {{}}
    from draft to review {COUNT}
    from review to draft on never
  }}
  from idle to work {COUNT}
  from work to idle {COUNT}
}}
"""
REGION = """
    state {r} {{
      initial {r}a
      state {r}a {{}}
      state {r}b {{}}
      from {r}a to {r}b {do}
      from {r}b to {r}a {do}
    }}
"""
THREE_REGIONS = (
    """
event go {}
machine bench {
  initial p
  orthogonal p {
"""
    + "".join(REGION.format(r=r, do=DO.format(f=r)) for r in "xyz")
    + "  }\n}\n"
)
TEXTS = {"flat": FLAT, "two_level": TWO_LEVEL, "three_regions": THREE_REGIONS}
STARTS = {"flat": "a", "two_level": "idle", "three_regions": ["p.x.xa", "p.y.ya", "p.z.za"]}


def make(chart: str) -> tuple[Any, Advance, Names]:
    definition = definition_from_dsl(TEXTS[chart], "bench")
    go = Event(kind="go")

    def run(root: str, active: str, context: dict[str, int]) -> tuple[str, dict[str, int]]:
        execution = Execution(
            id="k",
            definition_id=definition.id,
            root_path=root,
            status=Status.RUNNING,
            active_path=active,
            context=dict(context),
        )
        for _ in process(definition, execution, go):
            pass  # what it would tell its runner: nothing to do for these charts
        assert execution.active_path is not None
        return execution.active_path, execution.context

    def together(state: list[str], context: dict[str, int]) -> tuple[list[str], dict[str, int]]:
        paths, merged = [], {}
        for region, active in zip("xyz", state, strict=True):
            path, counted = run(f"p.{region}", active, {region: context[region]})
            paths.append(path)
            merged |= counted
        return paths, merged

    def names(state: Any) -> list[str]:
        return [path.rpartition(".")[2] for path in (state if isinstance(state, list) else [state])]

    if chart == "three_regions":
        return STARTS[chart], together, names
    return STARTS[chart], lambda state, context: run("", state, context), names

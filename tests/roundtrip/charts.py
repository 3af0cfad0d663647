"""Charts that go out in another format and are run there, and events to run them with.

Their guards and rows only read one field, ``data.yes`` or ``context.armed``, which `exported.mjs` can answer
too. `PLAIN` charts have no expression at all: an engine that knows none of our words runs them.
"""

from __future__ import annotations

from random import Random
from typing import Any

from interlock.engine.chart import Chart
from interlock.engine.loader import parse_chart

_COMMANDS = """
commands: {make: {creates: true}, a: {data: {yes: {type: boolean}}}, b: {data: {yes: {type: boolean}}}, c: , d: }
"""

PLAIN = {
    "nested": """
initial: idle
on: {d: idle}
states:
  idle: {on: {a: busy, b: busy.deep.low}}
  busy:
    initial: quick
    on: {c: idle, b: .quick}
    onDone: over
    states:
      quick: {on: {a: deep, b: {target: quick, reenter: true}}}
      deep: {initial: high, on: {a: .low, d: null}, states: {high: {on: {b: low}}, low: {on: {c: "#t.busy.end"}}}}
      end: {type: final}
  over: {on: {a: idle}}
""",
    "remembering": """
initial: on
on: {d: off}
states:
  off: {on: {a: on.shallow, b: on.deep, c: on}}
  on:
    initial: one
    states:
      one: {on: {a: two}}
      two: {initial: x, states: {x: {on: {a: y}}, y: {on: {b: "#t.on.one"}}}}
      shallow: {type: history, target: one}
      deep: {type: history, history: deep, target: two.y}
""",
    "regions": """
initial: both
states:
  both:
    type: parallel
    on: {d: apart}
    onDone: done
    states:
      left: {initial: one, states: {one: {on: {a: two}}, two: {on: {a: one, b: end}}, end: {type: final}}}
      right: {initial: one, states: {one: {on: {b: two}}, two: {on: {a: one, c: end}}, end: {type: final}}}
  apart: {on: {a: both, b: "#t.both.left.two", c: {target: ["#t.both.left.two", "#t.both.right.two"]}}}
  done: {on: {d: apart, a: last}}
  last: {type: final}
""",
    "talking": """
initial: left
states:
  left:
    entry: {raise: arrived}
    exit: {emit: t.left}
    on: {a: right, arrived: {actions: {emit: t.arrived}}, b: {actions: [{raise: jump}, {raise: jump}]}, jump: middle}
  middle: {on: {jump: right, "*": left}}
  right: {always: resting}
  resting: {on: {c: left, "*": {ignore: true}}}
""",
    "ending": """
initial: open
states:
  open:
    initial: in
    onDone: closing
    states:
      in: {initial: x, onDone: out, states: {x: {on: {a: y}}, y: {type: final}}}
      out: {on: {b: end, c: in}}
      end: {type: final}
  closing: {on: {a: open, d: shut}}
  shut: {type: final}
""",
    "done_from_the_start": """
initial: off
states:
  off: {on: {a: on}}
  on:
    type: parallel
    on: {d: off}
    onDone: over
    states:
      ready: {type: final}
      left: {initial: one, states: {one: {on: {b: two}}, two: {type: final}}}
  over: {on: {a: off}}
""",
    "anew": """
initial: off
on: {d: "#t"}
states:
  off: {on: {a: on}}
  on:
    initial: one
    states: {one: {on: {b: two}}, two: {on: {c: "#t", a: "#t.on"}}}
""",
    "beginning": """
initial: {target: outer, actions: {raise: early}}
states:
  outer:
    initial: {target: one, actions: [{raise: hello}]}
    on: {d: off}
    states:
      one: {on: {early: middle, hello: two, a: two}}
      middle: {on: {hello: three}}
      two: {on: {a: one, b: three, c: "#t.outer"}}
      three: {on: {a: one}}
      last: {type: history}
  off: {on: {a: outer, b: outer.one, c: outer.last}}
""",
}

TALKING_TO_DATA = {
    "guarded": """
context: {armed: {type: boolean, default: false}}
initial: idle
states:
  idle:
    on:
      a: [{guard: data.yes, target: armed}, {target: other}]
      b: {require: {check: data.yes, error: {class: forbidden, code: no}}, target: other}
      c: {guard: context.armed, target: end}
  armed: {entry: {assign: {armed: true}}, on: {b: idle}, always: {guard: context.armed, target: other}}
  other:
    on:
      a: {guard: data.yes, require: {check: context.armed, error: {class: guard_failed, code: idle}}, target: idle}
      b: idle
      c: null
      d: {ignore: true}
  end: {type: final}
""",
    "waiting": """
initial: short
states:
  short:
    after: {3s: long, 1500ms: {actions: {raise: tick}}}
    on: {tick: .more, a: short}
    initial: some
    states: {some: , more: {after: {1s: some}}}
  long: {after: {1m: {target: short, guard: context.armed}, 90s: over}, on: {b: {actions: {assign: {armed: data.yes}}}}}
  over: {on: {c: short}}
context: {armed: {type: [boolean, "null"], default: false}}
""",
}


def plain(name: str) -> Chart:
    """A chart of `PLAIN`."""
    return parse_chart(f"id: t\nversion: 1{_COMMANDS}{PLAIN[name]}", name)


def any_chart(name: str) -> Chart:
    """A chart of `PLAIN` or `TALKING_TO_DATA`."""
    return parse_chart(f"id: t\nversion: 1{_COMMANDS}{({**PLAIN, **TALKING_TO_DATA})[name]}", name)


def events(seed: int, *, waits: bool) -> list[dict[str, Any]]:
    """A dozen commands with data, and where ``waits`` milliseconds to let go by (``advance``)."""
    random = Random(seed)
    made: list[dict[str, Any]] = []
    for _ in range(12):
        if waits and random.random() < 0.4:
            made.append({"advance": random.choice((500, 1000, 2500, 31_000, 60_000))})
        elif (name := random.choice("abcd")) in "ab":
            made.append({"type": name, "yes": random.random() < 0.5})
        else:
            made.append({"type": name})
    return made

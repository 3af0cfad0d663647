"""The charts that the diagram tests draw, built by hand, and a check that the builder says what it should."""

from collections.abc import Iterator, Mapping

from interlock.engine.chart import (
    Assign,
    Chart,
    CommandDef,
    Delay,
    Emit,
    Raise,
    Requirement,
    StateDef,
    StateKind,
    TransitionDef,
    timer_event,
)
from interlock.engine.errors import Mark
from interlock.engine.expressions import Expression

MARK = Mark("<test>", 1, 1)

HOSTILE_NAMES = (
    "end",
    "state",
    "A B",
    "-->",
    'say "hi"',
    "it's",
    "🙂👩‍💻",
    "<script>alert(1)</script>",
    "two\nlines",
    "back\\slash\\",
    "\\N",
    "&lt;b&gt;",
    "]]>",
    "{a|b}",
    "#quot;",
    "%% remark",
    "--",
    "[*]",
    "a:b",
    "x; y",
    " ",
    "\x00\x1b[31m",
    "‮evil",
    "日本語の状態",
    "a/b?c=d#e%20",
)


def expression(text: str) -> Expression:
    return Expression(source=text, names=frozenset(), run=lambda scope: None)


def assign(**fields: str) -> Assign:
    return Assign({name: expression(text) for name, text in fields.items()}, MARK)


def emit(event_type: str) -> Emit:
    return Emit(event_type, MARK)


def refuse(check: str, code: str, error_class: str = "guard_failed") -> Requirement:
    return Requirement(expression(check), error_class, code, "", MARK)


def go(
    event: str,
    source: str,
    *targets: str,
    guard: str = "",
    require: tuple[Requirement, ...] = (),
    actions: tuple[Assign | Emit | Raise, ...] = (),
    ignore: bool = False,
    reenter: bool = False,
    forbidden: bool = False,
) -> TransitionDef:
    return TransitionDef(
        event=event,
        source=source,
        targets=targets,
        mark=MARK,
        guard=expression(guard) if guard else None,
        require=require,
        actions=actions,
        ignore=ignore,
        reenter=reenter,
        forbidden=forbidden,
    )


def after(delay: str, source: str, *targets: str, actions: tuple[Assign | Emit, ...] = ()) -> TransitionDef:
    return TransitionDef(
        event=timer_event(source, delay),
        source=source,
        targets=targets,
        mark=MARK,
        actions=actions,
        delay=Delay(delay, 1),
    )


def state(
    path: str,
    *children: StateDef,
    kind: StateKind | None = None,
    initial: str = "",
    on: tuple[TransitionDef, ...] = (),
    always: tuple[TransitionDef, ...] = (),
    after: tuple[TransitionDef, ...] = (),
    entry: tuple[Assign | Emit | Raise, ...] = (),
    exit: tuple[Assign | Emit | Raise, ...] = (),
    description: str = "",
) -> StateDef:
    is_compound = kind is None and children
    first = (children[0].path,) if is_compound else ()
    return StateDef(
        path=path,
        kind=kind or ("compound" if children else "atomic"),
        mark=MARK,
        children=children,
        initial=(initial,) if initial else first,
        on=on,
        always=always,
        after=after,
        entry=entry,
        exit=exit,
        description=description,
    )


def chart(
    chart_id: str,
    root: StateDef,
    *,
    creates: str = "open",
    description: str = "",
    version: int = 1,
) -> Chart:
    commands: Mapping[str, CommandDef] = {creates: CommandDef(creates, True, {}, (), MARK)}
    return Chart(
        id=chart_id,
        version=version,
        description=description,
        context={},
        commands=commands,
        root=root,
        source="",
        digest="",
        mark=MARK,
        states={each.path: each for each in root.walk()},
    )


def ticket() -> Chart:
    """A desk's ticket: hierarchy, timers, guards, refusals, transitions that stay."""
    queued = state(
        "open.queued",
        description="Waiting for an agent.",
        after=(
            after(
                "30m",
                "open.queued",
                actions=(assign(priority="max(context.priority - 1, 1)"), emit("ticket.sla_breached")),
            ),
        ),
        on=(
            go(
                "assign",
                "open.queued",
                "open.assigned",
                guard="data.agent != '' and data.agent not in context.declined",
                require=(refuse("actor.kind in ['system', 'supervisor']", "not_a_dispatcher", "forbidden"),),
                actions=(assign(assignee="data.agent"), emit("ticket.assigned")),
            ),
        ),
    )
    assigned = state(
        "open.assigned",
        entry=(assign(assigned_at="now"),),
        on=(
            go("assign", "open.assigned", guard="data.agent == context.assignee", ignore=True),
            go(
                "assign",
                "open.assigned",
                "open.assigned",
                actions=(assign(assignee="data.agent"),),
                reenter=True,
            ),
            go("requeue", "open.assigned", "open.queued", actions=(emit("ticket.requeued"),)),
            go("wait", "open.assigned", "open.waiting", actions=(assign(waiting_for="data.reason"),)),
            go("note", "open.assigned", forbidden=True),
        ),
    )
    waiting = state(
        "open.waiting",
        on=(go("work", "open.waiting", "open.assigned", actions=(assign(waiting_for="null"),)),),
        after=(after("7d", "open.waiting", "resolved"),),
    )
    is_open = state(
        "open",
        queued,
        assigned,
        waiting,
        on=(
            go(
                "escalate",
                "open",
                "escalated",
                require=(
                    refuse("data.department in context.departments", "unknown_department", "invalid_target"),
                    refuse("context.escalations < 3", "too_many_escalations"),
                ),
                actions=(emit("ticket.escalated"),),
            ),
            go("resolve", "open", "resolved", actions=(emit("ticket.resolved"),)),
            go("recall", "open", "open.queued"),
        ),
    )
    escalated = state("escalated", on=(go("deescalate", "escalated", "open"),))
    resolved = state(
        "resolved",
        on=(go("reopen", "resolved", "open.assigned", actions=(emit("ticket.reopened"),)),),
        after=(after("14d", "resolved", "closed"),),
    )
    root = state(
        "",
        is_open,
        escalated,
        resolved,
        state("closed", kind="final", description="Nothing more happens."),
        on=(
            go("note", "", actions=(assign(notes="append(context.notes, data.text)"), emit("ticket.noted"))),
            go("close", "", "closed", actions=(emit("ticket.closed"),)),
        ),
    )
    return chart("ticket", root, version=3, description="A customer's request on an agent's desk.")


def player() -> Chart:
    """Parallel regions, history of both kinds, an arrow to several targets, `always`, events of its own."""
    sound = state(
        "on.sound",
        state("on.sound.loud", on=(go("mute", "on.sound.loud", "on.sound.muted"),)),
        state("on.sound.muted", on=(go("unmute", "on.sound.muted", "on.sound.loud"),)),
    )
    tape = state(
        "on.tape",
        state(
            "on.tape.playing",
            on=(go("pause", "on.tape.playing", "on.tape.paused"),),
            exit=(Raise("tick", MARK),),
        ),
        state("on.tape.paused", always=(go("", "on.tape.paused", "on.tape.playing", guard="context.eager"),)),
        state("on.tape.last", kind="shallow_history", initial="on.tape.playing"),
    )
    running = state(
        "on",
        sound,
        tape,
        kind="parallel",
        on=(go("power", "on", "off"), go("reset", "on", "on", reenter=True)),
    )
    off = state(
        "off",
        on=(
            go("power", "off", "on"),
            go("demo", "off", "on.sound.muted", "on.tape.playing"),
            go("resume", "off", "on.tape.last"),
        ),
    )
    return chart("player", state("", off, running), creates="plug_in")


def hostile() -> Chart:
    """Every odd name as a state, an event, a guard, a refusal, an action and a description."""
    states = tuple(_hostile_states())
    return chart("<b>&\"'\\\n🙂", state("", *states), creates='a\\"b<c>', description='</title>"\\\n]]>')


def _hostile_states() -> Iterator[StateDef]:
    for number, name in enumerate(HOSTILE_NAMES):
        following = HOSTILE_NAMES[(number + 1) % len(HOSTILE_NAMES)]
        yield state(
            name,
            description=name,
            entry=(emit(name),),
            on=(
                go(name, name, following, guard=f"data.x != {name!r}", require=(refuse("true", name),)),
                go(name, name, actions=(Raise(name, MARK),)),
            ),
        )


def test_a_hand_built_chart_lists_its_states_in_the_files_order() -> None:
    assert list(ticket().states) == [
        "",
        "open",
        "open.queued",
        "open.assigned",
        "open.waiting",
        "escalated",
        "resolved",
        "closed",
    ]

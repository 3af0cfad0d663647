"""A random chart in the words of our chart language (JSON is YAML), and in XState's."""

from __future__ import annotations

import json
from typing import Any

from tests.oracle.random_charts import COMMANDS, FIELDS, FUEL, Act, Guard, Place, Way

# Our language


def in_our_words(root: Place) -> str:
    """The text of a chart named ``t``."""
    chart = {
        "id": "t",
        "version": 1,
        "context": {name: {"type": "integer", "default": 0} for name in (*FIELDS, FUEL)},
        "commands": {"make": {"creates": True}}
        | {name: {"data": {"flag": {"type": "boolean"}}} for name in COMMANDS},
        **_our_place(root),
    }
    return json.dumps(chart)


def _our_place(place: Place) -> dict[str, Any]:
    words: dict[str, Any] = {}
    if place.is_history:
        words |= {"type": "history", "history": place.kind}
        if place.default:
            words["target"] = [f"#{path}" for path in place.default]
        return words
    if place.kind in ("parallel", "final"):
        words["type"] = place.kind
    if place.initial:
        words["initial"] = _with_actions(place, [_our_act(act) for act in place.starts])
    words["entry"] = [_our_act(act) for act in place.entry]
    words["exit"] = [_our_act(act) for act in place.exit]
    if place.kind != "final":
        words["on"] = {event: _our_ways(ways, place.path) for event, ways in place.on.items()}
        words["always"] = _our_ways(place.always, place.path)
        words["after"] = {f"{ms}ms": _our_ways(ways, place.path) for ms, ways in place.after.items()}
    if place.done:
        words["onDone"] = _our_ways(place.done, place.path)
    if place.children:
        words["states"] = {child.path.rpartition(".")[2]: _our_place(child) for child in place.children}
    return _said(words)


def _with_actions(place: Place, actions: list[dict[str, Any]]) -> str | dict[str, Any]:
    """``initial``, the same in both languages."""
    name = place.initial.rpartition(".")[2]
    return {"target": name, "actions": actions} if actions else name


def _said(words: dict[str, Any]) -> dict[str, Any]:
    """Without what says nothing."""
    return {word: value for word, value in words.items() if value not in ([], {}, False)}


def _our_ways(ways: list[Way], source: str) -> list[dict[str, Any]] | None:
    if any(way.forbidden for way in ways):
        return None
    return [_our_way(way, source) for way in ways]


def _our_way(way: Way, source: str) -> dict[str, Any]:
    words: dict[str, Any] = {"actions": [_our_act(act) for act in way.acts], "reenter": way.reenter}
    if way.targets:
        words["target"] = [_our_target(target, source) for target in way.targets]
    if way.guard:
        words["guard"] = _our_guard(way.guard)
    return _said(words)


def _our_target(target: str, source: str) -> str:
    """The shortest of the three ways to name a state."""
    above = source.rpartition(".")[0]
    if not target:
        return "#t"
    if target.startswith(f"{source}."):
        return target.removeprefix(source)
    if source and not above and "." not in target:
        return target
    if above and target.startswith(f"{above}."):
        return target.removeprefix(f"{above}.")
    return f"#{target}"


def _our_guard(guard: Guard) -> str:
    match guard:
        case ("less", name, number):
            return f"context.{name} < {number}"
        case ("odd", name):
            return f"context.{name} % 2 == 1"
        case ("in", path):
            return f"in_state('{path}')"
        case ("not", inner):
            return f"not ({_our_guard(inner)})"
        case ("and", first, second):
            return f"{_our_guard(first)} and {_our_guard(second)}"
    return "data.flag == true"


def _our_act(act: Act) -> dict[str, Any]:
    match act:
        case ("say", word):
            return {"emit": f"t.{word}"}
        case ("raise", event):
            return {"raise": event}
        case ("later", event, delay, name):
            return {"raise": {"event": event, "delay": f"{delay}ms"} | ({"id": name} if name else {})}
        case ("cancel", name):
            return {"cancel": name}
    return {"assign": {name: " + ".join(_our_term(t) for t in terms) for name, terms in act[1].items()}}


def _our_term(term: str | int) -> str:
    return f"context.{term}" if isinstance(term, str) else str(term)


# XState's

Json = dict[str, Any]


def in_xstate_words(root: Place) -> Json:
    """The configuration of the same chart, as `driver.mjs` reads it."""
    return {"id": "t", "context": dict.fromkeys((*FIELDS, FUEL), 0), **_their_place(root)}


def _their_place(place: Place) -> Json:
    if place.is_history:
        words: Json = {"type": "history", "history": place.kind}
        return words | ({"target": [f"#t.{path}" for path in place.default]} if place.default else {})
    words = {
        "entry": [_their_act(act) for act in place.entry],
        "exit": [_their_act(act) for act in place.exit],
    }
    if place.kind in ("parallel", "final"):
        words["type"] = place.kind
    if place.initial:
        words["initial"] = _with_actions(place, [_their_act(act) for act in place.starts])
    words["on"] = {_their_event(event): [_their_way(w) for w in ways] for event, ways in place.on.items()}
    words["always"] = [_their_way(way) for way in place.always]
    if place.done:
        words["onDone"] = [_their_way(way) for way in place.done]
    words["after"] = {ms: [_their_way(way) for way in ways] for ms, ways in place.after.items()}
    if place.children:
        words["states"] = {child.path.rpartition(".")[2]: _their_place(child) for child in place.children}
    return words


def _their_event(event: str) -> str:
    if event == "done.state.*":
        return "xstate.done.state.*"
    return event.replace("done.state.", "xstate.done.state.t.")


def _their_way(way: Way) -> Json:
    if way.forbidden:
        return {}
    words: Json = {"actions": [_their_act(act) for act in way.acts], "reenter": way.reenter}
    if way.targets:
        words["target"] = [f"#t.{path}" if path else "#t" for path in way.targets]
    if way.guard:
        words["guard"] = _their_guard(way.guard)
    return words


def _their_guard(guard: Guard) -> Json:
    match guard:
        case ("less", name, number):
            return {"type": "less", "params": {"field": name, "than": number}}
        case ("odd", name):
            return {"type": "odd", "params": {"field": name}}
        case ("in", path):
            return {"$in": f"#t.{path}"}
        case ("not", inner):
            return {"$not": _their_guard(inner)}
        case ("and", *both):
            return {"$and": [_their_guard(each) for each in both]}
    return {"type": "flag"}


def _their_act(act: Act) -> Json:
    match act:
        case ("say", word):
            return {"type": "say", "params": {"word": word}}
        case ("raise", event):
            return {"type": "raise", "params": {"event": event}}
        case ("later", event, delay, name):
            return {
                "type": "raise",
                "params": {"event": event, "delay": delay} | ({"id": name} if name else {}),
            }
        case ("cancel", name):
            return {"type": "cancel", "params": {"id": name}}
    return {"type": "set", "params": {"fields": act[1]}}

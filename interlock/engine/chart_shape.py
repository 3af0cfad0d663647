"""The second stage of loading: does each node of the file fit the shape that `chart_words` gives its place?"""

from __future__ import annotations

from interlock.engine.chart_words import (
    DEFINITIONS,
    Anything,
    Decimal,
    Either,
    Flag,
    Named,
    Nothing,
    Rows,
    Shape,
    Table,
    Text,
    Whole,
    Words,
)
from interlock.engine.errors import Finding, Mark
from interlock.engine.spelling import did_you_mean
from interlock.engine.yaml_source import Entries, Items, Node, Scalar


def check_shape(node: Node, shape: Shape, findings: list[Finding], place: str = "the file") -> None:
    """Appends what does not fit. ``place`` names the node in messages."""
    match shape:
        case Named():
            check_shape(node, DEFINITIONS[shape.name], findings, place)
        case Either():
            fitting = [each for each in shape.shapes if _same_kind(node, each)]
            if fitting:
                check_shape(node, fitting[0], findings, place)
            else:
                _wrong_kind(node, shape, findings, place)
        case Rows(single=True) if not isinstance(node, Items):
            check_shape(node, shape.item, findings, place)
        case _ if not _same_kind(node, shape):
            _wrong_kind(node, shape, findings, place)
        case Rows():
            for item in node.items if isinstance(node, Items) else ():
                check_shape(item, shape.item, findings, f"an item of {place}")
        case Words() if isinstance(node, Entries):
            _check_words(node, shape, findings)
        case Table() if isinstance(node, Entries):
            _check_table(node, shape, findings)
        case Text() if isinstance(node, Scalar):
            _check_text(node.mark, node.value, shape, findings, place)
        case Whole() if isinstance(node, Scalar):
            if shape.minimum is not None and node.value < shape.minimum:
                message = f"{place} is an integer of at least {shape.minimum}"
                findings.append(Finding(node.mark, "bad_value", message))


def _same_kind(node: Node, shape: Shape) -> bool:
    value = node.value if isinstance(node, Scalar) else None
    match shape:
        case Anything():
            return True
        case Named():
            return _same_kind(node, DEFINITIONS[shape.name])
        case Either():
            return any(_same_kind(node, each) for each in shape.shapes)
        case Rows():
            return isinstance(node, Items) or (shape.single and _same_kind(node, shape.item))
        case Words() | Table():
            return isinstance(node, Entries)
        case Text():
            return isinstance(value, str)
        case Flag():
            return isinstance(value, bool)
        case Whole():
            return isinstance(value, int) and not isinstance(value, bool)
        case Decimal():
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case Nothing():
            return isinstance(node, Scalar) and value is None


def _kinds(shape: Shape) -> list[str]:
    match shape:
        case Named():
            return _kinds(DEFINITIONS[shape.name])
        case Either():
            return [kind for each in shape.shapes for kind in _kinds(each)]
        case Rows():
            return [*(_kinds(shape.item) if shape.single else []), "a list"]
        case Words() | Table():
            return ["a mapping"]
    names: dict[type, str] = {
        Text: "a string",
        Flag: "true or false",
        Whole: "an integer",
        Decimal: "a number",
    }
    return [names[type(shape)]] if type(shape) in names else []


def _wrong_kind(node: Node, shape: Shape, findings: list[Finding], place: str) -> None:
    wanted = " or ".join(dict.fromkeys(_kinds(shape)))
    found = "a mapping" if isinstance(node, Entries) else "a list" if isinstance(node, Items) else "nothing"
    hint = ""
    if isinstance(node, Scalar) and node.value is not None:
        found = {str: "a string", bool: "true or false"}.get(type(node.value), "a number")
        hint = "Put it into quotes." if "a string" in wanted else ""
    findings.append(Finding(node.mark, "wrong_kind", f"{place} is {wanted}, found {found}", hint))


def _check_words(node: Entries, shape: Words, findings: list[Finding]) -> None:
    for key, mark in node.keys.items():
        word = shape.words.get(key)
        if word is None:
            hint = did_you_mean(key, shape.words)
            findings.append(Finding(mark, "unknown_word", f"{shape.what} has no {key[:64]!r}", hint))
        else:
            check_shape(node.values[key], word.shape, findings, f"{key!r}")
    for key, word in shape.words.items():
        if word.required and key not in node.keys:
            findings.append(
                Finding(node.mark, "missing_word", f"{shape.what} needs {key!r}", word.description)
            )
    if shape.one and len(node.keys) != 1:
        hint = f"One of {', '.join(shape.words)}; several actions are a list."
        findings.append(Finding(node.mark, "one_word", f"{shape.what} is one word", hint))


def _check_table(node: Entries, shape: Table, findings: list[Finding]) -> None:
    for key, mark in node.keys.items():
        if not shape.key.fits(key):
            message = f"{key[:64]!r} names no {shape.what}: it is written as {shape.key.form}"
            findings.append(Finding(mark, "bad_name", message))
        check_shape(node.values[key], shape.value, findings, f"{shape.what} {key[:64]!r}")


def _check_text(mark: Mark, value: str, shape: Text, findings: list[Finding], place: str) -> None:
    if shape.fits(value):
        return
    if shape.choices:
        message, hint = f"{place} is never {value[:64]!r}", did_you_mean(value, shape.choices)
        findings.append(Finding(mark, "unknown_value", message, hint))
    else:
        findings.append(
            Finding(mark, "bad_name", f"{place} is written as {shape.form}, found {value[:64]!r}")
        )

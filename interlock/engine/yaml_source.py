"""YAML 1.2 to nodes that know their place: the part of YAML that charts need, and nothing besides.

libyaml reads the text; the values are made here by the core schema of YAML 1.2, so ``on``, ``yes`` and
``off`` stay strings. Refused: duplicate keys, anchors and aliases, tags, several documents, nesting over
64, texts over 256 KiB, numbers that JSON cannot carry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from interlock.engine.errors import ChartError, Finding, Mark

MAX_BYTES = 256 * 1024
MAX_DEPTH = 64
_MAX_INTEGER = 2**63 - 1
# A file of unknown letters should not drown its reader.
_MAX_FINDINGS = 100

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_FLAGS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A string, number, boolean or null. ``raw``: its source with quotes (empty: on several lines)."""

    value: Any
    mark: Mark
    raw: str = ""

    def place(self, offset: int) -> Mark:
        """Where character ``offset`` of the string stands; the start, where it has several lines."""
        column, quote = 0, self.raw[:1]
        if quote == '"':
            column = _after_escapes(self.raw, offset)
        elif quote == "'":
            column = 1
            for letter in str(self.value)[:offset]:
                column += 2 if letter == "'" else 1
        elif self.raw:
            column = offset
        return Mark(self.mark.file, self.mark.line, self.mark.column + column)


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[Node, ...]
    mark: Mark


@dataclass(frozen=True, slots=True)
class Entries:
    """A mapping; ``keys`` has the place of each key. A key is its text: ``1`` is ``"1"``."""

    values: dict[str, Node]
    keys: dict[str, Mark]
    mark: Mark

    def get(self, key: str) -> Node | None:
        return self.values.get(key)


Node = Scalar | Items | Entries


def plain(node: Node) -> Any:
    """The node's JSON value."""
    if isinstance(node, Entries):
        return {key: plain(value) for key, value in node.values.items()}
    if isinstance(node, Items):
        return [plain(item) for item in node.items]
    return node.value


def raise_findings(findings: list[Finding]) -> None:
    """Raises ChartError with the findings in the file's order, where there are any."""
    if findings:
        ordered = sorted(findings, key=lambda finding: (finding.mark.line, finding.mark.column))
        raise ChartError(ordered[:_MAX_FINDINGS])


def decode(raw: bytes, file: str) -> str:
    """The text of a chart file. Raises ChartError (too_large, not_utf8)."""
    _check_size(len(raw), file)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        found = Finding(Mark(file, line, column), "not_utf8", "the file is not UTF-8", "Save it as UTF-8.")
        raise ChartError([found]) from None


def read_yaml(text: str, file: str) -> Node:
    """The root node of the one document in the text. Raises ChartError with all that is refused."""
    _check_size(len(text.encode(errors="replace")), file)
    reader = _Reader(text, file)
    try:
        root = reader.document()
    except yaml.MarkedYAMLError as error:
        mark = reader.mark(error.problem_mark or error.context_mark)
        reader.refuse(mark, "yaml_syntax", error.problem or "this is no YAML")
        root = None
    except (yaml.YAMLError, UnicodeError):
        reader.refuse(_bad_character(text, file), "yaml_syntax", "a character that YAML does not allow")
        root = None
    if root is None and not reader.findings:
        reader.refuse(Mark(file, 1, 1), "empty", "the file holds no chart")
    raise_findings(reader.findings)
    assert root is not None
    return root


def _bad_character(text: str, file: str) -> Mark:
    found = _FORBIDDEN.search(text)
    position = found.start() if found else 0
    return Mark(file, text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position))


def _check_size(size: int, file: str) -> None:
    if size > MAX_BYTES:
        message = f"the file is over {MAX_BYTES // 1024} KiB"
        raise ChartError([Finding(Mark(file, 1, 1), "too_large", message, "Split the chart.")])


def _after_escapes(raw: str, offset: int) -> int:
    position, letters = 1, 0
    while letters < offset and position < len(raw):
        escape = _ESCAPE.match(raw, position)
        position = escape.end() if escape else position + 1
        letters += 1
    return position


class _TooDeep(Exception):
    pass


@dataclass(slots=True)
class _Reader:
    text: str
    file: str
    findings: list[Finding] = field(default_factory=list)
    _events: Iterator[Any] = field(init=False)
    _lines: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self._events = yaml.parse(self.text, Loader=yaml.CLoader)
        self._lines = re.split(r"\r\n|\r|\n", self.text)

    def mark(self, mark: Any) -> Mark:
        return Mark(self.file, mark.line + 1, mark.column + 1) if mark else Mark(self.file, 1, 1)

    def refuse(self, mark: Mark, code: str, message: str, suggestion: str = "") -> None:
        self.findings.append(Finding(mark, code, message, suggestion))

    def document(self) -> Node | None:
        root: Node | None = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                self._check_document(event, documents)
                try:
                    node = self._node(next(self._events), 1)
                except _TooDeep:
                    return None
                root = root or node
        return root

    def _check_document(self, event: Any, number: int) -> None:
        if number > 1:
            self.refuse(
                self.mark(event.start_mark), "many_documents", "a second document", "One file, one chart."
            )
        if event.tags or (event.version and tuple(event.version) != (1, 2)):
            self.refuse(
                self.mark(event.start_mark), "directive", "a directive other than %YAML 1.2", "Remove it."
            )

    def _node(self, event: Any, depth: int) -> Node:
        mark = self.mark(event.start_mark)
        if depth > MAX_DEPTH:
            self.refuse(mark, "too_deep", f"nesting over {MAX_DEPTH} levels")
            raise _TooDeep
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            self.refuse(mark, "alias", f"anchors and aliases are not read: {event.anchor!r}", "Write it out.")
        if isinstance(event, yaml.AliasEvent):
            return Scalar(None, mark)
        if event.tag is not None:
            self.refuse(mark, "tag", f"tags are not read: {event.tag[:64]!r}", "Remove it.")
        if isinstance(event, yaml.MappingStartEvent):
            return self._entries(mark, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            items = []
            while not isinstance(each := next(self._events), yaml.SequenceEndEvent):
                items.append(self._node(each, depth + 1))
            return Items(tuple(items), mark)
        return self._scalar(event, mark)

    def _entries(self, mark: Mark, depth: int) -> Entries:
        entries = Entries({}, {}, mark)
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key_node, value = self._node(event, depth + 1), self._node(next(self._events), depth + 1)
            if not isinstance(key_node, Scalar) or isinstance(event, yaml.AliasEvent):
                self.refuse(key_node.mark, "bad_key", "a key is a string")
                continue
            key = event.value
            if key in entries.keys:
                first = entries.keys[key]
                self.refuse(
                    key_node.mark, "duplicate_key", f"{key[:64]!r} stands at line {first.line} already"
                )
            entries.values[key], entries.keys[key] = value, key_node.mark
        return entries

    def _scalar(self, event: Any, mark: Mark) -> Scalar:
        start, end = event.start_mark, event.end_mark
        raw = self._lines[start.line][start.column : end.column] if start.line == end.line else ""
        if event.style in ("|", ">"):
            raw = ""
        if event.style:
            return Scalar(event.value, mark, raw)
        return Scalar(self._plain(event.value, mark), mark, raw)

    def _plain(self, text: str, mark: Mark) -> Any:
        if text in _NULLS:
            return None
        if text in _FLAGS:
            return _FLAGS[text]
        if _NOT_FINITE.fullmatch(text):
            self.refuse(mark, "bad_number", f"{text} is no JSON number")
        if _INTEGER.fullmatch(text):
            return self._integer(text, mark)
        if _DECIMAL.fullmatch(text):
            number = float(text)
            if number in (float("inf"), float("-inf")):
                self.refuse(mark, "bad_number", "a number that is not finite")
            return number
        return text

    def _integer(self, text: str, mark: Mark) -> int:
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        # 20 digits are beyond 64 bits in every base but 8, where 22 are; leading zeros aside.
        if len(text.lstrip("-+0")) > 24 or abs(number := int(text.removeprefix("0o"), base)) > _MAX_INTEGER:
            self.refuse(mark, "bad_number", "an integer beyond 64 bits")
            return 0
        return number

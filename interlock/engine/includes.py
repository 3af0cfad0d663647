"""States that stand in a file of their own: ``include: open.part.yaml`` in a state takes its words from there.

Only files beside or below the chart's own are read. A chart that includes others is registered as one text
(`whole_text`), so that whoever reads it needs no files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import orjson

from interlock.engine.errors import ChartError, Finding
from interlock.engine.yaml_source import MAX_BYTES, Entries, Node, Scalar, decode, plain, read_yaml

PART_SUFFIX = ".part.yaml"
"""How the name of an included file ends, so that nobody takes it for a chart."""
MAX_FILES = 100


@dataclass(slots=True)
class Includes:
    """Puts included states in their places. ``findings`` collects what is wrong; ``files``: what was read.

    ``directory``: of the chart's file; None where a chart has no file, and so may include none.
    """

    directory: Path | None
    findings: list[Finding]
    files: list[Path] = field(default_factory=list)

    def expand(self, chart: Node) -> Node:
        """The chart with all that its states include; the chart itself where they include nothing."""
        return self._below(chart, ()) if isinstance(chart, Entries) else chart

    def _state(self, node: Node, within: tuple[Path, ...]) -> Node:
        return self._below(*self._included(node, within)) if isinstance(node, Entries) else node

    def _below(self, node: Entries, within: tuple[Path, ...]) -> Entries:
        """``within``: the included files that the node stands in."""
        below = node.get("states")
        if not isinstance(below, Entries):
            return node
        values = {name: self._state(state, within) for name, state in below.values.items()}
        if all(values[name] is state for name, state in below.values.items()):
            return node
        return Entries(
            {**node.values, "states": Entries(values, below.keys, below.mark)}, node.keys, node.mark
        )

    def _included(self, node: Entries, within: tuple[Path, ...]) -> tuple[Entries, tuple[Path, ...]]:
        written = node.get("include")
        if written is None:
            return node, within
        rest = Entries(
            {key: value for key, value in node.values.items() if key != "include"},
            {key: mark for key, mark in node.keys.items() if key != "include"},
            node.mark,
        )
        path = self._path(written, within)
        part = self._read(written, path) if path else None
        if path is None or part is None:
            return rest, within
        for key in rest.keys.keys() & part.keys.keys():
            message = f"{key!r} stands in {path.name} too"
            self._refuse_at(rest, key, message)
        return Entries({**part.values, **rest.values}, {**part.keys, **rest.keys}, node.mark), (*within, path)

    def _path(self, written: Node, within: tuple[Path, ...]) -> Path | None:
        name = written.value if isinstance(written, Scalar) else None
        if not isinstance(name, str) or not name.endswith(PART_SUFFIX) or "\0" in name:
            self._refuse(
                written, "bad_include", f"a file is included by its name, which ends with {PART_SUFFIX}"
            )
            return None
        if self.directory is None:
            self._refuse(written, "bad_include", "a chart that stands in no file includes none")
            return None
        home = self.directory.resolve()
        path = ((within[-1].parent if within else home) / name).resolve()
        if not path.is_relative_to(home):
            self._refuse(written, "bad_include", "only files beside or below the chart's own are included")
        elif path in within:
            self._refuse(written, "endless_include", f"{path.name} includes itself")
        elif len(self.files) >= MAX_FILES:
            self._refuse(written, "endless_include", f"a chart includes at most {MAX_FILES} files")
        else:
            return path
        return None

    def _read(self, written: Node, path: Path) -> Entries | None:
        self.files.append(path)
        shown = str(path)
        if self.directory is not None and path.is_relative_to(self.directory.resolve()):
            shown = str(self.directory / path.relative_to(self.directory.resolve()))
        try:
            with path.open("rb") as file:
                part = read_yaml(decode(file.read(MAX_BYTES + 1), shown), shown)
        except OSError as error:
            self._refuse(written, "bad_include", f"it cannot be read: {error.strerror}")
            return None
        except ChartError as error:
            self.findings += error.findings
            return None
        if not isinstance(part, Entries):
            self.findings.append(
                Finding(part.mark, "wrong_kind", "an included file is a mapping: a state's words")
            )
            return None
        return part

    def _refuse(self, node: Node, code: str, message: str) -> None:
        self.findings.append(Finding(node.mark, code, message))

    def _refuse_at(self, node: Entries, key: str, message: str) -> None:
        hint = "Say it in one place."
        self.findings.append(Finding(node.keys[key], "included_twice", message, hint))


def whole_text(root: Node) -> str:
    """A chart as one text without includes: JSON, which YAML 1.2 reads as it is."""
    return orjson.dumps(plain(root), option=orjson.OPT_INDENT_2).decode() + "\n"

"""A text that holds another program's machine: JSON, or the part of YAML that charts use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import orjson

from interlock.engine.errors import ChartError
from interlock.engine.interchange.chart_yaml import Imported, chart_yaml
from interlock.engine.interchange.model import Config, NotReadable
from interlock.engine.interchange.transitions_config import read_transitions
from interlock.engine.interchange.xstate_json import read_xstate
from interlock.engine.yaml_source import plain, read_yaml

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 200
"""Levels of a document; a state in a state is two of them."""

Origin = Literal["xstate", "transitions"]
_READERS: Mapping[Origin, tuple[str, Callable[[Any], Config]]] = {
    "xstate": ("XState", read_xstate),
    "transitions": ("transitions", read_transitions),
}


def import_chart(
    text: str,
    *,
    origin: Origin | None = None,
    chart_id: str = "",
    functions: Mapping[str, Callable[..., Any]] | None = None,
) -> Imported:
    """The machine in a text as a chart of ours. ``origin``: who wrote it (None: guessed); the rest as `chart_yaml`.

    Raises NotReadable, which names the place; ChartError where the text is neither JSON nor YAML, by its places.
    """
    document = read_document(text)
    name, read = _READERS[origin or guessed_origin(document)]
    return chart_yaml(read(document), origin=name, chart_id=chart_id, functions=functions)


def read_document(text: str) -> Any:
    """The JSON value in a text. Raises NotReadable, ChartError."""
    if len(text) > MAX_BYTES or len(text.encode(errors="replace")) > MAX_BYTES:
        raise NotReadable(f"the file is over {MAX_BYTES // 1024} KiB: split the machine")
    is_json = text.lstrip("\ufeff \t\r\n").startswith(("{", "["))
    try:
        document = orjson.loads(text.lstrip("\ufeff"))
    except orjson.JSONDecodeError as error:
        problem = error
    else:
        _check_depth(document)
        return document
    try:
        return plain(read_yaml(text, "<file>"))
    except ChartError:
        if is_json:
            raise NotReadable(
                f"neither JSON nor YAML: {problem}. Of JavaScript, save what JSON.stringify(machine.config) gives"
            ) from None
        raise


def guessed_origin(document: Any) -> Origin:
    """Who wrote a document, by the kinds of its words. Raises NotReadable where that cannot be told."""
    if not isinstance(document, dict):
        raise NotReadable("a machine is a mapping with its states; this is none")
    if isinstance(document.get("states"), list) or "transitions" in document:
        return "transitions"
    if isinstance(document.get("states"), dict):
        return "xstate"
    raise NotReadable(
        "there are no 'states', so nobody's machine can be recognized. Say whose it is with --from"
    )


def _check_depth(document: Any) -> None:
    level, depth = [document], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise NotReadable(f"nesting over {MAX_DEPTH} levels")
        rows = [
            each.values() if isinstance(each, dict) else each
            for each in level
            if isinstance(each, (dict, list))
        ]
        level = [value for row in rows for value in row]

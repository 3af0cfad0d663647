"""Graphviz DOT: states with children are clusters, all names are percent-encoded, all words are HTML labels.

HTML labels need one escape only (XML's); quoted DOT strings carry nothing but our own words and encoded
names. The SVG's ids and classes are set here: ``state-<path>``, ``state``, ``active``, the state's kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from interlock.engine.diagrams import palette
from interlock.engine.diagrams.dot_labels import cell, edge_label, line_rows, node_rows, table, title_label
from interlock.engine.diagrams.model import HISTORY_SIGNS, Diagram, Edge, Label, Node
from interlock.engine.diagrams.overlay import contains

FONT = "Arial"


def state_id(path: str) -> str:
    """A state's id in DOT and SVG: ``state-open.assigned``; odd characters are percent-encoded UTF-8."""
    return f"state-{quote(path, safe='', errors='replace')}"


def edge_id(number: int) -> str:
    """The id in DOT and SVG of the arrow with this place in `Diagram.edges`."""
    return f"edge-{number}"


def dot_source(diagram: Diagram) -> str:
    """The picture as DOT: one node a state without children, a cluster a state with children, markers."""
    writer = _Writer(diagram)
    return "\n".join(["digraph {", *_indented(writer.graph()), "}", ""])


class _Writer:
    def __init__(self, diagram: Diagram) -> None:
        self.diagram = diagram
        self.nodes = {node.path: node for node in diagram.root.walk()}
        self.order = {path: number for number, path in enumerate(self.nodes)}

    def graph(self) -> Iterator[str]:
        yield f"graph [{_attributes(_GRAPH)}, label=<{title_label(self.diagram)}>];"
        yield f"node [{_attributes(_NODE)}];"
        yield f"edge [{_attributes(_EDGE)}];"
        yield from self.contents(self.diagram.root, depth=0)
        for number, edge in enumerate(self.diagram.edges):
            yield self.arrow(number, edge)

    def contents(self, node: Node, depth: int) -> Iterator[str]:
        if not node.path and not node.children:
            yield _leaf(node)
        if node.has_initial_marker():
            yield from self.initial(node)
        if node.any_state:
            yield _any_state(node)
        for child in node.children:
            yield from self.cluster(child, depth) if child.children else (_leaf(child),)

    def cluster(self, node: Node, depth: int) -> Iterator[str]:
        yield f'subgraph "{_cluster_id(node.path)}" {{'
        in_parallel = self.nodes[node.path.rpartition(".")[0]].kind == "parallel"
        attributes = {
            "id": state_id(node.path),
            "class": _classes(node),
            "style": "rounded,filled,dashed" if in_parallel else "rounded,filled",
            "fillcolor": palette.REGION_FILLS[depth % 2],
            "color": palette.ACTIVE_LINE if node.active else palette.LINE,
            "penwidth": "2.4" if node.active else "1",
            "margin": "14",
        }
        yield f"  graph [{_attributes(attributes)}, label=<{table(node_rows(node))}>];"
        yield from _indented(self.contents(node, depth + 1))
        yield "}"

    def initial(self, node: Node) -> Iterator[str]:
        marker = _initial_id(node.path)
        yield f'"{marker}" [{_attributes({"id": marker, **_INITIAL})}];'
        label = self.diagram.start_label(node)
        for target in node.initial:
            cut = {"lhead": _cluster_id(target)} if self.nodes[target].children else {}
            yield _line((marker, self.entrance(target)), {"class": "initial", "weight": "3", **cut}, label)

    def arrow(self, number: int, edge: Edge) -> str:
        tail = _any_id(edge.source) if edge.inside else self.exit(edge)
        attributes = {"id": edge_id(number), **self.cut(edge)}
        if edge.taken:
            attributes |= {"class": "taken", "color": palette.ACTIVE_LINE, "penwidth": "2.6"}
        elif edge.never:
            attributes |= {"class": "never", "color": palette.REFUSAL, "style": "dashed"}
        ends = (tail, self.entrance(edge.target))
        return _line(ends, attributes, edge.label, bold=edge.taken, upwards=self.is_upwards(edge))

    def is_upwards(self, edge: Edge) -> bool:
        """Whether it leads back in the file's order, which is the picture's order from top to bottom."""
        return self.order[edge.target] < self.order[edge.source]

    def cut(self, edge: Edge) -> dict[str, str]:
        """``lhead`` and ``ltail`` cut an arrow at a cluster's border where it crosses it."""
        cuts: dict[str, str] = {}
        if self.nodes[edge.source].children and not edge.inside:
            cuts["ltail"] = _cluster_id(edge.source)
        if self.nodes[edge.target].children and not contains(edge.target, edge.source):
            cuts["lhead"] = _cluster_id(edge.target)
        return cuts

    def exit(self, edge: Edge) -> str:
        """The node that stands for a state as the start of an arrow: the leaf in it nearest to the target.

        Graphviz cuts the arrow at the state's border but leaves the label in the middle of the whole.
        """
        leaves = [leaf for leaf in self.nodes[edge.source].walk() if not leaf.children]
        usable = [leaf for leaf in leaves if leaf.kind == "atomic"] or leaves
        return state_id(usable[0 if self.is_upwards(edge) else -1].path)

    def entrance(self, path: str) -> str:
        """The node that stands for a state as the end of an arrow: its initial marker, or what it has."""
        node = self.nodes[path]
        if node.has_initial_marker():
            return _initial_id(path)
        return self.entrance(node.children[0].path) if node.children else state_id(path)


def _line(
    ends: tuple[str, str],
    attributes: Mapping[str, str],
    label: Label,
    *,
    bold: bool = False,
    upwards: bool = False,
) -> str:
    """One arrow. Upwards it is written from its head to its tail, drawn backwards: so its head stays above."""
    tail, head = ends
    if upwards:
        turned = {"ltail": "lhead", "lhead": "ltail"}
        attributes = {turned.get(name, name): value for name, value in attributes.items()} | {"dir": "back"}
        tail, head = head, tail
    words = f", label=<{edge_label(label, bold=bold)}>" if label.parts() else ""
    return f'"{tail}" -> "{head}" [{_attributes(attributes)}{words}];'


def _cluster_id(path: str) -> str:
    return f"cluster-{state_id(path)}"


def _initial_id(path: str) -> str:
    return f"initial-{state_id(path)}"


def _any_id(path: str) -> str:
    return f"any-{state_id(path)}"


_GRAPH: Mapping[str, str] = {
    "compound": "true",
    "newrank": "true",
    "rankdir": "TB",
    "nodesep": "0.45",
    "ranksep": "0.55",
    "pad": "0.3",
    "bgcolor": "#FFFFFF",
    "fontname": FONT,
    "fontsize": "12",
    "fontcolor": palette.INK,
    "labelloc": "t",
    "labeljust": "l",
}
_NODE: Mapping[str, str] = {
    "shape": "box",
    "style": "rounded,filled",
    "fontname": FONT,
    "fontsize": "12",
    "fontcolor": palette.INK,
    "margin": "0.12,0.07",
    "height": "0.4",
}
_EDGE: Mapping[str, str] = {
    "fontname": FONT,
    "fontsize": "10",
    "fontcolor": palette.INK,
    "color": palette.MUTED,
    "arrowsize": "0.75",
}
_INITIAL: Mapping[str, str] = {
    "class": "initial",
    "shape": "circle",
    "style": "filled",
    "fillcolor": palette.INK,
    "color": palette.INK,
    "width": "0.16",
    "height": "0.16",
    "fixedsize": "true",
    "label": "",
}


def _leaf(node: Node) -> str:
    is_history = node.kind in HISTORY_SIGNS
    attributes = {
        "id": state_id(node.path),
        "class": _classes(node),
        "fillcolor": palette.state_fill(node.kind, node.active, node.count, node.heat),
        "color": palette.ACTIVE_LINE if node.active else palette.MUTED,
        "penwidth": "2.6" if node.active else "1.2",
    }
    if node.kind == "final":
        attributes["peripheries"] = "2"
    if is_history:
        attributes |= {"shape": "circle", "style": "filled", "margin": "0.03"}
    return f'"{state_id(node.path)}" [{_attributes(attributes)}, label=<{table(node_rows(node))}>];'


def _any_state(node: Node) -> str:
    """The root's own lines stand here too: it has no box of its own."""
    attributes = {
        "id": _any_id(node.path),
        "class": "any-state",
        "style": "rounded,filled,dashed",
        "fillcolor": palette.STATE_FILL,
        "color": palette.LINE,
        "height": "0.3",
    }
    rows = [cell("in any state", 10, palette.MUTED, "i")]
    if not node.path:
        rows += line_rows(node.lines)
    return f'"{_any_id(node.path)}" [{_attributes(attributes)}, label=<{table(rows)}>];'


def _classes(node: Node) -> str:
    return " ".join(["state", node.kind, *(["active"] if node.active else [])])


def _attributes(attributes: Mapping[str, str]) -> str:
    return ", ".join(f'{name}="{value}"' for name, value in attributes.items())


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)

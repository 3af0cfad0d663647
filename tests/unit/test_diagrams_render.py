"""DOT as Graphviz reads it, SVG and PNG as it draws them, and what happens without it."""

import json
import os
import stat
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from interlock.engine.chart import Chart
from interlock.engine.diagrams import DiagramError, draw, render
from interlock.engine.diagrams.dot import state_id
from interlock.engine.diagrams.model import build_diagram
from interlock.engine.diagrams.wording import visible
from tests.unit.test_diagrams_charts import HOSTILE_NAMES, hostile, player, ticket

CHARTS = {"ticket": ticket, "player": player, "hostile": hostile}
SVG = "{http://www.w3.org/2000/svg}"
OVERLAYS = {
    "bare": {},
    "counted": {"counts": {"open.queued": 3, "closed": 1_000_000}},
    "active": {"active": ["open.assigned"], "timers": {"open.queued": '<12:30> "soon"'}, "brief": True},
}


def read_dot(dot: bytes) -> dict:
    """The graph as Graphviz itself understood it."""
    done = subprocess.run(
        [render.find_graphviz(), "-Tjson"], input=dot, capture_output=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


def svg_of(chart: Chart, **overlay) -> ElementTree.Element:
    return ElementTree.fromstring(draw(chart, "svg", **overlay))


def groups(svg: ElementTree.Element) -> dict[str, ElementTree.Element]:
    return {group.get("id", ""): group for group in svg.iter(f"{SVG}g")}


def words(element: ElementTree.Element) -> str:
    return "".join(element.itertext())


def fake_program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with no Graphviz of any kind; its only PATH entry is the directory returned."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "elsewhere" / "python"))
    monkeypatch.setattr(render, "WHEEL", "graphviz-that-nobody-has")
    return tmp_path


@pytest.mark.parametrize("name", CHARTS)
def test_graphviz_reads_as_many_states_markers_and_arrows_as_the_model_has(name: str) -> None:
    chart = CHARTS[name]()
    diagram = build_diagram(chart)
    graph = read_dot(draw(chart, "dot"))
    objects = [each["name"] for each in graph["objects"]]
    states = [each.removeprefix("cluster-") for each in objects if each.startswith(("state-", "cluster-"))]
    assert sorted(states) == sorted(state_id(node.path) for node in diagram.states())
    initials = [node for node in diagram.root.walk() if node.has_initial_marker()]
    assert len([each for each in objects if each.startswith("initial-")]) == len(initials)
    assert len([each for each in objects if each.startswith("any-")]) == sum(
        node.any_state for node in diagram.root.walk()
    )
    arrows = len(diagram.edges) + sum(len(node.initial) for node in initials)
    assert len(graph["edges"]) == arrows


def test_states_with_children_are_clusters_that_hold_them() -> None:
    graph = read_dot(draw(player(), "dot"))
    clusters = {each["name"]: each for each in graph["objects"] if each["name"].startswith("cluster-")}
    assert set(clusters) == {"cluster-state-on", "cluster-state-on.sound", "cluster-state-on.tape"}
    held = {graph["objects"][number]["name"] for number in clusters["cluster-state-on.sound"]["nodes"]}
    assert held == {"initial-state-on.sound", "state-on.sound.loud", "state-on.sound.muted"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_svg_has_an_id_and_classes_for_each_state(overlay: str) -> None:
    svg = svg_of(ticket(), **OVERLAYS[overlay])
    shown = groups(svg)
    for node in build_diagram(ticket()).states():
        classes = shown[f"state-{node.path}"].get("class", "").split()
        assert {"state", node.kind} <= set(classes)
    edges = [group for group in shown.values() if "edge" in group.get("class", "").split()]
    assert len(edges) == len(build_diagram(ticket()).edges) + 2


@pytest.mark.parametrize("name", CHARTS)
def test_svg_holds_no_script_no_foreign_object_and_no_link(name: str) -> None:
    tags = {element.tag.removeprefix(SVG) for element in svg_of(CHARTS[name]()).iter()}
    assert tags <= {"svg", "g", "title", "desc", "text", "path", "polygon", "polyline", "ellipse"}


def test_svg_tells_a_screen_reader_what_it_shows() -> None:
    svg = svg_of(ticket(), active=["open.assigned"])
    title, description = svg[0], svg[1]
    assert svg.get("role") == "img"
    assert svg.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert title.text == "ticket v3"
    assert description.text is not None
    assert description.text.startswith("A customer's request on an agent's desk. 7 states, 12 arrows.")
    assert description.text.endswith("Active: open.assigned.")
    assert groups(svg)["state-closed"].find(f"{SVG}title").text == "closed: Nothing more happens."


def test_svg_highlights_active_states_by_class_sign_and_stroke() -> None:
    shown = groups(svg_of(player(), active=["on.sound.muted", "on.tape.playing"]))
    active = {name for name, group in shown.items() if "active" in group.get("class", "").split()}
    assert active == {
        f"state-{path}" for path in ("on", "on.sound", "on.sound.muted", "on.tape", "on.tape.playing")
    }
    assert "● muted" in words(shown["state-on.sound.muted"])
    assert "●" not in words(shown["state-on.sound.loud"])
    thick = float(shown["state-on.sound.muted"].find(f"{SVG}path").get("stroke-width"))
    assert thick > 2 * float(shown["state-on.sound.loud"].find(f"{SVG}path").get("stroke-width"))


def test_svg_shows_counts_as_words_and_as_fill() -> None:
    shown = groups(svg_of(ticket(), counts={"open.queued": 12, "open.assigned": 1_300}))
    assert "12 instances" in words(shown["state-open.queued"])
    assert "1,300 instances" in words(shown["state-open.assigned"])
    fills = [
        shown[f"state-open.{name}"].find(f"{SVG}path").get("fill")
        for name in ("waiting", "queued", "assigned")
    ]
    assert len(set(fills)) == 3


def test_svg_shows_when_a_timer_is_due_and_which_arrow_was_taken() -> None:
    svg = svg_of(ticket(), timers={"open.queued": "12:30 UTC"}, taken=[("open.queued", "assign")])
    assert "due 12:30 UTC" in words(groups(svg)["state-open.queued"])
    taken = [group for group in svg.iter(f"{SVG}g") if "taken" in group.get("class", "").split()]
    assert len(taken) == 1
    assert "not_a_dispatcher" in words(taken[0])


def test_an_arrow_shows_the_fields_it_sets_and_tells_their_values() -> None:
    number = [edge.source for edge in build_diagram(ticket()).edges].index("open.queued")
    arrow = groups(svg_of(ticket()))[f"edge-{number}"]
    shown = "".join(words(text) for text in arrow.iter(f"{SVG}text"))
    assert "/ set assignee" in shown
    assert "assignee = data.agent" not in shown
    assert arrow.find(f"{SVG}title").text.splitlines() == [
        "open.queued → open.assigned",
        "assign",
        "[data.agent != '' and data.agent not in context.declined]",
        "! not_a_dispatcher",
        "/ assignee = data.agent",
        "/ emit ticket.assigned",
    ]


def test_an_arrow_that_leads_back_keeps_its_head_at_its_target() -> None:
    graph = read_dot(draw(ticket(), "dot"))
    names = [each["name"] for each in graph["objects"]]
    back = {
        (names[edge["head"]], names[edge["tail"]]) for edge in graph["edges"] if edge.get("dir") == "back"
    }
    assert ("state-resolved", "state-open.assigned") in back
    assert ("state-open.assigned", "state-resolved") not in back


def test_hostile_names_reach_the_svg_as_they_are() -> None:
    shown = groups(svg_of(hostile()))
    for name in HOSTILE_NAMES:
        group = shown[state_id(name)]
        assert visible(name) in words(group).replace("\xa0", " ")
        assert group.find(f"{SVG}title").text.startswith(visible(name))


@pytest.mark.parametrize("name", CHARTS)
def test_png_is_a_png_of_a_sensible_size(name: str) -> None:
    png = draw(CHARTS[name](), "png")
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = int.from_bytes(png[16:20]), int.from_bytes(png[20:24])
    assert 400 < width < 4_000
    assert 400 < height < 12_000


@pytest.mark.parametrize("format", ["svg", "png"])
def test_without_any_graphviz_the_error_says_what_to_install(format: str, bare_machine: Path) -> None:
    with pytest.raises(DiagramError, match=r"pip install interlock\[diagrams\]` or install Graphviz"):
        draw(ticket(), format)


def test_without_any_graphviz_the_text_formats_still_draw(bare_machine: Path) -> None:
    assert all(draw(ticket(), format) for format in ("mermaid", "dot", "text"))


def test_dot_on_path_comes_before_the_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_program(tmp_path / "dot", "exec /bin/cat >/dev/null; printf drawn")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert render.find_graphviz() == tmp_path / "dot"


def test_the_wheel_is_found_when_its_scripts_are_not_beside_the_interpreter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert render.find_graphviz().name == "graphviz-pure"


def test_a_graphviz_that_fails_is_an_error_with_its_words(bare_machine: Path) -> None:
    fake_program(bare_machine / "dot", "echo out of ink >&2; exit 3")
    with pytest.raises(DiagramError, match="dot failed with code 3: out of ink"):
        draw(ticket(), "png")


def test_a_graphviz_that_does_not_end_is_stopped(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_program(bare_machine / "dot", "exec /bin/sleep 60")
    monkeypatch.setattr(render, "TIMEOUT_SECONDS", 0.05)
    with pytest.raises(DiagramError, match="dot took over"):
        draw(ticket(), "svg")


def test_a_graphviz_that_is_no_program_is_an_error(bare_machine: Path) -> None:
    program = bare_machine / "dot"
    program.write_bytes(b"\x00\x01")
    program.chmod(0o755)
    with pytest.raises(DiagramError, match="does not run"):
        draw(ticket(), "svg")

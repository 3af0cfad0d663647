"""The catalog knows the shipped charts and those of the directories it is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.engine.errors import ChartError
from interlock.statecharts.catalog import SHIPPED, Catalog

LAMP = """\
id: lamp
version: {version}
description: {description}
commands: {{make: {{creates: true}}, press: }}
initial: dark
states:
  dark: {{on: {{press: light}}}}
  light: {{on: {{press: dark}}}}
"""


def lamp(directory: Path, name: str, version: int = 1, description: str = "A lamp.") -> None:
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(LAMP.format(version=version, description=description), encoding="utf-8")


def test_the_shipped_charts_are_there() -> None:
    catalog = Catalog.load()
    assert [chart.id for chart in catalog.charts] == [
        "agent",
        "board",
        "content",
        "conversation",
        "interaction",
        "intervention",
        "intervention_comment",
        "leg",
        "message",
        "queue",
        "switchboard",
        "thread",
        "ticket",
        "user",
        "workbin",
    ]


def test_charts_of_a_directory_stand_beside_the_shipped_ones(tmp_path: Path) -> None:
    lamp(tmp_path, "lamp.yml")
    (tmp_path / "notes.txt").write_text("no chart", encoding="utf-8")
    catalog = Catalog.load([tmp_path])
    assert "lamp" in [chart.id for chart in catalog.charts]
    assert catalog.machine("ticket") is not None


def test_the_newest_version_is_meant_where_none_is_named(tmp_path: Path) -> None:
    for version in (2, 10, 9):
        lamp(tmp_path, f"lamp-{version}.yaml", version)
    catalog = Catalog.load([tmp_path])
    newest, named = catalog.machine("lamp"), catalog.machine("lamp", 9)
    assert newest is not None
    assert newest.version == 10
    assert named is not None
    assert named.version == 9
    assert catalog.machine("lamp", 1) is None
    assert catalog.machine("lantern") is None


def test_a_machine_is_compiled_once(tmp_path: Path) -> None:
    catalog = Catalog.load()
    assert catalog.machine("ticket") is catalog.machine("ticket", 1)


def test_one_version_with_two_texts_is_refused(tmp_path: Path) -> None:
    lamp(tmp_path / "a", "lamp.yaml")
    lamp(tmp_path / "b", "lamp.yaml", description="Another lamp.")
    with pytest.raises(ChartError) as caught:
        Catalog.load([tmp_path / "a", tmp_path / "b"])
    (finding,) = caught.value.findings
    assert finding.code == "chart_exists"
    assert finding.mark.file == str(tmp_path / "b" / "lamp.yaml")
    assert str(tmp_path / "a" / "lamp.yaml") in finding.message


def test_the_same_text_twice_is_one_chart(tmp_path: Path) -> None:
    lamp(tmp_path / "a", "lamp.yaml")
    lamp(tmp_path / "b", "lamp.yaml")
    catalog = Catalog.load([tmp_path / "a", tmp_path / "b"])
    assert [chart.id for chart in catalog.charts].count("lamp") == 1


def test_the_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    for name in ("first.yaml", "second.yaml"):
        (tmp_path / name).write_text("id: 7\n", encoding="utf-8")
    with pytest.raises(ChartError) as caught:
        Catalog.load([tmp_path, tmp_path / "none"])
    assert {Path(finding.mark.file).name for finding in caught.value.findings} == {
        "first.yaml",
        "second.yaml",
        "none",
    }


def test_an_application_adds_functions_of_its_own(tmp_path: Path) -> None:
    text = LAMP.format(version=1, description="A lamp.").replace(
        "press: light", 'press: {guard: "is_night()", target: light}'
    )
    (tmp_path / "lamp.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ChartError, match="is_night"):
        Catalog.load([tmp_path])
    catalog = Catalog.load([tmp_path], {"is_night": lambda: True})
    assert "is_night" in catalog.functions
    assert catalog.machine("lamp") is not None


def test_a_version_whose_file_is_gone_is_read_from_where_it_was_registered(tmp_path: Path) -> None:
    lamp(tmp_path, "lamp.yaml", 2)
    asked = []

    def registered() -> dict[tuple[str, int], str]:
        asked.append(1)
        return {("lamp", 1): LAMP.format(version=1, description="The old lamp.")}

    catalog = Catalog.load([tmp_path], registered=registered)
    old, newest = catalog.machine("lamp", 1), catalog.machine("lamp")
    assert old is not None
    assert newest is not None
    assert (old.version, old.chart.description, newest.version) == (1, "The old lamp.", 2)
    assert catalog.machine("lamp", 1) is old
    assert len(asked) == 1
    assert catalog.machine("lamp", 3) is None


def test_a_machine_that_is_only_registered_begins_no_new_instances(tmp_path: Path) -> None:
    text = LAMP.format(version=1, description="A lamp.")
    catalog = Catalog.load(registered=lambda: {("lamp", 1): text})
    assert catalog.machine("lamp") is None
    assert catalog.machine("lamp", 1) is not None


def test_a_registered_chart_uses_the_functions_of_the_application(tmp_path: Path) -> None:
    text = LAMP.format(version=1, description="A lamp.").replace(
        "press: light", 'press: {guard: "is_night()", target: light}'
    )
    registered = {("lamp", 1): text}
    assert Catalog.load(registered=lambda: registered).machine("lamp", 1) is None
    assert Catalog.load([], {"is_night": lambda: True}, lambda: registered).machine("lamp", 1) is not None


def test_a_chart_of_ones_own_wins_over_the_shipped_one_of_its_version(tmp_path: Path) -> None:
    text = (SHIPPED / "ticket.yaml").read_text("utf-8")
    (tmp_path / "ticket.yaml").write_text(text.replace("A customer's request", "Our own request"), "utf-8")
    machine = Catalog.load([tmp_path]).machine("ticket", 1)
    assert machine is not None
    assert machine.chart.description.startswith("Our own request")

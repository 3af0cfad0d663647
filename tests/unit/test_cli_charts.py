"""`check`, `schema` and `diagram` on files: no server is asked."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import orjson
import pytest

from interlock.cli.exits import Exit
from interlock.cli.main import run

SOUND = """\
id: door
version: 1
commands:
  build: {creates: true}
  open: {}
initial: closed
states:
  closed: {on: {open: opened}}
  opened: {type: final}
"""
WRONG = SOUND.replace("open: opened", "open: opend")
"""Its eighth line points at a state that is not there."""


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    path = tmp_path / "door.yaml"
    path.write_text(SOUND)
    return path


def test_a_sound_chart_ends_with_0_and_nothing_on_stdout(
    chart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", str(chart)]) == Exit.DONE
    assert capsys.readouterr().out == ""


def test_a_mistake_is_named_with_file_line_and_column(
    chart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart.write_text(WRONG)
    assert run(["check", str(chart)]) == Exit.INVALID
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith(f"{chart}:8:")
    assert "opend" in first


def test_a_mistake_as_json_has_each_part_by_name(chart: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chart.write_text(WRONG)
    assert run(["check", "--json", str(chart)]) == Exit.INVALID
    report = orjson.loads(capsys.readouterr().out)
    assert report["ok"] is False
    finding = report["findings"][0]
    assert (finding["file"], finding["line"], finding["severity"]) == (str(chart), 8, "error")
    assert finding["code"]
    assert finding["message"]


def test_every_chart_of_a_directory_is_checked(chart: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (chart.parent / "below").mkdir()
    (chart.parent / "below" / "wrong.yml").write_text(WRONG)
    assert run(["check", "--json", str(chart.parent)]) == Exit.INVALID
    assert orjson.loads(capsys.readouterr().out)["files"] == 2


def test_a_file_that_is_no_text_is_a_finding_and_no_traceback(
    chart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart.write_bytes(b"\xff\xfe\x00id: door")
    assert run(["check", str(chart)]) == Exit.INVALID
    assert str(chart) in capsys.readouterr().out


@pytest.mark.parametrize("name", ["nowhere.yaml", "empty"])
def test_a_path_without_a_chart_ends_with_3(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert run(["check", str(tmp_path / name)]) == Exit.NOT_FOUND


def test_the_shipped_charts_have_no_finding(capsys: pytest.CaptureFixture[str]) -> None:
    from interlock.statecharts.catalog import SHIPPED

    assert run(["check", "--json", str(SHIPPED)]) == Exit.DONE
    assert orjson.loads(capsys.readouterr().out)["findings"] == []


@pytest.mark.parametrize("what", ["chart", "command", "event", "config"])
def test_a_schema_is_draft_07(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", what]) == Exit.DONE
    schema = orjson.loads(capsys.readouterr().out)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert schema["type"] == "object"


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("a.svg", b"<?xml"),
        ("a.png", b"\x89PNG"),
        ("a.dot", b"digraph"),
        ("a.mmd", b"---"),
        ("a.puml", b"@start"),
        ("a.scxml", b"<?xml"),
        ("a.json", b"{"),
    ],
)
def test_a_diagram_is_what_its_files_name_says(chart: Path, name: str, start: bytes) -> None:
    target = chart.parent / name
    assert run(["diagram", str(chart), "-o", str(target)]) == Exit.DONE
    assert target.read_bytes().startswith(start)


def test_a_shipped_chart_is_drawn_by_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diagram", "ticket", "--format", "text"]) == Exit.DONE
    assert "queued" in capsys.readouterr().out


def test_a_chart_that_does_not_load_is_not_drawn(chart: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chart.write_text(WRONG)
    assert run(["diagram", str(chart)]) == Exit.INVALID
    shown = capsys.readouterr()
    assert shown.out == ""
    assert f"{chart}:8:" in shown.err


def test_an_unknown_chart_ends_with_3_and_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diagram", "tickte"]) == Exit.NOT_FOUND
    assert "ticket" in capsys.readouterr().err


def test_a_png_is_not_poured_into_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert run(["diagram", "ticket", "--format", "png"]) == Exit.USAGE
    assert terminal.getvalue() == ""


def test_a_place_that_cannot_be_written_is_named(chart: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diagram", str(chart), "-o", str(chart.parent / "no" / "a.dot")]) == Exit.FAILED
    assert "a.dot" in capsys.readouterr().err


def test_findings_are_annotations_for_github(chart: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chart.write_text(WRONG)
    assert run(["check", "--format", "github", str(chart)]) == Exit.INVALID
    first = capsys.readouterr().out.splitlines()[0]
    place = f"::error file={chart},line=8,col=23,title=unknown_target::"
    assert first == f"{place}no state is meant by 'opend' Did you mean 'opened'?"


def test_what_a_text_could_break_in_an_annotation_is_escaped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a,b:c%.yaml"
    path.write_text(SOUND.replace("opened: {type: final}", 'opened: {type: final}\n  "50%": {}'))
    assert run(["check", "--format", "github", str(path)]) == Exit.INVALID
    first = capsys.readouterr().out.splitlines()[0]
    assert f"file={tmp_path}/a%2Cb%3Ac%25.yaml,line=10,col=3,title=bad_name::'50%25' names" in first


def test_a_doubt_is_a_warning_and_ends_with_0(chart: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chart.write_text(SOUND.replace("  open: {}", "  open: {}\n  shut: {}"))
    assert run(["check", "--format", "github", str(chart)]) == Exit.DONE
    assert capsys.readouterr().out.startswith(
        f"::warning file={chart},line=6,col=3,title=unhandled_command::"
    )
    assert run(["check", str(chart)]) == Exit.DONE
    assert capsys.readouterr().out.splitlines()[0].endswith(" [warning]")


def test_a_send_is_checked_against_the_other_charts_and_the_shipped_ones(
    chart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    send = "  opened: {{entry: {{send: {{machine: {machine}, key: key, command: {command}}}}}, type: final}}"
    bell = chart.with_name("bell.yaml")
    for machine, command, expected in (
        ("bell", "ring", ""),
        ("ticket", "close", ""),
        ("bell", "rung", "unknown_command"),
        ("boat", "ring", "unknown_machine"),
    ):
        bell.write_text(SOUND.replace("id: door", "id: bell").replace("open", "ring"))
        sending = send.format(machine=machine, command=command)
        chart.write_text(SOUND.replace("  opened: {type: final}", sending))
        assert run(["check", str(chart), str(bell)]) == Exit.DONE
        told = capsys.readouterr().out
        assert expected in told, (machine, command)
        assert bool(told) is bool(expected)


def test_the_parts_of_a_directory_are_checked_within_their_charts(
    chart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart.write_text(SOUND.replace("closed: {on: {open: opened}}", "closed: {include: closed.part.yaml}"))
    part = chart.with_name("closed.part.yaml")
    part.write_text("on: {open: opened}\n")
    assert run(["check", str(chart.parent)]) == Exit.DONE
    part.write_text("on: {open: opend}\n")
    assert run(["check", str(chart.parent)]) == Exit.INVALID
    assert capsys.readouterr().out.startswith(f"{part}:1:12: unknown_target")

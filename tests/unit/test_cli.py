"""The command line without a server: what it loads, takes, prints, and how it ends."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
import typer

from interlock.cli import inputs, output
from interlock.cli.exits import CliError, Exit, exit_of_result
from interlock.cli.main import COMMANDS, app, run

HOSTILE = "\x1b[31mred\x07 \x9b1m \u202egpj.exe \u2028 [bold]x[/bold] \x7f\r\n"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine or of another test has a say."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "INTERLOCK_REDIS_URL",
        "REDIS_URL",
        "INTERLOCK_PREFIX",
        "INTERLOCK_LOG_LEVEL",
        "INTERLOCK_CHARTS",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(inputs, "_overrides", {})


def loaded_by(*arguments: str) -> set[str]:
    """The modules that one command has imported at its end."""
    code = "import sys\nfrom interlock.cli.main import run\nrun(sys.argv[1:])\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stderr.splitlines()[-1].split())


def test_help_loads_none_of_the_commands_and_no_heavy_library() -> None:
    loaded = loaded_by("--help")
    heavy = {"redis", "rq", "pydantic", "rich", "aiohttp", "structlog", "transitions", "yaml", "cryptography"}
    assert loaded & heavy == set()
    assert {name for name in loaded if name.startswith("interlock.")} <= {
        "interlock.cli",
        "interlock.cli.main",
        "interlock.engine",
        "interlock.engine.collecting",
        "interlock.cli.exits",
        "interlock.cli.output",
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_help_names_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == Exit.DONE
    shown = capsys.readouterr()
    assert shown.out.startswith(f"Usage: interlock {name}")
    assert shown.err == ""


def test_every_command_of_a_loaded_module_is_named_in_help() -> None:
    group: Any = typer.main.get_command(app)
    for name, (module, _) in COMMANDS.items():
        assert group.get_command(None, name).name == name, module


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    from interlock import __version__

    assert run(["--version"]) == Exit.DONE
    assert capsys.readouterr().out == f"interlock {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nope"],
        ["show"],
        ["show", "ticket/T-1", "--nope"],
        ["show", "ticket"],
        ["show", "/T-1"],
        ["show", "ticket/"],
        ["publish", "ticket/T-1"],
        ["publish", "ticket/T-1", "open", "--wait", "0"],
        ["publish", "ticket/T-1", "open", "--not-before", "tomorrow"],
        ["publish", "ticket/T-1", "open", "--data", "@nowhere.json"],
        ["worker", "--processes", "0"],
        ["schema", "nope"],
        ["diagram", "ticket", "-o", "picture"],
        ["--log-level", "loud", "doctor"],
    ],
)
def test_wrong_usage_ends_with_2_and_says_so_on_stderr_alone(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == Exit.USAGE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err
    if arguments:
        assert shown.err.startswith("interlock: ")
        assert shown.err.count("\n") == 1


@pytest.mark.parametrize("text", ["{", "[]", "3", '"x"', "null", "{'a': 1}", '{"a": NaN}'])
def test_data_that_is_no_json_object_ends_with_4(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["publish", "ticket/T-1", "open", "--data", text]) == Exit.INVALID
    assert "--data" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["publish", "ticket/T\n1", "open"],
        ["publish", f"ticket/{'k' * 300}", "open"],
        ["publish", "ticket/T-1", "op en"],
        ["publish", "ticket/T-1", "open", "--actor", '{"id": "ann"}'],
        ["publish", "ticket/T-1", "open", "--actor", '{"id": "ann", "kind": "king"}'],
        ["publish", "ticket/T-1", "open", "--id", "i" * 129],
    ],
)
def test_a_command_of_wrong_form_ends_with_4_before_it_is_sent(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == Exit.INVALID
    assert capsys.readouterr().err.startswith("interlock: The command's ")


@pytest.mark.parametrize(
    "arguments", [["show", "ticket/T-1"], ["list", "ticket"], ["webhook", "list"], ["dead", "list"]]
)
def test_an_unreachable_server_ends_with_5_and_no_traceback(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--redis-url", "redis://:sesame@127.0.0.1:1/0", *arguments]) == Exit.UNREACHABLE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert "INTERLOCK_REDIS_URL" in shown.err
    assert "sesame" not in shown.err


def test_doctor_without_a_server_ends_with_5_and_says_what_it_found(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["--redis-url", "redis://127.0.0.1:1/0", "doctor", "--json"]) == Exit.UNREACHABLE
    report = orjson.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert report["checks"][0]["status"] == "fail"
    assert report["checks"][0]["next"]


def test_an_unexpected_error_ends_with_1_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_path: Path) -> list[Path]:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("interlock.cli.charts.chart_files", broken)
    assert run(["check", "x"]) == Exit.FAILED
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "a fault of ours" in shown
    assert "INTERLOCK_LOG_LEVEL=debug" in shown


def test_an_unexpected_error_shows_its_traceback_under_debug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_path: Path) -> list[Path]:
        raise RuntimeError("a fault of ours")

    monkeypatch.setenv("INTERLOCK_LOG_LEVEL", "debug")
    monkeypatch.setattr("interlock.cli.charts.chart_files", broken)
    assert run(["check", "x"]) == Exit.FAILED
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_path: Path) -> list[Path]:
        raise KeyboardInterrupt

    monkeypatch.setattr("interlock.cli.charts.chart_files", interrupted)
    assert run(["check", "x"]) == Exit.INTERRUPTED


@pytest.mark.parametrize(
    ("status", "class_", "code"),
    [
        ("applied", None, Exit.DONE),
        ("ignored", None, Exit.DONE),
        ("refused", "guard_failed", Exit.REFUSED),
        ("refused", "unknown_machine", Exit.REFUSED),
        ("refused", "stale_version", Exit.REFUSED),
        ("refused", "not_found", Exit.NOT_FOUND),
        ("refused", "invalid_data", Exit.INVALID),
        ("refused", "too_large", Exit.INVALID),
        ("dead", "malformed", Exit.INVALID),
        ("dead", "internal", Exit.FAILED),
    ],
)
def test_a_result_gives_its_exit_code(status: str, class_: str | None, code: Exit) -> None:
    assert exit_of_result({"status": status, "error": {"class": class_} if class_ else None}) is code


def test_a_flag_beats_the_environment_which_beats_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert inputs.settings().prefix == "interlock"
    Path("interlock.toml").write_text('prefix = "file"')
    assert inputs.settings().prefix == "file"
    monkeypatch.setenv("INTERLOCK_PREFIX", "environment")
    assert inputs.settings().prefix == "environment"
    inputs.override(prefix="flag", redis_url=None)
    assert inputs.settings().prefix == "flag"


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_LEASE_SECONDS", "soon")
    with pytest.raises(CliError, match="INTERLOCK_LEASE_SECONDS") as caught:
        inputs.settings()
    assert caught.value.code is Exit.USAGE


def test_a_file_that_is_no_toml_is_named() -> None:
    Path("interlock.toml").write_text("prefix = ")
    with pytest.raises(CliError, match=r"interlock\.toml"):
        inputs.settings()


def test_a_key_may_hold_slashes() -> None:
    assert inputs.parse_address("ticket/a/b//c d") == ("ticket", "a/b//c d")


def test_data_is_read_from_a_file_and_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("data.json").write_text('{"a": 1}')
    assert inputs.parse_object("@data.json", "--data") == {"a": 1}
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"b": 2}')))
    assert inputs.parse_object("-", "--data") == {"b": 2}


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("queue=billing", ("queue", "billing")),
        ("priority=2", ("priority", 2)),
        ("assignee=null", ("assignee", None)),
        ("note=a=b", ("note", "a=b")),
        ("queue=", ("queue", "")),
    ],
)
def test_a_condition_is_json_where_it_is_json(text: str, pair: tuple[str, Any]) -> None:
    assert inputs.parse_pair(text, "--where") == pair


def test_hostile_text_reaches_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_line(HOSTILE)
    output.print_facts([("name", HOSTILE), ("data", {"text": HOSTILE})])
    output.print_table(["one", "two"], [[HOSTILE, {"text": HOSTILE}]])
    output.say(HOSTILE)
    shown = capsys.readouterr()
    for character in set(HOSTILE) - set(" \nabcdefghijklmnopqrstuvwxyz.[]/;m0123456789"):
        assert character not in shown.out + shown.err, hex(ord(character))
    assert shown.out.count("\n") == 1 + 2 + 2


def test_rich_draws_hostile_text_as_it_is_spelled(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")
    output.print_table(["one"], [[HOSTILE]])
    assert "[bold]x[/bold]" in terminal.getvalue()
    assert "\x1b" not in terminal.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "")


def test_json_survives_a_round_trip_and_holds_nothing_that_a_terminal_obeys(
    capsys: pytest.CaptureFixture[str],
) -> None:
    value = {"text": HOSTILE, "zürich": "日本 🚂", "list": [1, 1.5, None, True]}
    output.print_json(value)
    text = capsys.readouterr().out
    assert orjson.loads(text) == value
    assert not set(text) & {"\x1b", "\x9b", "\u202e", "\u2028", "\x7f", "\r"}
    assert text.count("\n") == 1


def test_a_terminal_that_lacks_a_character_gets_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    output.print_line("Zürich")
    sys.stdout.flush()
    assert raw.getvalue() == b"Z\\xfcrich\n"

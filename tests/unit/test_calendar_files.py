"""Calendars as data: what their files say, what is wrong in them, and what expressions may ask of them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from interlock.cli.exits import Exit
from interlock.cli.main import run
from interlock.engine.calendar_files import parse_calendar, parse_calendars, zone_named
from interlock.engine.calendar_functions import calendar_functions
from interlock.engine.calendars import Span
from interlock.engine.decision import replay
from interlock.engine.errors import ChartError
from interlock.engine.expressions import EvaluationError
from interlock.statecharts.calendars import functions_over_later, shipped_calendars
from interlock.statecharts.catalog import Catalog
from tests.charting import Bench

FILE = "desk.calendar.yaml"
DESK = """\
description: A desk with a break, a night and a short day.
zone: Asia/Kathmandu
week:
  monday: [13:00-17:30, 09:00-12:00]
  friday: 22:00-06:00
  saturday: 00:00-24:00
holidays:
  12-25: Christmas
  02-29:
  2026-11-23: The desk's own day
exceptions:
  2026-11-30: 10:00-11:00
  2026-12-07: []
"""


def test_a_file_says_when_it_is_open() -> None:
    made = parse_calendar(DESK, f"/somewhere/{FILE}")
    assert (made.name, made.zone.key) == ("desk", "Asia/Kathmandu")
    assert made.hours(date(2026, 11, 16)) == (Span(540, 720), Span(780, 1050))
    assert made.hours(date(2026, 11, 17)) == ()
    assert made.hours(date(2026, 11, 20)) == (Span(1320, 1800),)
    assert made.hours(date(2026, 11, 21)) == (Span(0, 1440),)
    assert (
        made.hours(date(2026, 11, 23))
        == made.hours(date(2028, 12, 25))
        == made.hours(date(2026, 12, 7))
        == ()
    )
    assert made.hours(date(2026, 11, 30)) == (Span(600, 660),)
    assert date(2028, 2, 29).month == 2 and (2, 29) in made.yearly


WEEK = "zone: UTC\nweek:\n  monday: "


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("", "1:1", "empty"),
        ("[]", "1:1", "wrong_kind"),
        ("week: {monday: 09:00-17:00}", "1:1", "a calendar needs 'zone'"),
        ("zone: UTC", "1:1", "a calendar needs 'week'"),
        ("zone: Europe/Berln\nweek: {monday: 09:00-17:00}", "1:7", "Did you mean 'Europe/Berlin'?"),
        ("zone: ../../etc/passwd\nweek: {monday: 09:00-17:00}", "1:7", "no time zone '../../etc/passwd'"),
        ("zone: UTC\nweek: {mondy: 09:00-17:00}", "2:8", "Did you mean 'monday'?"),
        ("zone: UTC\nhours: {}\nweek: {monday: 09:00-17:00}", "2:1", "a calendar has no 'hours'"),
        (f"{WEEK}9-17", "3:11", "hh:mm-hh:mm"),
        (f"{WEEK}25:00-26:00", "3:11", "hh:mm-hh:mm"),
        (f"{WEEK}09:00-09:00", "3:11", "A whole day is 00:00-24:00."),
        (f"{WEEK}24:00-06:00", "3:11", "hh:mm-hh:mm"),
        (f"{WEEK}9", "3:11", "wrong_kind"),
        (f"{WEEK}[09:00-12:00, 11:00-17:00]", "3:25", "overlap others of the same day"),
        (f"{WEEK}[{', '.join(f'00:{n:02}-00:{n + 1:02}' for n in range(30))}]", "3:116", "over 8 spans"),
        ("zone: UTC\nweek: {}", "2:7", "never_open"),
        ("zone: UTC\nweek: {monday: []}\nexceptions: {2026-01-01: []}", "2:7", "never_open"),
        (f"{WEEK}09:00-17:00\nholidays:\n  02-30: No day", "5:3", "bad_date"),
        (f"{WEEK}09:00-17:00\nholidays:\n  2027-02-29: No day", "5:3", "bad_date"),
        (f"{WEEK}09:00-17:00\nholidays:\n  0000-01-01: No year", "5:3", "bad_date"),
        (f"{WEEK}09:00-17:00\nholidays:\n  Easter: 1", "5:3", "yyyy-mm-dd, or mm-dd for every year"),
        (f"{WEEK}09:00-17:00\nholidays:\n  12-25: A\n  12-25: B", "6:3", "duplicate_key"),
        (f"{WEEK}09:00-17:00\nexceptions:\n  12-24: 09:00-12:00", "5:3", "yyyy-mm-dd"),
        (f"{WEEK}09:00-17:00\nexceptions:\n  2026-02-30: 09:00-12:00", "5:3", "bad_date"),
        (f"{WEEK}09:00-17:00\nexceptions:\n  2026-12-24: noon", "5:15", "hh:mm-hh:mm"),
    ],
)
def test_a_mistake_has_its_place(text: str, place: str, told: str) -> None:
    with pytest.raises(ChartError) as caught:
        parse_calendar(text, FILE)
    messages = [str(finding) for finding in caught.value.findings]
    assert [each for each in messages if each.startswith(f"{FILE}:{place}: ") and told in each], messages


def test_a_file_whose_name_names_no_calendar() -> None:
    with pytest.raises(ChartError, match="gives no name for the calendar"):
        parse_calendar(DESK, "My Desk.calendar.yaml")


def test_the_findings_of_all_files_come_at_once() -> None:
    with pytest.raises(ChartError) as caught:
        parse_calendars([("zone: UTC", "a.calendar.yaml"), (DESK, FILE), ("zone: X", "b.calendar.yaml")])
    assert {finding.mark.file for finding in caught.value.findings} == {"a.calendar.yaml", "b.calendar.yaml"}


def test_zones_come_from_the_database_that_is_installed_with_us() -> None:
    zone = zone_named("America/Argentina/Buenos_Aires")
    assert zone and zone.key == "America/Argentina/Buenos_Aires"
    assert zone_named("") is zone_named("tzdata") is zone_named("/etc/localtime") is None


FUNCTIONS = calendar_functions(lambda: {"desk": parse_calendar(DESK, FILE)})


def test_expressions_ask_for_times_and_seconds() -> None:
    due = FUNCTIONS["business_due"]("desk", "2026-11-16T09:00:00+05:45", 4 * 3600)
    assert due == "2026-11-16T08:15:00.000Z"  # 14:00 in Kathmandu, after the break
    assert FUNCTIONS["business_seconds"]("desk", "2026-11-16T09:00:00+05:45", due) == 4 * 3600


@pytest.mark.parametrize(
    ("function", "arguments", "told"),
    [
        (
            "business_due",
            ("dask", "2026-11-16T09:00:00Z", 1),
            "no calendar has this name; there are ['desk']",
        ),
        ("business_due", (None, "2026-11-16T09:00:00Z", 1), "a calendar's name, found null"),
        ("business_due", (["desk"], "2026-11-16T09:00:00Z", 1), "a calendar's name, found array"),
        ("business_due", ("desk", None, 1), "an RFC 3339 time, found null"),
        ("business_due", ("desk", "2026-11-16T09:00:00", 1), "found another string"),
        ("business_due", ("desk", "secret", 1), "found another string"),
        ("business_due", ("desk", "2026-11-16T09:00:00Z", "1"), "a number of seconds, found string"),
        ("business_due", ("desk", "2026-11-16T09:00:00Z", True), "a number of seconds, found boolean"),
        ("business_due", ("desk", "2026-11-16T09:00:00Z", -1), "from 0 on"),
        ("business_due", ("desk", "9999-12-31T09:00:00Z", 1), "beyond the years"),
        ("business_due", ("desk", "2026-11-16T09:00:00Z", 10**18), "more seconds than"),
        ("business_seconds", ("dask", "2026-11-16T09:00:00Z", "2026-11-16T09:00:00Z"), "no calendar"),
        ("business_seconds", ("desk", "2026-11-16T09:00:00Z", 7), "found number"),
        ("business_seconds", ("desk", "1026-11-16T09:00:00Z", "2026-11-16T09:00:00Z"), "4000 days apart"),
    ],
)
def test_what_expressions_ask_wrongly(function: str, arguments: tuple[object, ...], told: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        FUNCTIONS[function](*arguments)
    assert told in caught.value.message
    assert "secret" not in caught.value.message


CASE = """\
id: case
version: 1
context: {calendar: {type: string, default: desk}, taken: {type: number, default: 0}}
commands:
  open: {creates: true, data: {calendar: {}}}
  answer: {data: {since: {type: string}}, required: [since]}
  ask: {data: {since: {type: string}}, required: [since]}
initial: waiting
states:
  waiting:
    after: {"business_due(context.calendar, now, 4 * 3600)": late}
    on:
      ask:
        - {guard: "business_seconds(context.calendar, data.since, now) > 60", target: late}
        - {actions: {emit: case.asked}}
      answer:
        target: answered
        actions: {assign: {taken: "business_seconds(context.calendar, data.since, now)"}}
  late: {type: final}
  answered: {type: final}
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "case.yaml").write_text(CASE)
    (tmp_path / FILE).write_text(DESK.replace("Asia/Kathmandu", "Europe/Berlin"))
    return tmp_path


def case(directory: Path, **data: object) -> Bench:
    machine = Catalog.load([directory]).machine("case")
    assert machine
    return Bench(machine, **data)


def test_an_after_waits_in_business_time(directory: Path) -> None:
    made = case(directory)
    assert made.snapshot
    [timer] = made.snapshot.timers
    assert timer.due == "2026-01-03T01:00:00.000Z"  # from Thursday on, four hours of Friday's night
    made.pass_time(days=2)
    assert made.snapshot.state == ["late"]
    assert made.history[-1]["at"] == timer.due
    assert replay(made.machine, "k", made.history) == made.snapshot


def test_a_changed_calendar_leaves_armed_timers_and_shows_in_a_replay(directory: Path) -> None:
    made = case(directory)
    with (directory / FILE).open("a") as file:
        file.write("  2026-01-02: []\n")
    changed = Catalog.load([directory]).machine("case")
    assert changed and made.snapshot
    again = replay(changed, "k", made.history)
    assert [timer.due for timer in again.timers] == ["2026-01-03T03:00:00.000Z"]
    assert [timer.due for timer in made.snapshot.timers] == ["2026-01-03T01:00:00.000Z"]
    # What has happened is applied again all the same: an entry has its own time.
    made.machine = changed
    made.pass_time(days=2)
    assert made.history[-1]["at"] == "2026-01-03T01:00:00.000Z"
    assert replay(changed, "k", made.history) == made.snapshot


def test_a_change_of_days_to_come_leaves_a_replay_as_it_was(directory: Path) -> None:
    made = case(directory)
    with (directory / FILE).open("a") as file:
        file.write("  2026-01-05: []\n")
    changed = Catalog.load([directory]).machine("case")
    assert changed and replay(changed, "k", made.history) == made.snapshot


def test_calendars_read_later_are_read_when_an_expression_asks(directory: Path) -> None:
    functions = functions_over_later([directory])
    asked = ("desk", "2026-01-05T08:00:00Z", "2026-01-05T09:00:00Z")
    assert functions["business_seconds"](*asked) == 3600
    (directory / FILE).write_text("zone: Nowhere")
    assert functions["business_seconds"](*asked) == 3600  # read once
    with pytest.raises(EvaluationError, match="calendars cannot be read"):
        functions_over_later([directory])["business_seconds"](*asked)


def test_simulate_waits_by_the_calendar_beside_the_chart(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = directory / "events.jsonl"
    events.write_text('{"type": "open"}\n{"advance": "48h"}\n{"advance": "2h"}\n')
    assert run(["simulate", str(directory / "case.yaml"), "--events", str(events)]) == Exit.DONE
    told = capsys.readouterr().out
    assert "+48h  0 fired" in told
    assert "late" in told.partition("+48h")[2]


def test_a_wrong_name_refuses_and_is_never_a_yes(directory: Path) -> None:
    made = case(directory, calendar="dask")
    assert made.created.error and made.created.error.error_class == "guard_error"
    made = case(directory)
    refused = made.send("ask", since="yesterday")
    assert refused.error and refused.error.error_class == "guard_error"
    assert made.snapshot and made.snapshot.version == 1


def test_ones_own_calendar_wins_over_the_shipped_one_of_its_name(directory: Path) -> None:
    asked = ("support", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z")  # a Saturday
    assert Catalog.load([directory]).functions["business_seconds"](*asked) == 0
    (directory / "support.calendar.yaml").write_text("zone: UTC\nweek: {saturday: 00:00-24:00}")
    assert Catalog.load([directory]).functions["business_seconds"](*asked) == 86_400


def test_a_catalog_refuses_a_calendar_that_is_wrong(directory: Path) -> None:
    (directory / FILE).write_text("zone: Nowhere")
    with pytest.raises(ChartError, match=FILE):
        Catalog.load([directory])


def test_check_reads_calendars(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(directory)]) == Exit.DONE
    assert capsys.readouterr().out == ""
    (directory / FILE).write_text("zone: UTC\nweek:\n  monday: 9-17\n")
    assert run(["check", str(directory)]) == Exit.INVALID
    assert capsys.readouterr().out.startswith(f"{directory / FILE}:3:11: bad_name: ")


def test_the_shipped_calendar_is_that_of_a_german_desk() -> None:
    made = shipped_calendars()["support"]
    assert made.zone.key == "Europe/Berlin"
    assert made.hours(date(2026, 11, 25)) == (Span(540, 1020),)
    assert made.hours(date(2026, 12, 24)) == (Span(540, 720),)
    assert (
        made.hours(date(2026, 12, 25))
        == made.hours(date(2027, 5, 17))
        == made.hours(date(2026, 11, 28))
        == ()
    )

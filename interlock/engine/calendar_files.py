"""Calendars as data: the text of a ``*.calendar.yaml`` to a `Calendar`, each mistake with its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import PurePath
from types import MappingProxyType
from zoneinfo import ZoneInfo

from interlock.engine.calendars import DAY_MINUTES, Calendar, Span
from interlock.engine.chart_outline import text
from interlock.engine.chart_shape import check_shape
from interlock.engine.chart_words import CHART_ID, Either, Nothing, Rows, Table, Text, Word, Words
from interlock.engine.errors import ChartError, Finding, Mark
from interlock.engine.spelling import did_you_mean
from interlock.engine.yaml_source import Entries, Items, Node, Scalar, raise_findings, read_yaml

CALENDAR_SUFFIX = ".calendar.yaml"
"""How the name of a calendar's file ends; what stands before is the calendar's name."""
MAX_SPANS = 8
"""Spans of one day."""

_WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_HOURS = Rows(
    Text(rf"{_TIME}-(?:{_TIME}|24:00)", "hh:mm-hh:mm, as in 09:00-17:00 or, over midnight, 22:00-06:00"),
    single=True,
)
_DATE = Text(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "yyyy-mm-dd")
_HOLIDAY = Text(r"([0-9]{4}-)?[0-9]{2}-[0-9]{2}", "yyyy-mm-dd, or mm-dd for every year")
CALENDAR = Words(
    "a calendar",
    {
        "zone": Word(Text(), "The IANA name of its time zone, as Europe/Berlin.", required=True),
        "week": Word(
            Words("a week", {day: Word(_HOURS, "The open hours that begin on it.") for day in _WEEK}),
            "The hours of each day; closed where a day is not named.",
            required=True,
        ),
        "holidays": Word(
            Table("date", _HOLIDAY, Either((Text(), Nothing()))), "Dates without hours, each with its name."
        ),
        "exceptions": Word(Table("date", _DATE, _HOURS), "Dates with hours of their own; []: closed."),
        "description": Word(Text(), "One line for people."),
    },
)


def parse_calendars(sources: Iterable[tuple[str, str]]) -> dict[str, Calendar]:
    """The calendars in some texts, each with the path of its file, by name. Raises ChartError with all findings."""
    findings: list[Finding] = []
    found: dict[str, Calendar] = {}
    for source, file in sources:
        try:
            calendar = parse_calendar(source, file)
            found[calendar.name] = calendar
        except ChartError as error:
            findings += error.findings
    raise_findings(findings)
    return found


def parse_calendar(source: str, file: str) -> Calendar:
    """The calendar in a text; ``file`` gives it its name. Raises ChartError with a finding for each mistake."""
    findings: list[Finding] = []
    name = PurePath(file).name.removesuffix(CALENDAR_SUFFIX)
    if not CHART_ID.fits(name):
        message = f"the file's name gives no name for the calendar: it is {CHART_ID.form}"
        findings.append(Finding(Mark(file, 1, 1), "bad_name", message, f"As in support{CALENDAR_SUFFIX}."))
    root = read_yaml(source, file)
    check_shape(root, CALENDAR, findings)
    raise_findings(findings)
    assert isinstance(root, Entries)
    made = _Reader(findings).calendar(name, root)
    raise_findings(findings)
    assert made is not None
    return made


@cache
def zone_named(name: str) -> ZoneInfo | None:
    """The time zone of the database that is installed with us, never the machine's own, so that all workers of one
    release count alike; None where there is none of this name."""
    if name not in zone_names():
        return None
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@cache
def zone_names() -> frozenset[str]:
    """Every name in the time zone database."""
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())


@dataclass(frozen=True, slots=True)
class _Reader:
    findings: list[Finding]

    def calendar(self, name: str, root: Entries) -> Calendar | None:
        zone = self._zone(root.values["zone"])
        days = root.values["week"]
        week = tuple(self._spans(days.get(day) if isinstance(days, Entries) else None) for day in _WEEK)
        exceptions = {
            day: self._spans(hours)
            for key, mark, hours in _rows(root, "exceptions")
            if (day := self._date(key, mark))
        }
        holidays, yearly = self._holidays(root)
        if not self.findings and not any(week) and not any(exceptions.values()):
            message = "a calendar that never opens: no day of it has hours"
            self.findings.append(
                Finding(days.mark, "never_open", message, 'Write such as monday: "09:00-17:00".')
            )
        if zone is None:
            return None
        return Calendar(
            name, zone, week, holidays, yearly, MappingProxyType(exceptions), text(root.get("description"))
        )

    def _zone(self, node: Node) -> ZoneInfo | None:
        name = text(node)
        zone = zone_named(name)
        if zone is None:
            hint = did_you_mean(name, sorted(zone_names())) or "Write an IANA name, as Europe/Berlin."
            self.findings.append(Finding(node.mark, "unknown_zone", f"no time zone {name[:64]!r}", hint))
        return zone

    def _holidays(self, root: Entries) -> tuple[frozenset[date], frozenset[tuple[int, int]]]:
        dates: set[date] = set()
        yearly: set[tuple[int, int]] = set()
        for key, mark, _ in _rows(root, "holidays"):
            every_year = len(key) == len("mm-dd")
            # 2000 was a leap year: the 29th of February is a day of some years.
            day = self._date(f"2000-{key}" if every_year else key, mark)
            if day and every_year:
                yearly.add((day.month, day.day))
            elif day:
                dates.add(day)
        return frozenset(dates), frozenset(yearly)

    def _date(self, key: str, mark: Mark) -> date | None:
        try:
            return date.fromisoformat(key)
        except ValueError:
            self.findings.append(Finding(mark, "bad_date", "no calendar has this day", "Correct the date."))
            return None

    def _spans(self, node: Node | None) -> tuple[Span, ...]:
        """The spans of a day in order; a finding where they overlap."""
        rows = node.items if isinstance(node, Items) else () if node is None else (node,)
        if len(rows) > MAX_SPANS:
            message = f"a day with over {MAX_SPANS} spans"
            self.findings.append(Finding(rows[MAX_SPANS].mark, "too_many_spans", message, "Join some."))
            return ()
        spans = sorted(
            ((span, row.mark) for row in rows if isinstance(row, Scalar) and (span := self._span(row))),
            key=lambda each: each[0],
        )
        for (before, _), (after, mark) in pairwise(spans):
            if after.start < before.end:
                message = "these hours overlap others of the same day"
                self.findings.append(Finding(mark, "overlapping_hours", message, "Join them into one span."))
        return tuple(span for span, _ in spans)

    def _span(self, node: Scalar) -> Span | None:
        start, end = (_minutes(part) for part in text(node).split("-"))
        if start == end:
            message = "hours that end when they begin"
            self.findings.append(Finding(node.mark, "empty_hours", message, "A whole day is 00:00-24:00."))
            return None
        return Span(start, end if end > start else end + DAY_MINUTES)


def _rows(root: Entries, word: str) -> Iterator[tuple[str, Mark, Node]]:
    table = root.get(word)
    values: Mapping[str, Node] = table.values if isinstance(table, Entries) else {}
    for key, node in values.items():
        assert isinstance(table, Entries)
        yield key, table.keys[key], node


def _minutes(time: str) -> int:
    hours, minutes = time.split(":")
    return int(hours) * 60 + int(minutes)

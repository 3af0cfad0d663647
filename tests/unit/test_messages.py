"""Times on the wire: RFC 3339, in and out."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from interlock.engine.messages import Time, format_time, parse_time

READ = TypeAdapter(Time)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 22, 2, 32, tzinfo=UTC), "2026-11-22T02:32:00.000Z"),
        (datetime(911, 4, 1, 16, 21, 3, 349_999, tzinfo=UTC), "0911-04-01T16:21:03.349Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
    ],
)
def test_a_time_is_written_so_that_it_can_be_read(moment: datetime, text: str) -> None:
    assert format_time(moment) == text
    assert parse_time(text) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@pytest.mark.parametrize(
    "text", ["2026-01-31T09:00:00Z", "2026-01-31 09:00:00.25+01:00", "2026-01-31t09:00:00z"]
)
def test_a_time_is_read_as_rfc_3339_has_it(text: str) -> None:
    assert READ.validate_python(text).tzinfo is not None


@pytest.mark.parametrize(
    "other", ["1700000000", 1_700_000_000, "2026-01-31T09:00:00", "2026-01-31T09:00Z", "2026-01-31"]
)
def test_nothing_else_is_read_as_a_time(other: object) -> None:
    with pytest.raises(ValidationError):
        READ.validate_python(other)

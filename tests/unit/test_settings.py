"""Settings that only make sense together."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from interlock.engine.settings import Settings


@pytest.mark.parametrize(
    "given",
    [
        {"event_log_seconds": 4 * 86_400},
        {"webhook_retry_schedule": (28 * 86_400.0,)},
        {"webhook_retry_schedule": "86400", "event_log_seconds": 2 * 86_400},
    ],
    ids=["the default schedule", "the default event log", "the jitter"],
)
def test_an_event_log_shorter_than_the_retries_is_refused_naming_both_settings(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(**given, secret_key="not-to-be-shown")
    [error] = caught.value.errors()
    assert error["loc"] == ("event_log_seconds",)
    assert "event_log_seconds" in error["msg"] and "webhook_retry_schedule" in error["msg"]
    assert "not-to-be-shown" not in str(caught.value)


def test_an_event_log_that_outlives_the_retries_by_a_day_is_taken() -> None:
    assert (
        Settings(webhook_retry_schedule="86400", event_log_seconds=86_400 * 2.1).event_log_seconds == 181_440
    )
    assert Settings().event_log_seconds == 30 * 86_400

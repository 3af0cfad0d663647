"""An integrator's own calendar, by the command line alone: timers wait by it, replays count by it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.acceptance.deployment import running_dev

CHART = """\
id: case
version: 1
context: {calendar: {type: string, default: desk}}
commands: {open: {creates: true, data: {calendar: {}}}, close: }
initial: waiting
states:
  waiting:
    on: {close: closed}
    after: {"business_due(context.calendar, now, 1)": closed}
  closed: {type: final}
"""
DAY = datetime.now(UTC).date() + timedelta(days=400)
CALENDAR = f"zone: Asia/Kathmandu\nweek: {{}}\nexceptions:\n  {DAY}: 09:00-17:00\n"
"""Open on one day, far ahead."""


def test_a_timer_waits_by_the_deployments_calendar_and_a_replay_counts_by_it(tmp_path: Path) -> None:
    charts = tmp_path / "charts"
    charts.mkdir()
    (charts / "case.yaml").write_text(CHART)
    (charts / "desk.calendar.yaml").write_text(CALENDAR)
    with running_dev(tmp_path, "--processes", "1", "--charts", str(charts)) as deployment:
        deployment.environment["INTERLOCK_CHARTS"] = str(charts)
        assert deployment.json("publish", "case/a", "open", "--wait", "30")["status"] == "applied"
        [timer] = deployment.json("show", "case/a")["timers"]
        assert timer["due"] == f"{DAY}T03:15:01.000Z"
        assert deployment.json("replay", "case/a")["same"] is True

        refused = deployment.run(
            "publish", "case/b", "open", "--data", '{"calendar": "dask"}', "--wait", "30", "--json"
        )
        assert refused.json["error"]["class"] == "guard_error"
        assert "no calendar has this name" in refused.json["error"]["message"]

        (charts / "desk.calendar.yaml").write_text(CALENDAR.replace("09:00", "10:00"))
        differs = deployment.run("replay", "case/a", "--json")
        assert (differs.code, differs.json["same"]) == (1, False)
        assert deployment.json("show", "case/a")["timers"] == [timer]

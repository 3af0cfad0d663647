"""Whether an expression of a webhook reads what events can have."""

from __future__ import annotations

import pytest
import redis

from interlock.engine.errors import ChartError
from interlock.engine.event_fields import Declared, check_where
from interlock.engine.event_filters import FilterInvalid
from interlock.engine.loader import parse_chart
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from interlock.statecharts.declared import declared_charts

PARCEL = """
id: parcel
version: {version}
context:
  weight: {{type: integer, default: 1}}
  pin: {{type: string, default: none, public: false}}
  {more}: {{type: string, default: none}}
commands: {{send: {{creates: true}}, arrive: {{}}}}
initial: under_way
states:
  under_way: {{on: {{arrive: {{target: arrived, guard: "{guard}"}}}}}}
  arrived: {{}}
"""


def text(version: int = 1, more: str = "city", guard: str = "context.weight > 0") -> str:
    return PARCEL.format(version=version, more=more, guard=guard)


CHARTS = [Declared.read(text()), Declared.read(text(2, "street"))]


def test_a_text_tells_the_same_as_the_compiled_chart() -> None:
    assert Declared.read(text()) == Declared.of(parse_chart(text()))
    assert CHARTS[0].states == {"under_way", "arrived"}
    assert CHARTS[0].private == {"pin"}


def test_a_text_whose_functions_nobody_here_has_is_read_too() -> None:
    source = text(guard="my_own(context.weight)")
    with pytest.raises(ChartError):
        parse_chart(source)
    assert Declared.read(source) == CHARTS[0]


@pytest.mark.parametrize("source", ["", "- a", "id: parcel", "id: x\nversion: 1\ncontext: 7"])
def test_what_is_no_chart_is_refused(source: str) -> None:
    with pytest.raises(ChartError):
        Declared.read(source)


@pytest.mark.parametrize(
    "where",
    [
        "context.weight <= 2",
        "context.city == 'Ghent' or context.street == 'High Street'",
        "in_state('arrived') and actor.kind == 'agent'",
        "key == 'T-1' and version > 3",
    ],
)
@pytest.mark.parametrize("machines", [["parcel"], [], ["parcel", "not registered yet"]])
def test_a_field_of_any_version_is_enough(where: str, machines: list[str]) -> None:
    check_where(where, machines, CHARTS)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("context.wieght > 2", r"no event has context\.wieght \(parcel\)\. Did you mean 'weight'"),
        ("context.weight > 2 or context['x'] == 1", r"context\.x"),
        ("context.pin == '1234'", r"context\.pin is private"),
        ("in_state('arived')", "arived"),
    ],
)
@pytest.mark.parametrize("machines", [["parcel"], []])
def test_what_no_event_has_is_named(where: str, words: str, machines: list[str]) -> None:
    with pytest.raises(FilterInvalid, match=words):
        check_where(where, machines, CHARTS)


def test_types_are_looked_at_where_the_chart_is_named() -> None:
    with pytest.raises(FilterInvalid, match="--where, column"):
        check_where("context.weight < 'a'", ["parcel"], CHARTS)
    check_where("context.weight < 'a'", [], CHARTS)


def test_nothing_is_said_of_charts_that_nobody_knows_yet() -> None:
    check_where("context.anything", ["letter"], CHARTS)
    check_where("context.anything", ["letter", "parcel"], CHARTS)
    check_where("context.anything", [], [])


def test_the_deployments_charts_are_those_in_files_and_those_registered(fake_client: redis.Redis) -> None:
    store = Store.open(fake_client, Settings())
    fake_client.hset(store.keys.charts, "parcel@1", text(guard="my_own(context.weight)"))
    fake_client.hset(store.keys.charts, "broken@1", "- no chart")
    found = {one.machine for one in declared_charts(store, Settings())}
    assert {"parcel", "ticket", "thread"} <= found
    assert "broken" not in found

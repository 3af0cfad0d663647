"""Tenants: no data that one of them sends can name an instance of another."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.engine.decision import decide, replay
from interlock.engine.loader import parse_chart
from interlock.engine.machine import Machine
from interlock.engine.messages import Command
from interlock.engine.tenancy import beside, plain, qualified, split
from tests.charting import START

tenants = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True) | st.just("default")
keys = st.text(
    st.sampled_from("~ab/-é") | st.characters(exclude_categories=["Cc", "Zl", "Zp", "Cs"]), min_size=1
)

CHART = """
id: t
version: 1
context: {mine: {type: [string, "null"], default: null}}
commands:
  make: {creates: true}
  go: {data: {peer: {type: string}}}
initial: a
states:
  a:
    on:
      go:
        actions:
          - assign: {mine: key}
          - send: {machine: t, key: data.peer, command: go}
          - send: {machine: t, key: data.peer, command: go, delay: 5s, id: later}
"""


@given(tenants, keys, tenants, keys)
def test_a_key_is_of_one_tenant_and_comes_back_as_it_was(one: str, key: str, other: str, others: str) -> None:
    assert split(qualified(one, key)) == (one, key)
    assert plain(qualified(one, key)) == key
    assert (qualified(one, key) == qualified(other, others)) == ((one, key) == (other, others))
    assert split(beside(qualified(one, key), others)) == (one, others)


@pytest.mark.parametrize("key", ["~", "~acme", "~acme~", "~~x", "~ac me~x"])
def test_what_names_no_tenant_is_the_default_tenants(key: str) -> None:
    assert split(key) == ("default", key)


@pytest.mark.parametrize(
    ("own", "peer", "reached"),
    [
        ("one", "two", "two"),
        ("one", "~acme~two", "~default~~acme~two"),
        ("~acme~one", "two", "~acme~two"),
        ("~acme~one", "~other~two", "~acme~~other~two"),
    ],
)
def test_a_send_stays_with_its_tenant_and_the_chart_sees_plain_keys(
    own: str, peer: str, reached: str
) -> None:
    machine = Machine(parse_chart(CHART, "t.yaml"))
    made = decide(machine, None, Command(machine="t", key=own, name="make", id="1"), START)
    command = Command(machine="t", key=own, name="go", data={"peer": peer}, id="2")
    gone = decide(machine, made.snapshot, command, START + timedelta(seconds=1))
    assert gone.snapshot
    assert [orjson.loads(raw)["key"] for raw in gone.sends] == [reached, reached]
    assert [send.key for send in gone.snapshot.sends] == [reached]  # what a cancel looks for
    assert (gone.snapshot.key, gone.snapshot.context["mine"]) == (own, "one")
    assert made.entry and gone.entry
    history = [orjson.loads(made.entry), orjson.loads(gone.entry)]
    assert replay(machine, own, history).to_bytes() == gone.snapshot.to_bytes()


def test_a_key_that_is_too_long_with_its_tenant_refuses_the_step() -> None:
    machine = Machine(parse_chart(CHART, "t.yaml"))
    made = decide(machine, None, Command(machine="t", key="~acme~one", name="make", id="1"), START)
    command = Command(machine="t", key="~acme~one", name="go", data={"peer": "x" * 252}, id="2")
    refused = decide(machine, made.snapshot, command, START)
    assert refused.result.error
    assert (refused.result.error.error_class, refused.snapshot) == ("guard_error", None)

"""Tenants: no data that one of them sends can name an instance of another."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from interlock.engine.decision import Decision, decide, replay
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


def test_every_tenant_has_the_same_room_for_a_key() -> None:
    machine = Machine(parse_chart(CHART, "t.yaml"))
    made = decide(machine, None, Command(machine="t", key="~acme~one", name="make", id="1"), START)

    def gone(peer: str) -> Decision:
        command = Command(machine="t", key="~acme~one", name="go", data={"peer": peer}, id="2")
        return decide(machine, made.snapshot, command, START)

    assert {orjson.loads(raw)["key"] for raw in gone("x" * 256).sends} == {f"~acme~{'x' * 256}"}
    refused = gone("x" * 257)
    assert refused.result.error
    assert (refused.result.error.error_class, refused.snapshot) == ("guard_error", None)


def test_what_is_read_has_room_for_a_key_and_an_id_beside_the_tenants_name() -> None:
    Command(machine="t", key=f"~acme~{'x' * 256}", name="make", id=f"~acme~{'x' * 128}")
    for key, command_id in (("x" * 257, "1"), (f"~acme~{'x' * 257}", "1"), ("x", f"~acme~{'x' * 129}")):
        with pytest.raises(ValidationError):
            Command(machine="t", key=key, name="make", id=command_id)


def test_no_key_is_no_key_in_any_tenant() -> None:
    assert [qualified(tenant, "") for tenant in ("default", "acme")] == ["", ""]
    assert beside("~acme~one", "") == ""

"""Private values at rest: what a sealed text stands for, where it opens, and what it cannot be taken for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from interlock.engine.keys import Keys
from interlock.engine.loader import parse_chart
from interlock.engine.machine import Machine
from interlock.engine.private_fields import PrivateFields
from interlock.engine.sealing import (
    PREFIX,
    Known,
    NotOpened,
    Place,
    Sealer,
    is_sealed,
    open_fields,
    seal_fields,
)
from interlock.engine.secrets import SecretKeyWrong
from interlock.engine.settings import Settings
from interlock.engine.snapshot import Snapshot
from interlock.engine.store import Store
from interlock.engine.stored_forms import open_snapshot, stored_snapshot
from interlock.engine.vault import Vault
from interlock.statecharts.registered import RegisteredCharts

SEALER = Sealer(bytes(32))
PLACE = Place("ticket", "T-1", "data")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def find() -> Sealer:
    return SEALER


def no_key() -> Sealer:
    raise AssertionError("the key was asked for")


@given(JSON)
def test_a_value_comes_back_as_it_was_byte_by_byte(value: Any) -> None:
    text = SEALER.seal(value, PLACE, "pin")
    assert is_sealed(text)
    assert orjson.dumps(SEALER.open(text, PLACE, "pin")) == orjson.dumps(value)


def test_the_same_value_at_the_same_place_gives_the_same_text_in_every_process() -> None:
    first, again = SEALER.seal({"a": 1}, PLACE, "pin"), Sealer(bytes(32)).seal({"a": 1}, PLACE, "pin")
    assert first == again
    # Fixed for good: what is stored must open in later versions too.
    assert first == "sealed:1:a38BXFMMjg984bVRrEm7Qku87VePPu8="


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (PLACE._replace(machine="other"), "pin"),
        (PLACE._replace(key="T-2"), "pin"),
        (PLACE._replace(kind="context"), "pin"),
        (PLACE, "pan"),
        (Place("tickett", "-1", "data"), "pin"),
    ],
)
def test_a_text_opens_at_its_own_place_only(place: Place, name: str) -> None:
    text = SEALER.seal("secret", PLACE, "pin")
    assert SEALER.seal("secret", place, name) != text
    with pytest.raises(NotOpened):
        SEALER.open(text, place, name)


def test_another_key_opens_nothing() -> None:
    with pytest.raises(NotOpened):
        Sealer(os.urandom(32)).open(SEALER.seal("secret", PLACE, "pin"), PLACE, "pin")


def test_no_changed_byte_opens() -> None:
    text = SEALER.seal("canary!", PLACE, "pin")
    assert text.endswith("=")
    for index in range(len(PREFIX), len(text)):
        other = "A" if text[index] != "A" else "B"
        with pytest.raises(NotOpened, match=r"data\.pin") as caught:
            SEALER.open(text[:index] + other + text[index + 1 :], PLACE, "pin")
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize("rest", ["", "A", "not base64!", "AAAA", "é", "=" * 8, "A" * 4000])
def test_a_text_that_only_begins_so_does_not_open(rest: str) -> None:
    with pytest.raises(NotOpened, match="was not sealed here"):
        open_fields(find, PLACE, {"pin": PREFIX + rest})


def test_a_plain_text_that_begins_so_is_sealed_and_comes_back_as_it_was() -> None:
    trick = SEALER.seal("of somebody else", PLACE, "title")
    stored = seal_fields(find, PLACE, {"title": trick, "n": 1}, ())
    assert stored["title"] != trick
    assert open_fields(find, PLACE, stored) == {"title": trick, "n": 1}


def test_who_keeps_nothing_private_needs_no_key() -> None:
    fields = {"title": "sealed", "n": [PREFIX]}
    assert seal_fields(no_key, PLACE, fields, ("absent",)) is fields
    assert open_fields(no_key, PLACE, fields) == fields


def test_a_value_that_has_not_changed_keeps_its_text_without_the_key() -> None:
    stored = seal_fields(find, PLACE, {"pin": {"a": 1}, "n": 1}, ("pin",))
    known: Known = {}
    opened = open_fields(find, PLACE, stored, known)
    assert seal_fields(no_key, PLACE, {**opened, "n": 2}, ("pin",), known) == {**stored, "n": 2}
    changed = {**opened, "pin": {"a": 2}}
    assert seal_fields(find, PLACE, changed, ("pin",), known)["pin"] != stored["pin"]


CHART = """
id: safe
version: 1
context:
  shown: {type: string, default: a}
  pin: {type: [string, "null"], default: null, public: false}
commands:
  open: {creates: true, data: {shown: {type: string}, pin: {type: string}}}
  tell: {data: {word: {type: string, public: false}, note: {type: string}}}
initial: on
states: {on: {on: {tell: on}}}
"""


def test_a_snapshot_is_stored_sealed_but_for_what_the_chart_itself_says() -> None:
    machine = Machine(parse_chart(CHART))
    blank = Snapshot("safe", "S", 1, 1, ["on"], {"shown": "a", "pin": None}, [], "", "")
    assert stored_snapshot(no_key, machine, blank) == blank.to_bytes()
    secret = Snapshot("safe", "S", 1, 1, ["on"], {"shown": "a", "pin": "canary"}, [], "", "")
    raw = stored_snapshot(find, machine, secret)
    assert b"canary" not in raw
    assert open_snapshot(find, Snapshot.from_bytes(raw), raw) == secret


def test_private_data_is_what_a_version_calls_so_and_what_none_declares() -> None:
    later = CHART.replace("version: 1", "version: 2").replace("word: {type: string, public: false}, ", "")
    plain = CHART.replace("id: safe", "id: plain").replace(", public: false", "")
    fields = PrivateFields([parse_chart(text) for text in (CHART, later, plain)])
    assert set(fields.of_data("safe", "tell", ["word", "note", "typo"])) == {"word", "typo"}
    assert set(fields.of_data("safe", "open", ["shown", "pin"])) == {"pin"}, "as its context field"
    assert set(fields.of_data("safe", "done.invoke.x", ["output"])) == {"output"}
    assert set(fields.of_data("safe", "interlock.migrate", ["from", "to", "context"])) == {"context"}
    assert not fields.of_data("plain", "tell", ["word", "typo"])
    assert set(fields.of_data("unknown", "tell", ["word"])) == {"word"}
    assert not PrivateFields([parse_chart(plain)]).of_data("unknown", "tell", ["word"])


def test_what_was_found_public_is_remembered_and_nothing_else(
    fake_client: redis.Redis, tmp_path: Path
) -> None:
    keys = Keys()
    fake_client.hset(keys.charts, "safe@1", CHART)
    charts = RegisteredCharts(Store(fake_client, keys, Settings(secret_key_file=tmp_path / "secret.key")))
    assert not charts.is_known_public("safe", "tell", ["note"]), "nobody has looked yet"
    assert charts.private_data("safe", "tell", ["note"])  # what is private of the command, given or not
    assert charts.is_known_public("safe", "tell", ["note"])
    assert set(charts.private_data("safe", "tell", ["note", "word"])) == {"word"}
    for fields in (["word"], ["note", "word"], ["typo"]):
        assert not charts.is_known_public("safe", "tell", fields)
    assert not charts.is_known_public("safe", "open", ["note"])


def test_the_key_is_made_by_who_runs_a_deployment_and_not_by_who_reads(
    fake_client: redis.Redis, tmp_path: Path
) -> None:
    keys, settings = Keys(), Settings(secret_key_file=tmp_path / "secret.key")
    reader, worker = (Vault(fake_client, keys, settings) for _ in range(2))
    with pytest.raises(NotOpened, match="never sealed"):
        reader.opener()
    assert reader.if_here() is None
    assert not settings.secret_key_file.exists()
    text = worker.sealer().seal("x", PLACE, "pin")
    assert reader.opener().open(text, PLACE, "pin") == "x"
    assert reader.if_here() is not None


def test_a_missing_and_a_wrong_key_name_the_setting_and_make_no_file(
    fake_client: redis.Redis, tmp_path: Path
) -> None:
    keys = Keys()
    Vault(fake_client, keys, Settings(secret_key_file=tmp_path / "secret.key")).sealer()
    absent = Settings(secret_key_file=tmp_path / "absent.key")
    for ask in (Vault(fake_client, keys, absent).opener, Vault(fake_client, keys, absent).sealer):
        with pytest.raises(SecretKeyWrong, match="INTERLOCK_SECRET_KEY"):
            ask()
    assert Vault(fake_client, keys, absent).if_here() is None
    assert not absent.secret_key_file.exists()
    wrong = Vault(fake_client, keys, Settings(secret_key="B" * 43 + "="))
    for ask in (wrong.opener, wrong.sealer, wrong.if_here):
        with pytest.raises(SecretKeyWrong, match="INTERLOCK_SECRET_KEY"):
            ask()

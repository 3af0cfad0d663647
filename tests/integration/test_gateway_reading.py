"""What the gateway shows, what it hides, and what stands around every answer."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.integration.gateway_setup import KEYS, Gateway, read
from tests.integration.http_client import (
    Client,
)

# Reading


def test_private_fields_are_never_shown(gateway: Gateway) -> None:
    secret = "hunter2-of-ann"
    answer = gateway.admin.command("parcel/private", "post", data={"owner": "private", "pin": secret})
    assert answer.status == 200
    for path in ("parcel/private", "parcel/private/history", "parcel?where=owner%3Dprivate"):
        shown = gateway.admin.get(f"/interlock/v1/instances/{path}")
        assert shown.status == 200
        assert secret.encode() not in shown.raw
        assert b'"pin"' not in shown.raw
    raw = gateway.client.get(KEYS.of_instance("parcel", "private").instance("parcel", "private"))
    assert raw.count(b"sealed:1:") == 1  # it was there to be shown, and nobody reads it there either
    assert secret.encode() not in raw


def test_an_instance_and_its_history_are_shown_in_the_words_of_the_contract(gateway: Gateway) -> None:
    gateway.admin.command("parcel/words", "post", data={"owner": "ann"})
    gateway.admin.command("parcel/words", "weigh", data={"grams": 3})
    instance = read(gateway.admin, "parcel/words")
    assert instance.keys() == {
        *("machine", "key", "chart_version", "version", "state"),
        *("context", "timers", "created_at", "updated_at"),
    }
    assert (instance["version"], instance["context"]) == (2, {"owner": "ann", "weight": 3})
    history = read(gateway.admin, "parcel/words/history")
    assert [entry["command"]["name"] for entry in history["history"]] == ["post", "weigh"]
    assert history["next"] is None
    page = read(gateway.admin, "parcel/words/history?limit=1")
    assert (len(page["history"]), page["next"]) == (1, 2)
    rest = read(gateway.admin, "parcel/words/history?first=2")
    assert [entry["version"] for entry in rest["history"]] == [2]


@pytest.mark.parametrize("key", ["a/b", "history", "a/history", "a b?c#d%2F", "é中", "..", "//", "a%"])
def test_a_key_with_any_characters_is_found(gateway: Gateway, key: str) -> None:
    assert gateway.admin.command(f"parcel/{key}", "post", data={"owner": "odd"}).status in (200, 409)
    path = f"/interlock/v1/instances/parcel/{quote(key, safe='').replace('..', '%2E%2E')}"
    assert gateway.admin.get(path).body["key"] == key
    assert gateway.admin.get(f"{path}/history").body["history"][0]["version"] == 1


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("instances/parcel/nobody", 404),
        ("instances/parcel/nobody/history", 404),
        ("instances/nothing", 404),
        ("instances/nothing/a", 404),
        ("instances/parcel/", 404),
        ("instances/parcel/a/b", 404),
        ("instances", 404),
        ("instances/parcel/%ff", 422),
        ("instances/parcel?limit=0", 422),
        ("instances/parcel?limit=1001", 422),
        ("instances/parcel?cursor=gA", 400),
        ("instances/parcel?cursor=!", 400),
        ("instances/parcel?cursor=%25%25", 400),
        ("instances/parcel?state=nowhere", 400),
        ("instances/parcel?where=weight%3D1", 400),
        ("instances/parcel?where=pin%3D1", 400),
        ("instances/parcel?where=owner", 400),
        ("commands", 405),
    ],
)
def test_what_is_not_there_or_not_asked_well_is_a_problem(gateway: Gateway, path: str, status: int) -> None:
    answer = gateway.admin.get(f"/interlock/v1/{path}")
    assert (answer.status, answer.is_problem) == (status, True)


def test_what_somebody_else_wrote_is_left_out(gateway: Gateway) -> None:
    gateway.admin.command("parcel/foreign", "post", data={"owner": "foreign"})
    for grams in (1, 2):
        gateway.admin.command("parcel/foreign", "weigh", data={"grams": grams})
    keys = KEYS.of_instance("parcel", "foreign")
    gateway.client.lset(keys.history("parcel", "foreign"), 0, "foreign")
    page = read(gateway.admin, "parcel/foreign/history?limit=2")
    assert ([entry["version"] for entry in page["history"]], page["next"]) == ([2], 3)
    gateway.client.set(keys.instance("parcel", "foreign"), "foreign")
    assert read(gateway.admin, "parcel?where=owner%3Dforeign")["instances"] == []
    answer = gateway.admin.get("/interlock/v1/instances/parcel/foreign")
    assert (answer.status, answer.is_problem) == (500, True)


def test_a_list_is_filtered_and_comes_in_pages(gateway: Gateway) -> None:
    for number in range(5):
        gateway.admin.command(f"parcel/list-{number}", "post", data={"owner": "lister"})
    gateway.admin.command("parcel/list-3", "send")

    def listed(**query: str) -> Any:
        return read(gateway.admin, f"parcel?{urlencode({'where': 'owner=lister', **query})}")

    assert [one["key"] for one in listed()["instances"]] == [f"list-{number}" for number in range(5)]
    assert [one["key"] for one in listed(state="sent")["instances"]] == ["list-3"]
    keys: list[str] = []
    page = listed(limit="2")
    while page["next"]:
        keys += [one["key"] for one in page["instances"]]
        page = listed(limit="2", cursor=page["next"])
    assert [*keys, *(one["key"] for one in page["instances"])] == [f"list-{number}" for number in range(5)]


# What stands around it


@pytest.mark.parametrize("path", ["/livez", "/nothing", "/interlock/v1/instances/parcel", "/openapi.json"])
def test_every_answer_has_the_security_headers_and_names_no_server(gateway: Gateway, path: str) -> None:
    answer = Client(gateway.url).get(path, origin="https://elsewhere.example")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "server" not in answer.headers
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_fault_of_ours_is_a_problem_that_tells_nothing_from_inside(gateway: Gateway) -> None:
    broken = KEYS.of_instance("parcel", "broken").instance("parcel", "broken")
    gateway.client.set(broken, b'{"hunter2": 1}')
    answer = gateway.admin.get("/interlock/v1/instances/parcel/broken")
    gateway.client.delete(broken)
    assert (answer.status, answer.is_problem, answer.body["code"]) == (500, True, "internal")
    assert b"hunter2" not in answer.raw
    assert b"Traceback" not in answer.raw
    assert answer.headers["x-content-type-options"] == "nosniff"

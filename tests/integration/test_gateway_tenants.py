"""Who sees what: tenants know nothing of one another, and within one nothing is read without a permission."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from interlock.engine.settings import Settings
from interlock.engine.tokens import Principal
from interlock.gateway import asking, reading
from interlock.gateway.deployment import ServedDeployment
from tests.integration.gateway_setup import Gateway, read


@pytest.mark.parametrize("kind", ["agent", "supervisor", "integration", "bot"])
def test_nothing_is_read_without_a_permission(gateway: Gateway, kind: str) -> None:
    gateway.admin.command("thread/quiet", "message", data={"content_id": "1", "source_id": "mail"})
    result = gateway.admin.command("thread/quiet", "message", data={"content_id": "2"}).body["id"]
    paths = ("instances/thread/quiet", "instances/thread/quiet/history", f"commands/{result}")
    nobody, others = gateway.with_token(kind), gateway.with_token(kind, permissions=["read:chat"])
    for path in paths:
        for client in (nobody, others):
            answer = client.get(f"/interlock/v1/{path}")
            assert (answer.status, answer.is_problem) == (403, True), path
    assert nobody.get("/interlock/v1/instances/thread").status == 403
    for permission in ("read:mail", "read:*"):
        client = gateway.with_token(kind, permissions=[permission])
        assert [client.get(f"/interlock/v1/{path}").status for path in paths] == [200, 200, 200]
    assert gateway.with_token("system").get("/interlock/v1/instances/thread/quiet").status == 200


def test_a_list_holds_what_may_be_read_and_no_page_is_cut_short_by_the_rest(gateway: Gateway) -> None:
    for number in range(6):
        source = "listed" if number % 2 else "unlisted"
        gateway.admin.command(
            f"thread/list-{number}", "message", data={"content_id": "1", "source_id": source}
        )
    client = gateway.with_token("agent", permissions=["read:listed"])
    first = client.get("/interlock/v1/instances/thread?limit=2").body
    rest = client.get(f"/interlock/v1/instances/thread?limit=50&cursor={first['next']}").body
    assert [one["key"] for one in first["instances"]] == ["list-1", "list-3"]
    assert [one["key"] for one in rest["instances"]] == ["list-5"]


def test_what_has_no_source_is_read_by_who_reads_all(gateway: Gateway) -> None:
    gateway.admin.command("parcel/sourceless", "post", data={"owner": "ann"})
    path = "/interlock/v1/instances/parcel/sourceless"
    assert gateway.with_token("agent", permissions=["read:web"]).get(path).status == 403
    assert gateway.with_token("agent", permissions=["read:*"]).get(path).status == 200


def test_tenants_know_nothing_of_one_another(gateway: Gateway) -> None:
    acme, other = (gateway.with_token("admin", tenant=name) for name in ("acme", "other"))
    headers = {"idempotency_key": "one-id"}
    for owner, client in (("ann", acme), ("bob", other), ("cid", gateway.admin)):
        made = client.command("parcel/shared", "post", data={"owner": owner}, headers=headers)
        assert (made.status, made.body["key"], made.body["id"]) == (200, "shared", "one-id")
        assert "duplicate" not in made.body
    for owner, client in (("ann", acme), ("bob", other), ("cid", gateway.admin)):
        found = read(client, "parcel/shared")
        assert (found["key"], found["context"]["owner"]) == ("shared", owner)
        listed = client.get("/interlock/v1/instances/parcel?where=owner=" + owner).body["instances"]
        assert [one["key"] for one in listed if one["key"] == "shared"] == ["shared"]
        entry = read(client, "parcel/shared/history")["history"][0]
        assert (entry["command"]["id"], entry["correlation_id"]) == ("one-id", "one-id")
        assert client.get("/interlock/v1/commands/one-id").body["key"] == "shared"
    assert acme.command("parcel/only-acme", "post", data={"owner": "ann"}).status == 200
    assert acme.get("/interlock/v1/instances/parcel").body["instances"][0]["key"] == "only-acme"
    for client in (other, gateway.admin):
        for key in ("only-acme", "~acme~only-acme", "~default~~acme~only-acme"):
            assert client.get(f"/interlock/v1/instances/parcel/{key}").status == 404
            assert client.command(f"parcel/{key}", "send").status == 404
    refused = acme.command("parcel/gone", "send")
    assert "parcel/gone;" in refused.body["error"]["message"]


def in_deployment(gateway: Gateway, act: Callable[[ServedDeployment], Awaitable[Any]]) -> Any:
    """What ``act`` gives, in a gateway's own deployment within this process."""

    async def run() -> Any:
        deployment = ServedDeployment.open(Settings(redis_url=gateway.environ["INTERLOCK_REDIS_URL"]))
        try:
            return await act(deployment)
        finally:
            await deployment.close()

    return asyncio.run(run())


ROOT = Principal("root", "admin", "acme", ())


def test_what_a_dialect_asks_is_applied_for_its_principal_and_answered(gateway: Gateway) -> None:
    async def act(deployment: ServedDeployment) -> None:
        post = {"owner": "ann", "pin": "1234"}
        made = await asking.ask(deployment, ROOT, "parcel", "asked", "post", post, idempotency_key="k")
        assert (made["status"], made["key"], made["version"]) == ("applied", "asked", 1)
        again = await asking.ask(deployment, ROOT, "parcel", "asked", "post", post, idempotency_key="k")
        assert again == {**made, "duplicate": True}
        other = Principal("eve", "admin", "acme", ())
        hers = await asking.ask(deployment, other, "parcel", "asked", "post", post, idempotency_key="k")
        assert hers["error"]["class"] == "already_exists"  # not the answer to somebody else's
        stale = await asking.ask(deployment, ROOT, "parcel", "asked", "send", expected_version=9)
        assert stale["error"]["class"] == "stale_version"
        broken = await asking.ask(deployment, ROOT, "parcel", "a\nb", "send")
        assert (broken["status"], broken["error"]["class"]) == ("refused", "malformed")
        found = await reading.read(deployment, ROOT, "parcel", "asked")
        assert found
        assert "pin" not in found["context"]
        private = await reading.read(deployment, ROOT, "parcel", "asked", private=True)
        assert private
        assert private["context"]["pin"] == "1234"
        assert await reading.read(deployment, ROOT, "parcel", "nothing") is None

    in_deployment(gateway, act)


def test_who_gets_no_answer_in_time_is_told_the_commands_id(gateway: Gateway) -> None:
    async def act(deployment: ServedDeployment) -> None:
        with pytest.raises(asking.NotAnswered) as raised:
            await asking.ask(
                deployment, ROOT, "parcel", "late", "post", {"owner": "ann"}, command_id="l", wait=0
            )
        assert (raised.value.command_id, raised.value.status) == ("l", 503)
        assert raised.value.headers["Retry-After"]

    in_deployment(gateway, act)


def test_a_list_is_filtered_sorted_and_cut(gateway: Gateway) -> None:
    async def act(deployment: ServedDeployment) -> None:
        for key, owner in (("l1", "bob"), ("l2", "ann"), ("l3", "ann"), ("l4", "cid")):
            await asking.ask(deployment, LISTER, "parcel", key, "post", {"owner": owner})
        await asking.ask(deployment, LISTER, "parcel", "l4", "send")

        async def keys(**wish: Any) -> tuple[list[str], int, str | None]:
            found = await reading.listed(deployment, LISTER, "parcel", **wish)
            return [one["key"] for one in found.instances], found.total, found.next

        assert await keys() == (["l1", "l2", "l3", "l4"], 4, None)
        assert await keys(where={"owner": ["ann", "bob"]}, limit=2) == (["l1", "l2"], 3, "l2")
        assert await keys(where={"owner": ["ann", "bob"]}, after="l2") == (["l3"], 3, None)
        assert await keys(sort=["-owner", "-key"], offset=1, limit=2) == (["l1", "l3"], 4, "l3")
        assert await keys(states=["posted"], sort=["owner"]) == (["l2", "l3", "l1"], 3, None)
        assert await keys(only=lambda one: one["version"] > 1) == (["l4"], 1, None)
        with pytest.raises(reading.UnknownPlace):
            await keys(after="gone")

    in_deployment(gateway, act)


LISTER = Principal("root", "admin", "lister", ())


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/engage/1.0", {"error", "message", "status"}),
        ("/oneview/v1", {"errorCode", "errorMessage"}),
        ("/oneview/v2", {"errorCode", "errorMessage"}),
        ("/sunshine/v2", {"errors"}),
        ("/genesys/api/v2", {"statusCode", "statusMessage", "status", "errorDescription"}),
    ],
)
def test_each_vendor_has_its_own_envelope_for_whatever_goes_wrong(
    gateway: Gateway, path: str, fields: set[str]
) -> None:
    missing = gateway.admin.get(f"{path}/nothing-here")
    large = gateway.admin.send("POST", f"{path}/nothing-here", b"x" * 300_000)
    assert [missing.status, large.status] == [404, 413]
    assert all(fields <= set(one.body) for one in (missing, large))
    assert gateway.admin.get(f"{path}x/nothing-here").is_problem

"""A chart grows a second version while instances live: by the command line alone, over a restart."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import redis

from interlock.engine.embedded import EmbeddedServer
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from interlock.statecharts.catalog import Catalog
from interlock.workers.processes import register_charts
from tests.acceptance.deployment import Deployment, clean_environment, running_dev

V1 = """\
id: order
version: 1
context: {note: {type: string, default: none}}
commands: {place: {creates: true}, pack: {}, ship: {}}
initial: placed
states:
  placed: {on: {pack: packed}, after: {12h: {actions: {emit: order.delayed}}}}
  packed: {on: {ship: shipped}}
  shipped: {type: final}
"""
V2 = V1.replace("version: 1", "version: 2").replace("packed", "boxed").replace("note:", "remark:")
MAP = "states: {packed: boxed}\ncontext: {remark: context.note}\n"


def running(directory: Path) -> AbstractContextManager[Deployment]:
    """`interlock dev` on the directory's data, with the charts that stand in it now."""
    return running_dev(directory, "--processes", "1", "--charts", str(directory / "charts"))


def send(deployment: Deployment, key: str, name: str) -> None:
    assert deployment.json("publish", f"order/{key}", name, "--wait", "30")["status"] == "applied"


def test_instances_outlive_the_file_of_their_chart_move_and_come_back(tmp_path: Path) -> None:
    chart = tmp_path / "charts" / "order.yaml"
    chart.parent.mkdir()
    chart.write_text(V1)
    with running(tmp_path) as deployment:
        for key in ("a", "b", "c"):
            send(deployment, key, "place")
        send(deployment, "b", "pack")
    chart.write_text(V2)
    (tmp_path / "map.yaml").write_text(MAP)
    with running(tmp_path) as deployment:
        send(deployment, "c", "pack")  # by version 1, whose file is gone
        send(deployment, "c", "ship")
        send(deployment, "d", "place")
        versions = {one["key"]: one["chart_version"] for one in deployment.json("list", "order")["instances"]}
        assert versions == {"a": 1, "b": 1, "c": 1, "d": 2}

        told = deployment.run("chart", "diff", "order@1", "order@2", "--json")
        assert (told.code, told.json["class"]) == (1, "needs_mapping")

        refused = deployment.run("migrate", "order", "--to", "2", "--json")
        assert refused.code == 6
        problems = {(one["what"], one["name"]): one["instances"] for one in refused.json["problems"]}
        assert problems == {("context", "note"): 2, ("state", "packed"): 1}
        assert "packed" in deployment.run("migrate", "order", "--to", "2").out

        mapped = ("migrate", "order", "--to", "2", "--map", "map.yaml")
        assert deployment.json(*mapped, "--dry-run")["moved"] == 0
        before = deployment.json("show", "order/a")
        assert before["chart_version"] == 1
        report = deployment.json(*mapped)
        assert (report["moved"], report["already"], report["ended"]) == (2, 1, 1)
        assert deployment.json(*mapped)["moved"] == 0
        after = deployment.json("show", "order/a")
        assert (after["chart_version"], after["version"], after["context"]) == (2, 2, {"remark": "none"})
        assert after["timers"] == before["timers"]
        assert deployment.json("show", "order/b")["state"] == ["boxed"]
        last = deployment.json("history", "order/b")["history"][-1]
        assert (last["from"], last["to"], last["events"]) == (["packed"], ["boxed"], ["order.migrated"])
        assert last["command"]["name"] == "interlock.migrate"
        assert last["command"]["data"] == {"from": 1, "to": 2, "states": {"packed": "boxed"}}
        assert deployment.json("why", "order/b")["accepts"] == ["ship"]

        send(deployment, "b", "ship")
        undone = deployment.json("migrate", "order", "--to", "2", "--undo")
        assert (undone["moved"], undone["stay"]) == (1, 2)
        assert deployment.json("show", "order/a")["context"] == {"note": "none"}
        for key in ("a", "b", "c", "d"):
            assert deployment.json("replay", f"order/{key}")["same"] is True


def test_what_is_asked_wrongly_is_said(tmp_path: Path) -> None:
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "order.yaml").write_text(V1)
    (tmp_path / "map.yaml").write_text("statse: {packed: boxed}\n")
    with EmbeddedServer(tmp_path / "data") as server, redis.Redis.from_url(server.url) as client:
        settings = Settings(redis_url=server.url)
        register_charts(Store.open(client, settings, found=True), Catalog.load([tmp_path / "charts"]))
        environment = clean_environment(INTERLOCK_REDIS_URL=server.url)
        deployment = Deployment(server.url, tmp_path, environment)
        for arguments, code, word in (
            (["--to", "2"], 3, "order@1"),
            (["--to", "1", "--map", "map.yaml"], 4, "states"),
            (["--to", "1", "--map", "nowhere.yaml"], 2, "nowhere.yaml"),
            (["--to", "1", "--map", "map.yaml", "--undo"], 2, "--undo"),
        ):
            done = deployment.run("migrate", "order", *arguments)
            assert (done.code, done.out) == (code, ""), done
            assert word in done.err

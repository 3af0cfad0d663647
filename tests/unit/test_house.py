"""What stands beside the code: locks, the compose file, the example settings, licences."""

from __future__ import annotations

import hashlib
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from interlock.cli.main import COMMANDS
from interlock.engine.settings import Settings

ROOT = Path(__file__).parents[2]
LOCKS = ["requirements.lock", "requirements-dev.lock"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return document


def pins(lock: str) -> dict[str, str]:
    """Package: version, as the lock pins it."""
    text = (ROOT / lock).read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


def normal(requirement: str) -> str:
    """The lock's spelling of the package that a requirement names."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=~! ;]", requirement, maxsplit=1)[0]).lower()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_of_a_lock_has_hashes(lock: str) -> None:
    blocks = re.split(r"^(?=[a-z0-9])", (ROOT / lock).read_text(), flags=re.MULTILINE)[1:]
    assert len(blocks) > 30
    bare = [block.split("\n", 1)[0] for block in blocks if "--hash=sha256:" not in block or "==" not in block]
    assert not bare


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_everything_that_the_project_asks_for(lock: str) -> None:
    wanted = {normal(requirement) for requirement in PROJECT["project"]["dependencies"]}
    for extra in PROJECT["project"]["optional-dependencies"].values():
        wanted |= {normal(requirement) for requirement in extra}
    groups = PROJECT["dependency-groups"]
    wanted |= {normal(requirement) for requirement in groups["build"]}
    if lock == "requirements-dev.lock":
        wanted |= {normal(requirement) for requirement in groups["dev"] if isinstance(requirement, str)}
    missing = wanted - pins(lock).keys() - {"interlock"}
    assert not missing, f"{lock} is older than pyproject.toml: make lock"


def test_both_locks_pin_the_same_versions() -> None:
    runtime, developer = (pins(lock) for lock in LOCKS)
    assert runtime.items() <= developer.items()


def test_one_major_version_of_rq_is_pinned() -> None:
    (rq,) = [text for text in PROJECT["project"]["dependencies"] if normal(text) == "rq"]
    low, high = re.fullmatch(r"rq>=(\d+)[\d.]*,<(\d+)", rq).groups()  # type: ignore[union-attr]
    assert int(high) == int(low) + 1
    assert pins("requirements.lock")["rq"].split(".")[0] == low


def tracked_texts() -> list[tuple[str, str]]:
    """(path, text) of every file in the repository that is ours and text."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("no git checkout: an unpacked source distribution")
    texts = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and path.suffix not in {".png", ".csv"}:
            texts.append((name, path.read_text("utf-8")))
    return texts


def test_nothing_committed_names_a_package_index_or_a_place_of_one_machine() -> None:
    places = re.compile(
        "|".join(
            [
                r"--(extra-)?index-url",
                r"--find-links",
                r"--trusted-host",
                r"(?<![\w/.-])/" + r"(root|home/\w+|Users/\w+|work|opt)/",
            ]
        )
    )
    found = [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in tracked_texts()
        if name != "tests/unit/test_house.py"
        for number, line in enumerate(text.splitlines(), 1)
        if places.search(line)
    ]
    assert not found, "\n".join(found)


def test_a_compose_parser_accepts_the_compose_file() -> None:
    parsed = PyCompose.from_yaml((ROOT / "docker-compose.yml").read_text())
    parsed.validate()
    parsed.to_spec()
    assert set(parsed.service_names()) == {"valkey", "worker", "http", "receiver"}


def test_the_compose_parser_refuses_a_misspelt_file() -> None:
    text = (ROOT / "docker-compose.yml").read_text().replace("healthcheck:", "helthcheck:", 1)
    with pytest.raises(ValueError, match="helthcheck"):
        PyCompose.from_yaml(text)


def test_every_service_of_the_compose_file_says_whether_it_is_well() -> None:
    assert all(service["healthcheck"]["test"] for service in compose()["services"].values())


def test_the_compose_file_names_only_what_it_declares() -> None:
    document = compose()
    for service in document["services"].values():
        assert set(service.get("depends_on", {})) <= document["services"].keys()
        mounted = {volume.split(":")[0] for volume in service.get("volumes", [])}
        assert mounted <= document["volumes"].keys()


def test_the_server_of_the_compose_file_keeps_what_it_is_told() -> None:
    server = compose()["services"]["valkey"]
    command = " ".join(server["command"])
    assert "--appendonly yes --appendfsync always" in command
    assert "--maxmemory-policy noeviction" in command
    assert re.fullmatch(r"valkey/valkey:\d\S*", server["image"])
    assert any(volume.endswith(":/data") for volume in server["volumes"])


def test_no_port_of_the_compose_file_is_open_to_the_network() -> None:
    ports = [port for service in compose()["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_compose_file_holds_no_secret_and_asks_for_one() -> None:
    for name in ("worker", "http"):
        key = compose()["services"][name]["environment"]["INTERLOCK_SECRET_KEY"]
        assert key.startswith("${INTERLOCK_SECRET_KEY:?")


def test_the_compose_file_runs_commands_that_exist() -> None:
    for service in compose()["services"].values():
        for words in (service["command"], service["healthcheck"]["test"][1:]):
            if words[0] == "interlock":
                assert words[1] in COMMANDS
            if words[:2] == ["python", "-m"]:
                assert (ROOT / words[2].replace(".", "/")).with_suffix(".py").is_file()


def test_the_image_is_built_from_every_file_that_the_wheel_is_made_of() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["packages"], *wheel.get("force-include", ()), *PROJECT["project"]["license-files"]}
    needed |= {PROJECT["project"]["readme"], "pyproject.toml", "requirements.lock"}
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    sources = {Path(source) for line in copied for source in line.split()}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    kept = {Path(line[1:]) for line in ignored if line.startswith("!")}
    for name in needed:
        places = {Path(name), *Path(name).parents}
        assert places & sources, f"the Dockerfile does not copy {name}"
        assert places & kept, f".dockerignore leaves {name} out"


def test_the_example_settings_name_every_setting_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    text = (ROOT / "interlock.toml.example").read_text()
    shown = tomllib.loads("\n".join(re.findall(r"^# ([a-z_]+ = .*)$", text, re.MULTILINE)))
    assert shown.keys() == Settings.model_fields.keys() - {"secret_key", "jwt_secret"}
    examples = {"rq_redis_url", "secret_key_file"} | {name for name in shown if name.startswith("jwt_")}
    for name in shown.keys() - examples:
        default = Settings.model_fields[name].get_default(call_default_factory=True)
        assert shown[name] == (list(default) if isinstance(default, tuple) else default), name


def test_the_licence_is_the_unchanged_apache_2_text() -> None:
    digest = hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest()
    assert digest == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def test_the_desk_log_comes_whole_and_with_its_authors_and_licence() -> None:
    desk = ROOT / "examples" / "support-desk"
    rows = (desk / "incidents.csv").read_text().splitlines()[1:]
    assert (len(rows), len({row.split(",")[0] for row in rows})) == (5998, 890)
    note = (desk / "README.md").read_text()
    for words in ("Lira do Amaral", "Fantinato", "Marques Peres", "10.24432/C57S4H", "CC BY 4.0"):
        assert words in note

"""What the gateway's own document allows, and what it does not, sent by a reader of such documents, who compares each
answer with what the document says of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import CHECKS as ALL_CHECKS
from schemathesis.generation import GenerationMode

from tests.integration.fuzzing import (
    CHECKS,
    ENDLESS,
    EXCEPTIONS,
    LONG_POLLING,
    OF_OPERATORS,
    checks_of,
    configuration,
    path_pattern,
)
from tests.integration.gateway_desk import Desk, furnish
from tests.integration.gateway_setup import Gateway
from tests.integration.http_client import Client
from tests.storms import WHOLE

RIGHTS = ["read:*", "reply:*", "impersonate_user"]
MAKES_NOTHING = ("/oneview",)
"""Has no links to go along."""
APIS = ("/engage/1.0", "/oneview", "/sunshine/v2", "/genesys/api/v2", "/interlock/v1")
EXAMPLES = "200" if WHOLE else "20"
"""Of each operation and phase. The short form is an admin's alone."""


@pytest.fixture(scope="module")
def desk(gateway: Gateway) -> Desk:
    return furnish(gateway)


@pytest.fixture(scope="module")
def document(gateway: Gateway) -> dict[str, Any]:
    return dict(Client(gateway.url).get("/openapi.json").body)


@pytest.fixture
def webhooks_stay(gateway: Gateway) -> Iterator[None]:
    """None of those that are added here is there for the tests behind."""
    path = "/interlock/v1/webhooks"
    before = {one["id"] for one in gateway.admin.get(path).body["webhooks"]}
    yield
    for one in gateway.admin.get(path).body["webhooks"]:
        if one["id"] not in before:
            assert gateway.admin.send("DELETE", f"{path}/{one['id']}").status == 204


def probe(cases: Any, url: str, headers: dict[str, str], known: dict[str, Any]) -> None:
    """Send one of an operation's requests, about what is ``known``. Raises what is wrong with the answer."""

    @settings(
        max_examples=1,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def send(case: Any) -> None:
        for name in case.path_parameters or {}:
            case.path_parameters[name] = known.get(name, case.path_parameters[name])
        response = case.call(base_url=url, headers=headers, timeout=60)
        names = checks_of(case.operation.definition.raw["operationId"])
        case.validate_response(response, checks=ALL_CHECKS.get_by_names(names), headers=headers)

    send()


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_no_answer_differs_from_the_document(
    gateway: Gateway, document: dict[str, Any], desk: Desk, webhooks_stay: None, mode: GenerationMode
) -> None:
    schema = schemathesis.openapi.from_dict(document)
    own = gateway.with_token("admin", tenant=desk.tenant, id="root")
    known = desk.values if mode is GenerationMode.POSITIVE else {"appId": desk.tenant}
    faults, count = [], 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path == ENDLESS:
            continue
        count += 1
        client = gateway.admin if operation.path.startswith(OF_OPERATORS) else own
        headers = {"Authorization": f"Bearer {client.token}"}
        try:
            probe(operation.as_strategy(generation_mode=mode), gateway.url, headers, known)
        except Unsatisfiable:
            assert not operation.definition.raw.get("parameters"), (
                operation.label
            )  # nothing can be wrong there
        except Exception as error:
            faults.append(f"{operation.label}: {error}")
    assert not faults, "\n\n".join(faults)
    assert count > 90


def test_every_exception_names_an_operation_and_a_check(document: dict[str, Any]) -> None:
    operations = {one["operationId"] for path in document["paths"].values() for one in path.values()}
    assert set(EXCEPTIONS) <= operations
    assert {name for checks in EXCEPTIONS.values() for name in checks} < set(CHECKS)


def run_schemathesis(directory: Path, url: str, text: str, *arguments: str) -> None:
    """The program as anybody runs it, all phases: examples, coverage, fuzzing, and chains along the links."""
    (directory / "schemathesis.toml").write_text(text)
    program = [sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run"]
    options = ["--no-shrink", "--suppress-health-check", "all", "--warnings", "off"]
    done = subprocess.run(
        [*program, f"{url}/openapi.json", *options, *arguments],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")


@pytest.mark.storm
@pytest.mark.parametrize("kind", ["admin", "agent", "integration"] if WHOLE else ["admin"])
@pytest.mark.parametrize("api", APIS)
def test_no_answer_of_many_differs_from_the_document(
    gateway: Gateway, desk: Desk, tmp_path: Path, api: str, kind: str
) -> None:
    client = gateway.with_token(kind, tenant=desk.tenant, id="own", permissions=RIGHTS)
    assert client.token
    text = configuration(client.token, {"appId": desk.tenant}, desk.values)
    paths = ["--include-path-regex", path_pattern([api])]
    paths += ["--exclude-path-regex", path_pattern((*OF_OPERATORS, ENDLESS, LONG_POLLING))]
    phases = ["--phases", "coverage,fuzzing"] if api in MAKES_NOTHING else []
    run_schemathesis(tmp_path, gateway.url, text, *paths, *phases, "--max-examples", EXAMPLES)


@pytest.mark.storm
def test_no_answer_to_an_operator_differs_from_the_document(
    gateway: Gateway, desk: Desk, tmp_path: Path, webhooks_stay: None
) -> None:
    assert gateway.admin.token
    text = configuration(gateway.admin.token, {}, {})
    paths = ["--include-path-regex", path_pattern(OF_OPERATORS)]
    run_schemathesis(tmp_path, gateway.url, text, *paths, "--max-examples", EXAMPLES)

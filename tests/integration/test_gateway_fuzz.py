"""What the gateway's own document allows, and what it does not, sent by a reader of such documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

from tests.integration.gateway_desk import Desk, furnish
from tests.integration.gateway_setup import Gateway
from tests.integration.http_client import Client
from tests.storms import part

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance]
OF_OPERATORS = "/webhooks", "/dead-letters", "/audit"


@pytest.fixture(scope="module")
def desk(gateway: Gateway) -> Desk:
    return furnish(gateway)


@pytest.fixture
def webhooks_stay(gateway: Gateway) -> Iterator[None]:
    """None of those that are added here is there for the tests behind."""
    path = "/interlock/v1/webhooks"
    before = {one["id"] for one in gateway.admin.get(path).body["webhooks"]}
    yield
    for one in gateway.admin.get(path).body["webhooks"]:
        if one["id"] not in before:
            assert gateway.admin.send("DELETE", f"{path}/{one['id']}").status == 204


def probe(cases: Any, url: str, headers: dict[str, str], desk: Desk, examples: int) -> None:
    """Send so many of an operation's requests. Raises what schemathesis finds wrong with an answer."""

    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def send(case: Any) -> None:
        if "appId" in (case.path_parameters or {}):
            case.path_parameters["appId"] = desk.tenant
        response = case.call(base_url=url, headers=headers, timeout=30)
        case.validate_response(response, checks=CHECKS)

    send()


def fuzz(gateway: Gateway, desk: Desk, examples: int, mode: schemathesis.GenerationMode) -> int:
    """Send so many requests to each operation; how many operations there were."""
    document = Client(gateway.url).get("/openapi.json").body
    schema = schemathesis.openapi.from_dict(document)
    own = gateway.with_token("admin", tenant=desk.tenant, id="root")
    faults, count = [], 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if "event-stream" in str(operation.definition.raw["responses"].get("200")):
            continue  # it does not end
        count += 1
        client = gateway.admin if any(word in operation.path for word in OF_OPERATORS) else own
        headers = {"authorization": f"Bearer {client.token}"}

        try:
            probe(operation.as_strategy(generation_mode=mode), gateway.url, headers, desk, examples)
        except Unsatisfiable:
            assert not operation.definition.raw.get("parameters"), (
                operation.label
            )  # nothing can be wrong there
        except Exception as error:
            faults.append(f"{operation.label}: {error}")
    assert not faults, "\n\n".join(faults)
    return count


def test_no_wrong_request_is_answered_by_a_fault_or_an_undocumented_status(
    gateway: Gateway, desk: Desk, webhooks_stay: None
) -> None:
    assert fuzz(gateway, desk, 1, schemathesis.GenerationMode.NEGATIVE) > 80


@pytest.mark.storm
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
def test_no_request_of_many_is_answered_by_a_fault_or_an_undocumented_status(
    gateway: Gateway, desk: Desk, webhooks_stay: None, mode: schemathesis.GenerationMode
) -> None:
    assert fuzz(gateway, desk, part(20), mode) > 80

"""Who may do what, for every operation that the gateway's own document names: a new operation is in it by itself."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, get_args
from urllib.parse import quote, urlencode, urlsplit

import orjson
import pytest

from interlock.engine.messages import ActorKind
from tests.integration.gateway_desk import Desk, Operation, furnish, operations_of
from tests.integration.gateway_setup import Gateway
from tests.integration.http_client import Answer, Client

ENVELOPES = {
    "/interlock/v1": {"type", "title", "status", "detail", "code"},
    "/engage/1.0": {"error", "message", "status"},
    "/oneview/v1": {"errorCode", "errorMessage"},
    "/oneview/v2": {"errors", "errorCode", "errorMessage"},
    "/sunshine/v2": {"errors"},
    "/genesys/api/v2": {"statusCode", "statusMessage", "status", "errorDescription"},
}
OPERATORS_ONLY = re.compile(
    r"/interlock/v1/(webhooks|dead-letters|audit|queues|workbins|agents)\b"
    r"|/sunshine/v2/apps/[^/]+/(switchboards|users)\b"
)
"""What belongs to the deployment or to the app, and so to no agent."""
INTEGRATIONS_MAY = re.compile(r"/users\b|^GET .*/switchboards")
KINDS = get_args(ActorKind)
MADE_ANEW = (
    "native_put_queue",
    "native_put_workbin",
    "native_put_agent",
    "native_send_command",
    "native_send_to_many",
)
"""They name things in their own tenant, where a stranger has some of the same name, or makes them."""


@pytest.fixture(scope="module")
def document(gateway: Gateway) -> dict[str, Any]:
    return dict(Client(gateway.url).get("/openapi.json").body)


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> list[Operation]:
    found = operations_of(document)
    assert len(found) > 80
    return found


@pytest.fixture(scope="module")
def desk(gateway: Gateway) -> Desk:
    return furnish(gateway)


@pytest.fixture(scope="module")
def other(gateway: Gateway) -> Desk:
    """Another tenant's desk, with other names for all."""
    return furnish(gateway, "other")


def example(document: dict[str, Any], schema: dict[str, Any], desk: Desk, name: str = "") -> Any:
    """A value that a schema takes, in which the tenant's own things are named."""
    if "$ref" in schema:
        place: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            place = place[part]
        return example(document, place, desk, name)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            rest = {key: value for key, value in schema.items() if key != word}
            required = [*rest.get("required", []), *schema[word][0].get("required", [])]
            schema = {**rest, **schema[word][0], "required": required}
            return example(document, schema, desk, name)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    kind = schema.get("type", "object")
    if kind == "object":
        wanted = schema.get("required", [])
        return {
            one: example(document, schema.get("properties", {}).get(one, {}), desk, one) for one in wanted
        }
    plain = {"array": [], "boolean": False, "integer": 1, "number": 1, "string": "2030-01-01T00:00:00Z"}
    if kind == "array" and schema.get("minItems"):
        return [example(document, schema["items"], desk, name)]
    return desk.values.get(name, "send") if kind == "string" and "format" not in schema else plain[kind]


def ask(document: dict[str, Any], operation: Operation, desk: Desk, client: Client) -> Answer:
    """One request with everything that the operation requires, about the desk's own things."""
    path, query = operation.path, []
    for parameter in operation.document.get("parameters", []):
        value = desk.values.get(parameter["name"])
        if parameter["in"] == "path":
            assert value is not None, (
                f"no value for {parameter['name']} of {operation.id}: name one in `desk`"
            )
            path = path.replace(f"{{{parameter['name']}}}", quote(value, safe=""))
        elif parameter["in"] == "query" and parameter.get("required"):
            schema = parameter.get("schema", {"type": "string"})
            query.append((parameter["name"], value or example(document, schema, desk, parameter["name"])))
    body, headers = None, {}
    named = replace(desk, values={**desk.values, "name": "send"})  # of a command
    content = operation.document.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        body = orjson.dumps(example(document, content["application/json"]["schema"], named))
        headers["content_type"] = "application/json"
    target = f"{path}?{urlencode(query, doseq=True)}" if query else path
    if operation.streams:
        return _begun(client, target)
    return client.send(operation.method, target, body, **headers)


def _begun(client: Client, target: str) -> Answer:
    """The beginning of an answer that does not end, or the whole of one that does."""
    connection = http.client.HTTPConnection(urlsplit(client.url).netloc, timeout=20)
    try:
        headers = {} if client.token is None else {"authorization": f"Bearer {client.token}"}
        connection.request("GET", target, headers=headers)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, b"" if answer.status == 200 else answer.read())
    finally:
        connection.close()


Ask = Callable[..., Iterator[tuple[Operation, Answer]]]


@pytest.fixture
def ask_all(document: dict[str, Any], operations: list[Operation], desk: Desk) -> Ask:
    def asked(
        client: Client, wanted: Callable[[Operation], bool] = lambda _one: True, about: Desk = desk
    ) -> Iterator[tuple[Operation, Answer]]:
        chosen = list(filter(wanted, operations))
        with ThreadPoolExecutor(8) as pool:
            answers = pool.map(lambda one: ask(document, one, about, client), chosen)
            yield from zip(chosen, answers, strict=True)

    return asked


def undocumented(operation: Operation, answer: Answer) -> bool:
    return str(answer.status) not in operation.document["responses"] or answer.status >= 500


def stored(gateway: Gateway, tenant: str) -> dict[bytes, bytes | None]:
    """The tenant's instances, byte for byte."""
    names = sorted(gateway.client.scan_iter(f"*:instance:*~{tenant}~*", count=10_000))
    assert len(names) >= 10
    values: Any = gateway.client.mget(names)
    return dict(zip(names, values, strict=True))


def test_without_a_token_everything_is_401_in_its_own_envelope(gateway: Gateway, ask_all: Ask) -> None:
    wrong = []
    for token in (None, "it_unknown.secret"):
        for operation, answer in ask_all(Client(gateway.url, token)):
            if operation.document["security"] == []:
                expected = answer.status == 200
            else:
                fields = next(one for prefix, one in ENVELOPES.items() if operation.path.startswith(prefix))
                expected = answer.status == 401 and fields <= set(answer.body)
            if not expected:
                wrong.append((operation.id, answer.status, answer.raw[:200]))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("there", [True, False], ids=["there", "back"])
def test_another_tenants_things_are_not_found_and_in_no_list(
    gateway: Gateway, ask_all: Ask, desk: Desk, other: Desk, kind: str, there: bool
) -> None:
    theirs, own = (desk, other) if there else (other, desk)
    before = stored(gateway, theirs.tenant)
    client = gateway.with_token(kind, tenant=own.tenant, id="eve", permissions=["read:*", "reply:*"])
    # Of another's app nothing is found at all: so its things are asked for in the own one too.
    inside = replace(theirs, values={**theirs.values, "appId": own.tenant})
    answers = [*ask_all(client, lambda one: one.id not in MADE_ANEW, theirs)]
    answers += ask_all(client, lambda one: "{" in one.path.partition("{appId}")[2], inside)
    wrong, shown = [], 0
    for operation, answer in answers:
        shown += own.canary.encode() in answer.raw
        found = (
            operation.names_something
            and "/charts/" not in operation.path
            and not operation.path.endswith(("instances/{machine}", "{appId}/switchboards"))
            and answer.status < 400
            and b'"code":"not_found"' not in answer.raw  # of a command that was only tried
        )
        if theirs.canary.encode() in answer.raw or found or undocumented(operation, answer):
            wrong.append((operation.id, answer.status, answer.raw[:200]))
    assert not wrong, "\n".join(map(str, wrong))
    assert shown, "the own things are shown: else the lists would prove nothing"
    assert stored(gateway, theirs.tenant) == before


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_stranger_makes_under_the_same_names_is_its_own(
    gateway: Gateway, ask_all: Ask, desk: Desk, kind: str
) -> None:
    before = stored(gateway, desk.tenant)
    stranger = gateway.with_token(kind, tenant=f"stranger-{kind}", id="eve", permissions=["read:*"])
    made = list(ask_all(stranger, lambda one: one.id in MADE_ANEW))
    assert len(made) == len(MADE_ANEW)
    assert not [
        one.id for one, answer in made if undocumented(one, answer) or desk.canary.encode() in answer.raw
    ]
    assert stored(gateway, desk.tenant) == before


@pytest.mark.parametrize("kind", ["agent", "integration", "bot"])
def test_what_is_for_operators_is_403_for_the_others(
    gateway: Gateway, ask_all: Ask, desk: Desk, kind: str
) -> None:
    client = gateway.with_token(kind, tenant=desk.tenant, id=f"a-{kind}")
    wrong, refused = [], 0
    for operation, answer in ask_all(client):
        allowed = kind != "agent" and INTEGRATIONS_MAY.search(f"{operation.method} {operation.path}")
        closed = OPERATORS_ONLY.match(operation.path) and not allowed
        refused += answer.status == 403
        if (closed and answer.status != 403) or undocumented(operation, answer):
            wrong.append((operation.id, answer.status, answer.raw[:200]))
    assert not wrong, "\n".join(map(str, wrong))
    assert refused > 20


def test_the_tenants_own_admin_is_answered_as_documented(gateway: Gateway, ask_all: Ask, desk: Desk) -> None:
    client = gateway.with_token("admin", tenant=desk.tenant, id="root")
    answers = list(ask_all(client))
    assert [(one.id, got.status, got.raw[:200]) for one, got in answers if undocumented(one, got)] == []
    # The requests are whole ones: else the refusals above would prove nothing.
    well = {one.id for one, got in answers if got.status < 300}
    assert len(well) > 40, sorted(
        {(one.id, got.status, got.raw[:90]) for one, got in answers if got.status >= 300}
    )
    assert any(desk.canary.encode() in got.raw for _, got in answers)

"""The OpenAPI document is one, tells of every answer, and agrees with the charts; whether the gateway keeps to it is
for the fuzzer (`tests/integration/test_gateway_fuzz.py`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import orjson
import pytest
import schemathesis

from interlock.gateway.app import openapi_document
from interlock.statecharts.catalog import Catalog

Words = dict[str, Any]
OF_SEEDS = ("/engage/", "/oneview/", "/sunshine/", "/genesys/")
NO_BODY = ("204",)


@pytest.fixture(scope="module")
def document() -> Words:
    return openapi_document()


@pytest.fixture(scope="module")
def operations(document: Words) -> dict[str, tuple[str, Words]]:
    """Path and words by operation id."""
    found = [(path, one) for path, methods in document["paths"].items() for one in methods.values()]
    assert len(found) == len({one["operationId"] for _, one in found}) > 90
    return {one["operationId"]: (path, one) for path, one in found}


def looked_up(document: Words, reference: str) -> Words:
    place: Any = document
    for part in reference.removeprefix("#/").split("/"):
        place = place[part]
    assert isinstance(place, dict)
    return place


def objects_in(value: Any) -> Iterator[Words]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from objects_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from objects_in(each)


def test_it_is_openapi_3_1(document: Words) -> None:
    assert document["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(document).validate()


def test_its_schemas_are_json_schema(document: Words) -> None:
    found = [one["schema"] for one in objects_in(document["paths"]) if isinstance(one.get("schema"), dict)]
    found += document["components"]["schemas"].values()
    schemas = {orjson.dumps(one, option=orjson.OPT_SORT_KEYS) for one in found}
    assert len(schemas) > 200
    for schema in map(orjson.loads, schemas):
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def test_every_reference_leads_somewhere_and_every_component_is_used(document: Words) -> None:
    named = {one["$ref"] for one in objects_in(document) if isinstance(one.get("$ref"), str)}
    for reference in named:
        looked_up(document, reference)
    assert {f"#/components/schemas/{name}" for name in document["components"]["schemas"]} == named


def test_parameters_of_a_path_are_declared_and_none_is_null(
    operations: dict[str, tuple[str, Words]],
) -> None:
    for name, (path, operation) in operations.items():
        parameters = operation.get("parameters", [])
        declared = {one["name"] for one in parameters if one["in"] == "path"}
        assert declared == set(re.findall(r"\{([^{}]+)\}", path)), name
        assert not [one for one in objects_in(parameters) if one.get("type") == "null"], name


def test_every_answer_with_a_body_has_a_schema(
    document: Words, operations: dict[str, tuple[str, Words]]
) -> None:
    for name, (path, operation) in operations.items():
        for status, answer in operation["responses"].items():
            content = answer.get("content", {})
            assert bool(content) is (status not in NO_BODY), (name, status)
            for words in content.values():
                assert words["schema"], (name, status)
                if path.startswith(OF_SEEDS) and status.startswith("2"):
                    for schema in words["schema"].get("anyOf", [words["schema"]]):
                        shown = looked_up(document, schema["$ref"]) if "$ref" in schema else schema
                        closed = shown.get("additionalProperties") is False or shown.get("type") == "array"
                        assert closed, (name, status)


def test_who_is_refused_is_told_how_to_go_on(operations: dict[str, tuple[str, Words]]) -> None:
    for name, (_, operation) in operations.items():
        for status, header in (("401", "WWW-Authenticate"), ("429", "Retry-After"), ("503", "Retry-After")):
            if status in operation["responses"]:
                assert operation["responses"][status]["headers"][header]["required"] is True, (name, status)


def test_nothing_of_a_vendor_that_is_empty_is_null(document: Words) -> None:
    vendors = ("Engage", "OneView", "Sunshine", "Genesys")
    of_vendors = {
        name: words for name, words in document["components"]["schemas"].items() if name.startswith(vendors)
    }
    assert len(of_vendors) > 30
    for name, words in of_vendors.items():
        assert not [one for one in objects_in(words) if one.get("type") == "null"], name
    intervention = of_vendors["EngageIntervention"]
    assert intervention["properties"]["closed_at"] == {
        "type": "string",
        "format": "date-time",
        "title": "Closed At",
    }
    assert not {"closed_at", "deferred_at"} & set(intervention["required"])


def test_a_link_names_an_operation_and_all_of_its_path(
    document: Words, operations: dict[str, tuple[str, Words]]
) -> None:
    linked = 0
    for _, (_, operation) in operations.items():
        for answer in operation["responses"].values():
            for link in answer.get("links", {}).values():
                path, taker = operations[link["operationId"]]
                assert set(link["parameters"]) == set(re.findall(r"\{([^{}]+)\}", path)), taker
                (words,) = answer["content"].values()
                schema = looked_up(document, words["schema"]["$ref"])
                for place in link["parameters"].values():
                    if place.startswith("$response.body#/"):
                        found = schema
                        for part in place.removeprefix("$response.body#/").split("/"):
                            found = found["properties"][part]
                            found = looked_up(document, found["$ref"]) if "$ref" in found else found
                        linked += 1
    assert linked > 40


@pytest.mark.parametrize("machine", ["queue", "workbin", "agent"])
def test_what_makes_a_desk_is_what_its_charts_take(
    operations: dict[str, tuple[str, Words]], machine: str
) -> None:
    (chart,) = (one for one in Catalog.load().charts if one.id == machine)
    body = operations[f"native_put_{machine}"][1]["requestBody"]["content"]["application/json"]["schema"]
    taken = chart.commands["define"].schema
    assert strip(body["properties"]) == strip(taken["properties"])
    assert body["additionalProperties"] is False


def strip(schema: Any) -> Any:
    """Without descriptions."""
    if isinstance(schema, dict):
        return {name: strip(value) for name, value in schema.items() if name != "description"}
    return [strip(each) for each in schema] if isinstance(schema, list) else schema

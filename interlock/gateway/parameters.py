"""What a vendor's client sends, wherever it puts it: the query, a form or a JSON body, as one mapping."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import jsonschema_rs
from fastapi import Request
from starlette.datastructures import UploadFile

from interlock.engine.ingress import MAX_DEPTH, read_object
from interlock.gateway.problems import Problem

MAX_PARAMETERS = 1000
MAX_NESTING = 8
"""Levels that a name such as ``a[b][c]`` may have."""
MAX_QUERY_TEXT = 16_384
"""Characters of a value in the query; the whole of an address is 64 KiB at most."""
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


async def parameters(request: Request) -> dict[str, Any]:
    """The parameters of query and body; those of the body count where both name one.

    ``name[]=1&name[]=2`` is a list, ``name[a]=1`` an object; a plain name that comes again counts as it came last.
    Values of query and form are texts; those of JSON are as they are, and ``{"name[]": [1]}`` is ``{"name": [1]}``. A
    body of JSON that is empty is ``{}``.

    Raises Problem: 400 (no JSON object; contradicting names), 413 (too many, too deep), 415 (another content type),
    422 (a file; a text too long for the query).
    """
    query = request.query_params.multi_items()
    for name, value in query:
        if len(value) > MAX_QUERY_TEXT:
            text = f"{name[:100]!r} has over {MAX_QUERY_TEXT} characters. Send it in the body."
            raise Problem(422, "too_long_for_a_query", text)
    found = unfolded(query)
    return {**found, **await _body(request)}


def takes(schema: Mapping[str, Any], *, required: bool | None = None) -> dict[str, Any]:
    """The OpenAPI words for an operation with such a JSON body. None at all is ``{}``: where that will not do,
    it is required; ``required`` says so of schemas that refer to others."""
    if required is None:
        required = not jsonschema_rs.is_valid(dict(schema), {})
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def is_json(content_type: str) -> bool:
    """Whether a body with this header is JSON, or may be, for there is none."""
    media_type = _media_type(content_type)
    return media_type in ("", "application/json") or media_type.endswith("+json")


async def json_body(request: Request) -> dict[str, Any]:
    """The JSON object of the body; ``{}`` where it is empty. Raises Problem as `parameters` does."""
    return read_json(await request.body())


def read_json(raw: bytes) -> dict[str, Any]:
    """The JSON object in ``raw``; ``{}`` for nothing. Raises Problem: 400, and 413 where it is nested too deep."""
    if not raw.strip():
        return {}
    body = read_object(raw)
    if body is not None:
        return body
    if _is_too_deep(raw):
        raise Problem(413, "too_deep", f"The body is nested over {MAX_DEPTH} levels deep. Flatten it.")
    raise Problem(400, "not_an_object", "The body is no JSON object in UTF-8. Correct it.")


def unfolded(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Names with brackets as lists and objects. Raises Problem as `parameters` does."""
    found: dict[str, Any] = {}
    for number, (name, value) in enumerate(pairs):
        if number >= MAX_PARAMETERS:
            raise Problem(
                413, "too_many_parameters", f"There are over {MAX_PARAMETERS} parameters. Send fewer."
            )
        match = _NAME.fullmatch(name)
        if match is None:
            found[name] = value
            continue
        steps = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        if len(steps) > MAX_NESTING:
            raise Problem(
                413, "too_deep", f"A parameter is nested over {MAX_NESTING} levels deep. Flatten it."
            )
        _put(found, steps, value, name)
    return found


def texts(parameters: Mapping[str, Any], name: str) -> list[str]:
    """The values of a parameter that may come once, as a list, or with commas between; none where it is not there."""
    value = parameters.get(name)
    if value is None:
        return []
    values = value if isinstance(value, list) else str(value).split(",")
    return [str(each) for each in values if each is not None and str(each) != ""]


async def _body(request: Request) -> dict[str, Any]:
    content_type = request.headers.get("content-type", "")
    if _media_type(content_type) in _FORMS:
        async with request.form(max_fields=MAX_PARAMETERS, max_files=1) as form:
            pairs = form.multi_items()
        if any(isinstance(value, UploadFile) for _, value in pairs):
            raise Problem(422, "file_not_taken", "Files are not taken here. Send texts alone.")
        return unfolded([(name, str(value)) for name, value in pairs])
    raw = await request.body()
    if not raw or is_json(content_type):
        return {name.removesuffix("[]"): value for name, value in read_json(raw).items()}
    raise Problem(415, "content_type", "Send the parameters in the query, as a form or as application/json.")


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _put(target: dict[str, Any], steps: list[str], value: str, name: str) -> None:
    """Set ``value`` where the steps of its name lead; an empty step appends to a list."""
    place: Any = target
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if isinstance(place, list):
            if step != "":
                raise _contradiction(name)
            if following is not None:  # a list of lists or of objects: each its own
                place.append([] if following == "" else {})
                place = place[-1]
            else:
                place.append(value)
            continue
        if step == "":
            raise _contradiction(name)
        if following is None:
            if isinstance(place.get(step), list | dict):
                raise _contradiction(name)
            place[step] = value
        else:
            kind: type = list if following == "" else dict
            inner = place.setdefault(step, kind())
            if type(inner) is not kind:
                raise _contradiction(name)
            place = inner


def _contradiction(name: str) -> Problem:
    return Problem(
        400, "contradicting_parameters", f"{name[:100]!r} contradicts another parameter's name. Correct it."
    )


def _is_too_deep(raw: bytes) -> bool:
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return False
    try:
        return isinstance(json.loads(raw), dict)
    except RecursionError:
        return True
    except ValueError:
        return False

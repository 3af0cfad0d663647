"""Bodies of the native API: JSON objects that fit a model, read behind the caller's token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from interlock.engine.messages import Time
from interlock.gateway.answers import problems
from interlock.gateway.parameters import is_json, read_json, takes
from interlock.gateway.problems import Problem


class Body(BaseModel):
    """A body: nothing that its schema does not name, and each value of its type: 1 is no ``true``, "1" is no 1."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _whole(value: object) -> object:
    """JSON has one kind of number: 1.0 is a whole one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""Behind the bounds of a whole number."""
Moment = Annotated[Time, Field(strict=False)]
"""Comes as a text."""

Model = TypeVar("Model", bound=BaseModel)

BODY_PROBLEMS = problems(400, 413, 415, 422)
"""What every operation with a body may answer."""


async def json_object(request: Request) -> dict[str, Any]:
    """The JSON object of the body; ``{}`` where it is empty.

    Raises Problem: 400 (no object), 413 (too deep), 415 (not JSON by its content type).
    """
    raw = await request.body()
    if raw and not is_json(request.headers.get("content-type", "")):
        raise Problem(415, "not_json", "Send the body as application/json.")
    return read_json(raw)


def taken(model: type[Model]) -> Callable[[Request], Awaitable[Model]]:
    """A dependency: the body as ``model``. Named behind the caller, so that who has no token is told that first.

    Raises RequestValidationError (422), and Problem as `json_object` does.
    """

    async def read(request: Request) -> Model:
        body = await json_object(request)
        try:
            return model.model_validate(body)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False, include_context=False)
            raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in found]) from None

    return read


def takes_model(model: type[BaseModel]) -> dict[str, Any]:
    """The OpenAPI words for such a body; it may be left out where the model demands no field.

    Enumerations are named as FastAPI names them where they are parameters.
    """
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return takes(schema, required=bool(schema.get("required")))

"""What JSON bodies of the native API may hold: nothing that their schema does not name, and no text for a number."""

from __future__ import annotations

import json
from typing import Annotated

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from interlock.engine.messages import Time


class Body(BaseModel):
    """A body. Values have to be of their type: 1 is no ``true``, and "1" is no 1."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _can_be_sent_on(cls, body: object) -> object:
        """The body as `read_json` reads one: a number of over 64 bits is the nearest float, a text is Unicode."""
        try:
            orjson.dumps(body)
        except TypeError:
            return orjson.loads(json.dumps(body)) if isinstance(body, dict) else body
        return body


def _whole(value: object) -> object:
    """JSON has one kind of number: 1.0 is a whole one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""Behind the bounds of a whole number."""
Moment = Annotated[Time, Field(strict=False)]
"""Comes as a text."""

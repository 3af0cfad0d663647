"""What is answered, for the OpenAPI document: exactly the fields that are sent, and null only where null is sent."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


def _leave_out(schema: dict[str, Any]) -> None:
    """What has None for its default is left out where it is empty: never null, and nobody's default."""
    for field in schema.get("properties", {}).values():
        if field.get("default", ...) is not None:
            continue
        del field["default"]
        others = [one for one in field.pop("anyOf", ()) if one != {"type": "null"}]
        field.update(others[0] if len(others) == 1 else {"anyOf": others} if others else {})


class Shown(BaseModel):
    """An object that is answered: these fields and no others.

    A field whose default is None is left out where it is empty. One that is sent as null has no default.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra=_leave_out)


Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""RFC 3339."""
Count = Annotated[int, Field(ge=0)]

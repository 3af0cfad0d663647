"""Which methods a path takes: what a 405 has to say in ``Allow``, whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PARAMETER = re.compile(r"\{[^{}]*\}")


def allowed_methods(document: Mapping[str, Any], path: str) -> list[str]:
    """The methods of every operation of an OpenAPI document at this path; none where it knows no such path.

    The router tells those of the first route alone that has the path.
    """
    found: set[str] = set()
    for template, operations in document["paths"].items():
        if re.fullmatch("[^/]+".join(map(re.escape, _PARAMETER.split(template))), path):
            found |= {name.upper() for name in operations}
    return sorted(found)

"""What a reader of the OpenAPI document checks of each answer, and where that cannot hold: for the fuzzer's tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

POSITIVE, NEGATIVE = "positive_data_acceptance", "negative_data_rejection"
GONE = "use_after_free"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    POSITIVE,
    NEGATIVE,
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
    GONE,
    "ensure_resource_availability",
)
"""Of schemathesis, all but `object_level_authorization`: that is `test_gateway_matrix.py`."""

_STATE = "the vendor's 422 says too that the state stands against it"
_PLACE = "a cursor names a place in the list; JSON Schema cannot say which there are"
_BOARD = "the vendor's 400 says too that the board stands against it"
_TALK = (
    "the vendor's 400 says too that the conversation stands against it: a personal one has one participant"
)
_OF_CHARTS = "which machines, states and fields there are is for the charts"
_OF_WEBHOOKS = "addresses, expressions and filters are judged by more than their form"
EXCEPTIONS: dict[str, dict[str, str]] = {
    "native_send_command": {POSITIVE: _OF_CHARTS},
    "native_list_instances": {POSITIVE: _OF_CHARTS},
    "native_send_to_many": {POSITIVE: _OF_CHARTS},
    "native_put_queue": {POSITIVE: "a calendar has to be there, and a queue does not overflow into itself"},
    "native_add_webhook": {POSITIVE: _OF_WEBHOOKS},
    "native_update_webhook": {POSITIVE: _OF_WEBHOOKS},
    "native_try_webhook": {POSITIVE: _OF_WEBHOOKS},
    "native_redeliver": {POSITIVE: _OF_WEBHOOKS},
    "native_list_deliveries": {POSITIVE: _PLACE},
    "native_list_queues": {POSITIVE: _PLACE},
    "native_list_workbins": {POSITIVE: _PLACE},
    "native_list_agents": {POSITIVE: _PLACE},
    "engage_create_content": {POSITIVE: "what is needed depends on the kind of the token"},
    "engage_create_intervention": {POSITIVE: _STATE},
    "engage_defer_intervention": {POSITIVE: _STATE},
    "engage_reactivate_intervention": {POSITIVE: _STATE},
    "engage_engage_bot": {POSITIVE: _STATE},
    "engage_complete_bot": {POSITIVE: _STATE},
    "engage_hand_over": {POSITIVE: _STATE},
    "sunshine_list_conversations": {POSITIVE: _PLACE},
    "sunshine_list_messages": {POSITIVE: _PLACE, GONE: "the list is there when all in it are deleted"},
    "sunshine_post_message": {POSITIVE: _TALK, GONE: "the next message comes when all are deleted"},
    "sunshine_delete_conversation": {POSITIVE: _TALK},
    "sunshine_join_conversation": {POSITIVE: _TALK},
    "sunshine_list_participants": {POSITIVE: _PLACE},
    "sunshine_create_switchboard": {POSITIVE: _BOARD},
    "sunshine_create_switchboard_integration": {POSITIVE: _BOARD},
    "sunshine_update_switchboard_integration": {POSITIVE: _BOARD},
}
"""By operation, the checks that do not apply to it, and why."""

ENDLESS = "/interlock/v1/events"
LONG_POLLING = "/genesys/api/v2/notifications"
OF_OPERATORS = ("/interlock/v1/webhooks", "/interlock/v1/dead-letters", "/interlock/v1/audit")


def checks_of(operation_id: str) -> list[str]:
    """The names of the checks that apply to an operation."""
    return [name for name in CHECKS if name not in EXCEPTIONS.get(operation_id, {})]


def configuration(token: str, fixed: dict[str, str], known: dict[str, Any]) -> str:
    """The text of a `schemathesis.toml`. ``fixed``: parameters of paths that have one value; ``known``: those that
    mostly have this one, by name, in paths, queries and bodies."""
    lines = ["continue-on-failure = true", "request-timeout = 60"]
    lines += [f"headers = {{ Authorization = {json.dumps(f'Bearer {token}')} }}", "[checks]"]
    lines += [f"{name}.enabled = true" for name in CHECKS]
    for name, value in known.items():
        lines += [f"[dictionaries.{name}]", f"values = [{json.dumps(value)}]"]
    lines += ["[parameters]", *(f'"path.{name}" = {json.dumps(value)}' for name, value in fixed.items())]
    for place in ("path", "query"):
        mostly = '"{}.{}" = {{ dictionary = "{}", probability = 0.7 }}'
        lines += [mostly.format(place, name, name) for name in known if name not in fixed]
    for operation_id, checks in EXCEPTIONS.items():
        lines += ["[[operations]]", f'include-operation-id = "{operation_id}"']
        lines += [f"checks.{name}.enabled = false  # {reason}" for name, reason in checks.items()]
    return "\n".join(lines)


def path_pattern(prefixes: Iterable[str]) -> str:
    """A regular expression of the paths below these."""
    return f"^({'|'.join(prefixes)})(/|$)"

"""What refusals and problems are in every vendor's API, where their documents do not differ."""

from __future__ import annotations

from interlock.engine.errors import ErrorClass

UNSERVED = {
    ErrorClass.TOO_LARGE: 413,
    ErrorClass.TOO_BUSY: 503,
    ErrorClass.EXPIRED: 503,
    ErrorClass.UNKNOWN_MACHINE: 503,
    ErrorClass.UNKNOWN_COMMAND: 503,
}
"""HTTP status of the classes of refusals that say nothing of the instance; without its chart nothing is served."""
STATUS = {
    **UNSERVED,
    ErrorClass.NOT_FOUND: 404,
    ErrorClass.FORBIDDEN: 403,
    ErrorClass.GUARD_ERROR: 500,
    ErrorClass.INTERNAL: 500,
}
"""HTTP status of the classes on which the vendors agree."""
WORDS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "payload_too_large",
    415: "unsupported_media_type",
    500: "internal_server_error",
    503: "service_unavailable",
}
"""The words of HTTP for statuses, for vendors who document no others."""

"""Whether an endpoint wants our deliveries: Engage's challenge, asked before a webhook is kept, or its URL, profile
or secret is changed.

Source: RingCentral's "Registering a Webhook", validation request.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets

from yarl import URL

from interlock.engine.addresses import check_url
from interlock.engine.errors import InterlockError
from interlock.engine.profiles.engage import SECRET_HEADER
from interlock.engine.settings import Settings
from interlock.engine.shared_secrets import parse_shared
from interlock.engine.signing import SECRET_BYTES, format_secret
from interlock.workers.http_client import Answer, HttpClient

VERIFY_TOKEN = "interlock"  # noqa: S105 - a public default, it proves nothing
_OK = 200


class EndpointUnverified(InterlockError):
    """The endpoint did not answer the challenge. Let it answer `hub.challenge`, then run the command again."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the endpoint did not answer the challenge ({why}): it must answer GET with status 200 and "
            "the value of hub.challenge as its body; then run this again. Nothing was changed"
        )


def verify_endpoint(
    settings: Settings, url: str, verify_token: str = VERIFY_TOKEN, secret: str | None = None
) -> str:
    """Ask the endpoint to repeat a random text; returns the secret that it was shown, for the deliveries.

    ``verify_token``: what the receiver was told to expect; ``secret``: its own, made where None.
    Raises UrlRefused, SecretInvalid, SharedSecretInvalid, EndpointUnverified.
    """
    check_url(url, settings.webhook_allow_cidrs, settings.webhook_allow_hosts)
    challenge = secrets.token_urlsafe(24)
    asked = URL(url).extend_query(
        {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
    )
    secret = format_secret(secrets.token_bytes(SECRET_BYTES)) if secret is None else secret
    parse_shared(secret)  # before it goes into a header
    headers = {SECRET_HEADER: secret, "Content-Type": "application/json"}
    why = _fault(asyncio.run(_get(settings, str(asked), headers)), challenge)
    if why is not None:
        raise EndpointUnverified(why)
    return secret


async def _get(settings: Settings, url: str, headers: dict[str, str]) -> Answer:
    async with HttpClient(settings) as http:
        return await http.get(url, headers)


def _fault(answer: Answer, challenge: str) -> str | None:
    if answer.error is not None:
        return answer.error
    if answer.status != _OK:
        return f"it answered {answer.status}"
    if not hmac.compare_digest(answer.body.strip(), challenge.encode()):
        return "its body is something else"
    return None

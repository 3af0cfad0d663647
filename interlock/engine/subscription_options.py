"""What a subscription may say when it is made: its options, checked, and its keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from interlock.engine import event_filters
from interlock.engine.errors import InterlockError
from interlock.engine.event_filters import EventFilter, FilterInvalid
from interlock.engine.profiles import PROFILES
from interlock.engine.secrets import SecretKey
from interlock.engine.shared_secrets import parse_shared
from interlock.engine.signing import format_secret, parse_secret
from interlock.engine.subscription import StoredSecret
from interlock.engine.webhook_headers import HeaderInvalid, parse_headers
from interlock.engine.webhook_rates import RateInvalid, interval_us
from interlock.engine.webhook_signatures import SignatureScheme, parse_private_key, public_key

MAX_DESCRIPTION = 500
"""Characters. Delivery processes read all webhooks again and again."""


class SubscriptionInvalid(InterlockError):
    """A subscription cannot be made from this. Correct what the message names."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a subscription may say besides its URL.

    ``events``, ``machines``, ``states``, ``where``: see `EventFilter`; ``headers``: each ``Name: value``;
    ``rate``: ``10/second``; ``signature``: ``hmac`` or ``ed25519``.
    """

    events: Sequence[str] = ("*",)
    machines: Sequence[str] = ()
    states: Sequence[str] = ()
    where: str | None = None
    description: str = ""
    ordered: bool = False
    profile: str = "standard"
    headers: Sequence[str] = field(default=(), repr=False)
    rate: str | None = None
    signature: str = "hmac"


def checked(wish: Options) -> tuple[EventFilter, dict[str, str]]:
    """The filter and the extra headers, values by name. Raises SubscriptionInvalid."""
    if len(wish.description) > MAX_DESCRIPTION or not wish.description.isprintable():
        raise SubscriptionInvalid(
            f"a description is at most {MAX_DESCRIPTION} printable characters on one line: correct it"
        )
    try:
        wanted = event_filters.checked(wish.events, wish.machines, wish.states, wish.where)
        headers = parse_headers(wish.headers)
        if wish.rate is not None:
            interval_us(wish.rate)
    except (FilterInvalid, HeaderInvalid, RateInvalid) as error:
        raise SubscriptionInvalid(str(error)) from None
    return wanted, headers


def scheme_of(wish: Options) -> SignatureScheme:
    """How the webhook is to sign. Raises SubscriptionInvalid, also for a profile that does not exist."""
    if wish.profile not in PROFILES:
        raise SubscriptionInvalid(f"there is no profile {wish.profile!r}: use {', '.join(PROFILES)}")
    try:
        scheme = SignatureScheme(wish.signature)
    except ValueError:
        raise SubscriptionInvalid(
            f"there is no signature {wish.signature!r}: use {', '.join(SignatureScheme)}"
        ) from None
    if scheme is SignatureScheme.ED25519 and wish.profile != "standard":
        raise SubscriptionInvalid(f"the profile {wish.profile} knows no ed25519: leave --signature out")
    return scheme


def parse_key(text: str, profile: str, scheme: SignatureScheme) -> bytes:
    """The bytes of a ``whsec_`` or ``whsk_`` text, or of any in a vendor's profile.

    Raises SecretInvalid, SharedSecretInvalid.
    """
    if profile != "standard":
        return parse_shared(text)
    return parse_private_key(text) if scheme is SignatureScheme.ED25519 else parse_secret(text)


def sealed(key: SecretKey, webhook_id: str, plain: bytes, scheme: SignatureScheme) -> StoredSecret:
    """A secret as it is stored."""
    public = public_key(plain) if scheme is SignatureScheme.ED25519 else None
    return StoredSecret(key.encrypt(plain, webhook_id), public_key=public)


def told(plain: bytes, scheme: SignatureScheme) -> str:
    """What the subscriber is given, once; of a key pair nothing, for the public key is no secret."""
    return "" if scheme is SignatureScheme.ED25519 else format_secret(plain)

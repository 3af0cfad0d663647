"""Which network addresses a webhook may reach: pure.

Addresses are judged, never texts: ``127.1``, ``0x7f.0.0.1``, ``2130706433`` and ``①②⑦.⓪.⓪.①`` all end up as
the same address, and it is that address which is looked at, at the moment a socket is made for it.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from interlock.engine.errors import InterlockError

Network = IPv4Network | IPv6Network

MAX_URL_LENGTH = 2048
_ALLOW = "allow its network with INTERLOCK_WEBHOOK_ALLOW_CIDRS, or the URL's host with INTERLOCK_WEBHOOK_ALLOW_HOSTS"
_GLOBAL_UNICAST = ip_network("2000::/3")
"""All of IPv6 that is given out. What lies outside may be translated, tunnelled or given out one day."""

# `is_global` says yes to some or all of these, depending on the version of Python; see IANA's registries of
# special-purpose addresses. The IPv6 ones that embed an IPv4 address would reach it through a translator.
_DENIED: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(text), what)
    for text, what in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by carriers"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "Azure's host"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved for protocols"),
        ("192.0.2.0/24", "for documentation"),
        ("192.31.196.0/24", "AS112"),
        ("192.52.193.0/24", "AMT"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "AS112"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::/96", "IPv4-compatible"),
        ("::ffff:0:0:0/96", "IPv4-translated"),
        ("64:ff9b::/96", "a NAT64 translator"),
        ("64:ff9b:1::/48", "a NAT64 translator"),
        ("100::/64", "discarded"),
        ("2001::/23", "reserved for protocols"),
        ("2001:db8::/32", "for documentation"),
        ("2002::/16", "a 6to4 relay"),
        ("2620:4f:8000::/48", "AS112"),
        ("3fff::/20", "for documentation"),
        ("5f00::/16", "for segment routing"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)


class UrlRefused(InterlockError):
    """A webhook may not have this URL. Correct the URL, or allow its network with the setting that the
    message names."""


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """What may be reached. ``allowed``: networks of the operator's setting; ``only_allowed``: nothing else
    (plain http and odd ports), where otherwise every public address may be reached too; ``trusted``: every
    address, because the operator named the host."""

    allowed: tuple[Network, ...] = ()
    only_allowed: bool = False
    trusted: bool = False

    def refusal(self, address: str) -> str | None:
        """Why ``address`` (the text of an IP address) may not be reached; None where it may."""
        try:
            ip = _parse(address)
        except ValueError:
            return f"{address!r} is no IP address"
        if self.trusted or any(ip in network for network in self.allowed):
            return None
        kind = denied_kind(ip)
        if kind is not None:
            return f"{ip} is an address that webhooks may not reach ({kind}): {_ALLOW}"
        if self.only_allowed:
            return f"{ip} is reached by https on port 443 only: use that, or {_ALLOW}"
        return None


def policy_for(
    scheme: str, port: int | None, allowed: Sequence[Network], *, host: str = "", hosts: Container[str] = ()
) -> AddressPolicy:
    """The policy of a URL: what is not https on port 443 may only reach allowed networks.

    ``host``: as it will be looked up, in ASCII; ``hosts``: those that the operator allows, see `host_name`.
    """
    ordinary = scheme == "https" and port in (None, 443)
    return AddressPolicy(tuple(allowed), only_allowed=not ordinary, trusted=host_name(host) in hosts)


def host_name(host: str) -> str:
    """How hosts are compared: small letters, without the last dot. Never more: whatever makes one text of
    two, such as Unicode's forms, could make an allowed host of a foreign one."""
    return host.lower().removesuffix(".")


def check_url(text: str, allowed: Sequence[Network], hosts: Container[str] = ()) -> SplitResult:
    """The parts of a URL that a webhook may have; looks up no name. ``allowed`` and ``hosts``: networks and
    hosts of the operator's settings. Raises `UrlRefused`."""
    if len(text) > MAX_URL_LENGTH:
        raise UrlRefused(f"the URL has {len(text)} characters: use at most {MAX_URL_LENGTH}")
    if any(character.isspace() or not character.isprintable() for character in text):
        raise UrlRefused("the URL contains a space or a control character: encode it as %xx")
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError as error:
        raise UrlRefused(f"{text!r} is no URL ({error}): correct it") from None
    if url.scheme not in ("http", "https") or not host or port == 0:
        raise UrlRefused(f"{text!r} is no URL of a web server: it must begin with https:// and name a host")
    if url.username is not None or url.password is not None:
        raise UrlRefused("the URL contains a user or a password: take them out, the signature says who sends")
    if "#" in text:
        raise UrlRefused("the URL contains a fragment (#...), which is never sent: take it out")
    _check_without_lookup(host, policy_for(url.scheme, url.port, allowed, host=host, hosts=hosts))
    return url


def _check_without_lookup(host: str, policy: AddressPolicy) -> None:
    try:
        ip_address(host)
    except ValueError:
        if policy.only_allowed and not policy.allowed and not policy.trusted:
            raise UrlRefused(
                "plain http, and https on another port than 443, reach only what is allowed with "
                "INTERLOCK_WEBHOOK_ALLOW_CIDRS or INTERLOCK_WEBHOOK_ALLOW_HOSTS: use https, or set one of them"
            ) from None
        return
    reason = policy.refusal(host)
    if reason is not None:
        raise UrlRefused(reason)


def denied_kind(ip: IPv4Address | IPv6Address) -> str | None:
    """What makes an address unreachable for webhooks (``loopback``, ...); None for a public one."""
    for network, kind in _DENIED:
        if ip in network:
            return kind
    if isinstance(ip, IPv6Address) and ip not in _GLOBAL_UNICAST:
        return "not given out"
    return None if ip.is_global else "not public"


def _parse(address: str) -> IPv4Address | IPv6Address:
    """The address itself: without its zone, and IPv4 where it is only written as IPv6."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return ip

"""Where webhooks may not go: judged by address, and seen from below by an audit hook on ``connect``."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from interlock.engine.addresses import AddressPolicy, UrlRefused, check_url, policy_for
from interlock.engine.delivery_log import Attempt
from interlock.engine.settings import Settings
from interlock.workers.http_client import HttpClient
from interlock.workers.vetted_connections import AddressForbidden, socket_factory

_ADDRESSES = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.254 127.0.0.1 127.255.255.254 169.254.169.254
169.254.0.1 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.2.1 192.88.99.1 192.88.99.2 192.168.0.1
192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.250 240.0.0.1
255.255.255.255 :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:7f00:1 64:ff9b::7f00:1
64:ff9b::8.8.8.8 64:ff9b:1::1 100::1 2001::1 2001:10::1 2001:db8::1 2002:7f00:1::1 2002:808:808::1 3fff::1
5f00::1 fc00::1 fd12:3456::1 fe80::1 fe80::1%lo fec0::1 ff02::1 ff0e::1 168.63.129.16 ::ffff:0:127.0.0.1
::ffff:0:7f00:1 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::1 2001:0:a9fe:a9fe::1 ::ffff:169.254.169.254 ::a00:1
2620:4f:8000::1 100:0:0:1::1 1::1 200::1 4000::1 8000::1 e000::1 fe00::1 fd00:ec2::254 feff:ffff::1
"""
FORBIDDEN_ADDRESSES = _ADDRESSES.split()

PUBLIC_ADDRESSES = ["8.8.8.8", "1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "::ffff:8.8.8.8"]

# Forms of addresses that libraries read in different ways, names, and other ways in.
_HOSTS = """
127.1 127.0.1 0x7f.0.0.1 0x7f000001 0x7F.1 2130706433 017700000001 0177.0.0.1 0177.1 00000127.0.0.1 0 0x0 10.1
0xa9fea9fe 2852039166 0251.0376.0251.0376 169.254.43518 192.168.257 0xc0a80001 3232235521 127.0.0.1.
①②⑦.⓪.⓪.① １２７.０.０.１ 127。0。0。1 localhost LOCALHOST localhost. inside.test metadata.test mapped.test
nat64.test both-private.test
"""
FORBIDDEN_HOSTS = _HOSTS.split()

NAMES = {
    "localhost": ["::1", "127.0.0.1"],
    "inside.test": ["10.1.2.3"],
    "metadata.test": ["169.254.169.254"],
    "mapped.test": ["::ffff:127.0.0.1"],
    "nat64.test": ["64:ff9b::7f00:1"],
    "both-private.test": ["192.168.1.1", "fd00::1"],
    "mixed.test": ["127.0.0.9", "127.0.0.1"],
    # Strangers' names that look like an allowed one.
    "xmixed.test": ["127.0.0.1"],
    "sub.mixed.test": ["127.0.0.1"],
    "mixed.test.evil.test": ["127.0.0.1"],
    "xn--zca.test": ["127.0.0.1"],
}

_connects: list[Any] = []
_watching = False


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if _watching and event == "socket.connect":
        _connects.append(args[1])


sys.addaudithook(_audit)


@pytest.fixture
def connects() -> Iterator[list[Any]]:
    """The addresses that this process connects to during the test."""
    global _watching
    _connects.clear()
    _watching = True
    yield _connects
    _watching = False


def lookup(host: str, port: int, family: int) -> list[Any]:
    """Our own names, and what the C library makes of numbers; never a question to the network."""
    found = NAMES.get(host.lower().rstrip("."))
    if found is None:
        return socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    return [info for one in found for info in socket.getaddrinfo(one, port, 0, socket.SOCK_STREAM)]


def attempt(url: str, settings: Settings, resolve: Any = lookup) -> Attempt:
    async def post() -> Attempt:
        async with HttpClient(settings, lookup=resolve) as http:
            return await http.post(url, {"webhook-id": "msg_1"}, b"{}")

    return asyncio.run(post())


def in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address


FORBIDDEN_URLS = [f"https://{in_url(one)}/" for one in FORBIDDEN_ADDRESSES + FORBIDDEN_HOSTS] + [
    "http://8.8.8.8/",
    "https://8.8.8.8:8443/",
    "http://[2606:4700:4700::1111]/",
    "http://localhost:6379/",
    "http://127.0.0.1:6379/",
    # Who is the host? Some libraries see a public one in these.
    "https://example.com@127.0.0.1/",
    "https://example.com:443@127.0.0.1/",
    "https://8.8.8.8@127.0.0.1:443/",
    "https://example.com%40127.0.0.1/",
    "https://127.0.0.1\\@8.8.8.8.test/",
    "https://127.0.0.1#@8.8.8.8/",
    "https://127.0.0.1?@8.8.8.8/",
    "https://127.0.0.1;@inside.test/",
    "https://%31%32%37.0.0.1/",
    "https://127.0.0.1%00.example.com/",
    "https://127.0.0.1\t.example.com/",
    "https://[::1%25lo]/",
    "https://[::ffff:127.0.0.1%25lo]/",
    "https://[0:0:0:0:0:ffff:7f00:1]/",
    "https://[0000:0000:0000:0000:0000:0000:0000:0001]/",
    "https://[::ffff:0x7f.1]/",
    "https:127.0.0.1/",
    "https:///127.0.0.1/",
    "//127.0.0.1/",
    # Other ports and schemes.
    "https://8.8.8.8:22/",
    "https://8.8.8.8:0/",
    "HTTP://8.8.8.8/",
    "ftp://8.8.8.8/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "unix:///var/run/docker.sock",
    "ws://127.0.0.1/",
    "dict://127.0.0.1:11211/",
    "data:text/plain,x",
]


@pytest.mark.parametrize("address", FORBIDDEN_ADDRESSES)
def test_a_forbidden_address_is_refused_and_the_setting_named(address: str) -> None:
    assert "INTERLOCK_WEBHOOK_ALLOW_CIDRS" in (AddressPolicy().refusal(address) or "")


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_a_public_address_is_reached_by_https_on_443_only(address: str) -> None:
    assert policy_for("https", 443, ()).refusal(address) is None
    assert policy_for("https", None, ()).refusal(address) is None
    for scheme, port in [("http", 80), ("http", 443), ("https", 8443)]:
        assert "INTERLOCK_WEBHOOK_ALLOW_CIDRS" in (policy_for(scheme, port, ()).refusal(address) or "")


@pytest.mark.parametrize("url", FORBIDDEN_URLS)
def test_no_forbidden_url_is_connected_to(url: str, connects: list[Any]) -> None:
    made = attempt(url, Settings(webhook_timeout_seconds=2))
    assert connects == []
    assert made.status is None
    assert made.error


def test_the_table_of_forbidden_urls_is_long_enough() -> None:
    assert len(set(FORBIDDEN_URLS)) >= 130


@pytest.fixture
def listener() -> Iterator[int]:
    """A port of 127.0.0.1 that takes connections; nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "mixed.test"])
def test_an_allowed_network_is_connected_to(host: str, listener: int, connects: list[Any]) -> None:
    settings = Settings(webhook_allow_cidrs="127.0.0.1/32", webhook_timeout_seconds=0.2)
    made = attempt(f"http://{host}:{listener}/", settings)
    assert connects == [("127.0.0.1", listener)]
    assert made.error == "no answer within 0.2 s"


def test_allowing_one_network_opens_no_other(connects: list[Any]) -> None:
    settings = Settings(webhook_allow_cidrs="127.0.0.0/8", webhook_timeout_seconds=2)
    for url in ["http://10.0.0.1/", "http://inside.test/", "http://[::1]:80/", "http://8.8.8.8/"]:
        assert "INTERLOCK_WEBHOOK_ALLOW_CIDRS" in (attempt(url, settings).error or "")
    assert connects == []


def test_a_name_that_turns_inward_after_the_check_is_not_followed(listener: int, connects: list[Any]) -> None:
    answers = iter(["127.0.0.1", "10.0.0.1"])

    def rebinding(host: str, port: int, family: int) -> list[Any]:
        return socket.getaddrinfo(next(answers, "10.0.0.1"), port, 0, socket.SOCK_STREAM)

    settings = Settings(webhook_allow_cidrs="127.0.0.0/8", webhook_timeout_seconds=0.2)
    for _ in range(3):
        attempt(f"http://rebind.test:{listener}/", settings, resolve=rebinding)
    assert {address for address, _ in connects} == {"127.0.0.1"}


HOSTS = Settings(webhook_allow_hosts="Inside.test, 10.9.9.9,::1").webhook_allow_hosts


@pytest.mark.parametrize("host", ["mixed.test", "MIXED.test", "mixed.test."])
def test_a_host_that_the_operator_names_is_reached_wherever_it_is(
    host: str, listener: int, connects: list[Any]
) -> None:
    settings = Settings(webhook_allow_hosts="Mixed.Test", webhook_timeout_seconds=0.2)
    check_url(f"http://{host}:{listener}/", (), settings.webhook_allow_hosts)
    attempt(f"http://{host}:{listener}/", settings)
    assert {port for _, port in connects} == {listener}
    assert {address for address, _ in connects} <= {"127.0.0.9", "127.0.0.1"}


def test_allowing_a_host_opens_no_other_and_none_of_its_addresses(connects: list[Any]) -> None:
    settings = Settings(webhook_allow_hosts="mixed.test,ss.test", webhook_timeout_seconds=2)
    for url in (
        "https://127.0.0.1/",
        "http://localhost/",
        "http://sub.mixed.test/",
        "http://mixed.test.evil.test/",
        "http://xmixed.test/",
        "http://mixed.test@127.0.0.1/",
        "http://\u00df.test/",  # in IDNA 2003 this was ss.test, in IDNA 2008 it is another's name
    ):
        assert attempt(url, settings).error
    assert connects == []


def test_a_host_may_be_an_address(listener: int, connects: list[Any]) -> None:
    settings = Settings(webhook_allow_hosts="127.0.0.1", webhook_timeout_seconds=0.2)
    attempt(f"http://127.0.0.1:{listener}/", settings)
    attempt(f"http://localhost:{listener}/", settings)
    assert connects == [("127.0.0.1", listener)]


@pytest.mark.parametrize(
    "text", ["http://inside.test", "inside.test:80", "*.test", "a b", "b\u00fccher.test", "[::1]"]
)
def test_what_is_no_host_is_refused_as_a_setting(text: str) -> None:
    with pytest.raises(ValueError, match="no host"):
        Settings(webhook_allow_hosts=text)


def test_the_hosts_of_the_setting_are_compared_in_one_spelling() -> None:
    assert HOSTS == ("inside.test", "10.9.9.9", "::1")


@pytest.mark.parametrize("url", ["https://10.0.0.1/", "http://example.com/", "http://8.8.8.8/"])
def test_a_refusal_names_both_settings(url: str) -> None:
    with pytest.raises(UrlRefused, match=r"INTERLOCK_WEBHOOK_ALLOW_CIDRS.*INTERLOCK_WEBHOOK_ALLOW_HOSTS"):
        check_url(url, ())


def test_a_socket_goes_nowhere_but_where_it_was_vetted_for(listener: int, connects: list[Any]) -> None:
    make = socket_factory(AddressPolicy(trusted=True))
    with make((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", listener))) as vetted:
        for connect in (vetted.connect, vetted.connect_ex):
            with pytest.raises(AddressForbidden, match=r"127\.0\.0\.9"):
                connect(("127.0.0.9", listener))
        assert connects == []
        vetted.connect(("127.0.0.1", listener))


def test_who_is_at_the_other_end_is_compared_before_a_byte_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def elsewhere(self: socket.socket, _address: Any) -> None:
            socket.socket.connect(self, ("127.0.0.1", port))

        monkeypatch.setattr("interlock.workers.vetted_connections._BoundSocket.connect", elsewhere)
        settings = Settings(webhook_allow_cidrs="127.0.0.9/32", webhook_timeout_seconds=2)
        made = attempt(f"http://127.0.0.9:{port}/", settings)
        assert "INTERLOCK_WEBHOOK_ALLOW_CIDRS" in (made.error or "")
        server.settimeout(2)
        with server.accept()[0] as connection:
            assert connection.recv(100) == b""


def test_the_proxy_of_the_environment_is_not_used(
    listener: int, connects: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{listener}")
    settings = Settings(webhook_timeout_seconds=0.5, webhook_allow_cidrs="127.0.0.0/8")
    for url in ("https://10.0.0.1/", "http://10.0.0.1/"):
        attempt(url, settings)
    assert connects == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://example.com/", "https://"),
        ("https://", "https://"),
        ("example.com/hook", "https://"),
        ("https://example.com:0/", "https://"),
        ("https://example.com:99999/", "no URL"),
        ("https://user@example.com/", "user"),
        ("https://user:hunter2@example.com/", "password"),
        ("https://:hunter2@example.com/", "password"),
        ("https://example.com/#part", "fragment"),
        ("https://example.com/a b", "space"),
        ("https://example.com/\r\nX-Evil: 1", "control"),
        ("https://example.com/" + "a" * 2048, "2048"),
        ("https://127.0.0.1/", "INTERLOCK_WEBHOOK_ALLOW_CIDRS"),
        ("https://[::1]/", "INTERLOCK_WEBHOOK_ALLOW_CIDRS"),
        ("http://example.com/", "INTERLOCK_WEBHOOK_ALLOW_CIDRS"),
        ("https://example.com:8443/", "INTERLOCK_WEBHOOK_ALLOW_CIDRS"),
    ],
)
def test_a_url_that_cannot_be_is_refused_when_it_is_added(url: str, words: str) -> None:
    with pytest.raises(UrlRefused, match=words) as caught:
        check_url(url, ())
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://example.com/hook?x=1", "https://example.com:443/", "https://8.8.8.8/"]
)
def test_an_ordinary_url_may_be_added(url: str) -> None:
    check_url(url, ())


def test_plain_http_may_be_added_where_a_network_is_allowed() -> None:
    allowed = Settings(webhook_allow_cidrs="127.0.0.0/8").webhook_allow_cidrs
    check_url("http://localhost:8080/hook", allowed)
    check_url("http://127.0.0.1:8080/hook", allowed)
    with pytest.raises(UrlRefused):
        check_url("http://10.0.0.1:8080/hook", allowed)

"""Where `listen` forwards to."""

from __future__ import annotations

import pytest

from interlock.cli.listen import _Lines
from interlock.engine.addresses import UrlRefused
from interlock.engine.settings import Settings
from interlock.workers.listening import receiver_url


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("4242", "http://127.0.0.1:4242/"),
        ("localhost:4242/hook", "http://localhost:4242/hook"),
        ("127.0.0.1:4242", "http://127.0.0.1:4242"),
        ("http://[::1]:4242/hook?a=b", "http://[::1]:4242/hook?a=b"),
        ("https://example.org/hook", "https://example.org/hook"),
    ],
)
def test_a_port_of_this_machine_needs_no_setting(given: str, url: str) -> None:
    assert receiver_url(given, Settings()) == url


@pytest.mark.parametrize(
    "given",
    [
        "",
        "0",
        "70000",
        "http://10.0.0.1/",
        "http://169.254.169.254/latest",
        "http://8.8.8.8/",
        "ftp://127.0.0.1/",
        "http://user:word@127.0.0.1/",
        "http://127.0.0.1/\r\nX-Injected: yes",
    ],
)
def test_others_are_refused_as_webhooks_are(given: str) -> None:
    with pytest.raises(UrlRefused):
        receiver_url(given, Settings())


def test_networks_of_the_setting_are_reached_too() -> None:
    allowed = Settings(webhook_allow_cidrs="10.0.0.0/8")  # type: ignore[arg-type]
    assert receiver_url("http://10.0.0.1:3000/", allowed) == "http://10.0.0.1:3000/"


def test_who_listens_is_told_on_stderr_of_a_server_that_goes_and_comes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = _Lines(None, "", as_json=True)
    lines.lost("ConnectionError")
    lines.back(True)
    whole = capsys.readouterr()
    lines.back(False)
    partial = capsys.readouterr()
    assert (whole.out, partial.out) == ("", "")
    assert "does not answer (ConnectionError)" in whole.err
    assert "answers again" in whole.err and "answers again" in partial.err
    assert "without the last" not in whole.err
    assert "without the last" in partial.err

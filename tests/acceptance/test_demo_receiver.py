"""The demo's receiver judges for itself: it counts what verifies, and only that."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from standardwebhooks import Webhook

from tests.acceptance.deployment import clean_environment

SECRET = "whsec_" + "A" * 43 + "="
EVENT = json.dumps({"type": "ticket.created", "subject": "T-1", "sequence": "1"})


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    secret_file = tmp_path / "secret"
    process = subprocess.Popen(
        [sys.executable, "-m", "interlock.cli.demo.receiver", "--secret-file", str(secret_file)],
        env=clean_environment(),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
    process.terminate()
    assert process.wait(10) == 0
    process.stdout.close()


@pytest.fixture
def with_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")


def post(url: str, delivery_id: str, secret: str = SECRET, body: str = EVENT) -> int:
    """The status that one signed delivery gets."""
    now = datetime.now(UTC)
    headers = {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(delivery_id, now, EVENT),
    }
    try:
        with urlopen(Request(f"{url}/", body.encode(), headers), timeout=60) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def ask(url: str, path: str) -> Any:
    with urlopen(url + path, timeout=60) as answer:
        return json.load(answer)


@pytest.mark.usefixtures("with_secret")
def test_a_delivery_counts_once_however_often_it_comes(url: str) -> None:
    assert [post(url, "msg_1"), post(url, "msg_1"), post(url, "msg_2")] == [204, 204, 204]
    assert ask(url, "/stats") == {"deliveries": 3, "verified": 2, "duplicates": 1, "failed": 0}
    assert ask(url, "/events") == {"events": [["T-1", 1, "ticket.created"]] * 2}


@pytest.mark.usefixtures("with_secret")
def test_a_wrong_signature_and_a_changed_body_do_not_count(url: str) -> None:
    other = "whsec_" + "B" * 43 + "="
    assert [post(url, "msg_1", other), post(url, "msg_1", body=EVENT + " ")] == [401, 401]
    assert ask(url, "/stats") == {"deliveries": 2, "verified": 0, "duplicates": 0, "failed": 2}


def test_without_a_secret_it_asks_to_come_again(url: str, tmp_path: Path) -> None:
    assert post(url, "msg_1") == 503
    (tmp_path / "secret").write_text(SECRET)
    assert post(url, "msg_1") == 204

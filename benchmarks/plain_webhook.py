"""What a user would write without Interlock: an RQ job a delivery that signs and posts it with `requests`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from functools import cache

import requests


@cache
def session() -> requests.Session:
    """One for the worker, so that connections are kept."""
    return requests.Session()


def post(url: str, message: str, secret: str, body: str) -> int:
    """One delivery, signed by Standard Webhooks."""
    timestamp = str(int(time.time()))
    signed = f"{message}.{timestamp}.{body}".encode()
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    headers = {
        "Content-Type": "application/cloudevents+json",
        "webhook-id": message,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature}",
    }
    answer = session().post(url, data=body.encode(), headers=headers, timeout=20, allow_redirects=False)
    answer.raise_for_status()
    return answer.status_code

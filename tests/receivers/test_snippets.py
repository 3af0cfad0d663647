"""The lines of docs/receivers.md, run as they stand there against what our own signer signs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from interlock.engine.signing import format_secret, signed_headers
from tests.receivers.languages import LANGUAGES, Case, Language

NEW, OLD, OTHER = b"n" * 32, bytes(range(32)), b"x" * 32
BODY = '{"type":"ticket.assigned","data":{"text":"Zoë 💬"}}'.encode()


def cases() -> list[Case]:
    now = int(time.time())
    one = signed_headers([NEW], "msg_1", now, BODY)
    both = signed_headers([NEW, OLD], "msg_1", now, BODY)
    new, old, other = map(format_secret, (NEW, OLD, OTHER))

    known = one["webhook-signature"]

    def with_(**changed: str) -> dict[str, str]:
        return one | {name.replace("_", "-"): value for name, value in changed.items()}

    def sent_at(moment: int) -> dict[str, str]:
        return signed_headers([NEW], "msg_1", moment, BODY)

    return [
        Case("genuine", new, one, BODY, True),
        Case(
            "bytes that are no text", new, signed_headers([NEW], "msg_1", now, b"\xff\x00"), b"\xff\x00", True
        ),
        Case("two signatures, the new secret", new, both, BODY, True),
        Case("two signatures, the old secret", old, both, BODY, True),
        Case(
            "an unknown version before ours",
            new,
            with_(webhook_signature=f"v1a,AAAA {known}"),
            BODY,
            True,
        ),
        Case("four minutes old", new, sent_at(now - 240), BODY, True),
        Case("another secret", other, both, BODY, False),
        Case("a changed body", new, one, BODY + b" ", False),
        Case("another id", new, with_(webhook_id="msg_2"), BODY, False),
        Case("another timestamp", new, with_(webhook_timestamp=str(now - 1)), BODY, False),
        Case("stale", new, sent_at(now - 360), BODY, False),
        Case("from the future", new, sent_at(now + 360), BODY, False),
        Case("a signature cut short", new, with_(webhook_signature=known[:-4]), BODY, False),
        Case(
            "another version alone",
            new,
            with_(webhook_signature="v2" + known[2:]),
            BODY,
            False,
        ),
        Case("no version", new, with_(webhook_signature=known[3:]), BODY, False),
        Case("an empty signature", new, with_(webhook_signature=""), BODY, False),
        Case("only a comma", new, with_(webhook_signature="v1,"), BODY, False),
        Case("a timestamp that is none", new, with_(webhook_timestamp="now"), BODY, False),
        Case("an endless timestamp", new, with_(webhook_timestamp="9" * 5000), BODY, False),
        Case("no headers", new, {}, BODY, False),
    ]


def test_the_independent_library_judges_the_cases_alike() -> None:
    for case in cases():
        try:
            Webhook(case.secret).verify(case.body, case.headers)
            taken = True
        except WebhookVerificationError:
            taken = False
        except ValueError:  # it parses the body, and signatures that are no base64
            taken = case.genuine
        assert taken == case.genuine, case.name


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda one: one.fence)
def test_the_lines_of_the_page_take_what_is_genuine_and_nothing_else(
    language: Language, tmp_path: Path
) -> None:
    given = cases()
    told = language.judge(given, tmp_path)
    assert len(told) == len(given)
    assert {one.name: taken for one, taken in zip(given, told, strict=True)} == {
        one.name: one.genuine for one in given
    }


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda one: one.fence)
def test_they_compare_in_constant_time(language: Language) -> None:
    words = ("compare_digest", "timingSafeEqual", "hmac.Equal", "secure_compare", "hash_equals")
    assert any(word in language.snippet() for word in words)

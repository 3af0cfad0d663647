"""Secrets in an endpoint's answer: found in every spelling, and nothing else is taken out."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.engine.masking import MASK, masked

SECRET = 'whsec_a+b/c&d"e\\f=='


@pytest.mark.parametrize(
    "spelt",
    [
        SECRET,
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET)[1:-1].replace("/", "\\/"),
        html.escape(SECRET),
        quote(SECRET, safe=""),
        "".join(f"\\u{ord(letter):04X}" for letter in SECRET),
        "".join(f"&#x{ord(letter):x};" for letter in SECRET),
        "".join(f"&#{ord(letter)};" for letter in SECRET),
    ],
)
def test_a_secret_is_taken_out_however_it_is_spelt(spelt: str) -> None:
    assert masked(f"you sent {spelt}, and {spelt}.", [SECRET]) == f"you sent {MASK}, and {MASK}."


def test_what_a_server_takes_out_of_a_header_goes_too() -> None:
    basic = "Basic " + base64.b64encode(b"desk:pass-word").decode()
    text = "token canary-4f1c-77 of Bearer canary-4f1c-77; desk:pass-word; pass-word"
    assert masked(text, ["Bearer canary-4f1c-77", basic]) == f"token {MASK} of {MASK}; {MASK}; {MASK}"


def test_the_beginning_of_a_secret_at_a_cut_end_goes_too() -> None:
    assert masked("key=whsec_a+b/c", [SECRET]) == f"key={MASK}"
    assert masked("key=whsec_a%2Bb%2Fc", [SECRET]) == f"key={MASK}"
    assert masked("key=whsec_", [SECRET]) == "key=whsec_", "that says nothing"


@pytest.mark.parametrize("secrets", [[], [""], [" "], ["no"], ["a longer one"]])
def test_other_text_stays_as_it_is(secrets: list[str]) -> None:
    text = 'not found: "\\u00e9" 100% &nope; \\'
    assert masked(text, secrets) == text


def test_one_within_another_leaves_nothing_of_either() -> None:
    assert masked("xx abcdefgh-tail xx", ["abcdefgh", "abcdefgh-tail"]) == f"xx {MASK} xx"


@settings(max_examples=50, deadline=None)
@given(
    st.text(max_size=50),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=60),
    st.text(max_size=50),
    st.sampled_from([str, json.dumps, html.escape, quote]),
)
def test_nothing_of_a_secret_stays(before: str, secret: str, after: str, spell: type[str]) -> None:
    # A mask may make a new occurrence with what stands beside it only where the secret holds the mask.
    if "*" not in secret:
        assert secret not in masked(before + spell(secret) + after, [secret])

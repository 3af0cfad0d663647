"""Engage's search words, as they come in ``q``."""

from __future__ import annotations

import pytest

from interlock.gateway.dialects.engage.searching import search
from interlock.gateway.problems import Problem


@pytest.mark.parametrize(
    ("query", "where", "texts", "sort"),
    [
        ("", {}, [], "-created_at"),
        ("  shoes  ", {}, ["shoes"], "-created_at"),
        ('Red text:"New Shoes"', {}, ["red", "new shoes"], "-created_at"),
        ("source:a source:b", {"source_id": ["a", "b"]}, [], "-created_at"),
        (
            'intervention:"7f94" thread:t1',
            {"intervention_id": ["7f94"], "thread_id": ["t1"]},
            [],
            "-created_at",
        ),
        (
            "identity:i identity_group:g",
            {"identity_id": ["i"], "identity_group_id": ["g"]},
            [],
            "-created_at",
        ),
        ("order:created_at.asc", {}, [], "created_at"),
        ("at 10:30", {}, ["at", "10:30"], "-created_at"),
        ('"half', {}, ['"half'], "-created_at"),
    ],
)
def test_words_and_keywords(query: str, where: dict[str, list[str]], texts: list[str], sort: str) -> None:
    found = search(query)
    assert (found.where, found.texts, found.sort) == (where, texts, sort)


@pytest.mark.parametrize(
    "query", ["-source:a", "-shoes", "status_in:new", "order:updated_at.asc", "colour:red"]
)
def test_what_is_not_taken_is_named(query: str) -> None:
    with pytest.raises(Problem) as raised:
        search(query)
    assert raised.value.status == 422
    assert raised.value.detail.startswith("q")


def test_every_text_has_to_occur() -> None:
    found = search('shoes "in RED"')
    assert found.finds("Shoes, in red")
    assert not found.finds("Shoes in blue")

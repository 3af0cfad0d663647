"""Values as texts: equal ones give one text, and the texts sort as the values do, in Python and as bytes."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from interlock.engine.ordering import END, TEXT_COUNTS, encoded

NUMBERS = st.one_of(
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**63), 2**63).map(float),
)
TEXTS = st.one_of(st.text(), st.text("\x00\x01\x02a", max_size=6), st.text("ab", min_size=90, max_size=130))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner)
)


def rank(value: Any) -> tuple[Any, ...]:
    """How scalars are to be ordered, told without any encoding."""
    if value is None:
        return (0,)
    if isinstance(value, bool):
        return (1, value)
    return (2, value) if isinstance(value, (int, float)) else (3, value)


def same(one: Any, other: Any) -> bool:
    """JSON's equality: true is not 1, 1 is 1.0."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    return (type(one) in (int, float) and type(other) in (int, float) and one == other) or (
        type(one) is type(other) and one == other
    )


@given(SCALARS, SCALARS)
@example(2**53, 2**53 + 1)
@example(2**63 - 1, 2**63)
@example(-0.0, 0)
@example(5e-324, 0.0)
@example("a", "a\x00")
@example("\x01", "\x00\x01")
@example("é", "z")
@example("\U0001f600", "\uffff")
def test_texts_sort_as_the_values_do(one: Any, other: Any) -> None:
    if isinstance(one, str) and isinstance(other, str) and one[:TEXT_COUNTS] == other[:TEXT_COUNTS]:
        assert (encoded(one) == encoded(other)) == (one == other)
        return
    mine, others = encoded(one) + END, encoded(other) + END
    assert (mine < others) == (rank(one) < rank(other))
    assert (mine == others) == same(one, other)
    assert (mine.encode() < others.encode()) == (mine < others)


@given(VALUES, VALUES)
@example([1], [1.0])
@example({"a": 1, "b": True}, {"b": 1, "a": 1})
@example({"#": 1}, ["#", 1])
@example(["3"], [[]])
def test_two_values_give_one_text_only_where_they_are_equal(one: Any, other: Any) -> None:
    assert (encoded(one) == encoded(other)) == same(one, other)


@given(VALUES)
@example("\x00" * 1000)
def test_a_text_is_short_and_does_not_hold_its_own_end(value: Any) -> None:
    assert len(encoded(value)) <= 300
    assert END not in encoded(value)

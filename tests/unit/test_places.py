"""Whose attempts may run: endpoints that hang leave places to the others."""

from __future__ import annotations

import itertools

from interlock.workers.places import DOUBTFUL_PLACES, PLACES, PLACES_PER_ENDPOINT, SHARED_PLACES, Places

_attempts = itertools.count()


def fill(places: Places, webhook: str, now: float) -> list[int]:
    """Begin as many attempts as there are places for."""
    begun = []
    while places.free(webhook, places.hanging(now)):
        begun.append(next(_attempts))
        places.take(begun[-1], webhook, now)
    return begun


def prove_quick(places: Places, webhook: str, now: float) -> None:
    places.take("proof", webhook, now)
    places.give_back("proof", now + 0.01)


def test_one_endpoint_holds_its_own_places_only() -> None:
    places = Places()
    prove_quick(places, "quick", 0)
    assert len(fill(places, "new", 0)) == len(fill(places, "quick", 0)) == PLACES_PER_ENDPOINT


def test_endpoints_not_known_to_be_quick_hold_half_together_and_one_each() -> None:
    places = Places()
    held = [len(fill(places, f"new-{number}", 0)) for number in range(40)]
    assert sum(held) == DOUBTFUL_PLACES + 40 - DOUBTFUL_PLACES // PLACES_PER_ENDPOINT
    assert min(held) == 1
    prove_quick(places, "healthy", 0)
    assert len(fill(places, "healthy", 0)) == PLACES_PER_ENDPOINT


def test_when_quick_endpoints_hang_all_at_once_there_is_a_place_for_each_other() -> None:
    places = Places()
    for number in range(16):
        prove_quick(places, f"outage-{number}", 0)
        fill(places, f"outage-{number}", 1)
    assert SHARED_PLACES <= len(places) < PLACES
    assert len(fill(places, "healthy", 5)) == 1


def test_one_that_was_quick_and_hangs_now_is_not_quick() -> None:
    places = Places()
    prove_quick(places, "b", 0)
    fill(places, "b", 1)
    for number in range(7):
        fill(places, f"a-{number}", 3)
    assert len(places) == DOUBTFUL_PLACES
    assert len(fill(places, "c", 3)) == 1, "the one that hangs counts"


def test_a_slow_endpoint_is_quick_again_after_a_quick_attempt() -> None:
    places = Places()
    places.take("slow", "a", 0)
    places.give_back("slow", 2)
    assert places.was_slow("a")
    prove_quick(places, "a", 3)
    assert not places.was_slow("a")


def test_who_holds_the_fewest_is_first_then_who_waited_longest() -> None:
    places = Places()
    places.take(1, "busy", 0)
    prove_quick(places, "served", 1)
    prove_quick(places, "served-before", 0.5)
    assert places.in_turn(["busy", "served", "served-before", "new"]) == [
        "new",
        "served-before",
        "served",
        "busy",
    ]

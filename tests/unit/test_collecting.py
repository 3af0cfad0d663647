"""What is loaded once is not searched for garbage; what comes after it is."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from interlock.engine import collecting
from interlock.engine.collecting import begin_loading, end_loading


@pytest.fixture(autouse=True)
def collector_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    usual = gc.get_threshold()
    monkeypatch.setattr(collecting, "_USUAL", usual)
    yield
    gc.unfreeze()
    gc.set_threshold(*usual)


class Ring:
    def __init__(self) -> None:
        self.me = self


def test_no_search_while_loading_and_as_ever_afterwards() -> None:
    usual = gc.get_threshold()
    begin_loading()
    searched = gc.get_stats()[0]["collections"]
    kept = [Ring() for _ in range(100_000)]
    assert gc.get_stats()[0]["collections"] == searched
    end_loading()
    assert gc.get_threshold() == usual
    lost = weakref.ref(Ring())
    for _ in range(100_000):
        kept.append(Ring())
    assert lost() is None


def test_what_is_loaded_is_not_searched_again() -> None:
    begin_loading()
    loaded = Ring()
    assert any(one is loaded for one in gc.get_objects())
    end_loading()
    assert not any(one is loaded for one in gc.get_objects())
    assert gc.get_freeze_count() > 0

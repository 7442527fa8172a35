"""Processes that take work: which piece a process takes next, and work that comes while others are at it."""

import collections

from learning import workers
from learning.workers import Work

A, B = ("digits_a", 0), ("digits_b", 0)


def test_a_process_goes_on_with_the_run_it_is_at_and_leaves_others_those_that_they_are_at():
    plain, fitted, other = Work("store", ("a",), A), Work("store", ("a", "fitted"), A), Work("store", ("b",), B)
    waiting = collections.deque([plain, fitted, other])
    assert workers._next(waiting, (), set()) is plain and workers._next(waiting, (), {A}) is other
    waiting.append(other)
    assert workers._next(waiting, B, {A}) is other and workers._next(waiting, B, {A}) is fitted and not waiting


def test_work_about_nothing_is_taken_in_its_order():
    first, second = Work("train", ("1",)), Work("train", ("2",))
    waiting = collections.deque([first, second, Work("store", ("a",), A)])
    assert [workers._next(waiting, (), {()}) for _ in range(2)] == [first, second]

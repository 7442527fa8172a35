"""How far runs are: what folders say, in whatever state they are, and hours that are left, by hand."""

import pytest

from info_geometry import files
from learning.grids import STORE
from learning.sweeps import standing
from learning.workers import Outcome
from tests.support.sweeps import grid, plan, write


def state(folders, run, ways=("",)):
    return standing.of(run, ways, folders).state


def test_states_follow_from_what_is_there(folders):
    write(folders, "begun", steps=2)
    write(folders, "trained", steps=4)
    write(folders, "complete", steps=4, stored=["complete"], failed={"error": "before"})
    write(folders, "failed", steps=2, failed={"error": "why"})
    write(folders, "away", steps=2, diverged={"step": 7, "error": "at step 7"}, failed={"error": "why"})
    write(folders, "refused", failed={"error": "why"})
    write(folders, "damaged", steps=2, failed=[])
    names = ["never", "begun", "trained", "complete", "failed", "away", "refused", "damaged"]
    expected = ["waiting", "begun", "trained", "complete", "failed", "diverged", "failed", "failed"]
    assert [state(folders, plan(name)) for name in names] == expected
    assert standing.of(plan("away"), ("",), folders).error == "at step 7"
    for lock in (folders.run("begun", 0) / ".lock", folders.predictions / "trained" / ".preds_0.lock"):
        with files.lock(lock, "it"):
            assert state(folders, plan(lock.parent.parent.name if lock.name == ".lock" else "trained")) == "held"
    with files.lock(folders.run("complete", 0) / ".lock", "it"):
        assert state(folders, plan("complete")) == "complete"
    assert [state(folders, plan(name)) for name in names] == expected


def test_all_ways_of_imprinting_count(folders):
    both, ways = plan(stored=("a", "a_fitted")), ("", "--temperature fitted")
    write(folders, steps=4, stored=["a"])
    assert (state(folders, both, ways), state(folders, plan())) == ("trained", "complete")
    write(folders, seed=1, steps=4, stored=["a", "a_fitted"])
    assert state(folders, plan(seed=1, stored=both.stored), ways) == "complete"


def test_a_stage_that_names_its_own_predictions_is_noted(folders):
    run, ways, done = plan(stored=(None, None)), ("", "--layers  all"), Outcome("done", ("a", 0))
    write(folders, steps=4)
    standing.note(folders, run.run, done)
    standing.note(folders, run.run, done, "", "mine")
    assert state(folders, run, ways) == "trained"
    standing.note(folders, run.run, Outcome("failed", ("a", 0), "why"), "--layers all", "mine")
    assert state(folders, run, ways) == "failed"
    standing.note(folders, run.run, Outcome("done", ("a", 0)), "--layers all", "mine")
    assert state(folders, run, ways) == "complete"


def test_notes_say_no_more_than_they_must(folders):
    folder = write(folders, steps=4)
    before = sorted(folder.iterdir())
    for what in ("done", "skipped (already complete)", "held"):
        for way in (None, ""):
            standing.note(folders, ("a", 0), Outcome(what, ("a", 0)), way, STORE)
    assert sorted(folder.iterdir()) == before
    other = write(folders, "b", steps=2, diverged={"step": 7, "error": "at step 7"})
    there = sorted(other.iterdir())
    standing.note(folders, ("b", 0), Outcome("diverged", ("b", 0), "at step 7"))
    assert sorted(other.iterdir()) == there
    standing.note(folders, ("c", 0), Outcome("diverged", ("c", 0), "starts from b"))  # which its folder does not say
    assert standing.of(plan("c"), ("",), folders) == ("diverged", 0.0, False, "starts from b")
    standing.note(folders, ("a", 0), Outcome("failed", ("a", 0), "why"))
    assert standing.of(plan(), ("",), folders) == ("failed", 4.0, True, "why")
    standing.note(folders, ("a", 0), Outcome("held", ("a", 0)))
    assert state(folders, plan()) == "failed"
    standing.note(folders, ("a", 0), Outcome("done", ("a", 0)))
    assert sorted(folder.iterdir()) == before


def test_a_disk_that_is_full_stops_no_sweep(folders, monkeypatch):
    def full(path, text):
        raise files.InputError(f"cannot write {path}: no space left")

    monkeypatch.setattr(standing, "write_text", full)
    for way in (None, ""):
        standing.note(folders, ("a", 0), Outcome("failed", ("a", 0), "why"), way)
        standing.note(folders, ("a", 0), Outcome("done", ("a", 0)), way, "mine")
    folders.checkpoints.write_text("no folder")
    standing.note(folders, ("a", 0), Outcome("done", ("a", 0)))
    assert state(folders, plan()) == "waiting"


def test_seconds_left_are_those_of_runs_most_alike(folders):
    """Of the same name 40 s, of the same grid (40 + 80) / 2, of the other grid all three: (40 + 80 + 12) / 3 = 44."""
    write(folders, "a", 0, steps=4, seconds=10)
    write(folders, "b", 0, steps=4, seconds=20)
    write(folders, "b", 9, steps=4, seconds=3)
    write(folders, "a", 1, steps=3, seconds=5)
    write(folders, "a", 2, steps=1, diverged={"step": 1, "error": "it did"})
    write(folders, "c", 0, failed={"error": "why"})
    write(folders, "a", 3, steps=4, seconds=10, stored=["a"])
    first = [*(plan("a", s) for s in range(4)), plan("b", 0), plan("c", 0), plan("d", 0)]
    planned = [first, [plan("b", 9, 1)], [plan("e", 0, 2)]]
    every = [grid(), grid(), grid()]
    left = standing.seconds_left(planned, standing.of_all(planned, every, folders))
    own = (40 + 40 + 80) / 3
    assert left == {("a", 1): 25, ("c", 0): own, ("d", 0): own, ("e", 0): (40 + 40 + 80 + 12) / 4}
    nothing = [[plan("x")]]
    assert standing.seconds_left(nothing, standing.of_all(nothing, [grid()], folders)) is None


def test_table_counts_each_run_once_and_names_what_failed(folders):
    write(folders, "a", 0, steps=4, seconds=900, stored=["a"])
    write(folders, "a", 1, failed={"error": "no space left"})
    unnamed = plan()._replace(run=None, words=("digits", "--task", "evn"), error="no task 'evn'", stored=(None,))
    planned = [[plan("a", 0), plan("a", 1), plan("a", 2)], [plan("a", 2, 1), unnamed._replace(number=1)]]
    head, *lines = standing.table(planned, [grid(name="first grid"), grid()], folders).splitlines()
    assert head.split() == ["grid", "runs", *standing.STATES, "s", "a", "run", "hours", "left"]
    assert [line.split() for line in lines[:3]] == [
        ["first", "grid", "3", "1", "0", "0", "1", "0", "1", "0", "3.6e+03", "2"],
        ["1", "2", "0", "0", "0", "1", "0", "1", "0", "1"],  # no seconds a run: none of its own is finished
        ["all", "4", "1", "0", "0", "1", "0", "2", "0", "3.6e+03", "2"],
    ]
    assert {len(line) for line in (head, *lines[:3])} == {len(head)}
    assert lines[3:] == ["a seed 1, failed: no space left", "digits --task evn, failed: no task 'evn'"]


def test_table_of_many_failures_ends(folders):
    for seed in range(50):
        write(folders, seed=seed, failed={"error": "why"})
    text = standing.table([[plan(seed=seed) for seed in range(50)]], [grid()], folders)
    assert text.count(", failed: why") == standing.SAID and text.endswith(f"... and {50 - standing.SAID} more")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b'{"schedule": null}', b"3"])
def test_damaged_files_hide_nothing(folders, content):
    folder = write(folders, steps=2)
    (folder / "run.json").write_bytes(content)
    assert state(folders, plan()) == "begun"
    (folder / "log.jsonl").write_bytes(b'{"step": 0, "seconds": 2}\n' + content)
    assert standing.of(plan(), ("",), folders)[:2] == ("begun", 2.0) or content == b"\xff"

"""Runs that diverged: what is noted, and said again; by several processes too, none of which waits for another."""

import json

import pytest

from info_geometry import files
from learning.runs import diverged
from learning.runs.diverged import DivergedError
from tests.support.runs import folder_of, together
from tests.support.stages import SMALL, TRAIN, run

AWAY = {**SMALL, "learning_rate": 1e30}


def test_a_note_is_found_and_a_damaged_one_is_still_one(tmp_path):
    assert diverged.found(tmp_path) is None and diverged.found(tmp_path / "nowhere") is None
    diverged.note(tmp_path, DivergedError("the loss is not finite at step 7", 7))
    assert diverged.found(tmp_path) == {"step": 7, "error": "the loss is not finite at step 7"}
    for content in (b"", b"{", b"[]", b"{}", b"\xff", b"null"):
        (tmp_path / diverged.MARK).write_bytes(content)
        found = diverged.found(tmp_path)
        assert found["step"] is None and f"delete {tmp_path / diverged.MARK} to train it again" in found["error"]


def test_it_is_an_error_of_the_user():
    with pytest.raises(files.InputError, match="why"):
        raise DivergedError("why", 3)


def test_a_stage_names_the_step_and_goes_on_with_the_next_run(tmp_path):
    code, text = run(TRAIN, tmp_path, "digits", "--seed", 0, 1, **AWAY)
    assert code == 1 and text.endswith("training: 0 done, 0 skipped (already complete), 0 failed, 2 diverged\n")
    for seed in (0, 1):
        noted = json.loads((folder_of(tmp_path, seed=seed) / diverged.MARK).read_text())
        assert f"at step {noted['step']}" in noted["error"] and f"error: {noted['error']}\n" in text
        assert not list(folder_of(tmp_path, seed=seed).glob("**/*.tmp"))


@pytest.mark.slow
def test_several_processes_go_on_with_the_next_run(tmp_path):
    """All of them know, at the same step, so that none waits."""
    for _ in range(2):  # the second time, of what is noted
        found = [stage.wait(60) for stage in together(tmp_path, "digits", "--seed", 0, 1, **AWAY)]
        assert [code for code, _ in found] == [1, 1], found
        assert sum("0 failed, 2 diverged" in text for _, text in found) == 1
        assert not any("Traceback" in text for _, text in found)

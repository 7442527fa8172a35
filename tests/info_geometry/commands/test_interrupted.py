"""inpca.py in processes of its own, shared, stopped, killed and gone on with: distances are those of one pass."""

import os
import re
import signal

import h5py
import numpy as np
import pytest

from info_geometry import inpca
from tests.support.slow_inpca import N, end, end_torchrun, resume, same
from tests.support.stages import until


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_and_resumed(slow, truth, number):
    process, output = slow.start()
    until(lambda: len(slow.notes()) >= 20)
    os.kill(process.pid, number)
    code, text = end(process, output)
    kept = slow.kept()
    assert code == 130 and f"interrupted: {kept} samples are done and kept; the same command with --resume" in text
    assert kept >= len(slow.notes()) >= 20 and kept < N
    slow.unfinished()
    resume(slow, truth)
    code, text = end(*slow.start("--resume"))
    assert code == 0 and "skipped (already complete" in text


@pytest.mark.slow
def test_sums_over_groups_of_samples_are_shared_and_resumed(slow, truth):
    process, output = slow.start("--bootstrap")
    until(lambda: len(slow.notes()) >= 20)
    os.kill(process.pid, signal.SIGINT)
    code, text = end(process, output)
    assert code == 130, text
    kept, _ = slow.kept(), slow.forget()
    ended = [end(*started) for started in slow.by_hand(2, "--resume", "--bootstrap")]
    assert [code for code, _ in ended] == [0, 0], ended
    assert len(slow.notes()) == N - kept and "other samples" in ended[0][1]
    same(slow.distances(), truth)


@pytest.mark.slow
def test_placing_by_landmarks_is_shared_and_resumed(slow):
    words, folder = ("--landmarks", "40"), slow.folder / "predictions" / "embedding"
    assert end(*slow.start(*words))[0] == 0 and slow.placed() == list(range(240))
    expected = inpca.load(folder / "toy.npz")

    def the_same():
        found = inpca.load(folder / "toy.npz")
        np.testing.assert_allclose(found.coordinates, expected.coordinates, atol=1e-12)
        np.testing.assert_array_equal(found.landmarks, expected.landmarks)
        assert [p.name for p in folder.iterdir()] == ["toy.npz"]

    slow.forget()
    assert [end(*started)[0] for started in slow.by_hand(2, "--redo", *words)] == [0, 0]
    assert slow.placed(0) == list(range(120)) and slow.placed(1) == list(range(120, 240))
    the_same()
    slow.forget()
    process, output = slow.start("--redo", *words)
    until(lambda: len(slow.placed()) >= 60)
    os.kill(process.pid, signal.SIGINT)
    code, text = end(process, output)
    done = re.search(r"interrupted: (\d+) models are done and kept; the same command with --resume", text)
    assert code == 130 and done and 60 <= int(done[1]) < 240, text
    slow.forget()
    ended = [end(*started) for started in slow.by_hand(3, "--redo", "--resume", *words)]
    assert [code for code, _ in ended] == [0, 0, 0], ended
    assert slow.notes() == [] and slow.placed() == list(range(int(done[1]), 240))
    the_same()


@pytest.mark.slow
@pytest.mark.parametrize("every", ["-1", "1000"])
def test_killed_and_resumed(slow, truth, every):
    """At most what was not yet kept is lost."""
    process, output = slow.start(EVERY=every)
    until(lambda: len(slow.notes()) >= 20)
    process.kill()
    end(process, output)
    assert (slow.kept() > 0) == (every == "-1")
    resume(slow, truth, 3)


@pytest.mark.slow
def test_interrupted_and_begun_again(slow, truth):
    process, output = slow.start()
    until(lambda: len(slow.notes()) >= 10)
    os.kill(process.pid, signal.SIGINT)
    end(process, output)
    slow.forget()
    code, text = end(*slow.start())
    assert code == 0 and "since --resume is not said" in text and slow.notes() == list(range(N))
    same(slow.distances(), truth)


@pytest.mark.slow
def test_distances_outlive_what_fails_after_them(slow, truth):
    """Figures that cannot be written, say."""
    (slow.folder / "plots" / "toy").mkdir(parents=True)
    (slow.folder / "plots" / "toy" / "spectrum.png").mkdir()
    code, text = end(*slow.start())
    assert code == 1 and "error: cannot write" in text and slow.kept() == N
    (slow.folder / "plots" / "toy" / "spectrum.png").rmdir()
    slow.forget()
    code, text = end(*slow.start("--resume"))
    assert code == 0 and slow.notes() == [] and "60 samples are done already" in text
    same(slow.distances(), truth)


@pytest.mark.slow
def test_other_predictions_are_not_resumed(slow, truth):
    process, output = slow.start("--seeds", "0")
    until(lambda: len(slow.notes()) >= 10)
    os.kill(process.pid, signal.SIGTERM)
    end(process, output)
    slow.forget()
    code, text = end(*slow.start("--resume"))
    assert code == 0 and "not used" in text and slow.notes() == list(range(N))
    same(slow.distances(), truth)


@pytest.mark.slow
def test_torchrun(slow, truth):
    code, text = end_torchrun(slow.torchrun(2, script=False))
    assert code == 0 and "240 models, 60 samples, 5 classes" in text and "rror" not in text, text
    means = inpca.load(slow.folder / "predictions" / "embedding" / "toy.npz").column_means
    np.testing.assert_allclose(means, truth.mean(axis=0), rtol=0, atol=1e-10)
    assert slow.states() == []
    code, text = end_torchrun(slow.torchrun(2, script=False))
    assert code == 0 and "skipped (already complete" in text and text.count("240 models") == 1, text


@pytest.mark.slow
@pytest.mark.parametrize("victim, survivors", [(0, 1), (1, 3)])
def test_torchrun_when_one_is_killed(slow, truth, victim, survivors):
    process = slow.torchrun(2)
    until(lambda: min(len(slow.notes(rank)) for rank in (0, 1)) >= 10)
    os.kill(slow.pid(victim), signal.SIGKILL)
    code, text = end_torchrun(process, 60)
    assert code != 0 and f"process {1 - victim} of 2: " in text and "--resume" in text, text
    assert slow.kept() >= 10
    slow.unfinished()
    resume(slow, truth, survivors)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_torchrun_when_it_is_told_to_end(slow, truth, number):
    process = slow.torchrun(2)
    until(lambda: min(len(slow.notes(rank)) for rank in (0, 1)) >= 10)
    process.send_signal(number)
    code, text = end_torchrun(process, 60)
    assert code != 0 and "interrupted: process 0 of 2" in text and "interrupted: process 1 of 2" in text, text
    assert slow.kept() >= 20
    resume(slow, truth)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_srun_when_one_is_killed(slow, truth, victim):
    """The other ends its share, finds that it is alone, and keeps what it has."""
    both = slow.by_hand(2)
    until(lambda: min(len(slow.notes(rank)) for rank in (0, 1)) >= 10)
    both[victim][0].kill()
    code, text = end(*both[1 - victim], 60)
    assert code == 1 and f"error: process {1 - victim} of 2: another process of this job was lost" in text
    assert ".cc:" not in text, "where in its source gloo noticed is of no use"
    assert "--resume" in text and slow.kept() == N // 2
    resume(slow, truth)


@pytest.mark.slow
def test_srun_when_all_are_told_to_end(slow, truth):
    both = slow.by_hand(2)
    until(lambda: min(len(slow.notes(rank)) for rank in (0, 1)) >= 10)
    for process, _ in both:
        os.kill(process.pid, signal.SIGTERM)
    for code, text in (end(process, output, 60) for process, output in both):
        assert code == 130 and "samples are done and kept" in text
    resume(slow, truth, 2)


def damage(slow, sample):
    path = slow.folder / "predictions" / "toy_even" / "preds_1.h5"
    with h5py.File(path, "r+") as file:
        file["data"][7, sample, 2] = np.nan
    return rf"error: {path}: checkpoint 7 \(t = 128\): 1 of 60 rows are not finite; the first is sample {sample}"


@pytest.mark.slow
@pytest.mark.parametrize("sample", [3, 47])
def test_bad_input_in_one_process_ends_all(slow, sample):
    message = damage(slow, sample)
    code, text = end_torchrun(slow.torchrun(2), 90)
    assert code != 0 and re.search(message, text), text
    (slow.folder / "predictions" / "embedding").exists() and slow.unfinished()
    both = [end(process, output, 90) for process, output in slow.by_hand(2)]
    assert [code for code, _ in both] == [1, 1], both
    found = [re.search(message, text) is not None for _, text in both]
    assert found == [sample < N // 2, sample >= N // 2], both
    assert "another process of this job was lost or stopped (see its message)" in both[0 if sample >= N // 2 else 1][1]


@pytest.mark.slow
def test_bad_arguments_end_all(slow):
    for arguments, message in ((["nowhere"], "has no run 'nowhere'"), (["--landmarks", "1"], "expected 2 to 240")):
        found = [end(process, output, 90) for process, output in slow.by_hand(2, *arguments)]
        assert max(code for code, _ in found) == 1 and any(message in text for _, text in found), found
        assert not any("was lost" in text for _, text in found), found

"""Results that are there are not made again, and figures say where they come from."""

import shutil

import h5py
import numpy as np
import pytest
from PIL import Image

from info_geometry import distance, predictions
from info_geometry import inpca as inpca_geometry
from info_geometry.commands import inpca, once, trajectory
from info_geometry.figures import provenance
from info_geometry.storage import runs
from tests.support.synthetic import random_models, write_runs


def test_figures_say_where_they_come_from(tmp_path, folder, command):
    write_runs(folder, T=3)
    assert command(inpca)[0] == command(trajectory)[0] == 0
    plots, fingerprints = tmp_path / "plots" / "toy", set()
    assert len(list(plots.glob("*.png"))) == 7
    for path in plots.glob("*.png"):
        with Image.open(path) as image:
            said = image.text
        assert said["Software"] == provenance.version() and "info_geometry" in said["Description"]
        fingerprints.add(said["Source"])
        pdf = path.with_suffix(".pdf").read_bytes()
        assert said["Source"].encode() in pdf and provenance.version().split(" (")[0].encode() in pdf
    page = (plots / "inpca.html").read_text(encoding="utf-8")
    assert len(fingerprints) == 1 and fingerprints.pop() in page
    same = tmp_path / "elsewhere"  # the fingerprint is of the contents, wherever they lie
    shutil.copytree(folder, same)
    opened = [predictions.open_trajectory(path) for path in sorted(same.glob("toy_*/preds_*.h5"))]
    with provenance.of(runs.identity(opened)):
        assert provenance.current()["inputs"] in page
    predictions.write(
        same / "toy_all" / "preds_0.h5", random_models(np.random.default_rng(9), 3, 60, 5), labels=opened[0].labels
    )
    opened[0] = predictions.open_trajectory(same / "toy_all" / "preds_0.h5")
    with provenance.of(runs.identity(opened)):
        assert provenance.current()["inputs"] not in page


@pytest.fixture
def counted(monkeypatch):
    """Return the numbers of models whose distances were computed, one entry a call."""
    calls, pairwise = [], distance.pairwise

    def count(trajectories, **options):
        calls.append(sum(x.shape[0] for x in trajectories))
        return pairwise(trajectories, **options)

    monkeypatch.setattr(distance, "pairwise", count)
    return calls


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("arguments", [[], ["--bootstrap"], ["--landmarks", 10]], ids=str)
def test_a_change_in_what_draws_computes_nothing(tmp_path, folder, command, counted, monkeypatch, arguments):
    write_runs(folder)
    code, out, _ = command(inpca, *arguments)
    assert code == 0 and counted
    counted.clear()
    page, embedding = tmp_path / "plots" / "toy" / "inpca.html", folder / "embedding" / "toy.npz"
    before, time = page.read_text(encoding="utf-8"), embedding.stat().st_mtime_ns
    page.write_text("of an older figure", encoding="utf-8")
    computes, _ = provenance.digests()
    monkeypatch.setattr(provenance, "digests", lambda: (computes, "another"))
    assert command(inpca, *arguments)[:2] == (0, out) and counted == []
    assert page.read_text(encoding="utf-8") == before and embedding.stat().st_mtime_ns == time
    assert "skipped" in command(inpca, *arguments)[1]
    monkeypatch.setattr(provenance, "digests", lambda: ("another", "another"))
    assert command(inpca, *arguments)[:2] == (0, out) and counted
    counted.clear()
    assert command(inpca, *arguments, "--redo")[0] == 0 and counted


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("fault", ["embedding", "damaged", "missing", "other inputs"])
def test_what_was_kept_and_does_not_fit_is_computed_again(tmp_path, folder, command, counted, monkeypatch, fault):
    write_runs(folder)
    assert command(inpca)[0] == 0
    counted.clear()
    computes, _ = provenance.digests()
    monkeypatch.setattr(provenance, "digests", lambda: (computes, "another"))
    kept, embedding = tmp_path / "plots" / "toy" / ".inpca.npz", folder / "embedding" / "toy.npz"
    if fault == "embedding":
        inpca_geometry.save(embedding, inpca_geometry.fit(np.ones((24, 24)) - np.eye(24)))
    elif fault == "damaged":
        kept.write_bytes(kept.read_bytes()[:300])
    elif fault == "missing":
        kept.unlink()
    code, _, _ = command(inpca, *(["--seeds", "0", "--name", "toy"] if fault == "other inputs" else []))
    assert code == 0 and counted == [12 if fault == "other inputs" else 24]


@pytest.mark.usefixtures("undrawn")
def test_another_picture_of_the_same_name(tmp_path, folder, command):
    """It overwrites the embedding with a warning, and the first one is made again when it is asked for."""
    write_runs(folder, tasks=("all", "even", "odd"), T=3)
    ask = [("--name", "mine", "toy_all", other) for other in ("toy_even", "toy_odd")]
    embedding = folder / "embedding" / "mine.npz"
    assert command(inpca, *ask[0])[0] == 0
    first = embedding.read_bytes()
    code, _, err = command(inpca, *ask[1])
    assert code == 0 and f"{embedding} held a picture with toy_even, and is replaced" in err
    assert embedding.read_bytes() != first
    code, out, err = command(inpca, *ask[0])
    assert code == 0 and "skipped" not in out and "held a picture with toy_odd" in err
    assert {*inpca_geometry.load(embedding).index["run"]} == {"toy_all", "toy_even"}
    page = tmp_path / "plots" / "mine" / "inpca.html"
    page.write_text("edited")
    assert "skipped" not in command(inpca, *ask[0])[1] and page.read_text() != "edited"
    assert "skipped" in command(inpca, *ask[0])[1]


@pytest.mark.usefixtures("undrawn")
def test_times_and_names_that_were_corrected(folder, command):
    write_runs(folder, T=3)
    assert command(inpca)[0] == command(trajectory)[0] == 0
    with h5py.File(folder / "toy_all" / "preds_0.h5", "r+") as file:
        file["t"][...] = [0, 10, 20]
    for module in (inpca, trajectory):
        assert "skipped" not in command(module)[1]
    assert inpca_geometry.load(folder / "embedding" / "toy.npz").index["t"][:3].tolist() == [0, 10, 20]


def test_what_is_too_large_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(once, "KEPT_BYTES", 80)
    target = tmp_path / "target"
    target.write_text("a file")
    kept, other = (once.Kept(tmp_path / "kept.npz", [name]) for name in "ab")
    kept.write(target, {"x": np.arange(10.0)})
    assert kept.read(target)["x"].tolist() == list(range(10)) and other.read(target) is None
    target.write_text("another file")
    assert kept.read(target) is None
    kept.write(target, {"x": np.arange(11.0)})
    assert kept.read(target) is None and not (tmp_path / "kept.npz").exists()

"""Writing: whatever ends it, the old file is there or the new one, and nothing else."""

import os
import random
import re

import pytest

from info_geometry import predictions
from tests.support.prediction_files import LABELS, names, refused
from tests.support.processes import python


def test_iterator_that_raises_leaves_nothing(tmp_path, models):
    def broken():
        yield models[0]
        raise FileNotFoundError(2, "No such file", "checkpoint_1.pth")

    with pytest.raises(FileNotFoundError, match="checkpoint_1"):
        predictions.write(tmp_path / "a.h5", broken(), labels=LABELS)
    assert names(tmp_path) == []


def test_exception_inside_the_recorder_leaves_what_was_there(tmp_path, path, models):
    before, content = names(path.parent), path.read_bytes()
    with pytest.raises(KeyboardInterrupt), predictions.Recorder(path, labels=LABELS) as recorder:
        recorder.append(models[0])
        raise KeyboardInterrupt
    assert names(path.parent) == before and path.read_bytes() == content


def test_place_that_cannot_be_written_is_said(tmp_path, models):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.h5").mkdir()
    for place in (tmp_path / "file" / "run" / "preds_0.h5", tmp_path / "folder.h5"):
        refused(
            place,
            r"cannot write .*: (Is a directory|Not a directory|File exists)$",
            lambda p: predictions.write(p, models, labels=LABELS),
        )
    assert names(tmp_path) == ["file", "folder.h5"]


@pytest.mark.parametrize("limit", [1, 3000, 30000])
def test_full_disk_is_said_and_leaves_nothing(tmp_path, limit):
    code = """
        import resource, sys
        import numpy as np
        from info_geometry import files, predictions
        limit = int(sys.argv[2])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        models = np.random.default_rng(0).dirichlet(np.ones(10), (20, 300))
        files.command(lambda: predictions.write(sys.argv[1], models, labels=np.zeros(300, int)))
    """
    result = python(code, tmp_path / "run" / "preds_0.h5", limit)
    assert result.returncode == 1 and names(tmp_path / "run") == []
    message = rf"error: cannot write {re.escape(str(tmp_path))}/run/preds_0\.h5: File too large \(\d+\.\d GB free\)\n"
    assert re.fullmatch(message, result.stderr), result.stderr


KILLED = """
    import os, random, signal, sys, time
    from pathlib import Path
    import numpy as np
    from info_geometry import files, inpca, predictions

    path, seed = Path(sys.argv[1]), int(sys.argv[2])

    def content(k):
        return np.random.default_rng(k).dirichlet(np.ones(5), (8, 200))

    def write(k):
        if path.suffix == ".npz":
            points = np.random.default_rng(k).standard_normal((300, 2))
            D = np.square(points[:, None] - points[None]).sum(2)
            inpca.save(path, inpca.fit(D, k=300, index={"version": np.full(300, k)}))
        else:
            predictions.write(path, content(k), labels=np.zeros(200, int), seed=k)

    def read():
        if path.suffix == ".npz":
            found = inpca.load(path)
            points = np.random.default_rng(found.index["version"][0]).standard_normal((300, 2))
            assert abs(found.explained_stress(2) - 1) < 1e-9
            axes = (points - points.mean(0)).T @ (points - points.mean(0))
            assert np.allclose(found.eigenvalues[:2], np.linalg.eigvalsh(axes)[::-1])
            return int(found.index["version"][0])
        predictions.check(path)
        found = predictions.open_trajectory(path)
        assert np.allclose(found.roots(), np.sqrt(content(found.attributes["seed"])), rtol=1e-3, atol=1e-6)
        return found.attributes["seed"]

    def seconds():
        start = time.monotonic()
        write(0)
        return time.monotonic() - start

    once, chance, killed_while_writing = min(seconds() for _ in range(4)), random.Random(seed), 0
    for k in range(1, 11):
        old = read()
        child = os.fork()
        if child == 0:
            write(k)
            os._exit(0)
        time.sleep(chance.uniform(0, 1.1 * once))
        os.kill(child, signal.SIGKILL)
        killed_while_writing += os.waitpid(child, 0)[1] != 0
        assert read() in (old, k), (old, k)
        files.remove_orphans(path.parent, path.name)
        assert [p.name for p in path.parent.iterdir()] == [path.name]
    print(killed_while_writing)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("name", ["preds_0.h5", "embedding.npz"])
def test_killed_writer_leaves_the_old_file_or_the_new_one(tmp_path, name):
    result = python(KILLED, tmp_path / name, random.randrange(1 << 30))
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) >= 1, "most are killed while they write"

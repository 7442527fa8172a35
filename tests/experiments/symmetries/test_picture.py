"""The picture of stitched networks, on made-up predictions."""

import numpy as np
import pytest

from experiments.symmetries import measured, picture
from experiments.symmetries.measured import ALIGNED, ANY, BEFORE, IDENTITY, MATCHED, NOISE, RANK_1, RANK_4, REPAIRED
from experiments.symmetries.picture import IGNORANCE, LEARNED, OTHER, PATH, SOFT, TRAINED, TRUTH
from info_geometry import distance
from info_geometry.files import InputError
from tests.experiments.symmetries.made_up_results import LABELS, LAYERS, C, L, N, models, results, write

BEHIND = {f"digits_all_plain_retrained_{kind}": name for kind, name in {
    "random_g_relu": picture.BEHIND[measured.SCALED], "random_rotation": picture.BEHIND[measured.ROTATED],
}.items()}  # fmt: skip
START = "digits_all_width48"
STITCHED = {
    f"{START}_plus1_full": ANY,
    f"{START}_plus1_matched": MATCHED,
    f"{START}_plus1_low_rank_rank4": RANK_4,
    f"{START}_plus1_low_rank_rank1": RANK_1,
    f"{START}_plus1_identity": IDENTITY,
    f"{START}_noise_plus1_full": NOISE,
    f"{START}_plus1_g_relu_alpha0.3": LEARNED,
    f"{START}_plus1_g_relu_alpha0.3_soft": SOFT,
    **BEHIND,
}
WAYS = {
    f"{START}_plus1_g_relu_alpha0.3_path_at_{LAYERS[-1]}": (PATH, [0.0, 1.0, 2.0, 3.0]),
    f"{START}_line_plus1": (BEFORE, [0.0, 0.5, 1.0]),
    f"{START}_line_plus1_by_activations": (ALIGNED, [0.0, 0.5, 1.0]),
    f"{START}_line_plus1_by_activations_repair": (REPAIRED, [0.0, 0.5, 1.0]),
    "digits_all_plain": (OTHER, [0.0, 2.0]),
}


@pytest.fixture
def files(tmp_path):
    """Files of all that is in the picture, {(name, seed): models}."""
    there = {(name, 10): write(tmp_path, f"{run}_head", 10, layers=LAYERS) for run, name in STITCHED.items()}
    for run, (name, t) in WAYS.items():
        there[name, 10] = write(tmp_path, f"{run}_head", 10, models(len(t), run), t)
    for seed in (10, 11):
        there[TRAINED, seed] = write(tmp_path, f"{START}_head", seed, models(5, seed), np.arange(5.0))
    return there


def test_every_model_of_the_first_pair_is_in_the_picture_once(tmp_path, files):
    drawn = picture.draw(results(tmp_path))
    index = drawn.embedding.index
    assert {*zip(index["run"].tolist(), index["seed"].tolist())} == {*files, (IGNORANCE, 10), (TRUTH, 10)}
    assert len(index["run"]) == sum(map(len, files.values())) + 2 == len(drawn.embedding.coordinates)
    for (name, seed), P in files.items():
        at = drawn.where(name, seed)
        assert index["checkpoint"][at].tolist() == list(range(len(P)))
        assert index["accuracy"][at] == pytest.approx((P.argmax(axis=2) == LABELS).mean(axis=1))
    assert index["t"][drawn.where(BEFORE)].tolist() == [0, 0.5, 1]
    assert index["t"][drawn.where(PATH)].tolist() == [0, 1, 2, 3]
    assert len(drawn.where(TRAINED)) == 10 and len(drawn.where(TRAINED, 11)) == 5
    assert index["accuracy"][drawn.where(TRUTH)] == 1 and len(drawn.where(NOISE)) == L


def test_what_is_embedded_are_distances(tmp_path, files):
    found = {(name, seed): x for name, seed, x in picture.runs(results(tmp_path))}
    assert found.keys() == files.keys()
    drawn = picture.draw(results(tmp_path))
    constant = {(IGNORANCE, 10): np.full((1, N, C), 1 / C), (TRUTH, 10): np.eye(C)[LABELS][None]}
    every = {**files, **constant}
    index = drawn.embedding.index
    order = [every[run, seed][k] for run, seed, k in zip(index["run"], index["seed"], index["checkpoint"])]
    D = distance.pairwise(np.array(order))
    gap = drawn.embedding.coordinates[:, None] - drawn.embedding.coordinates
    seen = (np.square(gap) * np.where(drawn.embedding.imaginary[:3], -1, 1)).sum(axis=2)
    off = ~np.eye(len(D), dtype=bool)
    assert np.corrcoef(seen[off], D[off])[0, 1] > 0.5  # as far as three axes go
    assert drawn.embedding.explained_stress().shape[0] >= 3


def test_the_figure_is_written(tmp_path, files):
    written = picture.figure(tmp_path / "plots", picture.draw(results(tmp_path)))
    assert {path.name for path in written} == {"picture.png", "picture.pdf"} and all(x.exists() for x in written)


def test_what_is_missing_is_named(tmp_path, files):
    (tmp_path / "p" / f"{START}_plus1_g_relu_alpha0.3_soft_head" / "preds_10.h5").unlink()
    with pytest.raises(InputError, match=r"alpha0\.3_soft_head/preds_10\.h5 is missing; `make symmetries` makes it"):
        picture.draw(results(tmp_path))

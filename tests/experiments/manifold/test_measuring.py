"""Sections that are not there are left out, and named."""

import numpy as np
import pytest

from experiments.manifold import claims, measuring, sloppiness
from experiments.manifold.planned import CORNERS, GRID, PATHS, SPEED, SYNTHETIC
from experiments.manifold.results import ABSENT, DIVERGED
from info_geometry.files import InputError, write_text
from learning.finding import UNDECIDED
from tests.experiments.manifold import generated
from tests.experiments.manifold.made_up_measured import measured


def test_of_a_partial_sweep_the_rest_is_named(tmp_path):
    there = generated.sweep(tmp_path, [SPEED, CORNERS])
    found = measuring.measure(there)
    assert found.widths is not None and found.paths is None and found.corners is None and found.synthetic is None
    assert set(found.missing) == {GRID, CORNERS, SYNTHETIC}
    assert "preds_10.h5 is missing, and all others of the grid; `make manifold-quick` trains" in found.missing[GRID]
    assert found.missing[CORNERS].startswith("they are compared with runs of the grid: ")


def test_of_half_a_section_what_is_missing_is_named_and_others_are_measured(tmp_path):
    there = generated.sweep(tmp_path, [SPEED, SYNTHETIC])
    path = there.folders.file("digits_all_speed-w64", 11)
    path.unlink()
    found = measuring.measure(there)
    assert found.missing[SPEED] == f"{path} is missing; `make manifold-quick` trains them"
    assert found.widths is None and found.synthetic is not None and found.left_out == ""
    assert "L9" in [claim.number for claim in claims.there(found)]


def test_of_nothing_it_is_refused(tmp_path):
    there = generated.sweep(tmp_path, [])
    with pytest.raises(InputError, match="is missing, and all others of the grid; `make manifold-quick` trains them"):
        measuring.measure(there)
    generated.write(there.folders, there.planned[SPEED][0], 10, generated.run("a"), seed=3)
    with pytest.raises(InputError, match="is missing, and all others of the grid; `make manifold-quick` trains them"):
        measuring.measure(there)


def test_runs_of_other_sections_that_diverged_or_ended_badly_are_named(tmp_path):
    there = generated.sweep(tmp_path, [SPEED, SYNTHETIC])
    for name, seed in (("digits_all_speed-w64", 11), ("flat_all_sgd-bs50", 2)):
        there.folders.file(name, seed).unlink()
        write_text(there.folders.run(name, seed) / "diverged.json", '{"step": 3, "error": "it diverged"}')
    bad = next(run for run in there.planned[SPEED] if run.name.endswith("w16"))
    generated.write(there.folders, bad, 10, generated.run("bad", final=-3.0))
    found = measuring.measure(there)
    assert found.why == {"digits_all_speed-w64 seed 11": DIVERGED, "flat_all_sgd-bs50 seed 2": DIVERGED}
    assert there.diverged() == list(found.why)
    widths, inputs = found.left_out.split(".  ")
    assert widths.startswith(
        "Of widths, 1 of 6 runs diverged: digits_all_speed-w64 seed 11; 1 of 5 runs ended with an "
    )
    assert widths.endswith("error above 0.35, and are not left out: digits_all_speed-w16 seed 10 (1)")
    assert inputs.startswith("Of Gaussian inputs, 1 of 32 runs diverged: flat_all_sgd-bs50 seed 2; only seeds common ")
    assert inputs.endswith(": 0, 1, 3") and found.synthetic.counts[-1] == 3


def test_seeds_are_common_to_configurations_that_both_data_sets_have(study):
    runs = [run for run in study.all_of(SYNTHETIC)[0] if run.name != "flat_all_sgd-bs50"]
    runs = [run for run in runs if run.name != "sloppy_all_sgd-bs50" or run.seed == 1]
    assert measuring.common(runs) == [0, 1, 2, 3] and measuring.common([]) == []
    assert sloppiness.measure(runs, "sloppy", "flat").counts[-1] == 4


def test_one_seed_is_measured_as_far_as_it_goes(tmp_path):
    there = generated.sweep(tmp_path, [GRID, SPEED, CORNERS], seeds=(10,))
    found = measuring.measure(there)
    assert set(found.missing) == {CORNERS, SYNTHETIC}
    assert "of two seeds or more; there are 1" in found.missing[CORNERS]
    assert any(". digits_all_from-random0 is compared" in line for line in claims.left_out(found))
    shown = {claim.number: claim.measure(found).verdict for claim in claims.there(found)}
    assert set(shown) == {claim.number for claim in claims.CLAIMS} - {"L8", "L8b", "L9"}
    assert shown["L4"] == shown["L5"] == shown["L7b"] == UNDECIDED


def test_a_grid_without_common_progress_has_pictures_and_no_paths(tmp_path):
    """Chance is at 0, and one run begins where others have not been."""
    there = generated.sweep(tmp_path, [GRID], seeds=(10,))
    first, second = there.planned[GRID][:2]
    generated.write(there.folders, first, 10, generated.run("a", at=np.linspace(0.7, 1, generated.T)))
    generated.write(there.folders, second, 10, generated.run("b", at=np.linspace(0, 0.25, generated.T)))
    found = measuring.measure(there)
    assert found.pictures and found.means is not None and found.paths is None and found.evaluation is None
    assert f"{first.name} seed 10 starts at progress" in found.missing[PATHS]
    assert {"L3", "L4", "L12"}.isdisjoint(claim.number for claim in claims.there(found))
    assert any(line.startswith("Left out: L3, L3b, L3c, L3d, L3e, L4, L5, L6, L12, of the grid at") for line in
               claims.left_out(found))  # fmt: skip
    assert found.left_out.startswith("Of the grid, all 12 runs ended with an error")


def test_of_a_half_trained_grid_no_verdict_is_asked():
    """A run that is not there may be trained yet; one that diverged is what came of it."""
    name = "digits_all_one seed 10"
    half, whole = (claims.there(measured(3, why={name: why})) for why in (ABSENT, DIVERGED))
    assert whole == claims.there(measured(3)) == list(claims.CLAIMS)
    verdicts = {claim.number: claim.measure(measured(3)).verdict for claim in half}
    asked = {number for number, verdict in verdicts.items() if verdict != claims.UNASKED}
    assert asked == {"L7", "L7b", "L9"}

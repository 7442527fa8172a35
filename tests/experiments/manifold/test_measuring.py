"""Sections that are not there are left out, and named."""

import pytest

from experiments.manifold import measuring
from experiments.manifold.planned import CORNERS, GRID, SECTIONS, SPEED, SYNTHETIC
from info_geometry.files import InputError
from tests.experiments.manifold import generated


def test_of_a_partial_sweep_the_rest_is_named(tmp_path):
    there = generated.sweep(tmp_path, [SPEED, CORNERS])
    found = measuring.measure(there)
    assert found.widths is not None and found.paths is None and found.corners is None and found.synthetic is None
    assert set(found.missing) == {GRID, CORNERS, SYNTHETIC}
    assert "preds_10.h5 is missing, and all others of the grid; `make manifold-quick` trains" in found.missing[GRID]
    assert found.missing[CORNERS].startswith("they are compared with runs of the grid: ")


def test_of_half_a_section_what_is_missing_is_named(tmp_path):
    there = generated.sweep(tmp_path, [SPEED])
    path = there.folders.file("digits_all_speed-w64", 11)
    path.unlink()
    with pytest.raises(InputError, match=f"{path} is missing; `make manifold-quick` trains them"):
        measuring.measure(there)


def test_of_nothing_it_is_refused(tmp_path):
    there = generated.sweep(tmp_path, [])
    with pytest.raises(InputError, match="is missing, and all others of the grid; `make manifold-quick` trains them"):
        measuring.measure(there)
    assert len(SECTIONS) == 4

"""Nuisances are planted in images: what is none is refused."""

import pytest

from experiments.weight_information import nuisances
from info_geometry.files import InputError
from learning import data


@pytest.mark.parametrize("kind", ["position", "stripes"])
def test_inputs_of_one_pixel_have_no_place_for_them(kind):
    with pytest.raises(InputError, match=f"nuisance {kind} is planted in images, not in inputs of one pixel"):
        nuisances.seen(data.load("sloppy", "test", ""), kind)
    assert len(nuisances.seen(data.load("sloppy", "test", ""), "none").labels) == 1000

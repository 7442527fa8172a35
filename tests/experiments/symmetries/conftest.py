"""For the tests of symmetries: networks of digits, trained once."""

import pytest

from tests.conftest import made_once
from tests.support.stages import TRAIN, done

QUICK = {"epochs": 1, "checkpoints": 2, "warmup_epochs": 0}


@pytest.fixture(scope="session")
def parents(tmp_path_factory):
    """A folder with networks that are stitched, for reading only.

    digits_all of two seeds, which learned; for an epoch, digits_randomlab, digits_all_wide, whose two seeds are 16 and
    24 channels wide, and digits_all_cct, which has no layers to cut at.
    """

    def make(folder):
        known = {"epochs": 4, "checkpoints": 4, "warmup_epochs": 1, "learning_rate": 0.05}
        done(TRAIN, folder, "digits", "--seed", 0, 1, **known)
        done(TRAIN, folder, "digits", "--task", "randomlab", **QUICK)
        for seed, width in ((0, 16), (1, 24)):
            done(TRAIN, folder, "digits", "--seed", seed, "--variant", "wide", width=width, **QUICK)
        done(TRAIN, folder, "digits", "--seed", 0, 1, "--variant", "cct", network="small_cct", width=8, **QUICK)

    return made_once(tmp_path_factory, "symmetries_parents", make)

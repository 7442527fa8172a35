"""What commands that measure claims share: options, seeds, and what their results depend on."""

import re
from pathlib import Path

import numpy as np
import pytest

from info_geometry import predictions
from info_geometry.files import ROOT, InputError
from learning import measuring
from learning.runs.run import Folders


def test_options_have_the_folders_and_seeds_of_the_experiment(capsys):
    given = measuring.options("what it does", "mine", [1, 2], of="of most; ").parse_args([])
    assert given.seeds == [1, 2] and not given.quick and not given.redo and given.data == Folders.data
    assert [given.predictions, given.checkpoints, given.plots] == [
        ROOT / folder / "mine" for folder in ("predictions", "checkpoints", "plots")
    ]
    given = measuring.options("", "mine", [1], data=False).parse_args(["--seeds", "3", "4", "--plots", "x", "--quick"])
    assert given.seeds == [3, 4] and given.plots == Path("x") and given.quick and not hasattr(given, "data")
    with pytest.raises(SystemExit):
        measuring.options("what it does", "mine", [1, 2], of="of most; ").parse_args(["--help"])
    told = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "what it does" in told and "of most; default: 1 2" in told


@pytest.mark.parametrize(
    "seeds, quick, least, message",
    [
        (
            [10],
            False,
            2,
            "--seeds 10: verdicts need two seeds or more; add seeds, or --quick",
        ),
        (
            [10, 11],
            False,
            3,
            "--seeds 10 11: verdicts need three seeds or more; add seeds, or --quick",
        ),
        ([10, 11, 10], False, 2, "--seeds 10 11 10: a seed is there twice"),
        ([10, 10], True, 2, "--seeds 10 10: a seed is there twice"),
        ([10, 11], False, 2, ""),
        ([10], True, 3, ""),
    ],
)
def test_seeds_that_give_verdicts(seeds, quick, least, message):
    if not message:
        return measuring.check_seeds(seeds, quick, least)
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        measuring.check_seeds(seeds, quick, least)
    if len(set(seeds)) == len(seeds):
        with pytest.raises(InputError, match=r"need t[a-z]+ pairs or more"):
            measuring.check_seeds(seeds, quick, least, "pairs")


def test_what_is_stored_is_found_seed_by_seed(tmp_path):
    models = np.full((2, 3, 4), 0.25)
    for run, seed in (("b", 1), ("a", 1), ("a", 2), ("a", 3)):
        predictions.write(tmp_path / run / f"preds_{seed}.h5", models, labels=np.zeros(3, int))
    assert [x.path.parent.name for x in measuring.stored(tmp_path, [2, 1])] == ["a", "a", "b"]
    assert measuring.files(tmp_path, [3], "*/preds_{seed}.h5") == [tmp_path / "a" / "preds_3.h5"]


def test_results_depend_on_all_modules_of_the_experiment_and_on_the_rules_of_findings(tmp_path):
    (tmp_path / "01_training").mkdir()
    for name in ("measure.py", "rules.py", "01_training/train.py", "more.yaml"):
        (tmp_path / name).write_text(f"this is {name}")
    found = measuring.sources(str(tmp_path / "measure.py"), tmp_path / "more.yaml")
    assert {f"this is {name}" for name in ("measure.py", "rules.py", "01_training/train.py", "more.yaml")} < set(found)
    assert (ROOT / "learning" / "finding.py").read_text(encoding="utf-8") in found


def test_the_last_line_says_seeds_versions_and_where_rules_are():
    text = measuring.about("mine", "numpy 2.4", [1, 2])
    assert re.match(r"Seeds 1, 2; \d{4}-\d\d-\d\d; numpy 2\.4\.  Rules: experiments/mine/README\.md\.$", text)
    assert measuring.about("mine", "numpy 2.4", [1], "Pairs 1 and 2").startswith("Pairs 1 and 2; ")

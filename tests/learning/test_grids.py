"""Grid files: the runs they stand for, the names of variants, and what is wrong with them."""

import pytest
import yaml

from info_geometry.files import ROOT, InputError
from learning import grids

STAGE = "supervised_imagenet.01_training.train_imagenet"
GOOD = {"stage": STAGE, "config": "digits"}


def read(folder, *entries, **options):
    path = folder / "grid.yaml"
    path.write_text(yaml.safe_dump(list(entries) if len(entries) > 1 else entries[0], sort_keys=False))
    return grids.read(path, **options)


def variants(grid):
    return [dict(zip(words[1::2], words[2::2])).get("--variant") for words in grid.combinations()]


def test_runs_are_the_product_of_all_lists(tmp_path):
    settings = {"epochs": 3, "learning_rate": [0.1, 0.2]}
    (grid,) = read(tmp_path, {**GOOD, "task": ["all", "8,1"], "seed": [0, 7], "settings": settings})
    runs = grid.runs()
    assert len(runs) == len(set(runs)) == 8
    first = "digits --epochs 3 --learning_rate 0.1 --variant lr0.1 --task all --seed 0"
    assert runs[0] == tuple(first.split()) and {words[-3:][0] for words in runs} == {"all", "8,1"}
    (plain,) = read(tmp_path, GOOD)
    assert plain.runs() == [("digits", "--task", "all", "--seed", "0")]


@pytest.mark.parametrize(
    "settings, expected",
    [
        ({"epochs": 3}, [None]),
        ({"optimiser": ["sgd", "adam"]}, ["sgd", "adam"]),
        (
            {"optimiser": ["adam", "adamw"], "learning_rate": [0.01, 1.0e-05]},
            ["adam-lr0.01", "adam-lr1e-05", "adamw-lr0.01", "adamw-lr1e-05"],
        ),
        ({"nesterov": [True, False], "epochs": [2]}, ["nesterovtrue", "nesterovfalse"]),
        ({"checkpoints": [5, 6]}, ["checkpoints5", "checkpoints6"]),
    ],
)
def test_variants_are_named_by_the_settings_that_vary(tmp_path, settings, expected):
    assert variants(read(tmp_path, {**GOOD, "settings": settings})[0]) == expected
    named = read(tmp_path, {**GOOD, "settings": settings, "variant": "wide"})[0]
    assert variants(named) == [f"wide-{each}" if each else "wide" for each in expected]


def test_arguments_of_a_method_name_no_variant(tmp_path):
    (grid,) = read(tmp_path, {**GOOD, "arguments": {"start": "all", "checkpoint": [0, 3]}})
    assert grid.combinations() == [
        ("digits", "--start", "all", "--checkpoint", "0"),
        ("digits", "--start", "all", "--checkpoint", "3"),
    ]


def test_levels_say_several_keys_and_name_the_variant(tmp_path):
    networks = {"flat": {"network": "linear", "rate_factor": 0.1}, "vit7": {"network": "vit", "patch": 7}}
    entry = {**GOOD, "settings": {"network": networks, "batch_size": [20, 50], "epochs": 3}}
    (grid,) = read(tmp_path, entry)
    assert variants(grid) == ["flat-bs20", "flat-bs50", "vit7-bs20", "vit7-bs50"]
    words = grid.combinations()[-1]
    pairs = dict(zip(words[1::2], words[2::2]))
    assert pairs == {
        "--network": "vit", "--patch": "7", "--batch_size": "50", "--epochs": "3", "--variant": "vit7-bs50"
    }  # fmt: skip
    one = {**entry, "settings": {"network": {"flat": {"network": "linear"}}}}
    assert variants(read(tmp_path, one)[0]) == ["flat"]  # whoever names a level wants to see it
    (chosen,) = read(tmp_path, entry, changes=["network=vit7"])
    assert variants(chosen) == ["vit7-bs20", "vit7-bs50"]
    (other,) = read(tmp_path, entry, changes=["network=mlp"])
    assert variants(other) == ["bs20", "bs50"] and other.settings["network"] == ("mlp",)


def test_levels_are_chosen_in_each_grid_that_has_them(tmp_path):
    levels = {name: {"network": name} for name in ("mlp", "fc", "vit")}
    one = {**GOOD, "settings": {"network": levels}}
    other = {**GOOD, "settings": {"network": {"vit": levels["vit"]}, "optimiser": "adam"}}
    plain = {**GOOD, "settings": {"network": "small_cnn"}}
    chosen = read(tmp_path, one, other, changes=["network=fc,mlp"])
    assert [variants(grid) for grid in chosen] == [["mlp", "fc"]]
    assert [variants(grid) for grid in read(tmp_path, one, other, changes=["network=fc,vit"])] == [
        ["fc", "vit"],
        ["vit"],
    ]
    assert read(tmp_path, one, plain, changes=["network=vit"])[1].settings["network"] == ("small_cnn",)
    with pytest.raises(InputError, match="--set network=fc,mpl: mpl is none of the levels fc, mlp, vit"):
        read(tmp_path, one, other, changes=["network=fc,mpl"])


LEVELS = {
    "network": {"fc": {"network": "fc", "widths": "16-16"}, "vit7": {"network": "vit", "patch": 7}},
    "corner": {"few20": {"training_images": 20}, "random": {"label_noise": 1}},
}


@pytest.mark.parametrize(
    "changes, message",
    [
        (["patch=4"], "slow: --set patch=4: the settings network and patch both say patch; change it in the file"),
        (["epochs=2", "network=vit7", "patch=4"], "--set patch=4: the settings network and patch both say patch"),
        (["label_noise=0.5"], "the settings corner and label_noise both say label_noise"),
        (["network=vti7"], "--set network=vti7: vti7 is none of the levels fc, vit7; did you mean vit7?"),
        (["network=vit"], "vit is none of the levels fc, vit7; did you mean vit7?"),
        (["network=fcc"], "fcc is none of the levels fc, vit7; did you mean fc?"),
        (["network=fc,vti7"], "vti7 is none of the levels fc, vit7; did you mean vit7?"),
        (
            ["corner=anywhere"],
            "--set corner=anywhere: anywhere is none of the levels few20, random; another one is to be",
        ),
        (["network=fc", "network=vit7"], "--set network is said twice; say it once, with all values: network=fc,vit7"),
        (["epochs=1", "epochs=2"], "--set epochs is said twice"),
        (["seed=3"], "--set seed=3: seed is no setting; write `seed: ...` beside settings"),
        (["variant=mine"], "variant is no setting"),
    ],
)
def test_levels_are_not_changed_under_their_names(tmp_path, changes, message):
    with pytest.raises(InputError) as raised:
        read(tmp_path, {**GOOD, "name": "slow", "settings": LEVELS}, changes=changes)
    assert message in str(raised.value)


def test_what_levels_do_not_say_is_changed(tmp_path):
    """Levels are chosen first, whatever the order; and those of all grids are known, also once some are left out."""
    one = {**GOOD, "settings": LEVELS}
    (grid,) = read(tmp_path, one, changes=["patch=4", "epochs=2", "network=fc"])
    assert variants(grid) == ["fc-few20", "fc-random"] and (grid.settings["patch"], grid.settings["epochs"]) == (
        ("4",),
        ("2",),
    )
    slow, fast = (
        {**GOOD, "settings": {"network": {name: {"network": name}}, "optimiser": {each: {"optimiser": each}}}}
        for name, each in (("fc", "sgd"), ("mlp", "adam"))
    )
    with pytest.raises(InputError, match="no grid has levels of all that is said by --set optimiser=adam network=fc"):
        read(tmp_path, slow, fast, changes=["optimiser=adam", "network=fc"])


def test_grids_of_the_manifold_are_changed_where_no_level_says_it():
    for path in (ROOT / "experiments" / "manifold").glob("*.yaml"):
        every, plain = grids.read(path, changes=["precision=bfloat16", "predicted_images=100"]), grids.read(path)
        assert [variants(grid) for grid in every] == [variants(grid) for grid in plain]
        assert all(grid.settings["predicted_images"] == ("100",) for grid in every)
        with pytest.raises(InputError, match="both say learning_rate"):
            grids.read(path, changes=["learning_rate=0.5"])


def test_another_stage_may_store_predictions(tmp_path):
    other = "experiments.subspaces.02_sampling.sample_subspace"
    one, two = read(tmp_path, GOOD, {**GOOD, "store": other})
    assert (one.store, two.store) == ("supervised_imagenet.02_imprinting.store_predictions", other)
    assert one.runs() == two.runs()


def test_changes_from_the_command_line(tmp_path):
    own = {**GOOD, "arguments": {"start": "all", "checkpoint": [0, 3]}}
    one, other = read(tmp_path, GOOD, own, seeds=[5], changes=["epochs=1", "checkpoint=0,2,5"])
    assert one.seed == other.seed == ("5",) and one.settings == other.settings == {"epochs": ("1",)}
    assert one.arguments == {} and other.arguments == {"start": ("all",), "checkpoint": ("0", "2", "5")}
    assert variants(read(tmp_path, GOOD, changes=["epochs=1,2"])[0]) == ["epochs1", "epochs2"]


def test_some_of_the_seeds_of_each_grid(tmp_path):
    both, one = {**GOOD, "seed": [3, 4, 5]}, {**GOOD, "config": "fashion", "seed": [5]}
    (found,) = read(tmp_path, both, one, among=[4, 3, 9])
    assert found.seed == ("3", "4") and found.config == GOOD["config"]
    assert [grid.seed for grid in read(tmp_path, both, one, among=[5])] == [("5",), ("5",)]
    with pytest.raises(InputError, match="no grid has a seed among 1, 2"):
        read(tmp_path, both, one, among=[1, 2])


@pytest.mark.parametrize("path", [*ROOT.glob("*/sweeps/*.yaml"), *ROOT.glob("experiments/*/*.yaml")], ids=str)
def test_shipped_grids_load(path):
    assert all(grid.runs() for grid in grids.read(path))


def test_grid_of_the_claims():
    found = grids.read(ROOT / "experiments" / "claims" / "runs.yaml")
    assert sum(len(grid.runs()) for grid in found) == 265  # 230 trajectories, and 35 fine-tuned ones


@pytest.mark.parametrize(
    "entry, message",
    [
        (None, "expected lines of the form `key: value` with the keys name, stage"),
        ("digits", "expected lines of the form"),
        ({"config": "digits"}, "stage is None; add `stage: ...`"),
        ({**GOOD, "config": 3}, "config is 3; add `config: ...`"),
        ({**GOOD, "stage": "nowhere.train"}, "stage 'nowhere.train' is no module here"),
        (
            {**GOOD, "store": "nowhere.store"},
            "store 'nowhere.store' is no module here; expected one such as supervised_imagenet.02_imprinting",
        ),
        ({**GOOD, "store": ["a"]}, "is no module here"),
        ({**GOOD, "tasks": "all"}, "unknown key tasks; did you mean task?"),
        ({**GOOD, "task": []}, "task is []; expected a value or a list of values"),
        ({**GOOD, "seed": {"a": 1}}, "seed is {'a': 1}; expected a value or a list of values"),
        ({**GOOD, "settings": ["epochs"]}, "settings is ['epochs']; expected {key: value"),
        ({**GOOD, "settings": {"epochs": None}}, "epochs is None; expected a value or a list of values"),
        ({**GOOD, "seed": [0, 0]}, "a value is named twice, so that there are two runs digits --task all --seed 0"),
        ({**GOOD, "variant": "a/b"}, "variant 'a/b': only letters"),
        ({**GOOD, "settings": {"network": ["a/b", "c"]}}, "the variant 'a/b': only letters"),
        ({**GOOD, "settings": {"network": {}}}, "network has no levels; expected {name: {key: value"),
        ({**GOOD, "settings": {"network": {"a": "mlp"}}}, "network: the level a is 'mlp'; expected {key: value, ...}"),
        (
            {**GOOD, "settings": {"network": {"a": {"network": ["mlp", "fc"]}}}},
            "network: network of the level a is ['mlp', 'fc']; expected one value",
        ),
        ({**GOOD, "settings": {"network": {"a/b": {"network": "mlp"}}}}, "the variant 'a/b': only letters"),
        (
            {**GOOD, "settings": {"network": {"a": {"epochs": 2}}, "epochs": 3}},
            "the settings network and epochs both say epochs; leave one of them out",
        ),
        (
            {**GOOD, "settings": {"network": {"a": {"start": "x"}}}, "arguments": {"start": "y"}},
            "the settings network and start both say start; leave one of them out",
        ),
        (
            {**GOOD, "settings": {"network": {"a": {"seed": 2}}}},
            "seed is no setting; write `seed: ...` beside settings",
        ),
        ({**GOOD, "settings": {"network": {"a": {"task": "even"}}}}, "task is no setting"),
        ({**GOOD, "settings": {"network": {"a": {"variant": "b"}}}}, "variant is no setting"),
        ({**GOOD, "settings": {"seed": [1, 2]}}, "seed is no setting"),
        ({**GOOD, "arguments": {"task": "even"}}, "task is no setting"),
        ({**GOOD, "settings": {"network": {"": {"network": "mlp"}}}}, "network: a level has no name"),
        ({**GOOD, "settings": {"network": {None: {"network": "mlp"}}}}, "network: a level has no name"),
    ],
)
def test_mistakes_are_named(tmp_path, entry, message):
    with pytest.raises(InputError) as raised:
        read(tmp_path, entry)
    assert str(raised.value).startswith(f"{tmp_path}/grid.yaml") and message in str(raised.value)
    with pytest.raises(InputError) as raised:
        read(tmp_path, GOOD, entry)
    assert message in str(raised.value)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "grid.yaml").write_text("a: [")
    for path, message in ((tmp_path / "no.yaml", "cannot be read"), (tmp_path / "grid.yaml", "not YAML")):
        with pytest.raises(InputError, match=message):
            grids.read(path)
    for change in ("epochs", "=3", "epochs="):
        with pytest.raises(InputError, match="expected key=value"):
            read(tmp_path, GOOD, changes=[change])

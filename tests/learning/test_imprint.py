"""Imprinting: the matrix product is the distance it stands for, and no batch size or number of workers matters."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from info_geometry.files import InputError
from learning import imprint, networks
from learning.imprinting import RULES, Imprinting
from tests.support import stages


def direct(features, prototypes):
    """Return softmax_k(-||feature - prototype_k||^2) from an (n, k, d) tensor, in float64."""
    differences = features.double()[:, None, :] - prototypes.double()[None, :, :]
    return torch.softmax(-differences.square().sum(dim=2), dim=1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n, k, d", [(50, 10, 64), (7, 3, 5), (20, 100, 256), (1, 2, 1)])
def test_probabilities_are_those_of_the_distances(n, k, d, seed):
    generator = torch.Generator().manual_seed(seed)
    prototypes = torch.randn(k, d, generator=generator) / d**0.5
    features = prototypes[torch.randint(k, (n,), generator=generator)] + torch.randn(n, d, generator=generator) / d**0.5
    found = imprint.probabilities(features, prototypes)
    assert found.shape == (n, k) and (found.double() - direct(features, prototypes)).abs().max() < 1e-6
    precise = imprint.probabilities(features.double(), prototypes.double())
    assert (precise - direct(features, prototypes)).abs().max() < 1e-12


@pytest.mark.parametrize("offset", [10.0, 1e3, 1e5])
def test_features_far_from_0_stay_accurate(offset):
    generator = torch.Generator().manual_seed(0)
    features = offset + torch.randn(200, 64, generator=generator) / 8
    labels = torch.arange(200) % 10
    prototypes = features.double().reshape(20, 10, 64).mean(dim=0).float()
    found = imprint.probabilities(features, prototypes)
    assert (found.double() - direct(features, prototypes)).abs().max() < 1e-6
    from_features = imprint.probabilities(features, imprint.prototypes(features, labels, 10))
    exact = direct(features, features.double().reshape(20, 10, 64).mean(dim=0))
    assert (from_features.double() - exact).abs().max() < 1e-6 * max(1, offset)  # what float32 can tell apart there


def test_prototypes_are_means_of_classes():
    features, labels = torch.randn(60, 8), torch.arange(60) % 7
    expected = torch.stack([features[labels == k].mean(dim=0) for k in range(7)])
    assert torch.allclose(imprint.prototypes(features, labels, 7), expected, atol=1e-6)


def test_class_without_samples():
    features, labels = torch.randn(6, 2), torch.tensor([0, 1, 3, 3, 1, 0])
    with pytest.raises(InputError, match=r"2 of 5 classes have no samples to imprint \(the first is class 2\)"):
        imprint.prototypes(features, labels, 5)


def body_and_images():
    images = torch.randn(40, 1, 8, 8)
    return networks.build("small_cnn", 1, 8, 10, 0).body, images, torch.arange(40) % 10


def test_order_of_samples_and_names_of_classes_do_not_matter():
    body, images, labels = body_and_images()
    found = imprint.imprint(body, [images], labels, 10)
    assert torch.allclose(found.sum(dim=1), torch.ones(40), atol=1e-6)
    samples, classes = torch.randperm(40), torch.randperm(10)
    permuted = imprint.imprint(body, [images[samples]], labels[samples], 10)
    assert torch.allclose(permuted, found[samples], atol=1e-6)
    renamed = imprint.imprint(body, [images], classes[labels], 10)
    assert torch.allclose(renamed[:, classes], found, atol=1e-6)


def test_moving_and_turning_the_features_does_not_matter():
    features, labels = torch.randn(40, 6, dtype=torch.float64), torch.arange(40) % 4
    rotation = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))[0]
    moved = features @ rotation + 3
    one, other = (imprint.probabilities(x, imprint.prototypes(x, labels, 4)) for x in (features, moved))
    assert torch.allclose(one, other, atol=1e-12)


def test_networks_are_evaluated_not_trained():
    body, images, labels = body_and_images()
    body.train()
    before = {key: value.clone() for key, value in body.state_dict().items()}
    whole = imprint.imprint(body, [images], labels, 10)
    parts = imprint.imprint(body, images.split(1), labels, 10)
    assert torch.allclose(whole, parts, atol=1e-6)
    assert all(torch.equal(before[key], value) for key, value in body.state_dict().items())


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_precision_is_that_of_a_gpu_alone(precision):
    body, images, labels = body_and_images()
    found = imprint.features(body, images.split(7), precision)
    assert found.dtype == torch.float32 and torch.equal(found, imprint.features(body, images.split(7)))
    assert torch.equal(
        imprint.imprint(body, [images], labels, 10, precision), imprint.imprint(body, [images], labels, 10)
    )


def test_ignorance_at_equal_features():
    body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
    for parameter in body.parameters():
        torch.nn.init.zeros_(parameter)
    found = imprint.imprint(body, [torch.randn(20, 1, 8, 8)], torch.arange(20) % 10, 10)
    assert torch.allclose(found, torch.full((20, 10), 0.1))


def stored(folder, name, *arguments, **overrides):
    """Return the bytes of the prediction file that stage 2 makes into a folder of its own."""
    words = [word for key, value in overrides.items() for word in (f"--{key}", str(value))]
    stages.done(stages.STORE, folder, *arguments, "--predictions", folder / name, *words)
    return stages.contents(folder / name, "**/*.h5")


def test_batch_size_does_not_change_a_byte_of_digits(tmp_path):
    stages.done(stages.TRAIN, tmp_path, "digits", epochs=2, warmup_epochs=1, checkpoints=4)
    files = [stored(tmp_path, f"b{size}", "digits", evaluation_batch_size=size) for size in (7, 32, 500)]
    assert list(files[0]) == ["digits_all/preds_0.h5"] and files[0] == files[1] == files[2]


def test_batch_size_and_workers_do_not_change_a_byte_of_files(tmp_path):
    classes = ["n01484850", "n01514668", "n02085620", "n02123045"]
    for split in ("train", "val"):
        stages.write_images(tmp_path / split, classes, per_class=12, size=40, seed=split == "val")
    overrides = {
        "network": "small_cnn",
        "epochs": 2,
        "batch_size": 12,
        "per_epoch": 2,
        "learning_rate": 0.02,
        "warmup_epochs": 1,
        "resolution": 32,
        "final_resolution": 32,
        "evaluation_resolution": 32,
    }
    stages.done(stages.TRAIN, tmp_path, "imagenet_rn50", "--data", tmp_path, **overrides)
    files = [
        stored(
            tmp_path,
            f"b{size}_{workers}",
            "imagenet_rn50",
            "--data",
            tmp_path,
            "--workers",
            workers,
            evaluation_batch_size=size,
        )
        for size, workers in ((7, 0), (32, 0), (500, 0), (7, 2), (32, 2))
    ]
    assert list(files[0]) == ["imagenet_all/preds_0.h5"] and all(file == files[0] for file in files)


def by_hand(features, prototypes, rule, scale, temperature):
    """Return the probabilities, sample after sample, in numpy."""
    found = []
    for f in features.numpy():
        z = []
        for m in prototypes.numpy():
            score = {
                "squared_distance": -np.sum((f - m) ** 2),
                "normalised": scale * f @ m / np.linalg.norm(m),
                "cosine": scale * f @ m / np.linalg.norm(m) / np.linalg.norm(f),
            }
            z.append(score[rule] / temperature)
        powers = np.exp(np.array(z) - max(z))
        found.append(powers / powers.sum())
    return np.array(found)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_rules_are_their_formulas(rule, temperature):
    features, labels = torch.randn(40, 6, dtype=torch.float64), torch.arange(40) % 4
    means = imprint.prototypes(features, labels, 4)
    scale = 1.0 if rule == "squared_distance" else 2.5
    expected = by_hand(features, means, rule, scale, temperature)
    np.testing.assert_allclose(imprint.probabilities(features, means, rule, scale, temperature), expected, atol=1e-12)
    found, used = imprint.of_features(features, labels, 4, Imprinting(rule, scale, temperature))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert used == temperature


def test_cosine_does_not_see_lengths_and_normalised_not_those_of_prototypes():
    features, labels = torch.randn(40, 6, dtype=torch.float64), torch.arange(40) % 4
    means, lengths = imprint.prototypes(features, labels, 4), torch.rand(40, 1, dtype=torch.float64) + 0.5
    cosine = [imprint.probabilities(x, means, "cosine", 3.0) for x in (features, lengths * features)]
    assert torch.allclose(*cosine)
    normalised = [imprint.probabilities(features, x, "normalised", 3.0) for x in (means, lengths[:4] * means)]
    assert torch.allclose(*normalised) and not torch.allclose(normalised[0], cosine[0])


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_fitted_temperature_has_the_largest_likelihood(scale):
    scores, labels = scale * torch.randn(300, 5), torch.randint(0, 5, (300,))
    scores[torch.arange(300), labels] += scale
    q = (300 * torch.nn.functional.one_hot(labels, 5) + 1) / 305

    def loss(log_temperature):
        return -(q * torch.log_softmax(scores.double() / np.exp(log_temperature), dim=1)).sum().item()

    expected = np.exp(minimize_scalar(loss, bounds=(-15, 15), method="bounded", options={"xatol": 1e-9}).x)
    assert imprint.fitted_temperature(scores, labels) == pytest.approx(expected, rel=1e-4)


def test_fitted_temperature_is_finite_where_all_are_right_and_where_nothing_is_known():
    labels = torch.arange(50) % 5
    right = 8.0 * torch.nn.functional.one_hot(labels, 5)
    T = imprint.fitted_temperature(right, labels)
    assert torch.softmax(right / T, dim=1).max(dim=1).values.min().item() == pytest.approx(51 / 55, abs=1e-6)
    assert imprint.fitted_temperature(-right, labels) == pytest.approx(imprint.LARGEST)
    assert np.isfinite(imprint.fitted_temperature(torch.zeros(50, 5), labels))


def test_prototypes_and_temperature_of_training_images():
    features, labels = torch.randn(40, 6), torch.arange(40) % 4
    others, theirs = torch.randn(80, 6) + 1, torch.arange(80) % 4
    found, used = imprint.of_features(features, labels, 4, Imprinting(prototypes="training"), (others, theirs))
    means = imprint.prototypes(others, theirs, 4)
    assert used == 1 and torch.equal(found, imprint.probabilities(features, means))
    found, used = imprint.of_features(features, labels, 4, Imprinting(temperature=None), (others, theirs))
    means = imprint.prototypes(features, labels, 4)
    assert used == imprint.fitted_temperature(imprint.scores(others, means), theirs)
    assert torch.equal(found, imprint.probabilities(features, means, temperature=used))

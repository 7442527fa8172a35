"""The configuration of networks of the manifold."""

import pytest

from experiments.manifold.config import ManifoldConfig
from info_geometry.files import InputError

USUAL = {"dataset": "digits", "network": "fc", "epochs": 4, "batch_size": 50, "learning_rate": 0.1}


@pytest.mark.parametrize("annealing", ["linear", "cosine", "constant"])
def test_a_network_may_need_another_rate(annealing):
    changes = {"annealing": annealing, "warmup_epochs": 1, "base_batch_size": 100}
    usual, slow = (ManifoldConfig(**USUAL, **changes, rate_factor=factor) for factor in (1.0, 0.25))
    for epoch in (0.1, 0.9, 2.0, 3.7):
        assert slow.learning_rate_at(epoch) == pytest.approx(0.25 * usual.learning_rate_at(epoch), rel=1e-12)
    assert usual.learning_rate_at(1) == pytest.approx(0.05, rel=1e-12)  # half as many images a batch


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"label_noise": 1.5}, "label_noise is 1.5, expected a share from 0 to 1"),
        ({"label_seed": 1}, "label_seed is 1, but no labels are drawn; leave it out"),
        ({"evaluate_every": 2}, "evaluate_every is 2, but all checkpoints are predicted"),
        ({"start": "a/b"}, "start 'a/b'"),
        (
            {"start": "digits_all_x", "initialisation": "kaiming"},
            "initialisation is 'kaiming', but the weights are those of digits_all_x",
        ),
        ({"rate_factor": 0.0}, "rate_factor is 0.0, expected a positive number"),
        ({"keep": "nothing"}, "keep is 'nothing', expected one of predictions, weights"),
    ],
)
def test_mistakes_are_named(changes, message):
    with pytest.raises(InputError) as raised:
        ManifoldConfig(**USUAL, **changes)
    assert message in str(raised.value)

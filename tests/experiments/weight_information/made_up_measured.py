"""For the tests: what is measured of information in the weights, made up so that the theory holds, of as many seeds."""

import math

import numpy as np

from experiments.weight_information.measured import CLASSES, NUISANCES, POSTERIORS, Course, Measured, Sweep
from experiments.weight_information.results import derived

BETAS = 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 2, 5, 10
FEW = 0.01, 0.03, 0.1, 0.3, 1
OF_POSTERIORS, OF_BOUNDS = (0.01, 0.03, 0.1, 0.3), (1, 2, 5, 10)
OF_NUISANCES = 0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2
SAMPLES, OTHERS, MANY = 500, (250, 1000, 2000), 5000
BATCHES = {16: 1, 64: 1.4, 256: 1.9, 1000: 2.6}
EPOCHS = np.concatenate([[0], np.geomspace(0.05, 80, 19)])
LOG_C = math.log(CLASSES)


def wobble(seeds):
    """Return numbers (seeds, 1) about 1, those of seeds."""
    return 1 + 0.01 * (np.linspace(-1, 1, seeds) if seeds > 1 else np.zeros(1))[:, None]


def of_weights(kl, samples):
    """Return what measures say of weights that hold this much, in nats (S, K)."""
    each = np.maximum(kl / samples, 1e-6)
    determinant = 0.5 * kl
    return {
        "norm": 0.7 * kl,
        "determinant": determinant,
        "determinant_wider": 2 * determinant,
        "determinant_narrower": 0.3 * determinant,
        "log_determinant": 0.05 * kl,
        "trace": 40 * each,
        "trace_error": each,
        "trace_held_out": 44 * each,
        "trace_at_entropy": 60 * each,
        "noise": 0.05 * np.maximum(kl, 1e-3) ** -0.2,
        "bits": 2 * each,
        "input_information": 0.3 + 0.2 * each,
    }


def sweep(betas, noise=0.0, samples=SAMPLES, seeds=3, threshold=1.0, more=None):
    """Return a Sweep that memorises below a beta, of which it is this many times as large as usual."""
    beta = np.array(betas, float)
    at = threshold * 1.5 * (1 / 30) ** noise * (samples / SAMPLES) ** 0.1
    memory = 1 / (1 + (beta / (at * wobble(seeds))) ** 2)
    kl = samples * 0.5 * (1 + noise) * (SAMPLES / samples) ** (0.5 * (1 - noise)) * beta**-0.6 * memory
    loss = LOG_C * (1 - 0.99 * memory)
    other = np.minimum(loss + (LOG_C - loss) * (0.2 + 0.8 * noise), LOG_C)
    known = of_weights(kl, samples) | {
        "cross_entropy": 0.9 * loss,
        "cross_entropy_of_draws": loss,
        "clipped": 0.99 * loss,
        "training_accuracy": 1 / CLASSES + (1 - 1 / CLASSES) * memory,
        "accuracy": 1 / CLASSES + 0.8 * (1 - noise) * memory,
        "ignorance": (1 - 0.5 * noise) * memory**2,
        "entropy": 0.9 * loss,
        "test_loss": 1.1 * other,
        "test_loss_clipped": other,
        "kl": kl,
        "kl_of_fixed_priors": kl + 17,
        "moved": np.full(kl.shape, 200.0),
    }
    return Sweep(beta, samples, noise, derived(known | (more or (lambda _: {}))(kl / samples), samples))


def told(each):
    """Return what is told of a nuisance, by what is known of each image, in nats."""
    return {
        "nuisance_distance": 0.01 * each,
        "nuisance_distance_at_entropy": 0.01 * each**0.7,
        "nuisance_decoded": np.clip(0.4 + 0.18 * np.log(each), 0.25, 1),
        "nuisance_decoded_with_noise": np.clip(0.25 + 0.18 * np.log(each), 0.25, 1),
        "nuisance_entropy": 1 / (1 + each),
    }


def course(samples=1000, noise=0.0, seeds=3, more=1.0, last=1.0):
    """Return a Course whose Fisher information rises and falls, `more` times as large; last: of what weights hold."""
    log = np.log1p(EPOCHS) * wobble(seeds)
    loss = LOG_C * np.exp(-1.3 * log)
    trace = more * (100 + 900 * np.exp(-((np.log(EPOCHS + 0.1) - np.log(1.5)) ** 2) / 0.8)) * np.exp(-0.9 * log)
    kl = last * samples * (1 + log)
    moved = np.where(EPOCHS > 0, 0.5 * wobble(seeds), np.nan)
    known = of_weights(kl * more, samples) | {
        "cross_entropy": loss,
        "training_accuracy": np.exp(-loss),
        "accuracy": (1 - 0.9 * noise) * np.exp(-1.1 * loss),
        "entropy": loss**0.8,
        "trace": trace,
        "trace_held_out": 1.2 * trace,
        "trace_at_entropy": 3 * trace,
        "moved": moved,
    }
    steps = 1e-4 * (trace[:, 1:] + trace[:, :-1]) * moved[:, 1:]
    length = 2 * last * (samples / 250) ** 0.5 * wobble(seeds)[:, 0]
    return Course(EPOCHS, samples, noise, derived(known, samples), steps, length)


def measured(seeds=3, **changes):
    """Return what is measured where the theory holds, of this many seeds, but for what is changed."""
    by_noise = {noise: sweep(BETAS if noise in (0, 1) else FEW, noise, seeds=seeds) for noise in (0, 0.25, 0.5, 1)}
    by_samples = {(noise, N): sweep(FEW, noise, N, seeds) for noise in (0, 1) for N in OTHERS}
    by_samples |= {(noise, SAMPLES): by_noise[noise] for noise in (0, 1)}
    posteriors = {
        name: sweep(OF_POSTERIORS, 1, seeds=seeds, threshold=times) for name, times in zip(POSTERIORS, (0.9, 1, 1.1))
    }
    untrained = {key: np.full(seeds, value) for key, value in told(np.array(20.0)).items()}
    values = {
        "seeds": tuple(range(seeds)),
        "by_noise": by_noise,
        "by_samples": dict(sorted(by_samples.items())),
        "posteriors": posteriors | {"diagonal": by_noise[1]},
        "again": {1: sweep((0.1, 0.3), 1, seeds=seeds), 0: sweep((2, 5), 0, seeds=seeds)},
        "bounded": {noise: sweep(OF_BOUNDS, noise, MANY, seeds) for noise in (0, 1)},
        "nuisances": {kind: sweep(OF_NUISANCES, seeds=seeds, more=told) for kind in NUISANCES},
        "untrained": dict.fromkeys(NUISANCES, untrained | {"input_information": np.full(seeds, 0.2)}),
        "course": course(seeds=seeds),
        "batches": {size: course(seeds=seeds, more=more) for size, more in BATCHES.items()},
        "ordinary": {
            (noise, N): course(N, noise, seeds, last=1 + noise) for noise in (0, 0.25, 0.5, 1) for N in (250, 1000)
        },
    }
    assert not changes.keys() - values.keys()
    return Measured(**{**values, **changes})

"""What the figures of information in the weights share: looks of label noise and of numbers of images, and legends."""

from collections.abc import Iterable

import numpy as np
from scipy.stats import spearmanr

from experiments.weight_information.measured import Measured
from info_geometry.figures.panels import BLUE, GREEN, ORANGE, PINK, RED, SKY

BETWEEN = GREEN, ORANGE, PINK, SKY  # label noise that is neither the least nor the most
MARKERS = "v", "o", "s", "D", "^", "P", "X"  # of numbers of images


def by_noise(found: Measured) -> dict[float, dict]:
    """Return {label noise: look}: the least blue, the most red, others between."""
    every = sorted({*found.by_noise, *(noise for noise, _ in (*found.by_samples, *found.ordinary))})
    colours = [BLUE, *(BETWEEN[k % len(BETWEEN)] for k in range(len(every) - 2)), RED]
    return {noise: {"color": colour} for noise, colour in zip(every, colours)}


def by_samples(found: Measured) -> dict[int, dict]:
    """Return {N: look}: markers, the larger the more images."""
    every = sorted({N for _, N in (*found.conditions, *found.ordinary)})
    sizes = np.linspace(3.6, 5.6, len(every))
    return {N: {"marker": marker, "markersize": size} for N, marker, size in zip(every, MARKERS, sizes)}


def noise_name(noise: float) -> str:
    """Return a label noise in words."""
    return {0: "right labels", 1: "random labels"}.get(noise, f"{100 * noise:g} % random")


def samples_name(samples: int) -> str:
    """Return a number of images in words."""
    return f"N = {samples:,}"


def noise_legend(found: Measured, shown: Iterable[float]) -> dict[str, dict]:
    """Return {name: look} of label noise."""
    return {noise_name(noise): {**look, "marker": "o"} for noise, look in by_noise(found).items() if noise in shown}


def samples_legend(found: Measured, shown: Iterable[int]) -> dict[str, dict]:
    """Return {name: look} of numbers of images."""
    looks = by_samples(found)
    return {samples_name(N): {**looks[N], "color": "0.4", "linestyle": ""} for N in sorted(set(shown))}


def rank(x: np.ndarray, y: np.ndarray) -> str:
    """Return Spearman's rank correlation in words, of pairs that are both known."""
    fine = np.isfinite(x) & np.isfinite(y)
    if fine.sum() < 3 or np.ptp(x[fine]) == 0 or np.ptp(y[fine]) == 0:
        return "too few to order"
    return f"Spearman {spearmanr(x[fine], y[fine]).statistic:.2f}".replace("-", "−")

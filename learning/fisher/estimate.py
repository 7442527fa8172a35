"""A number and its standard error."""

import dataclasses

import torch


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean, and its standard error: nan where there is one value alone."""

    value: float
    error: float


def mean(values: torch.Tensor, weights: torch.Tensor | None = None) -> Estimate:
    """Return the mean of independent values (n,) and its standard error; weights sum to 1, by default all the same."""
    n = len(values)
    weights = torch.full_like(values, 1 / n) if weights is None else weights
    value = (weights * values).sum()
    spread = (
        (weights.square() * (values - value).square()).sum() * n / (n - 1) if n > 1 else values.new_tensor(torch.nan)
    )
    return Estimate(value.item(), spread.sqrt().item())

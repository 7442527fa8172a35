"""Stitches: the maps phi between the channels of two networks, one 1 x 1 convolution without bias each.

A stitch is trained as `soft()`, a matrix (channels after, channels before), and used as `hard()`, which is what the
family allows; `penalty()` is added to the loss, and `project_(rate)` follows each step.

    full         any matrix
    rank r       a product of (n, r) and (r, n)
    lasso        any matrix, with lambda sum |W|; the proximal step sets entries to 0
    G_ReLU       a permutation with positive scales.  Soft: M diag(s), M doubly stochastic, s > 0
    fixed        a matrix that is not trained
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import nn

from info_geometry.files import InputError

ROUNDS = 16  # of Sinkhorn's normalisation of rows and columns, after each step
SMALLEST = 1e-6  # scale, and entry before normalisation


class Stitch(nn.Module):
    """A matrix between channels, applied to features (N, C) or (N, C, height, width)."""

    def soft(self) -> torch.Tensor:
        """Return the matrix (after, before) that is trained."""
        raise NotImplementedError

    def hard(self) -> torch.Tensor:
        """Return the matrix that is used after training."""
        return self.soft()

    def penalty(self) -> torch.Tensor:
        """Return what is added to the loss: a scalar."""
        return self.soft().new_zeros(())

    def project_(self, rate: float) -> None:
        """Bring the parameters back to where the family allows, after a step of this learning rate."""

    def cool(self, done: float) -> None:
        """Set what depends on which share of the training is done, before a step."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features with the soft matrix applied, in training, or the hard one, in evaluation."""
        return apply(self.soft() if self.training else self.hard(), features)


def apply(matrix: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """Return a matrix (after, before) applied to the channels of features; raise InputError where these do not fit."""
    if features.ndim not in (2, 4) or features.shape[1] != matrix.shape[1]:
        raise InputError(f"a stitch of {matrix.shape[1]} channels was given features {tuple(features.shape)}")
    if features.ndim == 2:
        return features @ matrix.T
    return nn.functional.conv2d(features, matrix[:, :, None, None])


class Fixed(Stitch):
    """A matrix that is not trained."""

    def __init__(self, matrix: torch.Tensor):
        super().__init__()
        self.register_buffer("matrix", matrix.float())

    def soft(self):
        return self.matrix


class Full(Stitch):
    """Any matrix, which begins as one layer of a network does."""

    def __init__(self, before: int, after: int, seed: int):
        super().__init__()
        self.weight = nn.Parameter(_uniform(after, before, seed))

    def soft(self):
        return self.weight


class LowRank(Stitch):
    """A matrix of rank r at most."""

    def __init__(self, before: int, after: int, rank: int, seed: int):
        super().__init__()
        if not 0 < rank <= min(before, after):
            raise InputError(f"rank is {rank}, expected 1 to {min(before, after)} for {before} and {after} channels")
        self.down, self.up = (
            nn.Parameter(_uniform(rows, columns, seed + k))
            for k, (rows, columns) in enumerate([(rank, before), (after, rank)])
        )

    def soft(self):
        return self.up @ self.down


class Lasso(Full):
    """A matrix with few entries: minimises loss + strength sum |W| by proximal steps, so that zeros are zeros."""

    def __init__(self, before: int, after: int, strength: float, seed: int):
        super().__init__(before, after, seed)
        self.strength = strength

    @torch.no_grad()
    def project_(self, rate):
        """W <- sign(W) max(|W| - rate strength, 0), the proximal map of the penalty."""
        self.weight.copy_(self.weight.sign() * (self.weight.abs() - rate * self.strength).clamp(min=0))

    def sparsity(self) -> float:
        """Return the share of entries that are 0."""
        return float((self.weight == 0).double().mean())


class Monomial(Stitch):
    """G_ReLU: a permutation with positive scales, by projected gradient on doubly stochastic matrices M.

    start: (n,) where channel i of the sender goes, from which M begins instead of a nearly uniform matrix; scales (n,).
    alpha: of the penalty -alpha |M - 11'/n|.  With centred=False it is that of the published code, -alpha |M|, which
    changes nothing: its gradient is along M, and Sinkhorn's normalisation takes any factor away.
    """

    def __init__(
        self,
        channels: int,
        seed: int,
        alpha: float = 0.0,
        start: Sequence[int] | None = None,
        scales: Sequence[float] | None = None,
        centred: bool = True,
    ):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        M = torch.rand(channels, channels, generator=generator)
        if start is not None:
            M = 0.1 * M
            M[torch.as_tensor(np.asarray(start)), torch.arange(channels)] += channels
        self.M = nn.Parameter(sinkhorn(M, 100))
        given = torch.ones(channels) if scales is None else torch.as_tensor(scales).float()
        self.log_scale = nn.Parameter(given.clamp(min=SMALLEST).log())  # so that they stay positive
        self.alpha, self.centre = alpha, 1 / channels if centred else 0.0

    def soft(self):
        return self.M * self.log_scale.exp()

    def hard(self):
        """Return the permutation with the largest sum of M, scaled."""
        P = torch.zeros_like(self.M)
        rows, columns = linear_sum_assignment(-self.M.detach().cpu().numpy())
        P[rows, columns] = 1.0
        return P * self.log_scale.exp()

    def penalty(self):
        return -self.alpha * (self.M - self.centre).norm()

    @torch.no_grad()
    def project_(self, rate):
        self.M.copy_(sinkhorn(self.M.clamp(min=0), ROUNDS))

    def saturation(self) -> float:
        """Return |M| / sqrt n: 1 for a permutation, 1 / sqrt n for the uniform matrix."""
        return float(self.M.detach().norm() / math.sqrt(len(self.M)))


class GumbelSinkhorn(Stitch):
    """G_ReLU: M = Sinkhorn(exp(X / tau)), and positive scales; tau falls to final_tau (Mena et al. 2018).

    At a lower temperature M is nearer to a permutation; it falls by the same factor in each step.
    """

    def __init__(self, channels: int, seed: int, tau: float = 1.0, final_tau: float = 0.05):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.X = nn.Parameter(0.01 * torch.randn(channels, channels, generator=generator))
        self.log_scale = nn.Parameter(torch.zeros(channels))
        self.tau, self._ends = tau, (tau, final_tau)

    def cool(self, done):
        first, last = self._ends
        self.tau = first * (last / first) ** done

    def M(self) -> torch.Tensor:
        """Return the doubly stochastic matrix."""
        log = self.X / self.tau
        for _ in range(ROUNDS):  # of logarithms, so that low temperatures do not overflow
            log = log - log.logsumexp(dim=1, keepdim=True)
            log = log - log.logsumexp(dim=0, keepdim=True)
        return log.exp()

    def soft(self):
        return self.M() * self.log_scale.exp()

    def hard(self):
        P = torch.zeros_like(self.X)
        rows, columns = linear_sum_assignment(-self.X.detach().cpu().numpy())
        P[rows, columns] = 1.0
        return P * self.log_scale.exp()

    def saturation(self) -> float:
        """Return |M| / sqrt n."""
        return float(self.M().detach().norm() / math.sqrt(len(self.X)))


def sinkhorn(M: torch.Tensor, rounds: int) -> torch.Tensor:
    """Return a matrix of non-negative entries with rows and columns normalised in turn: nearly doubly stochastic."""
    M = M.clamp(min=SMALLEST * float(M.max()))  # a row of zeros has no direction
    for _ in range(rounds):
        M = M / M.sum(dim=1, keepdim=True)
        M = M / M.sum(dim=0, keepdim=True)
    return M


def _uniform(rows, columns, seed):
    """Return initial weights of a linear layer of torch: uniform in +-1 / sqrt(columns)."""
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.rand(rows, columns, generator=generator) - 1) / math.sqrt(columns)


def matched(sender: np.ndarray, receiver: np.ndarray) -> torch.Tensor:
    """Return the permutation with scales (n, n) that takes features of the sender best to those of the receiver.

    sender, receiver (N, n, ...): features of the same images.  Channels are matched by their cosines (Hungarian
    algorithm), and each is scaled by least squares.  Raises InputError for other numbers of channels.
    """
    a, b = (_columns(x) for x in (sender, receiver))
    if a.shape != b.shape:
        raise InputError(f"a permutation is between as many channels, not {a.shape[1]} and {b.shape[1]}")
    products = b.T @ a  # (receiver, sender)
    norms = [np.linalg.norm(x, axis=0) for x in (b, a)]
    cosines = products / np.maximum(np.outer(*norms), SMALLEST)
    rows, columns = linear_sum_assignment(-cosines)
    found = np.zeros_like(products)
    found[rows, columns] = np.maximum(products[rows, columns] / np.maximum(norms[1][columns] ** 2, SMALLEST), SMALLEST)
    return torch.from_numpy(found)


def rotation(sender: np.ndarray, receiver: np.ndarray) -> torch.Tensor:
    """Return the orthogonal matrix (n, n) with the least squared difference of features: orthogonal Procrustes.

    argmin_Q sum_x |receiver(x) - Q sender(x)|^2 = U V',  sum_x receiver(x) sender(x)' = U S V'
    """
    a, b = (_columns(x) for x in (sender, receiver))
    if a.shape != b.shape:
        raise InputError(f"a rotation is between as many channels, not {a.shape[1]} and {b.shape[1]}")
    U, _, V = np.linalg.svd(b.T @ a)
    return torch.from_numpy(U @ V)


def _columns(features):
    """Return features (N, C, ...) as (N pixels, C), float64."""
    x = np.asarray(features, np.float64)
    return np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])

"""A subspace: networks whose weights are combinations of m vertices, any of which is drawn at each step of training.

    theta(c) = sum_i c_i w_i                                                  (Wortsman et al. 2021, algorithm 1)
    penalty = beta cos^2(w_j, w_k) of a random pair of vertices               (there, equation 3)

The gradient of vertex i is c_i times that of theta: a step costs that of one network, and m times its memory.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.func import functional_call

from info_geometry.files import InputError
from learning.networks.recalibration import BATCH_NORMS

NORMS = (BATCH_NORMS, nn.modules.instancenorm._InstanceNorm, nn.LayerNorm, nn.GroupNorm)


class Subspace(nn.Module):
    """Vertices, m networks (a body and a head) of one architecture; all kinds differ in their coefficients alone.

    Running statistics of norm layers are those of the first vertex, which training leaves as a mixture over all
    points: a network taken from a subspace has to be recalibrated.
    """

    def __init__(self, vertices: Sequence[nn.Module]):
        super().__init__()
        self.vertices = nn.ModuleList(vertices)
        shapes = [{name: p.shape for name, p in vertex.named_parameters()} for vertex in vertices]
        if any(each != shapes[0] for each in shapes):
            raise InputError("the vertices of a subspace are networks of one architecture; these differ")

    def __len__(self) -> int:
        return len(self.vertices)

    @property
    def layers(self) -> list[str]:
        """The modules that have weights, each of which draws coefficients of its own where these are layerwise."""
        return [name for name, module in self.vertices[0].named_modules() if list(module.parameters(recurse=False))]

    def weights(self, c: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return {name: sum_i c_i w_i} of all parameters; c (m,), or (layers, m) of each module."""
        where = {name: i for i, name in enumerate(self.layers)} if c.ndim == 2 else {}
        if c.shape[-1] != len(self) or (c.ndim == 2 and len(c) != len(where)):
            raise InputError(
                f"coefficients {tuple(c.shape)}, expected ({len(self)},) or ({len(self.layers)}, {len(self)})"
            )
        found = {}
        for names in zip(*(vertex.named_parameters() for vertex in self.vertices)):
            name = names[0][0]
            own = (c[where[name.rpartition(".")[0]]] if where else c).to(names[0][1].dtype)
            found[name] = sum(own[i] * w for i, (_, w) in enumerate(names))
        return found

    def forward(self, images: torch.Tensor, c: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Return the logits (B, outputs) of the network with coefficients c; mask (B, F): what features are times."""
        weights, network = self.weights(c), self.vertices[0]
        if mask is None:
            return functional_call(network, weights, images)
        parts = [
            {name.removeprefix(start): w for name, w in weights.items() if name.startswith(start)}
            for start in ("body.", "head.")
        ]
        return functional_call(network.head, parts[1], functional_call(network.body, parts[0], images) * mask)

    def matrices(self, vertex: int) -> list[torch.Tensor]:
        """Return the weights of a vertex whose direction counts: those of convolutions, linear maps and the like."""
        network = self.vertices[vertex]
        norms = {name for name, module in network.named_modules() if isinstance(module, NORMS)}
        named = network.named_parameters()
        return [w for name, w in named if w.ndim > 1 and name.rpartition(".")[0] not in norms]

    def squared_cosine(self, j: int, k: int) -> torch.Tensor:
        """Return cos^2 of the angle of two vertices, all their matrices taken as one vector: a scalar.

        (sum_l <w_j^l, w_k^l>)^2 / (sum_l |w_j^l|^2 sum_l |w_k^l|^2)
        """
        a, b = self.matrices(j), self.matrices(k)
        product = sum((x * y).sum() for x, y in zip(a, b))
        return product.square() / (sum(x.square().sum() for x in a) * sum(y.square().sum() for y in b))

    @torch.no_grad()
    def geometry(self) -> dict[str, float]:
        """Return the mean over pairs of vertices of cos^2, and the root of that of their squared distance."""
        pairs = [(j, k) for j in range(len(self)) for k in range(j)]
        if not pairs:
            return {}
        cosines = [float(self.squared_cosine(j, k)) for j, k in pairs]
        apart = [
            sum(float((x - y).double().square().sum()) for x, y in zip(self.matrices(j), self.matrices(k)))
            for j, k in pairs
        ]
        return {"squared_cosine": sum(cosines) / len(pairs), "l2": math.sqrt(sum(apart) / len(pairs))}

    @torch.no_grad()
    def state(self, c: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the state of the single network with coefficients c, with the running statistics that there are."""
        return {**self.vertices[0].state_dict(), **self.weights(c)}

"""The Fisher information of networks, how much their weights hold, and how much noise these bear.

    F = E_x E_{y ~ p_w(.|x)} g g',   g = grad_w log p_w(y|x)

y are the model's labels, F an average over inputs, logarithms natural.  A network is any torch module that takes inputs
(B, ...) to logits (B, C).  What is computed is of the network in evaluation, whichever mode it is in.
"""

from learning.fisher.estimate import Estimate
from learning.fisher.gradients import diagonal, log_determinant, per_filter, per_layer, sampled_diagonal, trace
from learning.fisher.laplace import Information, estimated_information, information, prior_variances
from learning.fisher.linear import traces
from learning.fisher.noise import Tolerance, from_predictions, noise_curve
from learning.fisher.subject import layers
from learning.fisher.temperature import at_temperature, entropy, temperature_for

__all__ = [
    "Estimate",
    "Information",
    "Tolerance",
    "at_temperature",
    "diagonal",
    "entropy",
    "estimated_information",
    "from_predictions",
    "information",
    "layers",
    "log_determinant",
    "noise_curve",
    "per_filter",
    "per_layer",
    "prior_variances",
    "sampled_diagonal",
    "temperature_for",
    "trace",
    "traces",
]

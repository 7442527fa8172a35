"""Architectures, each split into a body, which gives the features that are imprinted, and a linear head."""

from learning.networks.network import Network, autocast, compile_on, on, without_statistics
from learning.networks.zoo import NETWORKS, build, of_config

__all__ = ["NETWORKS", "Network", "autocast", "build", "compile_on", "of_config", "on", "without_statistics"]

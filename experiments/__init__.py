"""Experiments, one folder each; none knows another."""

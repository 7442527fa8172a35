"""Symmetries of networks: which transformations of a layer leave what a network computes as it is."""

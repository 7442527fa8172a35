"""What figures of the manifold share: looks of networks, names and order of levels."""

import numpy as np

from experiments.manifold.drawing import by_network, names, networks, ordered, shades

FIVE = ["vit", "fc", "conv_mixer", "small_cnn", "all_cnn_norm"]


def test_a_network_has_one_look_whatever_others_there_are():
    every = networks([*FIVE, "linear", "other"])
    for some in (FIVE, FIVE[::-1], FIVE[:2], ["linear", "fc"]):
        found = networks(some)
        assert {name: every[name] for name in found} == found
    assert len({look["color"] for look in every.values()}) == len({look["marker"] for look in every.values()}) == 7


def test_networks_of_one_kind_look_different():
    found = networks(["fc 64-32", "fc 16-16", "small_cnn", "plain_cnn"])
    assert len({look["color"] for look in found.values()}) == 4
    many = networks([f"net {k}" for k in range(12)])
    assert len(many) == 12 and len({look["color"] for look in many.values()}) == 8


def test_names_are_short_and_different():
    assert list(names(FIVE).values()) == ["vit", "fc", "convmixer", "cnn", "allcnn"]
    assert names(["small_cnn 8", "fc 64-32"]) == {"small_cnn 8": "cnn 8", "fc 64-32": "fc 64-32"}
    assert names(["small_cnn", "plain_cnn"]) == {"small_cnn": "small_cnn", "plain_cnn": "plain_cnn"}


def test_order():
    assert ordered(FIVE) == ["fc", "small_cnn", "all_cnn_norm", "conv_mixer", "vit"]
    assert ordered(["adam", "nesterov", "sgd", "adam"]) == ["sgd", "nesterov", "adam"]
    assert ordered(["1000", "200", "50"]) == ["50", "200", "1000"]


def test_shades_are_no_colours_of_networks():
    taken = {look["color"].lower() for look in networks([*FIVE, "a", "b", "c"]).values()}
    for count in range(1, 7):
        found = {look["color"] for look in shades(range(count)).values()}
        assert len(found) == count and not found & taken


def test_means_of_networks_are_of_what_is_known():
    values = np.arange(12.0).reshape(2, 3, 2)
    values[0, 2] = np.nan
    found = by_network(values, np.array(["a", "b", "a"]), "a")
    np.testing.assert_allclose(found, [[0, 1], [8, 9]])

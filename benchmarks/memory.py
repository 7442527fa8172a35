"""How much memory training keeps of each image until its gradient is formed, which decides what fits a GPU.

    python benchmarks/memory.py [--network resnet50_blurpool] [--images 8] [--resolutions 160 192]     20 s on a CPU

Counted are the bytes of all tensors that autograd keeps for the backward pass, each once, in bfloat16 autocast, as in
`imagenet_rn50.yaml`; weights are counted apart.  A GPU needs more: weights, gradients and momentum
(3 x 4 bytes a weight), workspaces of convolutions, and what the allocator does not give back.
"""

import argparse

import torch

from info_geometry.files import command
from learning import networks


def kept(network: torch.nn.Module, images: int, resolution: int) -> int:
    """Return the bytes that autograd keeps for the backward pass of so many images (B, 3, resolution, resolution)."""
    own, seen = {p.untyped_storage().data_ptr() for p in network.parameters()}, {}

    def count(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes(), tensor  # held, so that no other takes its place
        return tensor

    x = torch.rand(images, 3, resolution, resolution).contiguous(memory_format=torch.channels_last)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor), torch.autocast("cpu", torch.bfloat16):
        torch.nn.functional.cross_entropy(network(x), torch.zeros(images, dtype=torch.int64))
    return sum(size for size, _ in seen.values())


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="resnet50_blurpool", help="default: %(default)s")
    parser.add_argument("--images", type=int, default=8, help="that are counted; default: %(default)s")
    parser.add_argument("--resolutions", type=int, nargs="+", default=[160, 192], metavar="PIXELS")
    parser.add_argument("--micro-batch", type=int, default=420, help="that is extrapolated to; default: %(default)s")
    given = parser.parse_args(argv)
    network = networks.build(given.network, 3, 224, 1000, 0).train().to(memory_format=torch.channels_last)
    weights = sum(p.numel() for p in network.parameters())
    print(
        f"{given.network}: {weights / 1e6:.1f} million weights, {12 * weights / 1e9:.2f} GB with gradients and momentum"
    )
    print(f"| pixels | MB an image | GB for {given.micro_batch} images |\n| ---: | ---: | ---: |")
    for resolution in given.resolutions:
        one, two = (kept(network, count, resolution) for count in (given.images, 2 * given.images))
        size = (two - one) / given.images  # what does not grow with the images, such as weights in bfloat16, drops out
        print(f"| {resolution} | {size / 1e6:.0f} | {size * given.micro_batch / 1e9:.1f} |", flush=True)


if __name__ == "__main__":
    command(main)

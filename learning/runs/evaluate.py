"""How many evaluation images of its task a network answers right."""

from collections.abc import Sequence

import torch

from learning import data, networks
from learning.config import Config
from learning.distributed import Processes


@torch.inference_mode()
def accuracy(
    network: torch.nn.Module, images, indices: Sequence[int], outputs: torch.Tensor, config: Config, here: Processes
) -> float | None:
    """Return the accuracy of a network on the images `indices`, whose right answers are outputs[indices]; None of none.

    Where training mirrors images, the logits are those of an image plus those of its mirror image.  The processes
    under torchrun take a part of the images each.
    """
    was_training = network.training
    network.eval()
    mine, counts = torch.as_tensor(indices)[here.rank :: here.world], torch.zeros(2, device=here.device)
    plan = [
        data.Batch(chosen, chosen, resolution=config.evaluation_resolution)
        for chosen in mine.split(config.evaluation_batch_size)
        if len(chosen)
    ]
    for batch, pixels in zip(plan, images.batches(plan, device=here.device)):
        with networks.autocast(here.device, config.evaluation_precision):
            logits = network(pixels).float()
            if config.augmentation != "none":
                logits += network(pixels.flip(3)).float()
        correct = (logits.argmax(dim=1) == data.move(outputs[batch.indices], here.device)).sum()
        counts += torch.stack([correct, torch.full_like(correct, len(pixels))])
    network.train(was_training)
    correct, seen = here.sum(counts).tolist()
    return correct / seen if seen else None

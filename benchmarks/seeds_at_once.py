"""Several seeds of one configuration trained at once: their weights stacked, and one step for all of them.

What benchmarks/packing.py measures beside the processes of a sweep; it is no stage.  Each seed has its own order of
images and its own weights, and ends with those that it would have alone, but for rounding: products of matrices are
added up in another order.
"""

import contextlib
import copy
import itertools
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from info_geometry.files import InputError
from learning import data, networks, optimisers, supervise
from learning.config import Config
from learning.runs import run as runs
from learning.runs import weights


class Together:
    """Networks of one architecture that take each step together, in training; their own weights are left as they are.

    weights, buffers: {name: (S, ...)} of S networks, changed in place at each step.  rate: the learning rate, a tensor,
    which a CUDA graph reads anew.  Steps are those of SGD as torch takes them, with g the gradient and w the weights:
    v <- momentum v + (g + weight_decay w), and w <- w - rate (g + weight_decay w + momentum v), or w - rate v without
    Nesterov.  Raises InputError for another optimiser.
    """

    def __init__(self, of: Sequence[networks.Network], config: Config):
        if config.optimiser != "sgd":
            raise InputError(f"optimiser is {config.optimiser}; seeds are trained at once with sgd alone")
        self._config, self._base = config, copy.deepcopy(of[0]).train().to("meta")
        stacked, self.buffers = stack_module_state([network.train() for network in of])
        self.weights = {name: values.detach() for name, values in stacked.items()}
        names = {id(p): name for name, p in of[0].named_parameters()}
        groups = optimisers.parameter_groups(of[0], config.weight_decay, config.decay)
        self._decay = {names[id(p)]: group["weight_decay"] for group in groups for p in group["params"]}
        self._velocity = {name: torch.zeros_like(values) for name, values in self.weights.items()}
        self.rate = torch.zeros((), device=next(iter(self.weights.values())).device)

    def step(self, pixels: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        """Take one step on pixels (S, B, channels, height, width) with right answers (S, B).

        Returns, for each network, the sum of losses, the number of right answers and of images, (S, 3).
        """
        with sdpa_kernel(SDPBackend.MATH):  # vmap takes the other ones of attention network by network
            gradients, (losses, correct, buffers) = vmap(grad(self._loss, has_aux=True))(
                self.weights, self.buffers, pixels, outputs
            )
        for name, values in buffers.items():
            self.buffers[name].copy_(values)
        momentum = self._config.momentum
        for name, values in self.weights.items():
            change, velocity = gradients[name].add(values, alpha=self._decay[name]), self._velocity[name]
            velocity.mul_(momentum).add_(change)
            change = change.add(velocity, alpha=momentum) if self._config.nesterov and momentum else velocity
            values.sub_(self.rate * change)
        count = torch.full_like(correct, outputs.shape[1])
        return torch.stack([losses * outputs.shape[1], correct, count], dim=1).double()

    def _loss(self, own, buffers, pixels, outputs):
        """Return the loss of one network, and besides it the loss, right answers, and new running statistics."""
        logits = functional_call(self._base, (own, buffers), (pixels,))
        loss = F.cross_entropy(logits, outputs, label_smoothing=self._config.label_smoothing)
        return loss, (loss, (logits.argmax(dim=1) == outputs).sum(), buffers)

    def state(self) -> list[torch.Tensor]:
        """Return all tensors that a step changes."""
        return [*self.weights.values(), *self.buffers.values(), *self._velocity.values()]

    def of(self, seed: int) -> dict[str, torch.Tensor]:
        """Return the weights and buffers of the network number `seed`, on the CPU."""
        return {name: values[seed].cpu() for name, values in {**self.weights, **self.buffers}.items()}

    def save(self, folder: Path, seeds: Sequence[int], step: int) -> None:
        """Write what stage 1 writes of each seed at a checkpoint: its weights, and what it would go on from."""
        for number, seed in enumerate(seeds):
            own = self.of(number)
            velocity = {name: values[number].cpu() for name, values in self._velocity.items()}
            weights.save(folder / f"seed_{seed}" / "ckpt" / f"{step}.pth", own)
            weights.save(folder / f"seed_{seed}" / "last.pth", {"network": own, "optimiser": velocity, "step": step})


class Graph:
    """The step of a Together as a CUDA graph, recorded once: a call copies images to where it reads them."""

    def __init__(self, together: Together, pixels: torch.Tensor, outputs: torch.Tensor):
        self._pixels, self._outputs = pixels.clone(), outputs.clone()
        before = [values.clone() for values in together.state()]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):  # what is made at the first steps, such as workspaces, belongs to no graph
            for _ in range(3):
                together.step(self._pixels, self._outputs)
        torch.cuda.current_stream().wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._outcome = together.step(self._pixels, self._outputs)
        for values, old in zip(together.state(), before):
            values.copy_(old)

    def __call__(self, pixels: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        """Take a step, as `Together.step` does."""
        self._pixels.copy_(pixels)
        self._outputs.copy_(outputs)
        self._graph.replay()
        return self._outcome


def batches(images, config: Config, seeds: Sequence[int], device: str) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield, for each step, images (S, B, channels, height, width) and labels (S, B): each seed has its own order.

    images: a TensorImages, all of which are learned from, without augmentation.
    """
    labels = torch.from_numpy(images.labels).to(device)
    plans = zip(*(data.whole_plan(range(len(labels)), config, seed, 0) for seed in seeds))
    joined = (torch.cat([batch.indices for batch in each]) for each in plans)
    plan, same = itertools.tee(data.Batch(indices, torch.arange(len(indices))) for indices in joined)
    for batch, pixels in zip(same, images.batches(plan, device=device)):
        outputs = labels[data.move(batch.indices, device)]
        yield pixels.view(len(seeds), -1, *pixels.shape[1:]), outputs.view(len(seeds), -1)


def train(
    images,
    config: Config,
    groups: Sequence[Sequence[int]],
    folder: Path,
    device: str = "cpu",
    graph: bool = False,
) -> list[Together]:
    """Train groups of seeds on all classes of the images, and keep their checkpoints in `folder`; return the groups.

    Each group takes its steps at once.  On CUDA several groups take turns, each on its own stream, so that the GPU may
    work on several.  graph: with a CUDA graph of the step of each group.
    """
    steps = data.steps_per_epoch(len(images.labels), config.batch_size)
    schedule = set(runs.schedule(config, steps))
    every, takers, streams = [], [], []
    for seeds in groups:
        found = [networks.of_config(config, images, images.classes, seed) for seed in seeds]
        together = Together([networks.on(torch.device(device), network) for network in found], config)
        together.save(folder, seeds, 0)
        every.append((together, seeds, batches(images, config, seeds, device)))
        takers.append(None if graph else together.step)
        streams.append(torch.cuda.Stream() if device.startswith("cuda") and len(groups) > 1 else None)
    if device.startswith("cuda"):
        first = torch.arange(1)
        next(images.batches([data.Batch(first, first)], device=device))  # which puts the images where the GPU has them
        torch.cuda.synchronize()  # streams do not wait for what was copied on another one
    for number in range(config.epochs * steps):
        for place, (together, seeds, parts) in enumerate(every):
            with torch.cuda.stream(streams[place]) if streams[place] else contextlib.nullcontext():
                pixels, outputs = next(parts)
                takers[place] = takers[place] or Graph(together, pixels, outputs)
                together.rate.fill_(config.learning_rate_at((number + 0.5) / steps))
                takers[place](pixels, outputs)
                if number + 1 in schedule:
                    together.save(folder, seeds, number + 1)
    return [together for together, *_ in every]


def gains(images, config: Config, seeds: int, rounds: int) -> tuple[float, list[float]]:
    """Return the CPU milliseconds of a step of one network, and how many times as fast seeds take theirs at once.

    Stage 1's step and the joint one take turns, on the CPU, each with the batches that it needs; ratios of `rounds`.
    """
    found = [networks.of_config(config, images, images.classes, seed) for seed in range(seeds)]
    together, joint = Together(found, config), batches(images, config, range(seeds), "cpu")
    network = networks.of_config(config, images, images.classes, 0)
    optimiser = optimisers.build(network, config)
    parts = ((x[0], y[0]) for x, y in batches(images, config, [0], "cpu"))
    singles, ratios = [], []
    for number in range(rounds + 2):
        times = [time.process_time()]
        for _ in range(seeds):
            supervise.update(network, optimiser, parts, config.batch_size, config)
        times.append(time.process_time())
        together.step(*next(joint))
        times.append(time.process_time())
        single, at_once = np.diff(times)
        if number > 1:  # the first ones warm up
            singles.append(1e3 * single / seeds)
            ratios.append(single / at_once)
    return float(np.median(singles)), ratios


def measured(settings, device, folder, groups, processes, graph=False):
    """Have processes train all seeds of all groups at once, each its own ones; settings: of a Config, {key: value}.

    Returns the number of runs, seconds, and CPU seconds of the processes, once each has warmed up.
    """
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(processes, timeout=600), context.Queue()
    started = [
        context.Process(target=_take, args=(barrier, results, settings, device, folder / str(number), groups, graph))
        for number in range(processes)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join()
    if any(process.exitcode for process in started):
        raise InputError(f"training {groups} at once failed")
    spans = [results.get() for _ in started]
    begins, ends, cpu = zip(*spans)
    return processes * sum(map(len, groups)), max(ends) - min(begins), sum(cpu)


def _take(barrier, results, settings, device, folder, groups, graph):
    """In a process of its own: train the groups, once to warm up; put when that began, when it ended, CPU seconds."""
    found = Config(dataset="fashion", **settings)
    images = data.load("fashion", "train", folder.parent.parent / "data")
    short = Config(dataset="fashion", **{**settings, "epochs": 1, "checkpoints": 1})
    few = images.part(np.arange(min(len(images.labels), 2 * found.batch_size)))
    train(few, short, groups, folder / "warm", device, graph)
    barrier.wait()
    began, before = time.monotonic(), time.process_time()
    train(images, found, groups, folder, device, graph)
    results.put((began, time.monotonic(), time.process_time() - before))

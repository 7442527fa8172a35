"""Stage 2 of any run: what its networks predict at each checkpoint, and what their weights hold."""

import math
from collections.abc import Iterator

import numpy as np
import torch

from experiments.weight_information import bounds, information, invariance, knowledge
from experiments.weight_information.choices import Choices, Inspection
from experiments.weight_information.predicting import imprinter_of
from experiments.weight_information.trained import Trained, loader, opened
from info_geometry import predictions
from info_geometry.files import InputError, remove_orphans
from learning import data, distributed, fisher, networks, stage
from learning.arguments import Options
from learning.imprinting import evenly
from learning.runs import store
from learning.tasks import facts
from learning.variational import Mixture

SOME = 20  # draws that are predicted at once
MOST, OTHERS = 5000, 10_000  # images that cross entropies are of, of those learned from and of others


def inspect_all(options: Options, choices: Inspection) -> int:
    """Store what is known of all runs that are asked for, and return the exit code."""
    with distributed.processes(options.device, alone=True) as here:
        load = loader(options)

        def work(item):
            return _store(item, choices, options, here, load)

        return stage.each_run(options, here, work, "inspecting", "stored", unit="files")


def _store(item, choices: Inspection, options: Options, here, load) -> bool:
    """Store one file, and return whether there was something to do."""
    of = opened(item, options, load)
    run, name = of.run, choices.name(item.name)
    target = options.folders.file(name, run.seed)
    imprinter = imprinter_of(of, Choices(), here, options, load)
    with here.lock(target.parent / f".{target.stem}.lock", str(target), wait=options.wait):
        if target.exists():
            store.check_same(target, run, of.folder, imprinter)
            _check_choices(target, choices)
            return False
        if remove_orphans(target.parent, target.name):
            print(f"{name} seed {run.seed}: redoing (found an unfinished write)", flush=True)
        decoded = imprinter.prepare(run)
        part = facts(run.config["dataset"]).evaluation_split
        clean = None if of.config.nuisance == "none" else load(run.config["dataset"], part, "none")
        known = Known(of, choices, here, options.workers, decoded, clean)
        said = {"choices": choices.said, "samples": len(of.own.training)}
        if choices.layers:
            said["layers"] = list(fisher.layers(of.network()))
        store.store(target, run, known.models(), imprinter, split=part, say=known.said, **said)
    return True


def _check_choices(target, choices):
    """Raise InputError unless a file was stored here, with these choices."""
    there = predictions.open_trajectory(target).attributes.get("choices") or {}
    differ = [key for key, value in choices.said.items() if there.get(key) != value]
    if differ:
        raise InputError(f"{target} was stored with other choices ({', '.join(differ)}); delete it to store these")


class Known:
    """What is known of the networks of a run; evaluation: images that it did not learn from; clean: ... no nuisance."""

    def __init__(self, of: Trained, choices: Inspection, here, workers: int, evaluation, clean=None):
        self._of, self._choices, self._here, self._clean = of, choices, here, clean
        self._images, self._outputs = of.learned_images(MOST, here, workers)
        evaluation = evaluation.part(evenly(evaluation.labels, OTHERS))
        self._evaluation = torch.cat(list(evaluation.batches(_plan(of, len(evaluation.labels)), device=here.device)))
        classes = of.run.task.classes
        self._of_task = torch.from_numpy(np.flatnonzero(np.isin(evaluation.labels, classes))).to(here.device)
        self._right = torch.from_numpy(np.searchsorted(classes, evaluation.labels)).to(here.device)[self._of_task]
        self._said = []

    def models(self) -> Iterator[tuple[float, torch.nn.Module]]:
        """Yield (t, what predicts) of each checkpoint, and find out what is known of it."""
        of, before, variances = self._of, None, None
        for step in of.run.schedule:
            model = networks.on(self._here.device, of.model(step))
            predicts = self._mixture(model) if of.variational else model
            network = networks.on(self._here.device, of.network())
            network.load_state_dict(model.mean_network() if of.variational else model.state_dict())
            weights = torch.nn.utils.parameters_to_vector(network.parameters()).detach().double()
            variances = model.variances() if of.variational else variances or fisher.prior_variances(network)
            moved = float("nan") if before is None else float((weights - before).square().sum())
            self._said.append({"moved": moved, **self._told(model, network.eval(), variances)})
            before = weights
            yield of.run.time(step), predicts

    def said(self) -> dict[str, dict[str, list[float]]]:
        """Return {"known": {what: (checkpoints,)}}."""
        return {"known": {key: [each[key] for each in self._said] for key in self._said[0]}}

    def _mixture(self, model, draws=0) -> Mixture:
        network = networks.on(self._here.device, self._of.network())
        return knowledge.mixture(model, network, draws or self._of.config.draws, self._of.run.seed)

    def _told(self, model, network, variances):
        of, rng = self._of, np.random.default_rng(0)
        few = torch.from_numpy(rng.permutation(len(self._outputs))[: self._choices.images])
        other = self._of_task[torch.from_numpy(rng.permutation(len(self._of_task))[: self._choices.images])]
        found, beta = knowledge.of_network(network, self._images, self._outputs), 1.0
        if self._choices.layers:
            return found | information.of_layers(network, self._images[few], self._evaluation[other])
        if of.variational:
            beta = of.config.beta
            found |= self._of_draws(model) | {
                "kl": sum(float(x.detach()) for x in model.kl().values()),
                "kl_of_fixed_priors": bounds.kl_of_fixed_priors(model),
            }
        if self._clean is not None:
            config, seed, device = of.config, of.run.seed, self._here.device
            found |= invariance.told(model, network, self._clean, config, seed, device=device)
        found["input_information"] = invariance.input_information(network, self._evaluation[other])
        return found | information.told(
            network,
            self._images[few],
            self._outputs[few],
            self._evaluation[other],
            len(of.own.training),
            variances,
            beta,
            self._choices.determinant,
        )

    @torch.no_grad()
    def _of_draws(self, model):
        """Return the accuracy of the mean prediction of draws, and mean losses of draws, also of other images.

        Labels of others are as noisy: a share of them is any output, each as likely.  The loss that a bound is of,
        clipped, is of more draws.
        """
        mixture, more = self._mixture(model), self._mixture(model, bounds.DRAWS)
        logs = _in_parts(mixture.each, self._images)
        right = knowledge.mixed(logs).argmax(dim=1) == self._outputs
        every = -_in_parts(mixture.each, self._evaluation[self._of_task]).double()
        of_right = every.gather(2, self._right[None, :, None].expand(len(every), -1, 1)).squeeze(2)
        largest, share = math.log(every.shape[2]), self._of.config.label_noise
        found = {
            "training_accuracy": right.double().mean(),
            "cross_entropy_of_draws": knowledge.losses(logs, self._outputs).mean(),
            "clipped": self._clipped(more, largest),
        }
        for name, most in (("test_loss", math.inf), ("test_loss_clipped", largest)):
            found[name] = (1 - share) * of_right.clamp(max=most).mean() + share * every.clamp(max=most).mean()
        return {key: float(x) for key, x in found.items()}

    def _clipped(self, mixture, largest):
        """Return the mean loss, clipped, of images learned from over draws, of which few are held at once."""
        found = []
        for i in range(0, len(mixture.states), SOME):
            part = Mixture(mixture.network, mixture.states[i : i + SOME])
            found.append(knowledge.losses(_in_parts(part.each, self._images), self._outputs).clamp(max=largest))
        return torch.cat(found).mean()


def _in_parts(log_probabilities, images):
    """Return log probabilities (draws, N, C) of images (N, ...), of which few are predicted at once."""
    return torch.cat([log_probabilities(part) for part in images.split(knowledge.AT_ONCE)], dim=1)


def _plan(of, count):
    return data.evaluation_plan(count, of.config.evaluation_batch_size, of.config.evaluation_resolution)

"""What a run leaves behind while it trains, and the state from which it goes on."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import torch

from info_geometry.files import write_text
from learning.distributed import Processes
from learning.runs import weights
from learning.runs.diverged import MARK, DivergedError
from learning.runs.run import Run


class Record:
    """What a run leaves behind: the models of its schedule, the log, and the state from which it goes on.

    model: what is called in training.  That is the trained network (with what belongs to it), or a wrapper around it.
    optimiser: of its parameters.  step: how many steps were taken.
    """

    def __init__(
        self,
        folder: Path,
        run: Run,
        trained: torch.nn.Module,
        optimiser: torch.optim.Optimizer,
        here: Processes,
        keep: Callable[[int], dict],
        say: Callable[[], dict] = dict,
    ):
        """Restore the last saved state, if there is one.

        trained: the network and what belongs to it, all of which is restored.  keep: a Keeper (learning.runs.keep),
        which all processes call with the step at checkpoints and where it is due.  say(): more for the log.
        """
        self.folder, self.run, self.model, self.optimiser, self.here = folder, run, trained, optimiser, here
        self._trained, self._keep, self._say = trained, keep, say
        self.step, self.since = 0, torch.zeros(3, dtype=torch.float64, device=here.device)
        state = weights.load(folder / "last.pth") if (folder / "last.pth").exists() else {"step": -1}
        lost = [step for step in run.missing(folder) if step <= state["step"]]
        if lost and here.main:
            print(f"{folder}: training again, since the checkpoint of step {lost[0]} is gone", flush=True)
        if state["step"] >= 0 and not lost:
            trained.load_state_dict(state["network"])
            optimiser.load_state_dict(state["optimiser"])
            self.step = state["step"]
            self.since = (state["since"] if here.main else torch.zeros(3, dtype=torch.float64)).to(here.device)
        here.barrier()
        self.started = time.perf_counter() - (state.get("seconds", 0.0) if self.step else 0.0)
        if here.main:
            self._cut_log()
        if self.step == 0:
            self._checkpoint()

    def add(self, outcome: torch.Tensor) -> None:
        """Count one step and what it returned (see Job.take_steps); save what is due.

        Raises DivergedError, in all processes, where the loss is not finite: on a GPU, every 50 steps it is looked at.
        """
        self.step += 1
        self.since += outcome
        looked_at = self.here.device.type == "cpu" or self.step % 50 == 0
        if looked_at and self.here.any(not self.since[0].isfinite()):
            told = f"the loss is not finite at step {self.step}; lower the learning rate"
            again = f"delete {self.folder / MARK} to train it again"
            raise DivergedError(f"{self.folder}: {told}, or {again}", self.step, everywhere=True)
        if self.step in self.run.schedule or self._keep.due(self.step):
            self._checkpoint()

    def _checkpoint(self):
        loss, correct, images = self.here.sum(self.since.clone()).tolist()
        seconds = round(time.perf_counter() - self.started, 3)
        if self.here.world > 1:  # norm layers average over the images of their own process
            for buffer in self._trained.buffers():
                self.here.broadcast(buffer)
        try:
            more = self._keep(self.step)
        except DivergedError as error:  # of the weights, which the main process alone looks at
            told = str(error).replace("diverged", f"diverged at step {self.step}")
            again = f"delete {self.folder / MARK} to train it again"
            raise DivergedError(f"{told}, or {again}", self.step, everywhere=self.here.world == 1) from None
        if self.here.main:
            line = {
                "step": self.step,
                "epoch": self.run.time(self.step),
                "learning_rate": self.optimiser.param_groups[0]["lr"],
                "loss": loss / images if images else None,
                "accuracy": correct / images if images else None,
                **more,
                **self._say(),
                "images": int(images),
                "seconds": seconds,
            }
            with open(self.folder / "log.jsonl", "a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
        self.since.zero_()
        self.started = time.perf_counter()
        self.save_state()

    def save_state(self) -> None:
        """Write last.pth: from it the run goes on exactly, since order and augmentation follow from seed and step."""
        since = self.here.sum(self.since.clone())
        if self.here.main:
            weights.save(
                self.folder / "last.pth",
                {
                    "network": self._trained.state_dict(),
                    "optimiser": self.optimiser.state_dict(),
                    "step": self.step,
                    "since": since.cpu(),
                    "seconds": time.perf_counter() - self.started,
                },
            )

    def _cut_log(self):
        """Drop the lines of steps that will be taken again."""
        log = self.folder / "log.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        whole = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= self.step]
        write_text(log, "".join(line + "\n" for line in (whole if self.step else [])))

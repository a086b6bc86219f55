"""The training loop: steps, epochs, checkpoints and interruptions."""

from __future__ import annotations

import dataclasses
import math
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel

from openmm_polarmp.models import PolarMPModel
from openmm_polarmp.training import checkpoint
from openmm_polarmp.training.config import LossConfig, ModelConfig, OptimizerConfig, TrainingConfig
from openmm_polarmp.training.data.structure import Batch, Structure
from openmm_polarmp.training.hosts import parameter_groups
from openmm_polarmp.training.initial_charges import fit_charge_head, fixed_charges, guess_charges
from openmm_polarmp.training.log import Progress, TensorBoard, write_rows
from openmm_polarmp.training.loss import TrainingLoss, optional_labels, total_of, weights_at
from openmm_polarmp.training.metrics import ErrorSums, square_sums
from openmm_polarmp.training.optimizer import WeightOptimizer
from openmm_polarmp.training.parallel import Processes
from openmm_polarmp.training.predict import predict

Tensors = tuple[torch.Tensor, ...] | list[torch.Tensor]

PHASES = ("data", "forward", "backward", "optimizer")
BLOWN_UP = 30.0
"""Ratio of an epoch's error of forces to the smallest one before, from which no training has been seen to come back."""


class Trainer:
    """Trains a model on structures, from the beginning or from the checkpoint in the output folder.

    Every random choice follows from the seed and the number of the step, so that a run continues from a checkpoint exactly
    as if it had not been interrupted.

    Parameters
    ----------
    config : TrainingConfig
        Configuration of the run.
    model : PolarMPModel
        The initial model, which is trained in place.
    training, validation : list of Structure
        Structures with labels.
    fingerprint : str
        Hash of the data; a checkpoint of other data is not continued.
    processes : Processes
        The processes that train together.
    quiet : bool
        Print nothing.
    """

    def __init__(
        self,
        config: TrainingConfig,
        model: PolarMPModel,
        training: list[Structure],
        validation: list[Structure],
        fingerprint: str,
        processes: Processes,
        quiet: bool = False,
    ) -> None:
        self.config, self.training, self.validation = config, training, validation
        self.processes, self.fingerprint = processes, fingerprint
        self.folder = Path(config.output)
        self.model = model.to(processes.device).train()
        self.loss = TrainingLoss(self.model, config.loss)
        settings = config.optimizer
        self.optimizer = WeightOptimizer(parameter_groups(self.model, config.model), settings)
        self.weights = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.mean = AveragedModel(self.model, multi_avg_fn=self._average)
        self.steps_per_epoch = math.ceil(len(training) / settings.batch_size)
        self.total_steps = settings.epochs * self.steps_per_epoch
        self.step = 0
        self.shuffled = (-1, np.arange(0))  # epoch and order
        self.rows: list[dict[str, Any]] = []
        self.sums, self.loss_sum, self.epoch_seconds = ErrorSums(), 0.0, 0.0
        self.best: dict[str, Any] = {"score": math.inf, "epoch": -1}
        self.seconds: dict[str, float] = defaultdict(float)
        self.hold_steps = 0
        self.initial_charges: dict[int, float] = {}
        chosen = self.model.has_electrostatics and not self.model.equilibrates_charges
        if chosen and config.model.start is None:
            if not self.model.formal_charges:
                self.initial_charges = guess_charges(training)
            guessed = self.initial_charges or self.model.formal_charges
            self.hold_steps = settings.hold_charges if guessed else 0
        self.resumed = self._load()
        self.quiet = quiet or not processes.first
        self.progress = Progress(self.quiet, self.total_steps, self.step)

    def run(self) -> None:
        """Train to the end, or until the validation error stops decreasing."""
        tensorboard = TensorBoard(self.folder / "tensorboard", self.processes.first)
        written = time.monotonic()
        with _stop_requests() as stop:
            while self.step < self.total_steps and not self._out_of_patience():
                epoch, number = divmod(self.step, self.steps_per_epoch)
                start = time.monotonic()
                self._train_step(epoch, number)
                self.epoch_seconds += time.monotonic() - start
                if self.step % self.steps_per_epoch == 0:
                    tensorboard.add(self._end_epoch(epoch))
                    self._save()
                    written = time.monotonic()
                due = time.monotonic() - written > 60 * self.config.checkpoint_minutes
                if self.processes.any(due or stop.is_set()):
                    self._save()
                    written = time.monotonic()
                if self.processes.any(stop.is_set()):
                    self.progress.message(
                        f"\ninterrupted after step {self.step} of {self.total_steps}: everything is kept in {self.folder}, and the "
                        "same command goes on from here"
                    )
                    raise KeyboardInterrupt

    def rate(self, step: int) -> float:
        """Part of the largest learning rates in a step: a warm-up, then half a cosine down to the final rate."""
        settings = self.config.optimizer
        low = settings.final_rate
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.total_steps))
        return min(1.0, (step + 1) / max(1, settings.warmup)) * (low + (1 - low) * cosine)

    def errors(self, model: PolarMPModel, structures: list[Structure]) -> dict[str, float]:
        """Root mean square errors on structures, which the processes evaluate together."""
        sums = ErrorSums()
        labels = optional_labels(self.config.loss)
        own, size = structures[self.processes.rank :: self.processes.count], self.config.optimizer.batch_size
        for first in range(0, len(own), size):
            batch = Batch.of(own[first : first + size], self.processes.device)
            born_of = torch.zeros(len(batch.structures), dtype=torch.long) if "born_charges" in labels else None
            prediction = predict(
                model,
                batch,
                stress="stress" in labels,
                dipole="dipole" in labels,
                born_of=born_of,
                eps_inf=self.config.loss.eps_inf,
            )
            sums.add(square_sums(prediction, batch), batch.weights)
        sums.values = self.processes.total(sums.values)
        return sums.rmse()

    def _train_step(self, epoch: int, number: int) -> None:
        settings, clock = self.config.optimizer, time.monotonic
        start = clock()
        chosen = self._order(epoch)[number * settings.batch_size : (number + 1) * settings.batch_size]
        numbers = chosen[self.processes.rank :: self.processes.count]
        # A process without a structure takes part with one of weight zero.
        weights = [self.training[i].weight for i in numbers] if len(numbers) else [0.0]
        numbers = numbers if len(numbers) else chosen[:1]
        batch = Batch.of([self.training[i] for i in numbers], self.processes.device, weights)
        fixed = self.step < self.hold_steps
        self.optimizer.set_rates(self.rate(self.step), fixed)
        began = clock()
        self.seconds["data"] += began - start
        weight = weights_at(self.config.loss, self.step / self.steps_per_epoch)
        divisor = len(chosen) / self.processes.count  # the gradients are averaged over the processes
        if self.initial_charges and self.hold_steps and self.step == self.hold_steps:
            some = self.training[:: max(1, len(self.training) // 20)]
            fit_charge_head(self.model, some, self.initial_charges)
            self.mean.module.load_state_dict(self.model.state_dict())  # the average starts again after the jump
        by_species = fixed and self.initial_charges
        try:
            with fixed_charges(self.model, self.initial_charges) if by_species else nullcontext():
                loss, sums = self.loss(batch, weight, (self.config.seed, self.step), divisor)
        except (
            ValueError
        ) as error:  # the structures were checked when they were read: the model's outputs are not finite
            raise self._diverged(str(error), epoch) from error
        forward = clock()
        self.optimizer.zero_grad()
        # Nothing but the weights: positions are leaves of the graph too, and their second derivatives would cost as much.
        loss.backward(inputs=self.weights)
        self.processes.average_gradients(self.model)
        backward = clock()
        value = self.processes.total(loss.detach().double().cpu()).item() / self.processes.count
        if not math.isfinite(value):
            raise self._diverged(f"the loss is {value}", epoch)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip)
        self.optimizer.step()
        self.mean.update_parameters(self.model)
        self.step += 1
        self.sums.add(sums, batch.weights)
        self.loss_sum += value
        self.seconds["forward"] += forward - began
        self.seconds["backward"] += backward - forward
        self.seconds["optimizer"] += clock() - backward
        of_epoch = f"{number + 1}/{self.steps_per_epoch}"
        self.progress.step(epoch, of_epoch, self.step, value, self.sums.rmse().get("forces", math.nan))

    def _order(self, epoch: int) -> np.ndarray:
        """The structures' numbers in the order of an epoch."""
        if self.shuffled[0] != epoch:
            self.shuffled = (epoch, np.random.default_rng((self.config.seed, epoch)).permutation(len(self.training)))
        return self.shuffled[1]

    def _diverged(self, what: str, epoch: int) -> FloatingPointError:
        return FloatingPointError(
            f"{what} in epoch {epoch}, step {self.step}: try a smaller optimizer.learning_rate; the last checkpoint remains"
        )

    def _end_epoch(self, epoch: int) -> dict[str, Any]:
        self.sums.values = self.processes.total(self.sums.values)
        row: dict[str, Any] = {
            "epoch": epoch,
            "step": self.step,
            "learning_rate": self.config.optimizer.learning_rate * self.rate(self.step - 1),
            "loss": self.loss_sum / self.steps_per_epoch,
            **{f"train_{name}": value for name, value in self.sums.rmse().items()},
        }
        least = min((earlier["train_forces"] for earlier in self.rows), default=math.inf)
        if row["train_forces"] > BLOWN_UP * least:
            raise self._diverged(
                f"errors of forces have grown from {least:.3g} to {row['train_forces']:.3g} eV/A", epoch
            )
        improved = True
        if self.validation:
            rmse = self.errors(self._averaged_model(), self.validation)
            row |= {f"validation_{name}": value for name, value in rmse.items()}
            row["validation_loss"] = self._score(rmse)
            improved = row["validation_loss"] < self.best["score"]
        row["seconds"] = self.epoch_seconds
        self.rows.append(row)
        if improved:
            self.best = {"score": row.get("validation_loss", math.inf), "epoch": epoch}
            if self.processes.first:
                self._averaged_model().save(self.folder / "model.polarmp")
        self.progress.epoch(row, self.step, improved)
        self.sums, self.loss_sum, self.epoch_seconds = ErrorSums(), 0.0, 0.0
        return row

    def _averaged_model(self) -> PolarMPModel:
        averaged = self.mean.module
        assert isinstance(averaged, PolarMPModel)
        return averaged

    def _score(self, rmse: dict[str, float]) -> float:
        """Validation loss with the weights of the last epoch, so that epochs can be compared."""
        sizes = [len(s) for s in self.validation]
        volumes = [0.0 if s.cell is None else abs(float(torch.linalg.det(s.cell))) for s in self.validation]
        weights = weights_at(self.config.loss, self.config.optimizer.epochs)
        return total_of(rmse, float(np.mean(sizes)), float(np.mean(volumes)), weights)

    def _out_of_patience(self) -> bool:
        patience = self.config.optimizer.patience
        return patience is not None and bool(self.rows) and self.rows[-1]["epoch"] - self.best["epoch"] >= patience

    def _average(self, mean: Tensors, present: Tensors, count: torch.Tensor | int) -> None:
        """Moving average of the weights, whose decay grows to ``ema`` in the first steps."""
        n = int(count)
        keep = min(self.config.optimizer.ema, (1 + n) / (10 + n))
        torch._foreach_lerp_(mean, present, 1 - keep)

    def _identity(self) -> dict[str, Any]:
        """Configuration and data, which must not change when a run continues."""
        values = self.config.to_dict()
        return _that_must_not_change(values) | {"data": self.fingerprint}

    def _save(self) -> None:
        total = self.processes.total(self.sums.values)
        if not self.processes.first:
            return
        state = {
            "identity": self._identity(),
            "step": self.step,
            "model": self.model.state_dict(),
            "mean": self.mean.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rows": self.rows,
            "best": self.best,
            "sums": total.flatten().tolist(),
            "loss_sum": self.loss_sum,
            "epoch_seconds": self.epoch_seconds,
            "seconds": dict(self.seconds),
        }
        checkpoint.save(self.folder / "checkpoint.pt", state)
        if self.rows:
            write_rows(self.folder / "log.csv", self.rows)

    def _load(self) -> bool:
        path = self.folder / "checkpoint.pt"
        if not path.is_file():
            return False
        state = checkpoint.load(path)
        if different := _differences(self._identity(), _that_must_not_change(_with_defaults(state["identity"]))):
            raise ValueError(
                f"output is {str(self.folder)!r}, which holds another run ({'; '.join(different)}); an empty folder is "
                "accepted, or --restart, which deletes that run. To train on from its model with other settings, choose another "
                f"output and set model.start: {self.folder / 'model.polarmp'}"
            )
        self.step, self.rows, self.best = state["step"], state["rows"], state["best"]
        self.model.load_state_dict(state["model"])
        self.mean.load_state_dict(state["mean"])
        optimizers = state["optimizer"]
        # Versions that knew Adam only kept the state of one optimizer.
        self.optimizer.load_state_dict([optimizers] if isinstance(optimizers, dict) else optimizers)
        # The first process continues with the sums of all.
        self.sums = ErrorSums(state["sums"] if self.processes.first else None)
        self.loss_sum, self.epoch_seconds = state["loss_sum"], state["epoch_seconds"]
        self.seconds.update(state["seconds"])
        return True

    @property
    def milliseconds(self) -> dict[str, float]:
        """Time of each phase of a training step, per structure."""
        count = max(1, min(self.step * self.config.optimizer.batch_size, self.step * len(self.training)))
        return {phase: 1e3 * self.seconds[phase] / count for phase in PHASES}


def _that_must_not_change(values: dict[str, Any]) -> dict[str, Any]:
    """A configuration without what a run may change when it goes on, the number of epochs among it."""
    free = ("output", "device", "tensor_products", "checkpoint_minutes", "ladder")
    optimizer = {k: v for k, v in values["optimizer"].items() if k not in ("epochs", "patience")}
    return {name: value for name, value in values.items() if name not in free} | {"optimizer": optimizer}


def _with_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """A saved configuration, with the defaults of settings that this version has and the version that saved it had not."""
    defaults = {
        "model": dataclasses.asdict(ModelConfig()),
        "loss": dataclasses.asdict(LossConfig()),
        "optimizer": dataclasses.asdict(OptimizerConfig()),
    }
    return values | {name: part | values[name] for name, part in defaults.items()}


def _differences(present: dict[str, Any], saved: dict[str, Any], prefix: str = "") -> list[str]:
    """One text for each entry in which two identities differ."""
    differences = []
    for name in sorted(set(present) | set(saved)):
        new, old = present.get(name), saved.get(name)
        if isinstance(new, dict) and isinstance(old, dict):
            differences += _differences(new, old, f"{prefix}{name}.")
        elif new != old:
            differences.append("other data" if name == "data" else f"{prefix}{name} was {old!r}, is {new!r}")
    return differences


@contextmanager
def _stop_requests() -> Iterator[threading.Event]:
    """An event that is set when a signal asks the process to stop, so that it can finish the step and write its state."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(number: int, frame: Any) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt  # the second request stops at once
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

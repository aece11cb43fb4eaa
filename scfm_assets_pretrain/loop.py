"""The training itself: transformers' Trainer over planned batches, stopped and taken up again without a trace."""

from __future__ import annotations

import shutil
import time
import warnings
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import Dataset
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from transformers.utils import logging

from scfm_assets.core.base import seed_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from transformers import TrainerControl, TrainerState

    from scfm_assets_pretrain.recipe import Recipe

    Batch = dict[str, torch.Tensor]

STATE = "checkpoint-"
"""Beginning of the name of a folder with the state of a training, as the Trainer calls it."""

HALF = "half"
"""Folder in which a state is written before it gets its name."""

EVERY_SECONDS = 1.0
"""How often progress is reported."""


@dataclass(frozen=True)
class Point:
    """How far a training had come at one evaluation.

    Parameters
    ----------
    step
        Updates done.
    training, held_out
        Mean loss of the steps since the last evaluation, and of the held-out cells, per masked gene.
    tokens
        Tokens passed through so far, padding included.
    seconds, cpu_seconds
        Wall time and CPU time of the process so far, pauses left out.
    """

    step: int
    training: float
    held_out: float
    tokens: int
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class TrainingProgress:
    """Progress of a running training."""

    step: int
    steps: int
    loss: float
    tokens_per_second: float
    seconds_left: float
    point: Point | None = None
    """Given when the held-out cells have just been looked at."""


@dataclass(frozen=True, eq=False)
class Task:
    """What the loop needs to know of an objective.

    Parameters
    ----------
    model
        Takes a batch as keywords and gives a dictionary with ``loss``.
    batch
        Step from 0 -> its batch.
    held_out
        Batches of the held-out cells; each has ``labels``, by whose number their losses are weighted.
    """

    model: PreTrainedModel
    batch: Callable[[int], Batch]
    held_out: Sequence[Batch]


def train(
    task: Task,
    recipe: Recipe,
    work: Path,
    *,
    evaluate_at: Iterable[int],
    revise: Callable[[int, Sequence[Point]], None],
    tell: Callable[[TrainingProgress], None],
) -> list[Point]:
    """Train a model, from where the folder's last whole state left off.

    The same seed, data, machine and number of threads give the same weights to the bit, stopped in between or not:
    batches and dropout are functions of seed and step, and a state is kept at every evaluation.

    Parameters
    ----------
    task
        Model, batches and held-out cells. The model is changed.
    recipe
        Steps, learning rate, seed.
    work
        Folder for states, only the last of which is kept.
    evaluate_at
        Steps after which the held-out cells are looked at and the state is kept.
    revise
        Called after each evaluation with the step and all points so far.
    tell
        Called every second or so, and after each evaluation.

    Returns
    -------
    The points of all evaluations, those of earlier processes included.
    """
    arguments = TrainingArguments(
        output_dir=str(work),
        max_steps=recipe.steps,
        per_device_train_batch_size=1,  # an item is a batch
        learning_rate=recipe.learning_rate,
        warmup_steps=max(1, round(recipe.warmup * recipe.steps)),
        lr_scheduler_type="linear",
        weight_decay=recipe.weight_decay,
        seed=recipe.seed,
        train_sampling_strategy="sequential",
        eval_strategy="no",  # `_When` decides
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        use_cpu=not torch.cuda.is_available(),
        bf16=torch.cuda.is_available(),
    )
    trainer = _Trainer(task, recipe, arguments, evaluate_at={*evaluate_at, recipe.steps}, revise=revise, tell=tell)
    state = last_state(work)
    with warnings.catch_warnings(), _no_bars():
        warnings.filterwarnings("ignore", category=UserWarning, module="torch|transformers|accelerate")
        trainer.train(resume_from_checkpoint=str(state) if state else None)
    return trainer.points()


@contextmanager
def _no_bars() -> Iterator[None]:
    """Keep transformers from drawing a bar whenever a state is written."""
    was_enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_enabled:
            logging.enable_progress_bar()


def last_state(work: Path) -> Path | None:
    """Find the last whole state of a training that was stopped."""
    states = [path for path in work.glob(f"{STATE}*") if path.name.removeprefix(STATE).isdigit()]
    return max(states, key=lambda path: int(path.name.removeprefix(STATE)), default=None)


class _Steps(Dataset):
    """All batches of a training, made when they are asked for."""

    def __init__(self, batch: Callable[[int], Batch], steps: int) -> None:
        self.batch, self.steps = batch, steps

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        return self.batch(step)


def _only(items: list[Batch]) -> Batch:
    (batch,) = items
    return batch


class _When(TrainerCallback):
    """Asks for evaluation and state at chosen steps."""

    def __init__(self, evaluate_at: set[int]) -> None:
        self.evaluate_at = evaluate_at

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Ask for both."""
        del args
        control.should_evaluate = control.should_save = state.global_step in self.evaluate_at

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Ask for nothing twice: the last step has been looked at."""
        del args, state
        control.should_evaluate = control.should_save = False


class _Trainer(Trainer):
    """The Trainer, with randomness that depends on the step alone and states that are whole or not there."""

    def __init__(
        self,
        task: Task,
        recipe: Recipe,
        arguments: TrainingArguments,
        *,
        evaluate_at: set[int],
        revise: Callable[[int, Sequence[Point]], None],
        tell: Callable[[TrainingProgress], None],
    ) -> None:
        super().__init__(
            model=task.model,
            args=arguments,
            train_dataset=_Steps(task.batch, recipe.steps),
            data_collator=_only,
            callbacks=[_When(evaluate_at)],
        )
        self.remove_callback(PrinterCallback)
        self.task, self.recipe, self.revise, self.tell = task, recipe, revise, tell
        self.work = Path(str(arguments.output_dir))
        self.losses: list[torch.Tensor] = []
        self.tokens = 0
        self.clock = _Clock()
        self.last_report = 0.0

    def points(self) -> list[Point]:
        """Points of all evaluations."""
        fields: Any = Point.__dataclass_fields__
        history: list[dict[str, Any]] = self.state.log_history
        return [Point(**{name: entry[name] for name in fields}) for entry in history if "held_out" in entry]

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """Do a step whose dropout depends on seed and step alone."""
        step = self.state.global_step
        if not self.losses and not self.clock.running:
            self.clock.start(self.points())
            self.tokens = self.clock.before.tokens
        torch.manual_seed(seed_from("dropout", self.recipe.seed, step))
        loss = super().training_step(model, inputs, num_items_in_batch)
        self.losses.append(loss)
        self.tokens += inputs["input_ids"].numel()
        if time.perf_counter() - self.last_report > EVERY_SECONDS:
            self._tell(step + 1, loss.item())
        return loss

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Look at the held-out cells and write a point."""
        seconds, cpu_seconds = self.clock.now()
        training = torch.stack(self.losses).mean().item() if self.losses else float("nan")
        self.losses = []
        held_out = held_out_loss(self.task.model, self.task.held_out)
        point = Point(self.state.global_step, training, held_out, self.tokens, seconds, cpu_seconds)
        self.log(asdict(point))
        self._tell(point.step, training, point)
        self.revise(point.step, self.points())
        return {"held_out": held_out}

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write the state beside, give it its name when it is whole, and remove the one before."""
        work = self.work
        half = work / HALF
        shutil.rmtree(half, ignore_errors=True)
        self.args.output_dir = str(half)
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self.args.output_dir = str(work)
        name = f"{STATE}{self.state.global_step}"
        shutil.rmtree(work / name, ignore_errors=True)
        (half / name).replace(work / name)
        for other in work.glob(f"{STATE}*"):
            if other.name != name:
                shutil.rmtree(other)

    def _tell(self, step: int, loss: float, point: Point | None = None) -> None:
        self.last_report = time.perf_counter()
        tokens, seconds = self.tokens - self.clock.before.tokens, self.clock.since()
        left = seconds / max(step - self.clock.before.step, 1) * (self.recipe.steps - step)
        self.tell(TrainingProgress(step, self.recipe.steps, loss, tokens / max(seconds, 1e-9), left, point))


class _Clock:
    """Wall and CPU time of a training, over all processes that worked on it."""

    def __init__(self) -> None:
        self.running = False
        self.before = Point(0, 0.0, 0.0, 0, 0.0, 0.0)
        self.begun = (0.0, 0.0)

    def start(self, points: list[Point]) -> None:
        """Begin to count, from the last point on."""
        self.running = True
        self.before = points[-1] if points else self.before
        self.begun = (time.perf_counter(), time.process_time())

    def since(self) -> float:
        """Wall seconds of this process."""
        return time.perf_counter() - self.begun[0]

    def now(self) -> tuple[float, float]:
        """Wall and CPU seconds in all."""
        cpu = time.process_time() - self.begun[1]
        return round(self.before.seconds + self.since(), 2), round(self.before.cpu_seconds + cpu, 2)


def held_out_loss(model: torch.nn.Module, batches: Sequence[Batch]) -> float:
    """Mean loss over all masked places of some batches."""
    total = places = 0.0
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    with torch.no_grad():
        for batch in batches:
            count = batch["labels"].numel()
            loss = model(**{name: tensor.to(device) for name, tensor in batch.items()})["loss"]
            total, places = total + loss.item() * count, places + count
    model.train(training)
    return total / max(places, 1.0)

"""What every task shares: the optimizer, the schedule, freezing by name, logging, seeded noise."""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from turnaround.tasks.sharding import FullySharded
from turnaround.types import InputError


@dataclass(frozen=True, kw_only=True)
class Optimization:
    """AdamW. learning_rate is reached after `warmup` steps and falls along a cosine to `final_share` of it at step
    `decay_steps` (None: it stays)."""

    learning_rate: float
    weight_decay: float
    warmup: int
    decay_steps: int | None
    final_share: float

    def rate(self, step: int) -> float:
        """The share of `learning_rate` at a step."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        if self.decay_steps is None:
            return 1.0
        progress = min((step - self.warmup) / max(self.decay_steps - self.warmup, 1), 1.0)
        return self.final_share + (1 - self.final_share) * (1 + math.cos(math.pi * progress)) / 2


@runtime_checkable
class Checkpointable(Protocol):
    """A network that can compute activations again in the backward pass, rather than keep them."""

    def enable_gradient_checkpointing(self) -> None: ...


class Task(pl.LightningModule, ABC):
    """Trains `network` on batches. freeze: patterns; a parameter whose name one of them finds is not trained.

    gradient_checkpointing: less memory for more computing; the gradients are the same.
    """

    def __init__(
        self,
        *,
        network: nn.Module,
        optimization: Optimization,
        freeze: Sequence[str],
        gradient_checkpointing: bool,
        seed: int,
    ):
        super().__init__()
        self.network, self.optimization, self.seed = network, optimization, seed
        self._freeze(freeze)
        if gradient_checkpointing:
            self._checkpointable().enable_gradient_checkpointing()

    def configure_model(self) -> None:
        """Called by Lightning once the processes are there, before the optimizer is made."""
        if isinstance(self.trainer.strategy, FullySharded):
            self.trainer.strategy.shard(self.network)

    @abstractmethod
    def losses(self, batch: Any, generator: torch.Generator) -> Mapping[str, Tensor]:
        """The weighted terms whose sum is minimised. generator: all the randomness of the step, on the CPU."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        terms = self.losses(batch, self.step_generator(batch_idx))
        total = torch.stack(list(terms.values())).sum()
        self.log("train/loss", total, prog_bar=True)
        self.log_dict({f"train/{name}": value.detach() for name, value in terms.items()})
        return total

    def step_generator(self, batch_idx: int) -> torch.Generator:
        """Seeded by (seed, step, batch within the step, process), so a resumed run draws what an unbroken one would."""
        within = batch_idx % self.trainer.accumulate_grad_batches
        mixed = np.random.SeedSequence((self.seed, self.global_step, within, self.global_rank)).generate_state(2)
        return torch.Generator().manual_seed(int(mixed[0]) << 31 ^ int(mixed[1]))

    def configure_optimizers(self):
        trained = [p for p in self.network.parameters() if p.requires_grad]
        settings = self.optimization
        rate, decay = settings.learning_rate, settings.weight_decay
        optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=decay, fused=True)
        # A fused step could undo a scaling of gradients, and Lightning then refuses to clip them in mixed precision.
        optimizer._step_supports_amp_scaling = False
        # A plain function: of a method, checkpoints would keep what tools such as beartype attach to it.
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: settings.rate(step))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _checkpointable(self) -> Checkpointable:
        if not isinstance(self.network, Checkpointable):
            expected, found = "a network that can compute activations again", type(self.network).__name__
            raise InputError("task.gradient_checkpointing", expected=expected, found=found, fix="set it to false")
        return self.network

    def _freeze(self, patterns: Sequence[str]) -> None:
        for pattern in patterns:
            found = [p for name, p in self.network.named_parameters() if re.search(pattern, name)]
            if not found:
                raise InputError(
                    "task.freeze",
                    expected="patterns found in parameter names",
                    found=pattern,
                    fix="correct the pattern",
                )
            for parameter in found:
                parameter.requires_grad_(False)

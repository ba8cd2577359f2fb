"""What every task shares: the optimizer, the schedule, freezing by name, logging, seeded noise."""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn


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


class Task(pl.LightningModule, ABC):
    """Trains `network` on batches. freeze: patterns; a parameter whose name one of them finds is not trained."""

    def __init__(self, *, network: nn.Module, optimization: Optimization, freeze: Sequence[str], seed: int):
        super().__init__()
        self.network, self.optimization, self.seed = network, optimization, seed
        self._freeze(freeze)

    @abstractmethod
    def losses(self, batch: Any, generator: torch.Generator) -> Mapping[str, Tensor]:
        """The weighted terms whose sum is minimised. generator: all the randomness of the step, on the CPU."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        terms = self.losses(batch, self.step_generator())
        total = torch.stack(list(terms.values())).sum()
        self.log("train/loss", total, prog_bar=True)
        self.log_dict({f"train/{name}": value.detach() for name, value in terms.items()})
        return total

    def step_generator(self) -> torch.Generator:
        """Seeded by (seed, step, process), so that a resumed run draws what an unbroken one would have drawn."""
        words = torch.tensor([self.seed, self.global_step, self.global_rank], dtype=torch.int64)
        mixed = int((words * torch.tensor([0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D])).sum()) % 2**63
        return torch.Generator().manual_seed(mixed)

    def configure_optimizers(self):
        trained = [p for p in self.network.parameters() if p.requires_grad]
        settings = self.optimization
        optimizer = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=settings.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, settings.rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _freeze(self, patterns: Sequence[str]) -> None:
        for pattern in patterns:
            found = [p for name, p in self.network.named_parameters() if re.search(pattern, name)]
            if not found:
                raise ValueError(f"task.freeze: no parameter's name holds {pattern!r}")
            for parameter in found:
                parameter.requires_grad_(False)

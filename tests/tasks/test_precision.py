"""Each precision that a training may run in takes a step."""

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from turnaround.tasks.base import Optimization, Task


class Regression(Task):
    def losses(self, batch, generator):
        return {"square": self.network(batch).square().mean()}


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_gradients_are_clipped_in_each_precision(precision, tmp_path):
    optimization = Optimization(learning_rate=0.1, weight_decay=0.0, warmup=0, decay_steps=None, final_share=1.0)
    network = nn.Linear(4, 1)
    before = network.weight.detach().clone()
    task = Regression(network=network, optimization=optimization, freeze=[], gradient_checkpointing=False, seed=0)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(
        accelerator="cpu",
        precision=precision,
        max_steps=1,
        gradient_clip_val=1e-3,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        **quiet,
    )
    trainer.fit(task, DataLoader(torch.full((2, 4), 100.0), batch_size=2))
    assert not network.weight.equal(before)
    moments = [state["exp_avg"] for state in trainer.optimizers[0].state.values()]
    norm = torch.cat([moment.flatten() for moment in moments]).norm() / 0.1  # after one step: 1 - beta1 of the gradient
    assert norm.item() == pytest.approx(1e-3, rel=1e-3)  # torch divides by the norm plus 1e-6

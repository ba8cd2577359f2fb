import torch
from pytorch_lightning import Trainer

from turnaround.datasets.datamodule import DataModule
from turnaround.datasets.flowing import FlowingBatches, FlowingPictures
from turnaround.nets.motion import MotionUNet
from turnaround.tasks.base import Optimization
from turnaround.tasks.motion import MotionTraining, carried
from turnaround.types import MotionField

FPS = 24.0
PICTURES = FlowingPictures(height=32, width=48, frames=4, fps=FPS, speeds=[0.1, 0.3], first=0, count=64)


def task(masked=1.0, steps=None):
    torch.manual_seed(0)
    settings = {"learning_rate": 3e-3, "weight_decay": 0.0, "warmup": 5, "decay_steps": steps, "final_share": 0.02}
    return MotionTraining(
        network=MotionUNet(channels=(16, 24, 32), speed=0.2),
        masked=masked,
        fps=FPS,
        optimization=Optimization(**settings),
        freeze=[],
        seed=0,
    )


def loss(learner, batch, seed=0):
    return learner.losses(batch, torch.Generator().manual_seed(seed))["absolute"]


def test_the_error_is_that_of_what_may_move():
    batch = FlowingBatches(pictures=PICTURES, pixels_per_batch=1, seed=0)[0, 0]
    for learner, may in ((task(1.0), batch.moving), (task(0.0), torch.ones_like(batch.moving))):
        found = learner.network.motion(batch.pictures, may)
        expected = (found - batch.velocity).abs().mean(dim=1)[may].mean()
        torch.testing.assert_close(loss(learner, batch), expected)


def test_a_picture_is_carried_by_whole_pixels():
    image = torch.rand(3, 6, 8, generator=torch.Generator().manual_seed(0))
    everywhere = torch.ones(6, 8, dtype=torch.bool)
    velocity = torch.tensor([1.0, 0.0])[:, None, None].expand(2, 6, 8)
    frames = carried(image, MotionField(velocity=velocity, moving=everywhere), 2)
    assert torch.equal(frames[1][:, :, 2:], image[:, :, :-2])
    assert torch.equal(frames[1][:, :, :2], image[:, :, [0, 0]])  # both stay at the edge


def test_validation_compares_with_standing_still(tmp_path):
    learner = task()
    torch.nn.init.zeros_(learner.network.unet.leave.weight)
    torch.nn.init.zeros_(learner.network.unet.leave.bias)
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, default_root_dir=tmp_path)
    data = DataModule(
        train=FlowingBatches(pictures=PICTURES, pixels_per_batch=1, seed=0),
        validation=FlowingPictures(height=32, width=48, frames=4, fps=FPS, speeds=[0.1, 0.3], first=90, count=2),
        workers=0,
    )
    (found,) = trainer.validate(learner, datamodule=data, verbose=False)
    assert found["validation/moved_psnr"] == found["validation/still_psnr"]
    assert found["validation/still_psnr"] < 40
    assert learner.media()["motion"].shape[0] == 3


def test_the_loss_falls_when_it_is_followed():
    """The few pictures of one batch are soon known by heart."""
    learner, batch = task(), FlowingBatches(pictures=PICTURES, pixels_per_batch=3 * 32 * 48, seed=0)[0, 0]
    optimizer = learner.configure_optimizers()["optimizer"]
    values = []
    for _ in range(40):
        optimizer.zero_grad()
        found = loss(learner, batch)
        found.backward()
        optimizer.step()
        values.append(found.item())
    assert values[-1] < 0.4 * values[0]

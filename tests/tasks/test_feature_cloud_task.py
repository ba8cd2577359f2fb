import pytest
import torch
from pytorch_lightning import Trainer

from turnaround.datasets.datamodule import DataModule
from turnaround.datasets.procedural import ProceduralClips
from turnaround.datasets.view_pairs import ViewPairBatches
from turnaround.losses.image import Regions
from turnaround.nets.feature_cloud import FeatureCloud
from turnaround.scenes.sample import WorldSampler
from turnaround.scenes.views import ViewSampler
from turnaround.tasks.base import Optimization
from turnaround.tasks.feature_cloud import FeatureCloudTraining

HEIGHT, WIDTH = 32, 48


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    worlds = WorldSampler(height=HEIGHT, width=WIDTH, frames=1, moving=0.0)
    sampler = ViewSampler(worlds=worlds, eyes=[0.05, 0.08], orbits=2, degrees=[3.0, 10.0], tilt=3.0)
    return ProceduralClips(sampler=sampler, first=0, count=4, cache=str(tmp_path_factory.mktemp("cache")))


def task(regions=None):
    torch.manual_seed(0)
    return FeatureCloudTraining(
        network=FeatureCloud(features=4, encoder=(8, 16), decoder=(16, 16, 24), sharpness=20.0),
        regions=regions or Regions(hole=1.0, ring=1.0, known=1.0, width=2),
        gradient=1.0,
        scales=2,
        optimization=Optimization(learning_rate=2e-3, weight_decay=0.0, warmup=1, decay_steps=None, final_share=1.0),
        freeze=[],
        seed=0,
    )


def losses(learner, batch):
    return learner.losses(batch, torch.Generator().manual_seed(0))


def test_untrained_its_error_is_that_of_the_splat(clips):
    learner, batch = task(), ViewPairBatches(clips=clips, pixels_per_batch=1, seed=0)[0, 0]
    first, second = batch.view(0, 0), batch.view(0, 1)
    rough = learner.cloud.eval()([learner.cloud.points(first)], [torch.ones_like(first.depth)], second.camera)
    # Colours of a splat are means of colours, so none is clamped.
    torch.testing.assert_close(losses(learner, batch)["absolute"], (rough - second.image).abs().mean())


def test_the_loss_falls_when_it_is_followed(clips):
    learner = task()
    batch = ViewPairBatches(clips=clips, pixels_per_batch=2 * HEIGHT * WIDTH, seed=0)[0, 0]
    optimizer = learner.configure_optimizers()["optimizer"]
    values = []
    for _ in range(25):
        optimizer.zero_grad()
        total = sum(losses(learner, batch).values())
        total.backward()
        optimizer.step()
        values.append(total.item())
    assert values[-1] < 0.9 * values[0]


def test_regions_tell_what_counts(clips):
    batch = ViewPairBatches(clips=clips, pixels_per_batch=1, seed=0)[0, 0]
    found = {hole: losses(task(Regions(hole=hole, ring=0.0, known=1 - hole, width=0)), batch) for hole in (0.0, 1.0)}
    assert found[0.0]["absolute"] < found[1.0]["absolute"]  # a rough filling is worse than what is known


def test_validation_compares_the_decoded_with_the_splatted(clips, tmp_path):
    learner = task()
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, default_root_dir=tmp_path)
    data = DataModule(train=ViewPairBatches(clips=clips, pixels_per_batch=1, seed=0), validation=clips, workers=0)
    (found,) = trainer.validate(learner, datamodule=data, verbose=False)
    assert found["validation/rough_psnr"] == found["validation/decoded_psnr"]  # untrained
    assert found["validation/rough_psnr"] > 10
    assert learner.media()["views"].shape[0] == 3

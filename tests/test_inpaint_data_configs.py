"""The data configs of real material compose, build, and give batches that the inpainter takes a step on."""

from pathlib import Path

import pytest
import torch
from filmed_orbits import orbits, write_realestate
from hydra import compose, initialize_config_dir
from small_pairs import picture, write_pair

from turnaround.io.image import write_image
from turnaround.io.video import write_video
from turnaround.run.build import build
from turnaround.types import InpaintBatch, InputError

CONFIGS = Path(__file__).parents[1] / "configs"
SMALL = (
    "experiment=inpaint_small",
    "logger=none",
    "pixels_per_batch=3072",
    "crop.height=16",
    "crop.width=32",
    "sampler.worlds.height=32",
    "sampler.worlds.width=48",
)
PICTURE = ("picture.height=64", "picture.width=96", "estimator.pixels=1536")


def built(tmp_path, name, *overrides):
    places = (f"cache={tmp_path}/worlds", f"estimates={tmp_path}/kept")
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return build(compose("train", [f"data={name}", *SMALL, *places, *overrides]))


def takes_a_step(run, batch):
    assert isinstance(batch, InpaintBatch)
    assert 0 < batch.hole.float().mean() < 1
    total = torch.stack(list(run.task.losses(batch, torch.Generator().manual_seed(0)).values())).sum()
    total.backward()
    assert total.isfinite()


def write_photo(root):
    write_image(root / "photo.png", picture(0, 0)[0])


def test_folders_of_pairs_train(tmp_path):
    write_pair(tmp_path / "pairs" / "a")
    run = built(tmp_path, "inpaint_stereo", f"stereo_root={tmp_path}/pairs")
    takes_a_step(run, run.data.train[0, 0])


def test_photos_train_with_the_shipped_depth(tmp_path):
    write_photo(tmp_path / "photos")
    run = built(tmp_path, "inpaint_photos", f"photos_root={tmp_path}/photos", *PICTURE)
    takes_a_step(run, run.data.train[0, 0])
    clips = run.data.train.pairs.clips
    clip = clips.clip("photo.png")
    assert clip.sources["depth"] == "estimated by ours"
    assert clip.depth.values.min().item() == pytest.approx(1, abs=1e-4)
    assert clip.depth.values.max().item() == pytest.approx(10, abs=1e-3)
    assert clips.estimator.network is not run.task.network


def test_all_kinds_train_together(tmp_path):
    write_photo(tmp_path / "photos")
    for eye, disparities in (("left", (0, 0)), ("right", (4, 12))):
        write_video(tmp_path / "stereo" / f"a_{eye}.mp4", picture(*disparities)[0][None], fps=24.0)
    write_realestate(tmp_path / "filmed", "orbit", orbits(tmp_path / "worlds").clip("00000000"))
    roots = (f"{kind}_root={tmp_path}/{name}" for kind, name in KINDS.items())
    views = "data.train.sources.views.batches.pairs.clips"
    # The estimate is a guess at this size, but two views of a still world always agree on some points
    few = (f"{views}.least_matches=5", f"{views}.clips.clips.stride=1", "data.train.sources.views.batches.least=0.001")
    run = built(tmp_path, "inpaint_real", *roots, *PICTURE, *few)
    mixture = run.data.train
    assert mixture.shares == pytest.approx([0.4, 0.3, 0.3])
    for source in mixture.sources:
        takes_a_step(run, source.batches[0, 0])
    stereo, views, photos = (source.batches.pairs for source in mixture.sources)
    assert stereo.pairs.ids() == ["a/000000"]
    assert " points" in views.clips.clip("orbit").sources["scale"]
    assert photos.clips.ids() == ["photo.png"]


KINDS = {"stereo": "stereo", "cameras": "filmed", "photos": "photos"}


@pytest.mark.parametrize("name", ["inpaint_stereo", "inpaint_photos", "inpaint_real"])
def test_roots_are_asked_for(name, tmp_path):
    with pytest.raises(InputError, match=r"^(stereo|photos)_root: expected a value, found none; give"):
        built(tmp_path, name)

"""The data configs of mined clips compose, build and give batches, from a folder and from shards."""

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from mined_folders import FRAMES, SIZE, write_mined_folder

from turnaround.datasets.stereo4d_shards import Stereo4DShards
from turnaround.datasets.stereo4d_store import Stereo4DFolder, WithoutTracks
from turnaround.pipelines.mine.shards import ShardsPipeline
from turnaround.run.build import build
from turnaround.types import DepthBatch, InpaintBatch, InputError, PointMapBatch

CONFIGS = Path(__file__).parents[1] / "configs"


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    root = tmp_path_factory.mktemp("mined")
    write_mined_folder(root, [1, 2])
    shards = tmp_path_factory.mktemp("shards")
    ShardsPipeline(input=str(root), videos=None, clips_per_shard=1, seed=0).run(shards)
    return {"mined": root, "shards": shards}


def composed(name, *overrides):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose("train", [f"data={name}", "logger=none", *overrides])


def places(roots, store):
    return [f"store={store}", f"store.root={roots[store]}", "store.reader.limits.least_tracks=1"]


STORES = {"mined": Stereo4DFolder, "shards": Stereo4DShards}


@pytest.mark.parametrize("store", STORES)
def test_windows_with_depth_train(roots, store, tmp_path):
    sizes = ["sampler.height=16", "sampler.width=24", "pixels_per_batch=2304", f"data.train.frames={FRAMES}"]
    run = build(composed("stereo4d_depth", "net=svd_tiny", f"cache={tmp_path}", *sizes, *places(roots, store)))
    assert isinstance(run.data.train.store, STORES[store])
    assert isinstance(run.data.train.store.reader.annotation, WithoutTracks)
    batch = run.data.train[0, 0]
    assert isinstance(batch, DepthBatch)
    assert batch.video.shape == (1, FRAMES, 3, 16, 24)
    losses = run.task.losses(batch, torch.Generator().manual_seed(0))
    assert torch.stack(list(losses.values())).sum().isfinite()


def test_stereo_pairs_train(roots, tmp_path):
    sizes = ["picture.height=32", "picture.width=32", "crop.height=16", "crop.width=32", "pixels_per_batch=1024"]
    chosen = ["experiment=inpaint_small", "data=stereo4d_inpaint", f"cache={tmp_path}"]
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        run = build(compose("train", [*chosen, "logger=none", *sizes, *places(roots, "mined")]))
    batch = run.data.train[0, 0]
    assert isinstance(batch, InpaintBatch)
    assert 0 < batch.hole.float().mean() < 1
    losses = run.task.losses(batch, torch.Generator().manual_seed(0))
    assert torch.stack(list(losses.values())).sum().isfinite()


@pytest.mark.parametrize("store", STORES)
def test_pairs_of_frames_come_with_point_maps(roots, store):
    size = [f"picture.height={SIZE}", f"picture.width={SIZE}", f"pixels_per_batch={SIZE * SIZE}"]
    settings = [*size, f"held_out={roots['mined']}", f"data.validation.frames={FRAMES}", "net=svd_tiny"]
    run = build(composed("stereo4d_pairs", *settings, *places(roots, store)))
    batch = run.data.train[0, 0]
    assert isinstance(batch, PointMapBatch)
    assert batch.valid.any()
    assert batch.motion_valid.any()
    assert run.data.validation.clip(run.data.validation.ids()[0]).tracks is not None


def test_a_folder_must_be_given():
    with pytest.raises(InputError, match=r"^store\.root: expected a value"):
        build(composed("stereo4d_depth", "net=svd_tiny"))

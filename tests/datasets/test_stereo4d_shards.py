"""Clips from tars are those from the folder; epochs give each once, and any batch follows from its place."""

import io
import json
import shutil
import tarfile
from dataclasses import replace

import pytest
import torch
from mined_folders import write_mined_folder
from pytorch_lightning import LightningModule, Trainer

from turnaround.datasets.clip_order import ClipOrder, InEpochs
from turnaround.datasets.datamodule import DataModule
from turnaround.datasets.drops import DroppedError
from turnaround.datasets.stereo4d import Stereo4DClips, Stereo4DWindows
from turnaround.datasets.stereo4d_shards import Stereo4DShards
from turnaround.datasets.stereo4d_store import ClipReader, ClipStore, Stereo4DFolder, WithTracks
from turnaround.io.mined_files import mined_files
from turnaround.io.shards import Shard, read_index, shard_members
from turnaround.io.stereo4d import read_stereo4d, write_stereo4d
from turnaround.pipelines.mine.shards import ShardsPipeline
from turnaround.types import InputError

SEEDS, FRAMES, SMALL = (1, 2, 3), 3, 16
SETTINGS = {"horizontal_fov_deg": 60.0, "baseline": 0.063, "limits": None, "eyes": ["left", "right"]}
READER = ClipReader(height=SMALL, width=SMALL, annotation=WithTracks(), **SETTINGS)


def exported(root, out, *, clips_per_shard=2, seed=0):
    return ShardsPipeline(input=str(root), videos=None, clips_per_shard=clips_per_shard, seed=seed).run(out)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("mined")
    write_mined_folder(root, SEEDS, frames=FRAMES, size=SMALL)
    metrics = exported(root, root.parent / f"{root.name}_shards")
    assert metrics == {"shards": 2.0, "clips": 3.0, "left_out": 0.0}
    return root, root.parent / f"{root.name}_shards"


def test_a_clip_from_a_shard_is_that_of_the_folder(made):
    root, shards = made
    folder, store = (
        Stereo4DFolder(root=str(root), videos=None, reader=READER),
        Stereo4DShards(root=str(shards), reader=READER),
    )
    assert isinstance(store, ClipStore)
    assert sorted(map(len, store.groups())) == [1, 2]
    names = [name for group in store.groups() for name in group]
    assert sorted(names) == sorted(folder.groups()[0])
    for name in names:
        assert store.length(name) == FRAMES
        one, other = folder.clip(name, [0, 2]), store.clip(name, [0, 2])
        assert torch.equal(one.video, other.video)
        assert torch.equal(one.right, other.right)
        assert torch.equal(one.depth.values, other.depth.values)
        assert torch.equal(one.tracks.visible, other.tracks.visible)
        assert one.baseline == other.baseline
    assert len(Stereo4DClips(store=store, frames=2).ids()) == 3


def test_the_same_clips_give_the_same_bytes_and_plain_tars(made, tmp_path):
    root, shards = made
    exported(root, tmp_path / "again")
    for path in shards.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()
    with tarfile.open(shards / "000000.tar") as archive:
        infos = archive.getmembers()
    assert {(info.mtime, info.uid, info.uname) for info in infos} == {(0, 0, "")}
    kinds = [info.name.partition(".")[2] for info in infos[:5]]
    assert kinds == ["npz", "left.mp4", "right.mp4", "quality.npz", "disparity.npz"]
    exported(root, tmp_path / "other", seed=5)
    assert (tmp_path / "other" / "shards.json").read_bytes() != (shards / "shards.json").read_bytes()


def test_fewer_shards_leave_none_of_the_others(made, tmp_path):
    root, shards = made
    out = tmp_path / "out"
    out.mkdir()
    (out / "000009.tar").write_text("of somebody else")
    for clips_per_shard in (1, 2):
        exported(root, out, clips_per_shard=clips_per_shard)
    assert {path.name for path in out.iterdir()} == {path.name for path in shards.iterdir()} | {"000009.tar"}


def test_names_with_dots_and_other_letters_come_back(made, tmp_path):
    root, _ = made
    shutil.copytree(root, tmp_path / "mined")
    old = mined_files(tmp_path / "mined", "wor_ld-1_2000000")
    clip, name = read_stereo4d(old.annotation), "a.b é%_2000000"
    new = mined_files(tmp_path / "mined", name)
    write_stereo4d(new.annotation, replace(clip, name=name, video_id="a.b é%"))
    shutil.copy(old.left, new.left)
    exported(tmp_path / "mined", tmp_path / "shards")
    assert Stereo4DShards(root=str(tmp_path / "shards"), reader=READER).clip(name, [1]).right is None


def test_clips_that_are_broken_or_without_video_are_left_out(made, tmp_path):
    root, _ = made
    shutil.copytree(root, tmp_path / "mined")
    first, second, third = (mined_files(tmp_path / "mined", f"wor_ld-{seed}_2000000") for seed in SEEDS)
    first.annotation.write_bytes(b"nothing")
    second.left.unlink()
    assert exported(tmp_path / "mined", tmp_path / "shards") == {"shards": 1.0, "clips": 1.0, "left_out": 2.0}
    left_out = json.loads((tmp_path / "shards" / "shards.json").read_text())["left_out"]
    assert "a damaged or foreign file" in left_out[first.name]
    assert "expected the video of the left eye" in left_out[second.name]
    third.left.unlink()
    with pytest.raises(InputError, match="expected clips with their videos, found 3, all left out"):
        exported(tmp_path / "mined", tmp_path / "none")
    assert not (tmp_path / "none").exists()


GROUPS = [[f"{group}-{i}" for i in range(5)] for group in range(6)]


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_each_epoch_has_each_clip_once_over_all_processes(processes):
    order = InEpochs(seed=3, together=2, processes=processes)
    assert isinstance(order, ClipOrder)
    steps = 30 // (processes * 5)
    batches = [[order.draw(GROUPS, (n, p), 5) for p in range(processes)] for n in range(2 * steps)]
    epochs = [
        [name for step in batches[i * steps : (i + 1) * steps] for names in step for name in names] for i in (0, 1)
    ]
    everything = sorted(name for group in GROUPS for name in group)
    assert sorted(epochs[0]) == sorted(epochs[1]) == everything
    assert epochs[0] != epochs[1]
    pools = [{name[0] for name in epochs[0][start : start + 10]} for start in (0, 10, 20)]
    assert [len(pool) for pool in pools] == [2, 2, 2], "two groups at a time"
    assert [name[0] for name in epochs[0][:10]] != sorted(name[0] for name in epochs[0][:10]), "mixed with each other"


def test_an_order_goes_on_from_any_number_and_refuses_processes_too_many():
    order = InEpochs(seed=3, together=2, processes=2)
    drawn = [order.draw(GROUPS, (number, 1), 4) for number in range(40)]
    assert InEpochs(seed=3, together=2, processes=2).draw(GROUPS, (37, 1), 4) == drawn[37]
    assert order.draw(GROUPS, (0, 1), 4) == drawn[0], "also of an epoch long past"
    assert InEpochs(seed=4, together=2, processes=2).draw(GROUPS, (37, 1), 4) != drawn[37]
    with pytest.raises(InputError, match="processes: expected more than 2, found 2"):
        order.draw(GROUPS, (0, 2), 4)


def windows_of(shards):
    return Stereo4DWindows(
        store=Stereo4DShards(root=str(shards), reader=READER),
        order=InEpochs(seed=0, together=2, processes=1),
        frames=2,
        height=SMALL,
        width=SMALL,
        pixels_per_batch=2 * SMALL * SMALL,
        seed=0,
    )


class Listener(LightningModule):
    """Keeps the batches it is given."""

    def __init__(self):
        super().__init__()
        self.seen = []
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch, index):
        self.seen.append(batch.video)
        return self.weight * 0

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


def test_workers_share_an_epoch_and_training_goes_on_where_it_stopped(made, tmp_path):
    _, shards = made
    trainer = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "limit_val_batches": 0}
    trainer |= {"enable_model_summary": False, "default_root_dir": tmp_path}
    validation = Stereo4DClips(store=Stereo4DShards(root=str(shards), reader=READER), frames=2)

    def trained(steps, checkpoint=None):
        listener, run = Listener(), Trainer(max_steps=steps, max_epochs=-1, enable_checkpointing=False, **trainer)
        data = DataModule(train=windows_of(shards), validation=validation, workers=2)
        run.fit(listener, data, ckpt_path=checkpoint)
        return listener, run

    whole, _ = trained(5)
    expected = [windows_of(shards)[number, 0].video for number in range(5)]
    assert all(torch.equal(a, b) for a, b in zip(whole.seen, expected, strict=True))
    _, run = trained(2)
    run.save_checkpoint(tmp_path / "last.ckpt")
    rest, _ = trained(5, tmp_path / "last.ckpt")
    assert all(torch.equal(a, b) for a, b in zip(rest.seen, expected[2:], strict=True))


def altered(path, change):
    """The tar with other members."""
    with tarfile.open(path) as archive:
        members = [(info, archive.extractfile(info).read()) for info in archive]
    with tarfile.open(path, "w") as archive:
        for info, data in change(members):
            info.size = len(data) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(data))


def linked(members):
    link = tarfile.TarInfo("wor_ld-9_1.npz")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return [(link, b""), *members]


def test_hostile_and_damaged_shards_are_refused(made, tmp_path):
    _, shards = made
    copied = tmp_path / "shards"
    shutil.copytree(shards, copied)
    path = copied / "000000.tar"
    altered(path, linked)
    with pytest.raises(InputError, match="expected plain files of at most"):
        shard_members(copied, Shard(file=path.name, size=path.stat().st_size, clips={}))
    shutil.copy(shards / "000000.tar", path)
    for kept in (30000, 10240):
        path.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(InputError, match=r"a tar that ends in it|a damaged one"):
            shard_members(copied, Shard(file=path.name, size=kept, clips={}))
    with pytest.raises(InputError, match=r"bytes, as shards\.json has it, found 10240"):
        shard_members(copied, read_index(copied)[0])
    name = next(iter(Stereo4DShards(root=str(copied), reader=READER).groups()[0]))
    store = Stereo4DShards(root=str(copied), reader=READER)
    with pytest.raises(DroppedError):
        store.clip(name, [0])
    assert name in store.drops.reasons


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"version": 2}, "version: expected 1, found 2"),
        ({"shards": []}, "each listed once, found none"),
        ({"shards": [{"file": "../a.tar", "bytes": 1, "clips": {"a": 1}}]}, "expected names inside"),
        ({"shards": [{"file": "a.tar", "bytes": 1, "clips": {"a": 0}}]}, "numbers of frames of the clips of a\\.tar"),
        ({"shards": [{"file": "a.tar", "bytes": 1, "clips": {"a": 1}}] * 2}, "a clip that is listed twice"),
        ({"shards": [3]}, "a file, its bytes and its clips for each shard"),
    ],
)
def test_unsound_lists_of_shards_are_refused(tmp_path, stored, message):
    (tmp_path / "shards.json").write_text(json.dumps({"version": 1} | stored))
    with pytest.raises(InputError, match=message):
        Stereo4DShards(root=str(tmp_path), reader=READER).groups()

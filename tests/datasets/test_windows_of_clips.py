from itertools import islice

import pytest
import torch

from turnaround.datasets.datamodule import Endless
from turnaround.datasets.procedural import ProceduralClips
from turnaround.datasets.windows import DepthWindows
from turnaround.scenes.observe import film, surface
from turnaround.scenes.sample import WorldSampler
from turnaround.types import DepthKind, InputError

SAMPLER = WorldSampler(height=16, width=24, frames=4)


@pytest.fixture
def clips(tmp_path) -> ProceduralClips:
    return ProceduralClips(sampler=SAMPLER, first=5, count=3, cache=str(tmp_path))


def test_clips_are_what_the_oracle_sees(clips):
    assert clips.ids() == ["00000005", "00000006", "00000007"]
    clip, scene = clips.clip("00000006"), SAMPLER(6)
    assert clip.depth is not None
    assert clip.depth.kind is DepthKind.METRIC
    assert torch.equal(clip.depth.values, torch.stack([surface(scene, frame).depth for frame in range(4)]))
    assert (clip.video - film(scene)).abs().max() <= 0.5 / 255 + 1e-6  # rounded to 8 bits
    assert torch.equal(clip.cameras.world_from_cam, scene.camera.world_from_cam)
    assert torch.equal(clip.cameras.intrinsics, scene.camera.intrinsics)


def test_a_clip_is_rendered_once_and_read_again(clips):
    first = clips.clip("00000005")
    (file,) = clips.folder.iterdir()
    written = file.stat().st_mtime_ns
    second = clips.clip("00000005")
    assert file.stat().st_mtime_ns == written
    assert torch.equal(first.video, second.video)
    assert torch.equal(first.depth.values, second.depth.values)


def test_other_settings_have_another_folder(clips, tmp_path):
    other = ProceduralClips(
        sampler=WorldSampler(height=16, width=24, frames=4, moving=0.5), first=5, count=3, cache=str(tmp_path)
    )
    assert other.folder != clips.folder


def test_a_batch_depends_on_its_number_alone(clips):
    first, second = (DepthWindows(clips=clips, batch=2, frames=(1, 4), seed=3) for _ in range(2))
    _ = second[8]
    a, b = first[7], second[7]
    assert torch.equal(a.video, b.video)
    assert torch.equal(a.inverse_depth, b.inverse_depth)
    assert not torch.equal(
        a.video, DepthWindows(clips=clips, batch=2, frames=(1, 4), seed=4)[7].video[:, : a.video.shape[1]]
    )


def test_windows_have_the_asked_lengths_and_all_of_them_occur(clips):
    windows = DepthWindows(clips=clips, batch=1, frames=(2, 4), seed=0)
    assert {windows[number].video.shape[1] for number in range(20)} == {2, 3, 4}


def test_augmentation_keeps_video_and_depth_together(clips):
    """A window's inverse depth is that of some run of frames of a clip, mirrored or reversed; its video follows."""
    batch = DepthWindows(clips=clips, batch=1, frames=(4, 4), seed=0)[3]
    matches = []
    for id in clips.ids():
        clip = clips.clip(id)
        for flips in ([], [-1], [0], [-1, 0]):
            inverse = 1 / clip.depth.values
            if torch.equal(inverse.flip(flips), batch.inverse_depth[0]):
                matches.append((clip.video.flip(flips), flips))
    assert len(matches) == 1
    original, seen = matches[0][0], batch.video[0]
    # brightness and channel order change, structure does not: the channel means are linearly related
    correlation = torch.corrcoef(torch.stack([original.mean(1).flatten(), seen.mean(1).flatten()]))[0, 1]
    assert correlation > 0.95


def test_frames_longer_than_clips_are_refused(clips):
    with pytest.raises(InputError, match="frames"):
        DepthWindows(clips=clips, batch=1, frames=(1, 9), seed=0)


def test_processes_share_the_numbers_out():
    first, second = (list(islice(iter(Endless(6 + rank, 2)), 3)) for rank in range(2))
    assert (first, second) == ([6, 8, 10], [7, 9, 11])

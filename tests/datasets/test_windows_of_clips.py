from itertools import islice

import numpy as np
import pytest
import torch

from turnaround.datasets.datamodule import Endless
from turnaround.datasets.lengths import UniformLengths, WeightedLengths, draw_length
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


FRAME = 16 * 24  # pixels


def windows_of(clips, lengths, *, pixels=4 * FRAME, seed=3) -> DepthWindows:
    return DepthWindows(clips=clips, lengths=lengths, pixels_per_batch=pixels, seed=seed)


def test_a_batch_depends_on_its_number_alone(clips):
    lengths = UniformLengths(least=1, most=4)
    first, second = (windows_of(clips, lengths) for _ in range(2))
    _ = second[8, 0]
    a, b = first[7, 0], second[7, 0]
    assert torch.equal(a.video, b.video)
    assert torch.equal(a.inverse_depth, b.inverse_depth)
    other = windows_of(clips, lengths, seed=4)[7, 0].video
    assert a.video.shape != other.shape or not torch.equal(a.video, other)


def test_windows_have_the_asked_lengths_and_batches_hold_as_many_as_fit(clips):
    windows = windows_of(clips, UniformLengths(least=2, most=4), pixels=8 * FRAME - 1)
    shapes = {windows[number, 0].video.shape[:2] for number in range(20)}
    assert shapes == {(3, 2), (2, 3), (1, 4)}
    assert windows_of(clips, UniformLengths(least=3, most=3), pixels=1)[0, 0].video.shape[:2] == (1, 3)


@pytest.mark.parametrize(
    "lengths",
    [UniformLengths(least=1, most=4), WeightedLengths(weights={1: 0.4, 2: 0.3, 4: 0.3})],
    ids=["uniform", "weighted"],
)
def test_processes_get_equal_work_and_different_windows(clips, lengths):
    """Two processes draw windows of one length and number at every step, lengths that follow the distribution."""
    ranks = [windows_of(clips, lengths) for _ in range(2)]
    shapes, same = [], 0
    for number in range(40):
        first, second = (windows[number, process] for process, windows in enumerate(ranks))
        assert first.video.shape == second.video.shape
        shapes.append(first.video.shape[1])
        same += torch.equal(first.video, second.video)
    assert same == 0, "colours alone make equal windows all but impossible"
    assert len(set(shapes)) > 1


def test_what_a_process_draws_is_independent_of_the_length():
    """Were the streams shared, the first number a process draws would tell the length of its batch."""
    first = {1: [], 2: []}
    for number in range(600):
        length, random = draw_length(UniformLengths(least=1, most=2), 3, (number, 1))
        first[length].append(random.random())
    means = [np.mean(values) for values in first.values()]
    assert means == pytest.approx([0.5, 0.5], abs=4 * 12**-0.5 / 300**0.5)  # four standard errors of a uniform's mean


def test_weighted_lengths_occur_as_often_as_they_weigh():
    lengths = WeightedLengths(weights={1: 3.0, 4: 1.0, 9: 0.0})
    assert lengths.longest == 4
    random = np.random.default_rng(0)
    drawn = [lengths.draw(random) for _ in range(2000)]
    assert set(drawn) == {1, 4}
    assert drawn.count(1) / 2000 == pytest.approx(0.75, abs=0.04)


@pytest.mark.parametrize("weights", [{}, {0: 1.0}, {1: -1.0, 2: 1.0}, {1: 0.0}])
def test_weights_that_say_nothing_are_refused(weights):
    with pytest.raises(InputError, match="weights"):
        WeightedLengths(weights=weights)


def test_lengths_in_the_wrong_order_are_refused():
    with pytest.raises(InputError, match="least"):
        UniformLengths(least=3, most=2)


def test_augmentation_keeps_video_and_depth_together(clips):
    """A window's inverse depth is that of some run of frames of a clip, mirrored or reversed; its video follows."""
    batch = windows_of(clips, UniformLengths(least=4, most=4), seed=0)[3, 0]
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


def test_windows_longer_than_clips_are_refused(clips):
    with pytest.raises(InputError, match="lengths"):
        windows_of(clips, UniformLengths(least=1, most=9))


def test_each_process_reads_its_own_batch_of_every_number():
    assert list(islice(iter(Endless(6, 1)), 3)) == [(6, 1), (7, 1), (8, 1)]

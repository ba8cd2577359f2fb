import pytest
import torch

from turnaround.datasets.procedural import ProceduralClips
from turnaround.datasets.view_pairs import ViewPairBatches
from turnaround.scenes.sample import WorldSampler
from turnaround.scenes.views import ViewSampler

HEIGHT, WIDTH = 16, 24


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    worlds = WorldSampler(height=HEIGHT, width=WIDTH, frames=1, moving=0.0)
    sampler = ViewSampler(worlds=worlds, eyes=[0.05, 0.08], orbits=2, degrees=[3.0, 20.0], tilt=3.0)
    return ProceduralClips(sampler=sampler, first=0, count=3, cache=str(tmp_path_factory.mktemp("cache")))


def batches(clips, *, pairs=3, seed=0):
    return ViewPairBatches(clips=clips, pixels_per_batch=pairs * HEIGHT * WIDTH, seed=seed)


def test_a_pair_is_two_views_of_one_clip(clips):
    batch = batches(clips)[0, 0]
    assert batch.pictures.shape == (3, 2, 3, HEIGHT, WIDTH)
    for number in range(3):
        views = [batch.view(number, which) for which in (0, 1)]
        found = []
        for view in views:
            for id in clips.ids():
                clip = clips.clip(id)
                found += [(id, f) for f in range(len(clip.video)) if torch.equal(clip.video[f], view.image)]
                for name, frame in found[-1:]:
                    if name == id:
                        assert torch.equal(clip.depth.values[frame], view.depth)
                        assert torch.equal(clip.cameras.at(frame).world_from_cam, view.camera.world_from_cam)
                        assert torch.equal(clip.cameras.at(frame).intrinsics, view.camera.intrinsics)
        (one, first), (other, second) = found
        assert one == other
        assert first != second


def test_a_batch_depends_on_seed_number_and_process_alone(clips):
    same = [batches(clips)[2, 1].pictures for _ in range(2)]
    assert torch.equal(*same)
    for other in (batches(clips)[3, 1], batches(clips)[2, 0], batches(clips, seed=1)[2, 1]):
        assert not torch.equal(other.pictures, same[0])


def test_there_is_at_least_one_pair(clips):
    assert len(ViewPairBatches(clips=clips, pixels_per_batch=1, seed=0)[0, 0].pictures) == 1

import pytest
import torch

from turnaround.datasets.lengths import UniformLengths
from turnaround.datasets.mixture import Mixture, Source
from turnaround.datasets.procedural import ProceduralClips
from turnaround.datasets.windows import DepthWindows
from turnaround.scenes.sample import WorldSampler
from turnaround.types import InputError

WEIGHTS = {"rooms": 3.0, "outdoors": 1.0, "unused": 0.0}


class Named:
    """Batches that say where they come from."""

    def __init__(self, name: str):
        self.name = name

    def __getitem__(self, place):
        return self.name, place


def mixture(seed: int = 0, weights=WEIGHTS) -> Mixture:
    return Mixture(sources={name: Source(weight=w, batches=Named(name)) for name, w in weights.items()}, seed=seed)


def test_sources_occur_as_often_as_they_weigh():
    count, share = 3000, 0.75
    drawn = [mixture()[number, 0][0] for number in range(count)]
    assert set(drawn) == {"rooms", "outdoors"}
    error = (share * (1 - share) / count) ** 0.5  # of a binomial share
    assert drawn.count("rooms") / count == pytest.approx(share, abs=4 * error)


def test_a_batch_is_the_sources_own_of_the_same_number_and_process():
    assert {mixture()[number, process][1] for number in (5, 6) for process in (0, 1)} == {
        (5, 0),
        (5, 1),
        (6, 0),
        (6, 1),
    }


def test_the_choice_follows_from_seed_and_number_alone():
    first, again, other = ([m[n, 0][0] for n in range(200)] for m in (mixture(), mixture(), mixture(seed=1)))
    assert first == again
    assert first != other
    assert [mixture()[n, 3][0] for n in range(200)] == first, "all processes read the same source"


def test_processes_get_equal_work_across_sources_of_other_sizes(tmp_path):
    """Images and videos, and frames of another size: each batch has one shape for all processes, within the cap."""

    def windows(lengths: UniformLengths, height: int, frames: int) -> DepthWindows:
        sampler = WorldSampler(height=height, width=24, frames=frames)
        clips = ProceduralClips(sampler=sampler, first=1, count=2, cache=str(tmp_path))
        return DepthWindows(clips=clips, lengths=lengths, pixels_per_batch=4 * 16 * 24, seed=0)

    images = Source(weight=1.0, batches=windows(UniformLengths(least=1, most=1), 8, 1))
    videos = Source(weight=1.0, batches=windows(UniformLengths(least=2, most=4), 16, 4))
    mixed = Mixture(sources={"images": images, "videos": videos}, seed=0)
    shapes = []
    for number in range(24):
        first, second = mixed[number, 0], mixed[number, 1]
        assert first.video.shape == second.video.shape
        assert not torch.equal(first.video, second.video)
        shapes.append(tuple(first.video.shape))
    assert {shape[:2] for shape in shapes if shape[3] == 8} == {(8, 1)}, "many single frames at once"
    assert {shape[:2] for shape in shapes if shape[3] == 16} == {(2, 2), (1, 3), (1, 4)}


@pytest.mark.parametrize("weights", [{}, {"rooms": 0.0}, {"rooms": -1.0, "outdoors": 2.0}])
def test_weights_that_say_nothing_are_refused(weights):
    with pytest.raises(InputError, match=r"^data\.train\.sources: "):
        mixture(weights=weights)

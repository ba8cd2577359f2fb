"""LPIPS: without weights there is no value; with them, how maps become values.

The weights here are random numbers in a file of the backbone's layout, which only shows that they are read and how the
map is averaged: what they say of pictures means nothing.
"""

import lpips
import pytest
import torch
from torchvision.models import squeezenet1_1

from turnaround.metrics.base import FilledPicture
from turnaround.metrics.image import HoleLpips, Lpips
from turnaround.metrics.perceptual import PerceptualDistance
from turnaround.types import InputError

NAME = "squeezenet1_1-b8a52dc0.pth"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A hub cache without weights."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def random_weights(cache):
    cache.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(squeezenet1_1(weights=None).state_dict(), cache / NAME)
    return cache / NAME


def pictures(count=2, size=(48, 64)):
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(1))


def frame(image, truth, hole=None, counted=None):
    everywhere = torch.ones(image.shape[1:], dtype=torch.bool)
    hole = everywhere if hole is None else hole
    counted = everywhere if counted is None else counted
    return [FilledPicture(image=image, truth=truth, given=image, open=hole, hole=hole, counted=counted)]


def test_without_weights_there_is_no_value_and_the_note_says_where_they_belong(cache):
    distance = PerceptualDistance(net="squeeze", weights=None)
    state = torch.random.get_rng_state()
    assert distance(*pictures()) is None
    assert Lpips(distance=distance)(frame(*pictures())) is None
    assert HoleLpips(distance=distance)(frame(*pictures())) is None
    assert distance.note == f"unavailable, place {NAME} at {cache / NAME}"
    assert torch.equal(torch.random.get_rng_state(), state), "nothing random was made"
    elsewhere = PerceptualDistance(net="vgg", weights=str(cache / "mine.pth"))
    assert elsewhere.note == f"unavailable, place vgg16-397923af.pth at {cache / 'mine.pth'}"
    assert not cache.exists(), "nothing was downloaded"


def test_the_map_is_that_of_lpips_with_the_files_weights(random_weights):
    first, second = pictures()
    reference = lpips.LPIPS(net="squeeze", spatial=True, verbose=False)  # finds the file in the same cache
    with torch.no_grad():
        expected = reference(first[None], second[None], normalize=True)[0, 0]
    for given in (None, str(random_weights)):
        found = PerceptualDistance(net="squeeze", weights=given)(first, second)
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert expected.std() > 0
    assert PerceptualDistance(net="squeeze", weights=None).note == f"v0.1, net squeeze, {NAME}"


def test_values_are_means_of_the_map_over_what_is_counted(random_weights):
    distance = PerceptualDistance(net="squeeze", weights=None)
    image, truth = pictures()
    whole = distance(image, truth)
    hole = torch.zeros(48, 64, dtype=torch.bool)
    hole[10:20, 30:50] = True
    assert Lpips(distance=distance)(frame(image, truth, hole)) == pytest.approx(float(whole.mean()), rel=1e-5)
    assert HoleLpips(distance=distance)(frame(image, truth, hole)) == pytest.approx(float(whole[hole].mean()), rel=1e-5)
    assert HoleLpips(distance=distance)(frame(image, truth, torch.zeros_like(hole))) is None
    assert Lpips(distance=distance)(frame(truth, truth, hole)) == 0


def test_what_is_not_counted_has_no_part(random_weights):
    distance = PerceptualDistance(net="squeeze", weights=None)
    image, truth, other = pictures(3)
    counted = torch.ones(48, 64, dtype=torch.bool)
    counted[:, :32] = False
    spoilt = torch.where(counted, image, other)
    values = [Lpips(distance=distance)(frame(some, truth, counted=counted)) for some in (image, spoilt)]
    assert values[0] == values[1] > 0


def test_pictures_too_small_for_the_net_have_no_value(random_weights):
    distance = PerceptualDistance(net="squeeze", weights=None)
    assert distance(*pictures(size=(16, 64))) is None
    assert distance(*pictures(size=(17, 64))) is not None


def test_another_file_is_refused(random_weights):
    torch.save({"features.0.weight": torch.zeros(3)}, random_weights)
    with pytest.raises(InputError, match=rf"{NAME}: expected the backbone of LPIPS net squeeze"):
        PerceptualDistance(net="squeeze", weights=None)(*pictures())
    random_weights.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match=NAME):
        PerceptualDistance(net="squeeze", weights=None)(*pictures())
    with pytest.raises(InputError, match="one of squeeze, alex, vgg"):
        PerceptualDistance(net="resnet", weights=None)

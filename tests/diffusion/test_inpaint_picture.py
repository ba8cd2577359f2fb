from dataclasses import replace

import pytest
import torch
from inpainting import SINGLE_STEP, camera, partial_video, randomise_output, small_network

from turnaround.diffusion.inpaint import (
    DiffusionInpainter,
    batch_disparity,
    crop_around,
    disparity_scale,
    inverse_of,
    scaled_camera,
    shrunk,
    take_back_offset,
)
from turnaround.diffusion.sample import EulerSampler, SingleStepSampler, WindowStart
from turnaround.diffusion.schedule import KarrasLevels
from turnaround.types import Inpainter, InputError, PartialVideo

ONE_STEP = SingleStepSampler(sigma=SINGLE_STEP)
NOISY = EulerSampler(
    levels=KarrasLevels(steps=3, sigma_min=0.1, sigma_max=10.0, rho=7.0), start=WindowStart(known=10.0, new=10.0)
)


def inpainter(network=None, *, sampler=ONE_STEP, pixels=10**6, seam=0, context=0.5):
    network = network or randomise_output(small_network())
    return DiffusionInpainter(
        network=network, sampler=sampler, context=context, pixels=pixels, seam=seam, device="cpu", name="ours"
    )


@pytest.mark.parametrize("sampler", [ONE_STEP, NOISY], ids=["one step", "from noise"])
@pytest.mark.parametrize("pixels", [10**6, 300], ids=["as it is", "made smaller"])
@pytest.mark.parametrize("seam", [0, 3])
def test_known_pixels_come_back_bit_for_bit(sampler, pixels, seam):
    partial = partial_video()
    filled = inpainter(sampler=sampler, pixels=pixels, seam=seam).fill(partial, seed=0)
    known = ~partial.hole[:, None].expand_as(partial.video)
    assert torch.equal(filled.video[known], partial.video[known])
    assert torch.equal(filled.depth[~partial.hole], partial.depth[~partial.hole])
    assert ((filled.video >= 0) & (filled.video <= 1)).all()
    assert filled.video[~known].std() > 0
    assert filled.depth[partial.hole].isfinite().all()


def test_a_frame_without_holes_is_left_alone():
    partial = partial_video(frames=1)
    whole = replace(partial, hole=torch.zeros_like(partial.hole), depth=torch.full_like(partial.depth, 2.0))
    filled = inpainter().fill(whole, seed=0)
    assert torch.equal(filled.video, whole.video)
    assert torch.equal(filled.depth, whole.depth)


def test_a_frame_that_is_all_hole_is_refused():
    partial = partial_video(frames=1)
    nothing = replace(partial, hole=torch.ones_like(partial.hole))
    with pytest.raises(InputError, match=r"^frame 0: expected some known pixels, found a hole everywhere"):
        inpainter().fill(nothing, seed=0)


def test_noise_decides_by_seed():
    partial, fill = partial_video(), inpainter(sampler=NOISY).fill
    first = fill(partial, seed=0)
    assert torch.equal(first.video, fill(partial, seed=0).video)
    assert not torch.equal(first.video, fill(partial, seed=1).video)
    unplaced = replace(partial, cameras=None)
    assert not torch.equal(first.video, fill(unplaced, seed=0).video)  # noise of places in the frame instead


def test_networks_without_depth_place_their_noise_in_the_scene_too():
    one = partial_video(frames=1)
    twice = PartialVideo(
        video=one.video.repeat(2, 1, 1, 1),
        hole=one.hole.repeat(2, 1, 1),
        depth=one.depth.repeat(2, 1, 1),
        cameras=camera(24, 40, 2),
    )
    fill = inpainter(randomise_output(small_network(channels=3)), sampler=NOISY).fill
    placed, unplaced = fill(twice, seed=0).video, fill(replace(twice, depth=None), seed=0).video
    assert torch.equal(placed[0], placed[1])  # frames that show the same places have the same noise
    assert not torch.equal(unplaced[0], unplaced[1])


def test_unknown_depth_of_known_pixels_is_that_around_them():
    partial = partial_video(frames=1)
    depth = partial.depth.clone()
    depth[0, :, :5] = torch.nan  # on the left all is 2 metres away
    inverse = inverse_of(replace(partial, depth=depth))
    torch.testing.assert_close(inverse[0, :, :5], torch.full((24, 5), 0.5))
    assert (inverse[partial.hole] == 0).all()


def test_a_network_without_depth_leaves_depth_as_it_was():
    partial = partial_video()
    filled = inpainter(randomise_output(small_network(channels=3))).fill(partial, seed=0)
    assert filled.depth[partial.hole].isnan().all()
    assert inpainter().fill(replace(partial, depth=None), seed=0).depth is None


def test_new_depth_is_of_the_scene():
    # An untrained residual network gives the rough filling: depth between what stands around, most like the far side
    partial = partial_video(frames=1)
    depth = inpainter(small_network()).fill(partial, seed=0).depth[0]
    found = depth[partial.hole[0]]
    assert ((found > 1.99) & (found < 4.01)).all()  # 1 part in 10^4 is left of the zeros at sigma 100
    assert isinstance(inpainter(), Inpainter)


def test_crops_hold_the_hole_and_its_surroundings():
    hole = torch.zeros(100, 90, dtype=torch.bool)
    hole[40:60, 80:90] = True
    box = crop_around(hole, 0.5, 4)
    assert (box.top, box.height) == (28, 44)  # 10 rows above, down to a multiple of 4, and 10 below, up to one
    assert (box.left, box.left + box.width) == (72, 92)  # two multiples at least; up to one over the right edge
    assert box.height % 4 == box.width % 4 == 0


def test_smaller_pictures_know_what_is_known_whole():
    pictures = torch.rand(1, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    hole = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    hole[..., 3, 5] = True
    small, hidden = shrunk(pictures, hole, (4, 4))
    assert hidden[0, 0, 1, 2]
    assert hidden.sum() < 10
    assert (small[:, :, :, 1, 2] == 0).all()
    same, mask = shrunk(pictures, hole, (8, 8))
    assert torch.equal(same, pictures)
    assert torch.equal(mask, hole)


def test_an_offset_at_the_border_is_taken_back_inside():
    partial = partial_video(frames=1)
    truth = torch.full((1, 4, 24, 40), 0.4)
    found = truth + 0.1
    mended = take_back_offset(found, truth, partial.hole, 3)
    assert mended[0, 0, 8, 14].item() == pytest.approx(0.4, abs=1e-6)  # beside the border all of it
    assert mended[0, 0, 10, 14].item() == pytest.approx(0.5 - 0.1 / 3, abs=1e-6)  # the third pixel in, a third
    assert mended[0, 3, 8, 14].item() == pytest.approx(0.5)  # depth may jump
    assert torch.equal(take_back_offset(found, truth, partial.hole, 0), found)


def test_disparity_is_relative_to_the_nearest_that_is_seen():
    seen, target = torch.tensor([[[[0.0, 0.5]]], [[[0.0, 0.0]]]]), torch.tensor([[[[0.25, 1.0]]], [[[0.5, 2.0]]]])
    assert disparity_scale(seen).flatten().tolist() == [2.0, 1.0]
    found = batch_disparity(seen, target)
    assert found[0].flatten().tolist() == [0.0, 1.0, 0.0, 0.0]
    assert found[1].flatten().tolist() == [0.5, 1.0, 0.5, 1.0]


def test_cameras_scale_with_pictures():
    scaled = scaled_camera(camera(24, 40), 12, 80)
    assert (scaled.height, scaled.width) == (12, 80)
    assert scaled.intrinsics[0].tolist() == [[80, 0, 40], [0, 20, 6], [0, 0, 1]]

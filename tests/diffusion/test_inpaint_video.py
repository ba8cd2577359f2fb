from dataclasses import replace

import pytest
import torch

from turnaround.diffusion.inpaint import DiffusionInpainter
from turnaround.diffusion.inpaint_video import VideoInpainter
from turnaround.diffusion.sample import EulerSampler, SingleStepSampler, WindowStart
from turnaround.diffusion.schedule import KarrasLevels
from turnaround.diffusion.tiles import TiledNetwork
from turnaround.geometry.holes import FILLINGS
from turnaround.nets.inpaint import BlendingDenoiser, BlendingVideoDenoiser, ImageUNet, LatentInpaintNetwork, NoTokens
from turnaround.nets.picture_codec import PatchPictureCodec
from turnaround.nets.svd import PerFrameUNet
from turnaround.nets.tokens import PooledTokens
from turnaround.types import Inpainter, InputError, PartialVideo, Pinhole

EULER = EulerSampler(
    levels=KarrasLevels(steps=2, sigma_min=0.05, sigma_max=5.0, rho=7.0), start=WindowStart(known=5.0, new=5.0)
)


def together(channels=4):
    """A network whose frames see each other, untrained but for an output layer that is not 0."""
    torch.manual_seed(0)
    latent = 4 * channels
    unet = PerFrameUNet(
        in_channels=6 * latent + 4,
        out_channels=latent + 5 * 4,
        down_block_types=("DownBlockSpatioTemporal", "CrossAttnDownBlockSpatioTemporal"),
        up_block_types=("CrossAttnUpBlockSpatioTemporal", "UpBlockSpatioTemporal"),
        block_out_channels=(32, 32),
        layers_per_block=1,
        cross_attention_dim=8,
        num_attention_heads=2,
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=24,
    )
    denoiser = BlendingVideoDenoiser(unet=unet, cell=4, added_time_ids=[7.0, 127.0, 0.02])
    torch.nn.init.normal_(unet.conv_out.weight, std=0.1)
    codec = PatchPictureCodec(factor=2, channels=channels)
    tokens = PooledTokens(latent_channels=latent, channels=8)
    return LatentInpaintNetwork(unet=denoiser, codec=codec, tokens=tokens).eval()


def apart(channels=4):
    """The same, of frames that do not."""
    torch.manual_seed(0)
    latent = 4 * channels
    unet = ImageUNet(
        in_channels=6 * latent + 4,
        out_channels=latent + 5 * 4,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        mid_block_type=None,
        up_block_types=("UpBlock2D", "UpBlock2D"),
        block_out_channels=(8, 8),
        layers_per_block=1,
        cross_attention_dim=8,
        norm_num_groups=4,
    )
    denoiser = BlendingDenoiser(unet=unet, cell=4, prompt_tokens=1, beta_start=0.00085, beta_end=0.012)
    torch.nn.init.normal_(unet.conv_out.weight, std=0.1)
    codec = PatchPictureCodec(factor=2, channels=channels)
    return LatentInpaintNetwork(unet=denoiser, codec=codec, tokens=NoTokens()).eval()


def inpainter(network, *, window=4, overlap=1, pixels=10_000, seam=0, sampler=EULER):
    return VideoInpainter(
        network=network,
        sampler=sampler,
        window=window,
        overlap=overlap,
        context=0.5,
        pixels=pixels,
        seam=seam,
        device="cpu",
        name="ours",
    )


def partial(frames=7, height=24, width=32, seed=0, depth=True):
    """Noise with a hole that moves to the right; the third frame has none. Left of the middle 2 m away, else 4 m."""
    video = torch.rand(frames, 3, height, width, generator=torch.Generator().manual_seed(seed))
    hole = torch.zeros(frames, height, width, dtype=torch.bool)
    for frame in range(frames):
        hole[frame, 8:14, 8 + frame : 14 + frame] = frame != 2
    metres = torch.where(torch.arange(width) < width // 2, 2.0, 4.0).expand(frames, height, width)
    k = torch.tensor([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1.0]])
    cameras = Pinhole(
        world_from_cam=torch.eye(4).repeat(frames, 1, 1),
        intrinsics=k.repeat(frames, 1, 1),
        height=height,
        width=width,
    )
    return PartialVideo(
        video=video.masked_fill(hole[:, None], 0.0),
        hole=hole,
        depth=metres.masked_fill(hole, torch.nan) if depth else None,
        cameras=cameras if depth else None,
    )


def first(given, count):
    """The first frames of a video."""
    cameras = given.cameras
    if cameras is not None:
        poses, k = cameras.world_from_cam[:count], cameras.intrinsics[:count]
        cameras = replace(cameras, world_from_cam=poses, intrinsics=k)
    depth = None if given.depth is None else given.depth[:count]
    return PartialVideo(video=given.video[:count], hole=given.hole[:count], depth=depth, cameras=cameras)


class Recorded:
    """A sampler that keeps what it was given."""

    def __init__(self, sampler):
        self.sampler, self.conditions, self.noises = sampler, [], []

    def sample(self, network, condition, noise, known=None):
        self.conditions.append(condition)
        self.noises.append(noise)
        return self.sampler.sample(network, condition, noise, known)


def test_all_holes_are_filled_and_what_is_known_keeps_its_bits():
    given = partial()
    before = (given.video.clone(), given.hole.clone(), given.depth.clone())
    ours = inpainter(together(), seam=3)
    assert isinstance(ours, Inpainter)
    filled = ours.fill(given, seed=0)
    known = ~given.hole
    assert torch.equal(filled.video.movedim(1, -1)[known], given.video.movedim(1, -1)[known])
    assert torch.equal(filled.depth[known], given.depth[known])
    assert torch.equal(filled.video[2], given.video[2])
    assert filled.depth.isfinite().all()
    inside = filled.video.movedim(1, -1)[given.hole]
    assert inside.isfinite().all()
    assert inside.std() > 0.01
    # what was given is as it was
    assert torch.equal(given.video, before[0])
    assert torch.equal(given.hole, before[1])
    assert torch.equal(given.depth.nan_to_num(-1), before[2].nan_to_num(-1))


def test_windows_are_bounded_and_hold_what_the_one_before_has_finished():
    given, sampler, network = partial(), Recorded(EULER), together()
    filled = inpainter(network, sampler=sampler).fill(given, seed=0)
    # 7 frames in windows of 4 that share 1: 0 to 3, 3 to 6
    assert [condition.latents.shape[1] for condition in sampler.conditions] == [4, 4]
    latents, cells = network.latent_channels, network.codec.hole_channels
    seen, hole = sampler.conditions[1].latents.split([FILLINGS * latents, cells], dim=2)
    assert hole[0, 0].sum() == 0
    assert (hole[0, 1:].flatten(1).sum(dim=1) == 6 * 6).all()
    shown = network.decode(seen[:, :, :latents])[0, 0]
    # one crop for all, around rows 8 to 13 and columns 8 to 19, of 8 pixels more, and so the whole height
    assert shown.shape[1:] == (24, 28)
    # 2 x - 1 and back rounds once each way
    torch.testing.assert_close(shown[:3], filled.video[3, :, :, :28], rtol=0, atol=1e-6)
    torch.testing.assert_close(shown[3], 2.0 / filled.depth[3, :, :28].clamp(min=2.0), rtol=0, atol=1e-6)


def test_held_frames_matter():
    given, network = partial(frames=8), together()
    held = inpainter(network, overlap=1).fill(given, seed=0)
    none = inpainter(network, overlap=0).fill(given, seed=0)
    assert torch.equal(none.video[:4], held.video[:4])  # the first window is the same
    changed = (none.video[4:] - held.video[4:]).abs().amax(dim=(1, 2, 3))
    assert (changed > 1e-4).all()


@pytest.mark.parametrize("depth", [True, False])
def test_of_frames_that_do_not_see_each_other_the_division_changes_nothing(depth):
    given, network = partial(depth=depth), apart()
    expected = inpainter(network, window=7, overlap=0).fill(given, seed=3)
    for window, overlap in ((4, 1), (3, 2), (1, 0)):
        found = inpainter(network, window=window, overlap=overlap).fill(given, seed=3)
        # other batch sizes choose other convolution kernels, over two steps
        torch.testing.assert_close(found.video, expected.video, rtol=0, atol=1e-5)
        if depth:
            torch.testing.assert_close(found.depth, expected.depth, rtol=1e-4, atol=1e-4)


def test_a_seed_decides_the_filling():
    given, ours = partial(), inpainter(together())
    once, again, other = (ours.fill(given, seed=seed).video for seed in (1, 1, 2))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


def test_noise_is_that_of_the_frame_and_the_place():
    """Whatever window a frame is in."""
    given = partial(depth=False)
    noises = {}
    for window, overlap in ((4, 1), (3, 0)):
        sampler = Recorded(SingleStepSampler(sigma=5.0))
        inpainter(together(3), window=window, overlap=overlap, sampler=sampler).fill(given, seed=0)
        noises[window] = sampler.noises
    # 0 to 3 and 3 to 6; 0 to 2, 3 to 5 and 4 to 6
    assert torch.equal(noises[4][0][0, :3], noises[3][0][0])
    assert torch.equal(noises[4][0][0, 3], noises[4][1][0, 0])
    assert torch.equal(noises[4][1][0, 1:3], noises[3][1][0, 1:])
    assert not torch.equal(noises[3][0][0, 0], noises[3][0][0, 1])


def test_windows_without_holes_ask_nothing():
    given = partial(frames=9)
    hole = given.hole.clone()
    hole[3:] = False
    calm = replace(given, video=torch.where(hole[:, None], 0.0, given.video + 0.1), hole=hole)
    calm = replace(calm, depth=given.depth.nan_to_num(3.0).masked_fill(hole, torch.nan))
    sampler = Recorded(EULER)
    filled = inpainter(together(), window=3, overlap=0, sampler=sampler).fill(calm, seed=0)
    assert len(sampler.conditions) == 1
    assert torch.equal(filled.video[3:], calm.video[3:])
    still = replace(calm, hole=torch.zeros_like(hole))
    assert inpainter(together(), sampler=sampler).fill(still, seed=0).video is still.video
    assert len(sampler.conditions) == 1


def test_of_one_frame_it_is_the_inpainter_of_pictures():
    given, network = first(partial(), 1), apart()
    pictures = DiffusionInpainter(
        network=network, sampler=EULER, context=0.5, pixels=10_000, seam=2, device="cpu", name="pictures"
    )
    expected = pictures.fill(given, seed=5)
    found = inpainter(network, seam=2).fill(given, seed=5)
    assert torch.equal(found.video, expected.video)
    assert torch.equal(found.depth, expected.depth)


def test_a_crop_of_more_pixels_is_made_smaller_and_tiles_bound_it_too():
    given = partial(depth=False)
    sampler = Recorded(EULER)
    filled = inpainter(together(3), pixels=12 * 16, sampler=sampler).fill(given, seed=0)
    assert sampler.noises[0].shape[-2:] == (6, 8)
    assert torch.equal(filled.video[:, :, 0], given.video[:, :, 0])
    sampler = Recorded(EULER)
    tiled = TiledNetwork(network=together(3), tile=16, overlap=8)
    filled = inpainter(tiled, sampler=sampler).fill(given, seed=0)
    assert sampler.noises[0].shape[-2:] == (12, 14)
    assert filled.video.isfinite().all()


def test_a_frame_of_which_nothing_is_known_is_refused():
    given = partial()
    hole = given.hole.clone()
    hole[5] = True
    with pytest.raises(InputError, match="frame 5"):
        inpainter(together()).fill(replace(given, hole=hole), seed=0)


def test_more_overlap_than_a_window_is_refused():
    with pytest.raises(InputError, match="overlap"):
        inpainter(together(), window=3, overlap=3)

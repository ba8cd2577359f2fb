import pytest
import torch
from diffusers import AutoencoderKLTemporalDecoder

from turnaround.nets.codec import PatchCodec, TemporalVaeCodec, VaeDepthDecoder, in_chunks
from turnaround.types import InputError


def small_vae() -> AutoencoderKLTemporalDecoder:
    torch.manual_seed(0)
    return AutoencoderKLTemporalDecoder(
        down_block_types=["DownEncoderBlock2D"] * 2, block_out_channels=[32, 32], layers_per_block=1
    )


def test_patch_codec_is_exact():
    codec = PatchCodec(factor=4)
    disparity = torch.rand(2, 3, 8, 12)
    latents = codec.encode_disparity(disparity)
    assert latents.shape == (2, 3, 16, 2, 3)
    assert latents.amin() >= -1
    # 2 x - 1 and back rounds once each way
    torch.testing.assert_close(codec.decode_disparity(latents), disparity, rtol=0, atol=1e-7)


def test_patch_codec_keeps_each_patch_in_its_cell():
    codec = PatchCodec(factor=2)
    video = torch.zeros(1, 1, 3, 4, 4)
    video[..., 2:, :2] = 1  # the lower left patch
    latents = codec.encode_video(video)
    assert latents.shape == (1, 1, 12, 2, 2)
    assert (latents[0, 0, :, 1, 0] == 1).all()
    assert (latents[0, 0, :, 0, :] == -1).all()


def test_temporal_vae_codec_scales_disparity_but_not_video():
    vae = small_vae()
    codec = TemporalVaeCodec(vae=vae, chunk=None, decoder=VaeDepthDecoder(context=0))
    assert (codec.factor, codec.depth_channels, codec.video_channels) == (2, 4, 4)
    grey = torch.rand(1, 2, 8, 8)
    as_video = codec.encode_video(grey[:, :, None].expand(-1, -1, 3, -1, -1).contiguous())
    torch.testing.assert_close(codec.encode_disparity(grey), as_video * 0.18215)


def test_temporal_vae_codec_averages_channels_and_maps_the_range():
    vae = small_vae()
    codec = TemporalVaeCodec(vae=vae, chunk=None, decoder=VaeDepthDecoder(context=0))
    latents = torch.randn(1, 3, 4, 4, 4)
    images = vae.decode(latents[0] / 0.18215, num_frames=3).sample
    torch.testing.assert_close(codec.decode_disparity(latents)[0], (images.mean(1) + 1) / 2)


def test_encoding_in_chunks_equals_encoding_at_once():
    vae = small_vae()
    video = torch.rand(1, 5, 3, 8, 8)
    whole = TemporalVaeCodec(vae=vae, chunk=None, decoder=VaeDepthDecoder(context=0)).encode_video(video)
    # other batch sizes choose other convolution kernels, which round differently
    torch.testing.assert_close(
        TemporalVaeCodec(vae=vae, chunk=2, decoder=VaeDepthDecoder(context=0)).encode_video(video),
        whole,
        rtol=1e-4,
        atol=1e-5,
    )


def test_the_vae_is_frozen():
    assert not any(
        p.requires_grad
        for p in TemporalVaeCodec(vae=small_vae(), chunk=8, decoder=VaeDepthDecoder(context=0)).parameters()
    )


def decoded(latents: torch.Tensor, *, chunk: int | None, context: int) -> torch.Tensor:
    codec = TemporalVaeCodec(vae=small_vae(), chunk=chunk, decoder=VaeDepthDecoder(context=context))
    with torch.inference_mode():
        return codec.decode_disparity(latents)


def test_context_that_reaches_both_ends_decodes_as_all_at_once():
    latents = torch.randn(1, 7, 4, 4, 4)
    whole = decoded(latents, chunk=None, context=0)
    # the mean and variance of a norm, over the same frames, are added up in the same order
    torch.testing.assert_close(decoded(latents, chunk=2, context=6), whole, rtol=0, atol=1e-6)


def test_without_context_the_chunks_are_the_releases():
    latents = torch.randn(1, 7, 4, 4, 4)
    codec = TemporalVaeCodec(vae=small_vae(), chunk=3, decoder=VaeDepthDecoder(context=0))
    with torch.inference_mode():
        images = [codec.vae.decode(part / 0.18215, num_frames=len(part)).sample for part in latents[0].split(3)]
        released = torch.cat(images) / 2 + 0.5
        torch.testing.assert_close(codec.decode_disparity(latents)[0], released.mean(1), rtol=0, atol=1e-6)
        torch.testing.assert_close(codec.decode_published(latents)[0], released.clamp(0, 1).mean(1), rtol=0, atol=1e-6)


def test_the_release_decodes_without_context_whatever_ours_has():
    latents = torch.randn(1, 7, 4, 4, 4)
    found = [
        TemporalVaeCodec(vae=small_vae(), chunk=3, decoder=VaeDepthDecoder(context=context)).decode_published(latents)
        for context in (0, 4)
    ]
    assert torch.equal(*found)


def test_context_takes_the_seam_away():
    """A still video, so that whatever changes from frame to frame is the decoder's doing."""
    still = torch.randn(1, 1, 4, 8, 8, generator=torch.Generator().manual_seed(1)).expand(-1, 24, -1, -1, -1)
    spread = decoded(still, chunk=None, context=0).std()
    seams = []
    for context in (0, 2, 4, 6):
        jumps = decoded(still, chunk=8, context=context)[0].diff(dim=0).abs().mean((1, 2)) / spread
        seams.append(jumps[[7, 15]].mean().item())  # between the last frame of a chunk and the first of the next
    print("seam by context of 0, 2, 4, 6 frames:", [f"{seam:.4f}" for seam in seams])
    assert seams == sorted(seams, reverse=True)
    assert seams[2] < 0.25 * seams[0]


@pytest.mark.parametrize(("frames", "chunk"), [(1, 3), (3, 3), (7, 3), (8, 3), (7, None)])
def test_chunks_are_bounded_and_each_frame_is_decoded_in_its_place(frames, chunk):
    given = []

    def decode(latents: torch.Tensor) -> torch.Tensor:
        given.append(latents.shape[1])
        return latents + 1

    latents = torch.rand(2, frames, 1, 1, 1)
    assert torch.equal(in_chunks(decode, latents, chunk, 2), latents + 1)
    assert max(given) <= (chunk or frames) + 4


def test_a_negative_context_is_refused():
    with pytest.raises(InputError, match=r"decoder\.context"):
        VaeDepthDecoder(context=-1)

import torch
from diffusers import AutoencoderKLTemporalDecoder

from turnaround.nets.codec import PatchCodec, TemporalVaeCodec


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
    codec = TemporalVaeCodec(vae=vae, chunk=None)
    assert (codec.factor, codec.depth_channels, codec.video_channels) == (2, 4, 4)
    grey = torch.rand(1, 2, 8, 8)
    as_video = codec.encode_video(grey[:, :, None].expand(-1, -1, 3, -1, -1).contiguous())
    torch.testing.assert_close(codec.encode_disparity(grey), as_video * 0.18215)


def test_temporal_vae_codec_averages_channels_and_maps_the_range():
    vae = small_vae()
    codec = TemporalVaeCodec(vae=vae, chunk=None)
    latents = torch.randn(1, 3, 4, 4, 4)
    images = vae.decode(latents[0] / 0.18215, num_frames=3).sample
    torch.testing.assert_close(codec.decode_disparity(latents)[0], (images.mean(1) + 1) / 2)


def test_encoding_in_chunks_equals_encoding_at_once():
    vae = small_vae()
    video = torch.rand(1, 5, 3, 8, 8)
    whole = TemporalVaeCodec(vae=vae, chunk=None).encode_video(video)
    # other batch sizes choose other convolution kernels, which round differently
    torch.testing.assert_close(TemporalVaeCodec(vae=vae, chunk=2).encode_video(video), whole, rtol=1e-4, atol=1e-5)


def test_the_vae_is_frozen():
    assert not any(p.requires_grad for p in TemporalVaeCodec(vae=small_vae(), chunk=8).parameters())

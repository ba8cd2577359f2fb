import pytest
import torch
from diffusers import UNetSpatioTemporalConditionModel
from published_folders import write_svd
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from turnaround.nets.codec import PatchCodec, VaeDepthDecoder
from turnaround.nets.published import load_svd
from turnaround.nets.svd import PerFrameUNet, SvdDepthNetwork
from turnaround.nets.tokens import ClipTokens, PooledTokens

SIZES = {
    "in_channels": 16,
    "out_channels": 4,
    "down_block_types": ("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
    "up_block_types": ("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
    "block_out_channels": (32, 64),
    "layers_per_block": 1,
    "cross_attention_dim": 8,
    "num_attention_heads": 2,
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 24,
}


def network() -> SvdDepthNetwork:
    torch.manual_seed(0)
    codec = PatchCodec(factor=2)
    return SvdDepthNetwork(
        unet=PerFrameUNet(**SIZES), codec=codec, tokens=PooledTokens(latent_channels=12, channels=8)
    ).eval()


def test_with_one_token_for_all_frames_it_equals_the_diffusers_unet():
    torch.manual_seed(0)
    reference = UNetSpatioTemporalConditionModel(**SIZES).eval()
    ours = PerFrameUNet(**SIZES).eval()
    ours.load_state_dict(reference.state_dict())
    sample, token, time = torch.randn(2, 3, 16, 4, 4), torch.randn(2, 1, 8), torch.tensor([0.3, -1.0])
    added = torch.tensor([[7.0, 127.0, 0.02]]).expand(2, 3)
    with torch.no_grad():
        expected = reference(sample, time, token, added).sample
        found = ours(sample, time[:, None].expand(2, 3), token.expand(2, 3, 8), added)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)  # products of other shapes round differently


def test_each_frame_attends_to_its_own_token():
    net = network()
    scaled, time = torch.zeros(1, 3, 4, 4, 4), torch.zeros(1, 3)
    condition = net.condition(torch.rand(1, 3, 3, 8, 8))
    changed = type(condition)(latents=condition.latents, tokens=condition.tokens.clone())
    changed.tokens[0, 2] += 5
    with torch.no_grad():
        difference = (net.velocity(scaled, time, condition) - net.velocity(scaled, time, changed)).abs()
    # the third frame feels its own token at once, the others only through time
    assert difference[0, 2].mean() > 2 * difference[0, 0].mean()


def test_frames_see_each_other():
    net = network()
    video = torch.rand(1, 3, 3, 8, 8)
    other = video.clone()
    other[0, 2] = 0
    with torch.no_grad():
        first, second = (
            net.velocity(torch.zeros(1, 3, 4, 4, 4), torch.zeros(1, 3), net.condition(v)) for v in (video, other)
        )
    assert (first[0, 0] - second[0, 0]).abs().max() > 1e-4


def test_sizes_that_do_not_fit_are_refused_by_name():
    with pytest.raises(ValueError, match="in_channels"):
        SvdDepthNetwork(
            unet=PerFrameUNet(**SIZES), codec=PatchCodec(factor=4), tokens=PooledTokens(latent_channels=48, channels=8)
        )


def test_clip_tokens_are_one_image_embedding_per_frame():
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        patch_size=56,
        projection_dim=8,
    )
    encoder = CLIPVisionModelWithProjection(config).eval()
    tokens = ClipTokens(encoder=encoder, chunk=2)
    video = torch.rand(1, 3, 3, 20, 30)
    found = tokens(video, torch.zeros(1, 3, 4, 5, 5))
    assert found.shape == (1, 3, 8)
    torch.testing.assert_close(tokens(video[:, 1:2], torch.zeros(1, 1, 4, 5, 5)), found[:, 1:2], rtol=1e-4, atol=1e-5)
    assert not any(p.requires_grad for p in tokens.parameters())


def trained(net: SvdDepthNetwork) -> tuple[dict[str, torch.Tensor], int]:
    """Gradients of one step that decodes, with a noise level per frame; and the bytes its forward pass kept."""
    generator = torch.Generator().manual_seed(3)
    video = torch.rand(2, 3, 3, 32, 32, generator=generator)
    levels = torch.randn(2, 3, generator=generator)
    scaled = torch.randn(net.encode_disparity(video[:, :, 0]).shape, generator=generator)
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes() if not isinstance(tensor, torch.nn.Parameter) else 0
        return tensor

    net.zero_grad()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = net.decode_disparity(net.velocity(scaled, levels, net.condition(video)))
    output.square().mean().backward()
    gradients = {name: p.grad for name, p in net.named_parameters() if p.requires_grad}
    assert all(gradient is not None for gradient in gradients.values())
    return gradients, sum(kept.values())


@pytest.mark.parametrize("published", [False, True], ids=["small", "published layout"])
def test_checkpointing_gradients_changes_none(tmp_path, published):
    """Also those that flow through the published layout's decoder."""
    decoder = VaeDepthDecoder(context=4)
    folder = str(write_svd(tmp_path))
    net = load_svd(path=folder, dtype="float32", chunk=8, decoder=decoder) if published else network()
    expected, whole = trained(net)
    net.enable_gradient_checkpointing()
    found, kept = trained(net)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-6, atol=1e-6, msg=name)
    assert kept < whole / 2
    with torch.inference_mode():
        latents, condition = net.encode_disparity(torch.rand(1, 3, 32, 32)), net.condition(torch.rand(1, 3, 3, 32, 32))
        assert net.velocity(latents, torch.zeros(1, 3), condition).isfinite().all()

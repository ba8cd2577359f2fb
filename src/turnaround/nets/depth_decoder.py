"""A light decoder of disparity latents, in place of the VAE's."""

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from turnaround.nets.codec import Codec, DepthDecoder
from turnaround.types import InputError

GROUPS = 8  # of every group norm


class LightDepthDecoder(DepthDecoder):
    """Residual blocks at the latents' resolution, then steps of pixel shuffle; one channel, and no RGB.

    latent_channels, factor: those of the codec; factor is a power of 2. channels: of the blocks; each step up halves
    them. blocks: each looks at one more frame on either side, and nothing else looks along time (norms are taken frame
    by frame), so a frame's disparity depends on exactly `blocks` frames before and after it.
    """

    def __init__(self, *, latent_channels: int, factor: int, channels: int, blocks: int):
        super().__init__()
        steps = factor.bit_length() - 1
        last = channels // 2**steps
        if factor != 2**steps or last * 2**steps != channels or last % GROUPS:
            expected = f"a factor that is a power of 2, and channels that are a multiple of {GROUPS} * factor"
            raise InputError("decoder", expected=expected, found=f"{factor} and {channels}", fix="correct the sizes")
        self.latent_channels, self.factor, self.context = latent_channels, factor, blocks
        sizes = {"latent_channels": latent_channels, "factor": factor, "channels": channels, "blocks": blocks}
        self.architecture = {"_target_": f"{__name__}.{type(self).__qualname__}", **sizes}
        self.enter = nn.Conv2d(latent_channels, channels, 3, padding=1)
        self.blocks = nn.ModuleList(SpaceTimeBlock(channels) for _ in range(blocks))
        self.steps = nn.Sequential(*(StepUp(channels // 2**step) for step in range(steps)))
        # No norm here: it would take away a frame's own level, which disparity is about.
        self.leave = nn.Sequential(nn.SiLU(), nn.Conv2d(last, 1, 3, padding=1))

    def forward(self, latents: Float[Tensor, "b t d y x"]) -> Float[Tensor, "b t h w"]:
        """Around [0, 1], not clamped."""
        frames = latents.shape[1]
        hidden = self.enter(latents.flatten(0, 1))
        for block in self.blocks:
            hidden = block(hidden, frames)
        return self.leave(self.steps(hidden))[:, 0].unflatten(0, latents.shape[:2])

    def decode(self, vae, latents):
        return self(latents.to(self.enter.weight)).to(latents)

    def require_fit(self, codec: Codec) -> None:
        wanted, found = (codec.depth_channels, codec.factor), (self.latent_channels, self.factor)
        if found != wanted:
            expected = f"{wanted[0]} latent channels and a factor of {wanted[1]}, which the net's codec has"
            fix = "choose a net with a temporal VAE, or correct the sizes"
            raise InputError("decoder", expected=expected, found=f"{found[0]} and {found[1]}", fix=fix)


class SpaceTimeBlock(nn.Module):
    """Two convolutions in space, one over three frames, and the input added."""

    def __init__(self, channels: int):
        super().__init__()
        spatial = [(*_norm_act(channels), nn.Conv2d(channels, channels, 3, padding=1)) for _ in range(2)]
        self.space = nn.Sequential(*(layer for layers in spatial for layer in layers), *_norm_act(channels))
        self.time = nn.Conv2d(channels, channels, (3, 1), padding=(1, 0))  # rows are frames, columns are cells

    def forward(self, hidden: Float[Tensor, "bt c y x"], frames: int) -> Float[Tensor, "bt c y x"]:
        rows = rearrange(self.space(hidden), "(b t) c y x -> b c t (y x)", t=frames)
        return hidden + rearrange(self.time(rows), "b c t (y x) -> (b t) c y x", y=hidden.shape[-2])


class StepUp(nn.Module):
    """Twice the resolution with half the channels, and a residual convolution there."""

    def __init__(self, channels: int):
        super().__init__()
        half = channels // 2
        self.widen = nn.Sequential(nn.Conv2d(channels, 4 * half, 3, padding=1), nn.PixelShuffle(2))
        self.refine = nn.Sequential(*_norm_act(half), nn.Conv2d(half, half, 3, padding=1))

    def forward(self, hidden: Float[Tensor, "bt c y x"]) -> Float[Tensor, "bt d v u"]:
        wide = self.widen(hidden)
        return wide + self.refine(wide)


def _norm_act(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.GroupNorm(GROUPS, channels), nn.SiLU()

"""Zero123++ (arXiv 2310.15110), six views of an object from one, from its published folder."""

import json
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.models.attention_processor import AttnProcessor2_0
from diffusers.schedulers.scheduling_euler_ancestral_discrete import EulerAncestralDiscreteScheduler
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from turnaround.nets.architecture import announce, dtype_of
from turnaround.nets.codec import encode_modes
from turnaround.nets.inpaint import ImageUNet
from turnaround.nets.object_prior import FixedViews
from turnaround.nets.sd_parts import (
    MODEL_INDEX,
    empty_text,
    load_unet,
    load_vae,
    patterns,
    read_scheduler,
    require_channels,
    require_pipeline,
    require_tokens,
)
from turnaround.nets.vae_picture_codec import KlVae
from turnaround.nets.weights import Part, load_part, published_folder, read_json
from turnaround.types import InputError, WeightsNotice

LICENCE = "CC BY-NC 4.0: no commercial use"
ROWS, COLUMNS = 3, 2  # of the picture that holds the views
LATENT_SHIFT, LATENT_SCALE = 0.22, 0.75  # of the VAE's latents to those that are denoised
CONTRAST = 0.5 / 0.8  # of what is encoded, which is decoded with the inverse
PARTS = (
    "unet",
    "vae",
    "text_encoder",
    "tokenizer",
    "vision_encoder",
    "feature_extractor_clip",
    "feature_extractor_vae",
)


class Remembering(AttnProcessor2_0):
    """A self-attention that keeps what it was given. kept: by the layer's name."""

    def __init__(self, kept: dict[str, Tensor], name: str):
        super().__init__()
        self.kept, self.name = kept, name

    def __call__(self, attn, hidden_states, *rest, **more):
        self.kept[self.name] = hidden_states
        return super().__call__(attn, hidden_states, *rest, **more)


class Reminded(AttnProcessor2_0):
    """A self-attention that attends to what was kept, too."""

    def __init__(self, kept: dict[str, Tensor], name: str):
        super().__init__()
        self.kept, self.name = kept, name

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, *rest, **more):
        both = torch.cat([hidden_states, self.kept[self.name]], dim=1)
        return super().__call__(attn, hidden_states, both, *rest, **more)


class Zero123Plus(FixedViews):
    """The released sampling: at each step the UNet sees the picture with as much noise as its views have, and its
    self-attentions attend to that picture too; cross-attention is to the empty text plus the picture's CLIP embedding,
    ramped over the tokens. Guidance is away from a grey picture without it.

    One difference: latents of the picture are the mode of the encoder, which the release draws from. side: pixels of a
    view. steps: of the scheduler. guidance: 1 for none.
    """

    count = ROWS * COLUMNS

    def __init__(
        self,
        *,
        unet: ImageUNet,
        vae: KlVae,
        encoder: CLIPVisionModelWithProjection,
        processors: tuple[Any, Any],
        text: Float[Tensor, "n k"],
        ramp: Float[Tensor, " n"],
        scheduler: Any,
        side: int,
        steps: int,
        guidance: float,
        weights: tuple[WeightsNotice, ...],
    ):
        super().__init__(side=side, weights=weights)
        self.unet, self.vae, self.encoder = unet, vae, encoder
        self._processors, self._scheduler = processors, scheduler
        self.register_buffer("text", text)
        self.register_buffer("ramp", ramp)
        self.steps, self.guidance = steps, guidance
        settings = [dict(scheduler.config), *(each.to_dict() for each in processors)]
        self.processing = json.dumps(settings, sort_keys=True, default=str)
        self.factor = 2 ** (len(vae.config["block_out_channels"]) - 1)
        multiple = self.factor * 2 ** (len(unet.config["block_out_channels"]) - 1)
        if side < 1 or (ROWS * side) % multiple or (COLUMNS * side) % multiple:
            expected, fix = f"{ROWS} and {COLUMNS} views that are multiples of {multiple} pixels", "correct prior.side"
            raise InputError("side", expected=expected, found=f"views of {side} pixels", fix=fix)

    def views(self, square, generator):
        picture, tokens = self._picture(square), self._tokens(square)
        scheduler = self._scheduler
        scheduler.set_timesteps(self.steps, device=square.device)
        shape = (
            1,
            self.vae.config["latent_channels"],
            ROWS * self.side // self.factor,
            COLUMNS * self.side // self.factor,
        )
        latents = torch.randn(shape, generator=generator).to(picture) * scheduler.init_noise_sigma
        for step in scheduler.timesteps:
            noise = torch.randn(picture.shape, generator=generator).to(picture)
            noisy = scheduler.scale_model_input(scheduler.add_noise(picture, noise, step[None]), step)
            inputs = scheduler.scale_model_input(latents, step).expand(len(picture), -1, -1, -1)
            free, told = self._beside(noisy, inputs, step, tokens).split(1)
            raw = free + self.guidance * (told - free)
            latents = scheduler.step(raw, step, latents, generator=generator).prev_sample
        return apart(self._decoded(latents)[0])

    def _picture(self, square: Float[Tensor, "3 s s"]) -> Float[Tensor, "2 c y x"]:
        """Latents without and with the picture."""
        contrasted = self._processed(self._processors[1], square)
        both = torch.cat([torch.zeros_like(contrasted), contrasted]) / 2 + 0.5  # [0, 1] is what `encode_modes` takes
        return encode_modes(self.vae, both[None], None)[0]

    def _tokens(self, square: Float[Tensor, "3 s s"]) -> Float[Tensor, "2 n k"]:
        text, ramp = self.get_buffer("text"), self.get_buffer("ramp")
        pixels = self._processed(self._processors[0], square).to(self.encoder.dtype)
        embedding = self.encoder(pixel_values=pixels).image_embeds.to(text)
        return torch.stack([text, text + ramp[:, None] * embedding])

    def _processed(self, processor: Any, square: Float[Tensor, "3 s s"]) -> Float[Tensor, "1 3 y x"]:
        return processor(images=[square.cpu()], do_rescale=False, return_tensors="pt")["pixel_values"].to(square)

    def _beside(
        self, noisy: Float[Tensor, "2 c v u"], inputs: Float[Tensor, "2 c y x"], step: Tensor, tokens: Tensor
    ) -> Float[Tensor, "2 c y x"]:
        """What the UNet says of the views, beside the picture."""
        dtype, kept = self.unet.dtype, {}
        said = inputs
        for kind, latents in ((Remembering, noisy), (Reminded, inputs)):
            chosen = {
                name: kind(kept, name) if name.endswith("attn1.processor") else AttnProcessor2_0()
                for name in self.unet.attn_processors
            }
            self.unet.set_attn_processor(cast(Any, chosen))
            said = self.unet(latents.to(dtype), step, tokens.to(dtype), return_dict=False)[0]
        return said.to(inputs)

    def _decoded(self, latents: Float[Tensor, "1 c y x"]) -> Float[Tensor, "1 3 h w"]:
        scaled = (latents / LATENT_SCALE + LATENT_SHIFT) / self.vae.config["scaling_factor"]
        decoded: Any = self.vae.decode(scaled.to(self.vae.dtype), return_dict=False)[0]
        return (decoded.float() / CONTRAST / 2 + 0.5).clamp(0, 1)


def apart(sheet: Float[Tensor, "3 h w"]) -> Float[Tensor, "n 3 s s"]:
    """Views, row by row, of the picture that holds them all."""
    return rearrange(sheet, "c (n h) (m w) -> (n m) c h w", n=ROWS, m=COLUMNS)


def load_zero123plus(*, path: str, dtype: str, side: int, steps: int, guidance: float) -> Zero123Plus:
    """path: a folder in the layout of `Zero123PlusPipeline`, or a repository of the hub; the code of that pipeline is
    not run. dtype: float16, bfloat16 or float32. side, steps, guidance: as of `Zero123Plus`.

    Time steps are "trailing", as its publisher recommends. InputError as of `load_part`; another pipeline or scheduler;
    parts of other sizes.
    """
    if steps < 1:
        raise InputError("prior.network.steps", expected="at least 1", found=str(steps), fix="correct it")
    folder = published_folder(path, patterns(*PARTS))
    index = require_pipeline(folder, ("Zero123PlusPipeline",), "give a folder of Zero123++")
    scheduler = read_scheduler(folder, (EulerAncestralDiscreteScheduler,))
    unet, vae = load_unet(folder, dtype_of(dtype)), load_vae(folder, dtype_of(dtype))
    require_channels(folder, unet, (vae.config["latent_channels"],), vae.config["latent_channels"])
    text = empty_text(folder, unet)
    encoder = _vision(folder, dtype_of(dtype))
    require_tokens(folder / "vision_encoder", unet, torch.zeros(1, encoder.config.projection_dim))
    notices = (WeightsNotice(name="Zero123++", source=path, licence=LICENCE),)
    network = Zero123Plus(
        unet=unet,
        vae=vae,
        encoder=encoder,
        processors=(_processor(folder / "feature_extractor_clip"), _processor(folder / "feature_extractor_vae")),
        text=text,
        ramp=_ramp(folder / MODEL_INDEX, index.get("ramping_coefficients"), len(text)),
        scheduler=EulerAncestralDiscreteScheduler.from_config(scheduler.config, timestep_spacing="trailing"),
        side=side,
        steps=steps,
        guidance=guidance,
        weights=notices,
    )
    announce(notices)
    return network.eval()


def _vision(folder: Path, dtype: torch.dtype) -> CLIPVisionModelWithProjection:
    part = Part(
        folder=folder / "vision_encoder",
        classes=["CLIPVisionModelWithProjection"],
        stem="model",
        build=lambda entries: CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(dict(entries))),
    )
    return cast(CLIPVisionModelWithProjection, load_part(part, dtype))


def _ramp(path: Path, found: Any, tokens: int) -> Float[Tensor, " n"]:
    if not isinstance(found, list) or len(found) != tokens or not all(isinstance(x, float | int) for x in found):
        seen, fix = "others" if found else "none", "complete the folder"
        raise InputError(f"{path}: ramping_coefficients", expected=f"{tokens} numbers", found=seen, fix=fix)
    return torch.tensor(found, dtype=torch.float32)


def _processor(folder: Path) -> Any:
    read_json(folder / "preprocessor_config.json")
    try:
        return CLIPImageProcessor.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # transformers raises what the bytes at hand happen to trip
        said = str(error).strip().partition("\n")[0]
        raise InputError(
            folder, expected="an image processor of CLIP", found=said, fix="complete the folder"
        ) from error

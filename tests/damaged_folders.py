"""Published folders with something wrong in them, and what a loader must say of that."""

import json

import pytest
import torch
from published_folders import stable_diffusion

from turnaround.types import InputError

UNET_FILE = "unet/diffusion_pytorch_model.safetensors"


def edit(path, **entries):
    """Other entries in a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def pickled(folder):
    """The UNet's weights as a pickle alone."""
    torch.save({}, folder / "unet" / "diffusion_pytorch_model.bin")
    (folder / UNET_FILE).unlink()


def other_text_encoder(folder):
    """That of the other release."""
    stable_diffusion(release="1.5").text_encoder.save_pretrained(folder / "text_encoder")


def require_refusal(load, folder, damage, named):
    """One line that names what is wrong."""
    damage(folder)
    with pytest.raises(InputError) as refusal:
        load(folder)
    assert named in str(refusal.value)
    assert "\n" not in str(refusal.value)

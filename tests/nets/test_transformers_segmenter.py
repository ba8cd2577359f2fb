import shutil

import numpy as np
import pytest
import torch
from damaged_folders import edit, require_refusal
from PIL import Image
from published_segmenter import NAMES, write_segformer
from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation

from turnaround.nets.transformers_segmenter import load_transformers_segmenter
from turnaround.types import Segmenter


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return write_segformer(tmp_path_factory.mktemp("published") / "segformer")


@pytest.fixture
def own(saved, tmp_path):
    """A folder that a test may damage."""
    return shutil.copytree(saved, tmp_path / "own")


def load(folder, dtype="float32"):
    return load_transformers_segmenter(path=str(folder), dtype=dtype, device="cpu")


def picture():
    """Of whole 8 bit values, as files have them."""
    return torch.randint(0, 256, (3, 48, 70), generator=torch.Generator().manual_seed(3)) / 255


def test_labels_are_those_of_transformers_own_way(saved):
    frame = picture()
    image = Image.fromarray((frame * 255).round().to(torch.uint8).permute(1, 2, 0).numpy().astype(np.uint8))
    processor = AutoImageProcessor.from_pretrained(saved)
    model = AutoModelForSemanticSegmentation.from_pretrained(saved).eval()
    with torch.inference_mode():
        outputs = model(**processor(images=image, return_tensors="pt"))
        expected = processor.post_process_semantic_segmentation(outputs, target_sizes=[(48, 70)])[0]
    found = load(saved).labels(frame)
    assert found.shape == (48, 70)
    assert len(expected.unique()) > 1
    assert (found == expected).float().mean() > 0.98  # theirs rounds to 8 bits after resizing, which moves borders


def test_it_says_what_it_is(saved, capsys):
    found = load(saved)
    assert isinstance(found, Segmenter)
    assert found.classes == NAMES
    assert [(notice.name, notice.licence) for notice in found.weights] == [("segformer", "that of its publisher")]
    assert "that of its publisher" in capsys.readouterr().err


def test_half_precision_gives_labels(saved):
    found = load(saved, "bfloat16").labels(picture())
    assert found.dtype == torch.int64
    assert 0 <= found.min() <= found.max() < len(NAMES)


def test_the_fingerprint_follows_weights_and_processing(saved, own):
    expected = load(saved).fingerprint()
    assert load(own).fingerprint() == expected, "the folder's place decides nothing"
    edit(own / "preprocessor_config.json", image_mean=[0.5, 0.5, 0.5])
    processed = load(own).fingerprint()
    write_segformer(own, seed=1)
    assert len({expected, processed, load(own).fingerprint()}) == 3


DAMAGE = {
    "no config": (lambda d: (d / "config.json").unlink(), "config.json"),
    "another model": (
        lambda d: edit(d / "config.json", architectures=["GLPNForDepthEstimation"]),
        "expected a semantic segmenter of transformers",
    ),
    "no weights": (lambda d: (d / "model.safetensors").unlink(), "model.safetensors"),
    "no processor": (lambda d: (d / "preprocessor_config.json").unlink(), "preprocessor_config.json"),
    "another processor": (
        lambda d: edit(d / "preprocessor_config.json", image_processor_type="CLIPImageProcessor"),
        "found CLIPImageProcessor",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_folder_that_is_not_right_is_refused_by_name(own, name):
    require_refusal(load, own, *DAMAGE[name])

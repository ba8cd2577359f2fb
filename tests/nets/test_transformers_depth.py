import shutil

import numpy as np
import pytest
import torch
from damaged_folders import edit, require_refusal
from PIL import Image
from published_depth import write_depth_anything, write_depth_pro, write_glpn, write_zoedepth
from safetensors.torch import load_file, save_file
from transformers import AutoImageProcessor, AutoModelForDepthEstimation

from turnaround.nets.frame_by_frame import FrameByFrame
from turnaround.nets.transformers_depth import load_transformers_depth
from turnaround.types import DepthKind, InputError, ResumableDepthEstimator

WRITERS = {
    "depth_anything": write_depth_anything,
    "depth_pro": write_depth_pro,
    "glpn": write_glpn,
    "zoedepth": write_zoedepth,
}
KINDS = {"depth_anything": "affine_disparity", "depth_pro": "metric", "glpn": "metric", "zoedepth": "metric"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return {name: write(tmp_path_factory.mktemp("published") / name) for name, write in WRITERS.items()}


@pytest.fixture
def own(saved, tmp_path):
    """A folder that a test may damage."""
    return shutil.copytree(saved["depth_anything"], tmp_path / "own")


def load(folder, kind="affine_disparity", dtype="float32"):
    return load_transformers_depth(path=str(folder), kind=kind, dtype=dtype)


def estimator(folder, kind="affine_disparity"):
    return FrameByFrame(network=load(folder, kind), device="cpu", name="small")


def pictures(count=1, height=48, width=70):
    """Of whole 8 bit values, as files have them."""
    bytes_ = torch.randint(0, 256, (count, 3, height, width), generator=torch.Generator().manual_seed(3))
    return bytes_ / 255


@pytest.mark.parametrize("name", WRITERS)
def test_maps_are_those_of_transformers_own_way(name, saved):
    """A picture of 8 bits through the folder's own image processor and model, and back to its size."""
    (frame,) = pictures()
    picture = Image.fromarray((frame * 255).round().to(torch.uint8).permute(1, 2, 0).numpy().astype(np.uint8))
    processor, model = (kind.from_pretrained(saved[name]) for kind in (AutoImageProcessor, AutoModelForDepthEstimation))
    sizes = {"source_sizes": [(48, 70)]} if name == "zoedepth" else {}
    with torch.inference_mode():
        outputs = model.eval()(**processor(images=picture, return_tensors="pt"))
        expected = processor.post_process_depth_estimation(outputs, target_sizes=[(48, 70)], **sizes)
    (found,) = estimator(saved[name], KINDS[name]).stream(iter([frame]), seed=0)
    expected = expected[0]["predicted_depth"]
    assert found.shape == (48, 70)
    assert expected.std() > 0
    # theirs rounds to 8 bits after resizing: half a level of 255 in each pixel, in a range of about 4 once normalised
    spread = float(expected.max() - expected.min())
    torch.testing.assert_close(found / spread, expected / spread, rtol=0, atol=0.02)


def test_it_says_what_it_is(saved):
    found = estimator(saved["glpn"], "metric")
    assert isinstance(found, ResumableDepthEstimator)
    assert found.kind is DepthKind.METRIC
    assert [(notice.name, notice.licence) for notice in found.weights] == [("glpn", "that of its publisher")]


def test_the_licence_is_the_model_cards(own, capsys):
    (own / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    assert load(own).weights[0].licence == "CC BY-NC 4.0: no commercial use"
    assert "CC BY-NC" in capsys.readouterr().err


def test_a_stopped_video_goes_on_from_its_folder(saved, tmp_path):
    frames = pictures(3)
    whole = list(estimator(saved["depth_anything"]).resume(iter(frames), seed=0, work=tmp_path / "whole"))
    stopped = estimator(saved["depth_anything"]).resume(iter(frames), seed=0, work=tmp_path / "work")
    first = next(stopped)
    stopped.close()
    assert len(list((tmp_path / "work").iterdir())) == 1
    marked = {"values": first + 1}  # so that what is read again can be told from what is made again
    save_file(marked, tmp_path / "work" / "frame_000000.safetensors")
    again = list(estimator(saved["depth_anything"]).resume(iter(frames), seed=0, work=tmp_path / "work"))
    assert torch.equal(again[0], first + 1)
    assert all(torch.equal(found, expected) for found, expected in zip(again[1:], whole[1:], strict=True))


def test_the_fingerprint_follows_weights_and_processing(saved, own):
    expected = estimator(saved["depth_anything"]).fingerprint()
    assert estimator(own).fingerprint() == expected, "the folder's place decides nothing"
    edit(own / "preprocessor_config.json", image_mean=[0.5, 0.5, 0.5])
    processed = estimator(own).fingerprint()
    write_depth_anything(own, seed=1)
    assert len({expected, processed, estimator(own).fingerprint()}) == 3


def test_half_precision_gives_float32(saved):
    network = load(saved["depth_anything"], dtype="bfloat16")
    (found,) = FrameByFrame(network=network, device="cpu", name="half").stream(iter(pictures()), seed=0)
    assert found.dtype == torch.float32
    assert found.isfinite().all()
    assert {tensor.dtype for tensor in network.parameters()} == {torch.bfloat16}


def change(path, act):
    tensors = load_file(path)
    act(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def pickled(folder):
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def set_nan(tensors):
    next(iter(tensors.values())).flatten()[0] = torch.nan


def wider(tensors):
    tensors["head.conv1.weight"] = torch.zeros(4, 9, 3, 3)


WEIGHTS = "model.safetensors"
DAMAGE = {
    "no config": (lambda d: (d / "config.json").unlink(), "config.json"),
    "another model": (lambda d: edit(d / "config.json", architectures=["BertModel"]), "found BertModel"),
    "code of its own": (
        lambda d: edit(d / "config.json", model_type="mine", auto_map={"AutoConfig": "mine.Config"}),
        "expected a depth model of transformers",
    ),
    "weights from elsewhere": (
        lambda d: edit(d / "config.json", use_pretrained_backbone=True),
        "use_pretrained_backbone: expected none",
    ),
    "pickle alone": (pickled, "which may run code when it is read"),
    "no weights": (lambda d: (d / WEIGHTS).unlink(), WEIGHTS),
    "a key less": (lambda d: change(d / WEIGHTS, lambda t: t.pop("head.conv1.weight")), "head.conv1.weight"),
    "other channels": (lambda d: change(d / WEIGHTS, wider), "head.conv1.weight"),
    "NaN": (lambda d: change(d / WEIGHTS, set_nan), "finite weights"),
    "torn": (lambda d: (d / WEIGHTS).write_bytes(b"\0" * 9), "expected a config and weights"),
    "no processor": (lambda d: (d / "preprocessor_config.json").unlink(), "preprocessor_config.json"),
    "another processor": (
        lambda d: edit(d / "preprocessor_config.json", image_processor_type="CLIPImageProcessor"),
        "found CLIPImageProcessor",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_folder_that_is_not_right_is_refused_by_name(own, name):
    require_refusal(load, own, *DAMAGE[name])


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        load(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("depth_anything", "metric", "affine_disparity, as the model says"),
        ("glpn", "affine_disparity", "metric, as the model says"),
        ("depth_anything", "deep", "found deep"),
    ],
)
def test_a_kind_that_is_not_the_models_is_refused(saved, name, kind, message):
    with pytest.raises(InputError, match=message):
        load(saved[name], kind)


def test_depth_anything_may_be_metric(tmp_path):
    folder = write_depth_anything(tmp_path, metric=True)
    assert load(folder, "metric").kind is DepthKind.METRIC
    with pytest.raises(InputError, match="metric, as the model says"):
        load(folder)

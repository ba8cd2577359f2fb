"""Every shipped layout of stereo videos and every shipped crop composes and builds."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from turnaround.geometry.lenses import half_sphere_lens, perspective_lens
from turnaround.io.stereo_layout import Arrangement, StereoLayout
from turnaround.pipelines.mine.crops import Crops, OfficialCrops, OnePassCrops
from turnaround.run.build import build_value
from turnaround.types import PerspectiveLens

CONFIGS = Path(__file__).parents[1] / "configs"


def composed(group, name, *overrides):
    assert (CONFIGS / group / f"{name}.yaml").read_text().startswith("# "), "what it is"
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose("run", [f"+{group}={name}", *overrides])[group]


def built(group, name, *overrides):
    return build_value(OmegaConf.to_container(composed(group, name, *overrides)), group)


def test_there_are_no_others():
    assert {path.stem for path in (CONFIGS / "stereo").iterdir()} == {"auto", "vr180", "side_by_side", "top_bottom"}
    assert {path.stem for path in (CONFIGS / "crops").iterdir()} == {"one_pass", "official", "small"}


def test_layouts_build():
    auto, vr180, on_top = (built("stereo", name) for name in ("auto", "vr180", "top_bottom"))
    flat = built("stereo", "side_by_side", "stereo.view.horizontal_fov_deg=60.0", "stereo.swapped=true")
    for stereo in (auto, vr180, on_top, flat):
        assert isinstance(stereo, StereoLayout)
        assert (stereo.least_height, stereo.samples) == (256, 3)
    assert (auto.arrangement, auto.view, auto.swapped) == (None, None, False)
    assert vr180.arrangement is Arrangement.SIDE_BY_SIDE
    assert vr180.view.lens(10, 12) == half_sphere_lens(10, 12)
    assert (on_top.arrangement, on_top.view) == (Arrangement.TOP_BOTTOM, None)
    assert flat.swapped
    lens = flat.view.lens(512, 512)
    assert isinstance(lens, PerspectiveLens)
    assert lens.intrinsics.equal(perspective_lens(512, 60.0).intrinsics)


def test_a_flat_view_must_be_stated():
    assert OmegaConf.missing_keys(composed("stereo", "side_by_side")) == {"stereo.view.horizontal_fov_deg"}


@pytest.mark.parametrize(
    ("name", "kind", "focal"),
    [("one_pass", OnePassCrops, 443.405), ("small", OnePassCrops, 277.128), ("official", OfficialCrops, 443.405)],
)
def test_crops_build(name, kind, focal):
    crops = built("crops", name)
    assert isinstance(crops, Crops)
    assert isinstance(crops, kind)
    assert float(crops.lens.intrinsics[0, 0]) == pytest.approx(focal, abs=5e-4)

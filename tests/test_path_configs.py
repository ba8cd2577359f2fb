"""Every shipped camera path builds and begins at the picture."""

from pathlib import Path

import pytest
import torch
import yaml
from picture_cameras import ahead, held_askew

from turnaround.geometry.camera_path import CameraPath, Turntable
from turnaround.io.camera_path import FilmedPath, write_camera_path
from turnaround.run.build import build_value

PATHS = Path(__file__).parents[1] / "configs" / "path"
CLOSED = {"turntable", "wobble", "spiral", "imported"}


@pytest.mark.parametrize("name", sorted(path.stem for path in PATHS.glob("*.yaml")))
def test_a_shipped_path_builds(name, tmp_path):
    text = (PATHS / f"{name}.yaml").read_text()
    assert text.startswith("# "), "what it shows"
    config = yaml.safe_load(text)
    if name == "imported":
        assert config["file"] == "???"
        turn = Turntable(frames=120, turns=1).cameras(held_askew(), ahead(2.0))
        config["file"] = str(tmp_path / "path.json")
        write_camera_path(Path(config["file"]), FilmedPath(cameras=turn, fps=24.0, closed=True))
    path = build_value(config, "path")
    assert isinstance(path, CameraPath)
    assert path.closed == (name in CLOSED)
    assert path.frames == 120
    cameras = path.cameras(held_askew(), ahead(2.0))
    assert len(cameras) == 120
    assert torch.equal(cameras.world_from_cam[:1], held_askew().world_from_cam)
    assert not torch.equal(cameras.world_from_cam[60], held_askew().world_from_cam[0])

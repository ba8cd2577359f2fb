"""Gaussians of a small orbit: where they begin, how they are stored, and that they ask for a GPU in one line."""

import math

import pytest
import torch
from small_orbits import SETTING, small_orbit

from turnaround.io.gaussians import Gaussians, read_gaussians, write_gaussians
from turnaround.io.ply import read_ply, write_ply
from turnaround.pipelines.orbit.exports.export import Exports, Finished
from turnaround.pipelines.orbit.exports.gaussians import FIELDS, GaussianPly
from turnaround.types import InputError


@pytest.fixture(scope="module")
def finished():
    orbit, cache = small_orbit()
    return Finished(orbit=orbit, cache=cache, setting=SETTING)


def export(**settings):
    rates = dict.fromkeys(FIELDS, 0.01)
    return GaussianPly(
        **({"most": 10**6, "steps": 1, "opacity": 0.75, "ssim": 0.2, "rates": rates, "seed": 0} | settings)
    )


def some(count=7):
    random = torch.Generator().manual_seed(0)
    return Gaussians(
        means=torch.randn(count, 3, generator=random),
        colors=torch.rand(count, 3, generator=random),
        logits=torch.randn(count, generator=random),
        log_scales=torch.randn(count, 3, generator=random),
        quaternions=3 * torch.randn(count, 4, generator=random),
    )


def test_they_come_back_as_they_were(tmp_path):
    given = some()
    write_gaussians(tmp_path / "gaussians.ply", given)
    read = read_gaussians(tmp_path / "gaussians.ply")
    for name in ("means", "logits", "log_scales"):
        assert torch.equal(getattr(read, name), getattr(given, name))
    torch.testing.assert_close(read.colors, given.colors)  # float32, there and back by a factor
    torch.testing.assert_close(read.quaternions, given.quaternions / given.quaternions.norm(dim=1, keepdim=True))


def test_the_layout_is_that_of_3dgs(tmp_path):
    """By hand: white is (1 - 0.5) / 0.28209479, an opacity of 0.75 has the logit ln 3, and 2 metres are ln 2."""
    one = Gaussians.at_points(torch.tensor([[1.0, 2.0, 3.0]]), torch.ones(1, 3), torch.tensor([2.0]), 0.75)
    write_gaussians(tmp_path / "gaussians.ply", one)
    header = (tmp_path / "gaussians.ply").read_bytes().split(b"end_header")[0].decode().splitlines()
    names = [line.split()[-1] for line in header if line.startswith("property float")]
    rest = ["opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
    assert names == ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", *rest]
    stored = read_ply(tmp_path / "gaussians.ply")
    values = [float(stored.attributes[name][0]) for name in ("f_dc_0", "opacity", "scale_2", "rot_0", "rot_3", "nx")]
    assert values == pytest.approx([0.5 / 0.28209479177387814, math.log(3), math.log(2), 1, 0, 0])
    assert [*one.opacities.tolist(), *one.scales[0].tolist()] == pytest.approx([0.75, 2.0, 2.0, 2.0])


def test_they_begin_as_the_points_of_the_scene(finished):
    cloud, begun = finished.cloud, export().initial(finished)
    assert torch.equal(begun.means, cloud.points)
    assert torch.equal((begun.colors * 255).round().byte(), cloud.colors)
    # The wall is 8 metres away, at a focal length of 64 pixels: half a pixel is 1 / 16 metre.
    far = cloud.points[:, 2] > 7.9
    torch.testing.assert_close(
        begun.scales[far & (cloud.step == 0)], torch.tensor(1 / 16).expand(int((far & (cloud.step == 0)).sum()), 3)
    )
    fewer = export(most=len(cloud.points) // 4).initial(finished)
    assert len(fewer.means) == len(cloud.points) // 4
    ratio = len(cloud.points) / len(fewer.means)
    assert float(fewer.scales[0, 0] / begun.scales[0, 0]) == pytest.approx(ratio**0.5)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has what is asked for")
def test_without_a_gpu_it_is_refused_before_any_work(tmp_path, finished):
    exports = Exports(files={"gaussians": export()})
    with pytest.raises(InputError, match=r"gaussians\.ply: expected gsplat and an NVIDIA GPU, found no"):
        exports.require_apart(tmp_path / "photo.png", tmp_path / "out")
    with pytest.raises(InputError, match="expected gsplat"):
        exports.write(tmp_path, finished.orbit, finished.cache, SETTING)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.gpu
def test_a_fit_comes_nearer_to_the_frames(tmp_path, finished):
    pytest.importorskip("gsplat")
    from turnaround.pipelines.orbit.exports.gaussians import rasterized

    def error(steps):
        export(steps=steps).write(tmp_path, finished)
        read = read_gaussians(tmp_path / "gaussians.ply")
        held = Gaussians(**{name: getattr(read, name).cuda() for name in FIELDS})
        shown = rasterized(held, finished.orbit.cameras.at(3)).cpu()
        return float((shown - finished.orbit.video[3]).abs().mean())

    assert error(200) < 0.7 * error(0)


def test_what_is_not_finite_or_no_gaussian_is_refused(tmp_path):
    broken = some()
    broken.logits[2] = math.nan
    with pytest.raises(InputError, match="expected finite Gaussians"):
        write_gaussians(tmp_path / "gaussians.ply", broken)
    write_ply(tmp_path / "points.ply", torch.zeros(3, 3))
    with pytest.raises(InputError, match="expected Gaussians, found no f_dc_0"):
        read_gaussians(tmp_path / "points.ply")
    with pytest.raises(InputError, match="rates: expected means, colors"):
        export(rates={"means": 0.1})
    with pytest.raises(InputError, match="opacity inside"):
        export(opacity=1.0)

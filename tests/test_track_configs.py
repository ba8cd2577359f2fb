"""Every shipped config of trackers, queries and semantics builds."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf
from published_segmenter import write_segformer

from turnaround.geometry.lucas_kanade import LucasKanade
from turnaround.pipelines.mine.drift import BySemantics, ByTexture
from turnaround.pipelines.mine.queries import QueryGrid
from turnaround.run.build import build_value
from turnaround.types import InputError, PointTracker

CONFIGS = Path(__file__).parents[1] / "configs"


def built(group, name, **settings):
    config = OmegaConf.merge(OmegaConf.load(CONFIGS / group / f"{name}.yaml"), settings)
    return build_value(OmegaConf.to_container(config), group)


def test_the_embedded_tracker_builds():
    assert isinstance(built("tracker", "lucas_kanade"), LucasKanade)
    assert isinstance(built("tracker", "lucas_kanade"), PointTracker)


@pytest.mark.parametrize("name", ["tapir", "cotracker"])
def test_a_tracker_whose_package_is_absent_says_how_to_install_it(name):
    try:
        __import__({"tapir": "tapnet.torch", "cotracker": "cotracker.predictor"}[name])
    except ImportError:
        with pytest.raises(InputError, match=r"pip install"):
            built("tracker", name, path="none.pt")
    else:
        pytest.skip("the package is installed")


def test_queries_are_those_of_the_paper():
    grid = built("queries", "grid")
    assert isinstance(grid, QueryGrid)
    assert (grid.every, grid.stride, grid.jitter, grid.apart) == (10, 4, 2.0, 1.0)


def test_semantics_build(tmp_path):
    assert isinstance(built("semantics", "none"), ByTexture)
    folder = write_segformer(tmp_path)
    found = built("semantics", "transformers", segmenter={"path": str(folder)})
    assert isinstance(found, BySemantics)
    static = [found.segmenter.classes[number] for number in found.static]
    assert static == ["wall", "road, route", "earth, ground", "sidewalk, pavement", "building"]

"""What the oracle says of sampled worlds, once for all tests of scenes."""

import pytest
from observed_worlds import MOVING_SEEDS, STILL_SEEDS, sample

from turnaround.scenes.observe import observe


@pytest.fixture(scope="session")
def still():
    return {seed: (scene := sample(seed, moving=0.0), observe(scene, samples=1)) for seed in STILL_SEEDS}


@pytest.fixture(scope="session")
def moving():
    return {seed: (scene := sample(seed, moving=1.0), observe(scene, samples=1)) for seed in MOVING_SEEDS}


@pytest.fixture(scope="session")
def all_worlds(still, moving):
    return [*still.values(), *moving.values()]

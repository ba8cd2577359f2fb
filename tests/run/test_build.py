"""Configs to objects: the constructor is the schema."""

import sys
import textwrap

import pytest
from omegaconf import OmegaConf

from turnaround.run.build import build
from turnaround.types import InputError

MODULE = """
from turnaround.types import InputError

built = []

class Layer:
    def __init__(self, *, width, depth=2):
        built.append(self)
        if width == 13:
            raise InputError("net.width", expected="luck", found="13", fix="take 12")
        if width < 0:
            raise ValueError("width must not be negative")
        if width == 99:
            raise RuntimeError("a bug")
        self.width, self.depth = width, depth

class User:
    def __init__(self, *, network, rate):
        self.network, self.rate = network, rate

class Root:
    def __init__(self, *, user, net, steps):
        self.user, self.net, self.steps = user, net, steps

class Frugal:
    def __init__(self, *, user):
        self.user = user
"""

CONFIG = """
_target_: parts_of_a_root.Root
_convert_: all
out: null
seed: 1
steps: [1, 2]
settings: {rate: 0.5, unused: 1}
net: {_target_: parts_of_a_root.Layer, width: 8}
user: {_target_: parts_of_a_root.User, network: "${net}", rate: "${settings.rate}"}
"""


@pytest.fixture
def parts(tmp_path, monkeypatch):
    (tmp_path / "parts_of_a_root.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.syspath_prepend(tmp_path)
    import parts_of_a_root

    yield parts_of_a_root
    del sys.modules["parts_of_a_root"]


def config(**changes):
    changed = OmegaConf.create(CONFIG)
    for key, value in changes.items():
        OmegaConf.update(changed, key.replace("__", "."), value, force_add=True)
    return changed


def test_what_others_interpolate_is_built_once_where_it_is_used(parts):
    root = build(config())
    assert len(parts.built) == 1
    assert root.user.network is parts.built[0]
    assert root.net == {"_target_": "parts_of_a_root.Layer", "width": 8}
    assert (root.steps, root.user.rate) == ([1, 2], 0.5)
    assert type(root.steps) is list


def test_a_root_goes_without_shared_keys_it_does_not_name(parts):
    given = config(_target_="parts_of_a_root.Frugal")
    del given["steps"]
    assert build(given).user.network.width == 8


@pytest.mark.parametrize(
    ("changes", "subject", "said"),
    [
        ({"stepz": 3}, "stepz", "an unknown key"),
        ({"user__raet": 3}, "user.raet", "did you mean rate?"),
        ({"net__dept": 3}, "net.dept", "did you mean depth?"),
        ({"steps": "???"}, "steps", "give steps=VALUE"),
        ({"settings__rate": "???"}, "settings.rate", "give settings.rate=VALUE"),
        ({"_target_": "parts_of_a_root.Rot"}, "_target_", "no attribute 'Rot'"),
        ({"net___target_": "no_such_module.Layer"}, "net._target_", "no module named no_such_module"),
        ({"net__width": 13}, "net.width", "take 12"),
        ({"net__width": -1}, "user", "width must not be negative"),
    ],
)
def test_bad_configs_are_refused_with_the_key(parts, changes, subject, said):
    with pytest.raises(InputError) as caught:
        build(config(**changes))
    assert caught.value.subject == subject
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_argument_is_named(parts):
    given = config()
    del given.user["network"]
    with pytest.raises(InputError, match=r"user\.network: expected a value, found none; User needs it"):
        build(given)


def test_misspelt_keys_are_found_before_anything_is_built(parts):
    with pytest.raises(InputError):
        build(config(user__raet=3))
    assert parts.built == []


def test_a_bug_in_a_constructor_stays_a_bug(parts):
    with pytest.raises(Exception, match="a bug") as caught:
        build(config(net__width=99))
    assert not isinstance(caught.value, InputError)


def test_a_missing_package_is_named(parts, tmp_path):
    (tmp_path / "needs_more.py").write_text("import package_that_is_not_there\n")
    with pytest.raises(InputError, match="package_that_is_not_there"):
        build(config(_target_="needs_more.Thing"))


def test_parts_are_there_for_others_and_nobody_needs_them(parts):
    config = OmegaConf.create(CONFIG.replace("parts_of_a_root.Root", "parts_of_a_root.Frugal"))
    config.user = {"_target_": "parts_of_a_root.Layer", "width": 8}
    for key in ("steps", "settings"):
        del config[key]
    with pytest.raises(InputError, match=r"^net: expected a key of Frugal"):
        build(config)
    config["_parts_"] = ["net", "absent"]
    assert build(config).user.width == 8
    assert len(parts.built) == 1, "a part that nobody uses is not built"
    config.net.widht = 9
    with pytest.raises(InputError, match=r"^net\.widht: expected a key of Layer"):
        build(config)

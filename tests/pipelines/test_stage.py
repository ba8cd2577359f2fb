import pytest
import torch

from turnaround.pipelines.stage import Stages


class Counted:
    """A stage that counts its runs."""

    def __init__(self, value):
        self.value, self.runs = value, 0

    def __call__(self):
        self.runs += 1
        return {"value": torch.tensor(self.value)}


def test_what_lies_there_is_not_made_again(tmp_path):
    made = Counted(3.0)
    first = Stages(tmp_path).run("one", made, inputs=[], settings="a")
    again = Stages(tmp_path).run("one", made, inputs=[], settings="a")
    assert made.runs == 1
    assert (again.key, again.tensors["value"].item()) == (first.key, 3.0)


@pytest.mark.parametrize("change", ["name", "settings", "inputs"])
def test_all_that_decides_it_makes_it_anew(tmp_path, change):
    stages, made = Stages(tmp_path), Counted(1.0)
    other = stages.run("before", Counted(2.0), inputs=[], settings=0)
    plain = {"name": "one", "settings": (1, 2.5), "inputs": []}
    others = {"name": "two", "settings": (1, 2.6), "inputs": [other]}
    for each in (plain, plain, plain | {change: others[change]}):
        stages.run(each["name"], made, inputs=each["inputs"], settings=each["settings"])
    assert made.runs == 2


def test_a_change_reaches_what_follows_and_nothing_before(tmp_path):
    def chain(setting):
        stages = Stages(tmp_path)
        first = stages.run("first", parts[0], inputs=[], settings="same")
        second = stages.run("second", parts[1], inputs=[first], settings=setting)
        stages.run("third", parts[2], inputs=[second], settings="same")
        stages.forget_others()
        return sorted(file.name.partition("-")[0] for file in tmp_path.iterdir())

    parts = [Counted(1.0), Counted(2.0), Counted(3.0)]
    assert chain("a") == chain("b") == ["first", "second", "third"]  # of other settings nothing is left
    assert [part.runs for part in parts] == [1, 2, 2]


def test_a_stage_that_fails_leaves_nothing(tmp_path):
    def fails():
        raise RuntimeError("no")

    stages = Stages(tmp_path)
    with pytest.raises(RuntimeError):
        stages.run("one", fails, inputs=[], settings=0)
    assert not list(tmp_path.iterdir())

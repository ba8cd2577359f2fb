"""A project with jobs that end well, badly or not at all."""

JOBS = """
import ctypes, os, subprocess, sys, time
from pathlib import Path
import torch
from turnaround.types import InputError

class Net:
    def __init__(self, *, width):
        self.weight = torch.rand(width)

class Job:
    def __init__(self, *, net, behaviour, seed=None, size=1):
        Path("constructed").touch()
        self.net, self.behaviour = net, behaviour
        self.facts = {"weights": [{"name": "w", "source": "here", "licence": "MIT"}]}

    def run(self, out):
        return getattr(self, self.behaviour)(out)

    def well(self, out):
        (out / "result.txt").write_text("result")
        return {"score": float(self.net.weight[0]), "undefined": float("nan"), "none": None}

    def loud(self, out):
        print("from python")
        sys.stdout.write("from sys.stdout\\\\n")
        os.write(1, b"from the descriptor\\\\n")
        ctypes.CDLL(None).printf(b"from C\\\\n")
        subprocess.run(["echo", "from a child"], check=True)
        return {}

    def refuse(self, out):
        raise InputError("picture.png", expected="a picture", found="text", fix="give another")

    def refuse_late(self, out):
        (out / "result.txt").write_text("half")
        self.refuse(out)

    def full(self, out):
        with open("/dev/full", "w") as file:
            file.write("x")

    def bug(self, out):
        raise RuntimeError("a bug")

    def interrupted(self, out):
        raise KeyboardInterrupt

    def slow(self, out):
        (Path("started")).touch()
        time.sleep(60)
""".replace("\\\\", "\\")


CONFIG = """
defaults: [{net: small}, _self_]
_target_: jobs_of_a_test.Job
_convert_: all
out: null
seed: 1
behaviour: well
size: 1
"""


def written(project):
    ours = {"configs", "jobs_of_a_test.py", "__pycache__", "constructed"}
    return sorted(path.name for path in project.iterdir() if path.name not in ours)

"""Units on processes: results, failures, deaths, and one thread each."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from turnaround.pipelines.mine.executor import DIED, Failure, LocalExecutor, RayExecutor, SerialExecutor
from turnaround.types import InputError


def twice(number: int) -> int:
    return 2 * number


def threads(_: int) -> int:
    return torch.get_num_threads()


def refusing(number: int) -> int:
    if number == 1:
        raise InputError("unit", expected="another number", found="1", fix="skip it")
    if number == 2:
        raise ValueError("not\nthis")
    return number


def deadly(number: int) -> int:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def note_and_wait(folder: str) -> None:
    (Path(folder) / f"{os.getpid()}").touch()
    time.sleep(600)


def test_serial_results_come_in_order_on_one_thread():
    assert list(SerialExecutor().run(twice, [3, 4])) == [(0, 6), (1, 8)]
    assert list(SerialExecutor().run(threads, [0])) == [(0, 1)]


def test_an_error_is_its_unit_s_alone():
    results = dict(SerialExecutor().run(refusing, [0, 1, 2, 3]))
    assert results[0] == 0
    assert results[3] == 3
    assert results[1] == Failure(error="unit: expected another number, found 1; skip it")
    assert results[2] == Failure(error="ValueError: not this")


@pytest.mark.slow
def test_processes_give_what_one_after_another_gives():
    units = [0, 1, 2, 3]
    assert dict(LocalExecutor(workers=2).run(refusing, units)) == dict(SerialExecutor().run(refusing, units))
    assert dict(LocalExecutor(workers=2).run(threads, [0, 0])) == {0: 1, 1: 1}


@pytest.mark.slow
def test_a_unit_that_kills_its_process_fails_and_the_others_are_done():
    assert dict(LocalExecutor(workers=2).run(deadly, [0, 1, 2, 3])) == {0: 0, 1: Failure(error=DIED), 2: 2, 3: 3}


@pytest.mark.slow
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path):
    script = (
        "from turnaround.pipelines.mine.executor import LocalExecutor\n"
        "from test_mine_executor import note_and_wait\n"
        "if __name__ == '__main__':\n"
        f"    list(LocalExecutor(workers=1).run(note_and_wait, [{str(tmp_path)!r}]))\n"
    )
    (tmp_path / "run.py").write_text(script)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    parent = subprocess.Popen([sys.executable, tmp_path / "run.py"], env=environment)
    worker = None
    while worker is None and parent.poll() is None:
        worker = next((int(path.name) for path in tmp_path.iterdir() if path.name.isdecimal()), None)
        time.sleep(0.1)
    assert worker is not None
    parent.kill()
    parent.wait()
    for _ in range(100):
        if not _runs(worker):
            return
        time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker outlived its parent by ten seconds")


@pytest.mark.slow
def test_ray_gives_the_same_results():
    pytest.importorskip("ray", reason="needs the extra `ray`")
    units = [0, 1, 2, 3]
    try:
        given = dict(RayExecutor(address="local", ahead=2).run(refusing, units))
        assert given == dict(SerialExecutor().run(refusing, units))
    finally:
        import ray

        ray.shutdown()


def _runs(process: int) -> bool:
    """A process that ended and was not waited for, as an orphan's may be in a container, does not run."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"

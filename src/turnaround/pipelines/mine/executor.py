"""Where units of work run: in this process, in processes of this machine, or on a Ray cluster.

A unit is a picklable value, its function a picklable callable that writes whole files and returns a small result. Each
runs on one thread, so that sums are taken in the same order wherever it runs.
"""

import logging
import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait as wait_for
from threading import Thread
from typing import TypeVar

import cv2
import torch

from turnaround.types import InputError

U = TypeVar("U")
R = TypeVar("R")

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
DIED = "the process that worked on it died, as where memory runs out"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """In the place of a unit's result: the error in one line."""

    error: str


class Executor(ABC):
    """Runs a function on units; results come as they are ready, each with the number of its unit. An exception of the
    function, or the death of its process, is a `Failure` of its unit and stops no other."""

    @abstractmethod
    def run(self, function: Callable[[U], R], units: Sequence[U]) -> Iterator[tuple[int, R | Failure]]: ...


class SerialExecutor(Executor):
    """One after another, in this process."""

    def run(self, function, units):
        with one_thread():
            for number, unit in enumerate(units):
                yield number, _result(function, unit)


@dataclass(frozen=True, kw_only=True)
class LocalExecutor(Executor):
    """In `workers` processes of this machine. They end with this one, however it ends."""

    workers: int

    def __post_init__(self):
        if self.workers < 1:
            raise InputError("executor.workers", expected="at least 1", found=str(self.workers), fix="give more")

    def run(self, function, units):
        """Units that were being worked on when a process died run again, each in a pool of its own: one that kills that
        again has failed."""
        suspects: list[int] = []
        waiting = deque(range(len(units)))
        while waiting:
            yield from self._pooled(function, units, waiting, self.workers, suspects)
            for number in suspects:
                again: list[int] = []
                yield from self._pooled(function, units, deque([number]), 1, again)
                if again:
                    yield number, Failure(error=DIED)
            suspects.clear()

    def _pooled(
        self, function: Callable[[U], R], units: Sequence[U], waiting: deque[int], workers: int, suspects: list[int]
    ) -> Iterator[tuple[int, R | Failure]]:
        """Until nothing waits, or a process dies; what was begun then is in `suspects`."""
        begun: dict[Future, int] = {}
        with _single_threaded(), _pool(min(workers, len(waiting))) as pool:
            try:
                while waiting or begun:
                    while waiting and len(begun) < workers:
                        begun[pool.submit(_result, function, units[waiting[0]])] = waiting[0]
                        waiting.popleft()
                    for done in wait(begun, return_when=FIRST_COMPLETED).done:
                        result = done.result()
                        yield begun.pop(done), result
            except BrokenProcessPool:
                suspects.extend(begun.values())


@dataclass(frozen=True, kw_only=True)
class RayExecutor(Executor):
    """On a Ray cluster (extra `ray`), whose machines see the same folders.

    address: as of `ray.init`; null starts one on this machine, or takes that of RAY_ADDRESS. ahead: units that are
    submitted at most and not done.
    """

    address: str | None
    ahead: int

    def __post_init__(self):
        if find_spec("ray") is None:
            raise InputError("executor=ray", expected="the package ray", found="none", fix="pip install ray")

    def run(self, function, units):
        import ray
        from ray.exceptions import RayError

        if not ray.is_initialized():
            variables = {"env_vars": dict.fromkeys(THREADS, "1")}
            ray.init(address=self.address, include_dashboard=False, runtime_env=variables, logging_level=logging.ERROR)
        remote = ray.remote(num_cpus=1, max_retries=1)(_alone)
        shared, waiting, begun = ray.put(function), deque(range(len(units))), {}
        while waiting or begun:
            while waiting and len(begun) < self.ahead:
                begun[remote.remote(shared, units[waiting[0]])] = waiting[0]
                waiting.popleft()
            done, _ = ray.wait(list(begun), num_returns=1)
            try:
                result = ray.get(done[0])
            except RayError as error:
                result = Failure(error=str(error).strip().splitlines()[-1])
            yield begun.pop(done[0]), result


def _result(function: Callable[[U], R], unit: U) -> R | Failure:
    try:
        return function(unit)
    except InputError as error:
        return Failure(error=str(error))
    except Exception as error:  # of whatever kind: it is its unit's
        return Failure(error=" ".join(f"{type(error).__name__}: {error}".split()))


def _alone(function: Callable[[U], R], unit: U) -> R | Failure:
    with one_thread():
        return _result(function, unit)


@contextmanager
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Processes that start now are told to use one thread before they import anything."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Left early, what waits is forgotten."""
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start_worker)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    parent = parent_process()
    assert parent is not None
    Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    """A worker whose parent was killed would wait for work for ever."""
    wait_for([sentinel])
    os._exit(1)

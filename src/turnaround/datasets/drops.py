"""Items of a source that cannot serve: named, counted and passed over, since one bad file should not end a training."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from rich.console import Console

from turnaround.io.atomic import UnwritableError
from turnaround.types import InputError

TRIES = 20  # items in a row that were dropped, before their source is refused
T = TypeVar("T")


class DroppedError(InputError):
    """Of one item among many: whoever draws takes another."""


class Drops:
    """What a source dropped in this process; each is named once on stderr, with how many there are by then.

    what: the items, in the plural.
    """

    def __init__(self, what: str):
        self.what, self._errors = what, dict[str, InputError]()

    @property
    def reasons(self) -> Mapping[str, str]:
        """id -> what was wrong."""
        return {id: str(error) for id, error in self._errors.items()}

    @contextmanager
    def named(self, id: str) -> Iterator[None]:
        """An InputError inside drops the item, also when it is asked for again; but for a disk that is full."""
        if id in self._errors:
            raise _dropped(self._errors[id])
        try:
            yield
        except (DroppedError, UnwritableError):  # named already; not the item's fault
            raise
        except InputError as error:
            self._errors[id] = error
            said = f"{self.what}: {len(self._errors)} dropped so far, now {id} ({error})"
            Console(stderr=True).print(said, markup=False)
            raise _dropped(error) from error


def drawn(ids: Sequence[str], read: Callable[[str], T], random: np.random.Generator) -> T:
    """An item at random; for one that is dropped another is drawn. InputError: so are TRIES in a row."""
    last = None
    for _ in range(TRIES):
        try:
            return read(ids[int(random.integers(len(ids)))])
        except DroppedError as error:
            last = error
    assert last is not None
    found = f"{TRIES} in a row that cannot (expected {last.expected}, found {last.found})"
    raise InputError(last.subject, expected="items that can serve", found=found, fix=last.fix) from last


def _dropped(error: InputError) -> DroppedError:
    return DroppedError(error.subject, expected=error.expected, found=error.found, fix=error.fix)

"""What a person asked for, to be done one after another."""

from collections.abc import Callable
from threading import Condition

Action = Callable[[], None]


class Inbox:
    """Actions from many threads for one; of those of one name that wait, only the newest is done."""

    def __init__(self):
        self._waiting: dict[str, Action] = {}
        self._arrived = Condition()

    def put(self, name: str, action: Action) -> None:
        with self._arrived:
            self._waiting[name] = action
            self._arrived.notify()

    def do_next(self, timeout: float) -> bool:
        """Waits for an action, at most so many seconds, and does it. Returns whether there was one."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: self._waiting, timeout):
                return False
            action = self._waiting.pop(next(iter(self._waiting)))
        action()
        return True

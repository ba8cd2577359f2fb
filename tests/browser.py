"""A page in a real browser: Chromium without a window and without network but this machine's own, driven by its
DevTools protocol."""

import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from base64 import b64decode
from contextlib import contextmanager, suppress
from fcntl import F_DUPFD, fcntl

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")  # the Makefile tries the same
PATIENCE = 120  # seconds for one answer: a page takes one or two, but the machine may be busy
FLAGS = (
    "--headless",
    "--no-sandbox",  # the sandbox refuses to run as root, and in most containers; only our own pages are opened
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
)


class Page:
    """One tab. events: what the browser told, as (method, parameters)."""

    def __init__(self, read, write):
        self._read, self._write, self._rest, self._asked = read, write, b"", 0
        self.events = []
        self._session = {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        self._asked += 1
        message = {"id": self._asked, "method": method, "params": parameters, **self._session}
        os.write(self._write, json.dumps(message).encode() + b"\0")
        answer = self._wait(lambda message: message.get("id") == self._asked)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def open(self, path, *, width, height=900, scheme="light"):
        """Loads a local file anew, in a window of that size, and waits until all of it is there."""
        self.visit(path.resolve().as_uri(), width=width, height=height, scheme=scheme)

    def visit(self, url, *, width, height=900, scheme="light"):
        """The same with an address."""
        self.events.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=url)
        self._wait(lambda message: message.get("method") == "Page.loadEventFired")

    def evaluate(self, expression):
        """The value of a JavaScript expression; promises are awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def screenshot(self, path):
        """A PNG of the whole page, below the window's edge too."""
        path.write_bytes(b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]))

    def told(self, *methods):
        return [parameters for method, parameters in self.events if method in methods]

    def complaints(self):
        """What went to the console as a warning or an error, exceptions, and requests that failed."""
        said = [
            call for call in self.told("Runtime.consoleAPICalled") if call["type"] in ("warning", "error", "assert")
        ]
        logged = [one["entry"] for one in self.told("Log.entryAdded") if one["entry"]["level"] in ("warning", "error")]
        return said + logged + self.told("Runtime.exceptionThrown", "Network.loadingFailed")

    def requested(self):
        """The addresses of all requests but those for data inside the page."""
        urls = [request["request"]["url"] for request in self.told("Network.requestWillBeSent")]
        return [url for url in urls if not url.startswith("data:")]

    def _wait(self, wanted):
        """Reads on until a message is wanted; events are kept on the way, also that one."""
        deadline = time.monotonic() + PATIENCE
        while True:
            *messages, self._rest = self._rest.split(b"\0")
            for index, text in enumerate(messages):
                message = json.loads(text)
                if "method" in message:
                    self.events.append((message["method"], message["params"]))
                if wanted(message):
                    self._rest = b"\0".join([*messages[index + 1 :], self._rest])
                    return message
            ready, _, _ = select.select([self._read], [], [], max(deadline - time.monotonic(), 0))
            data = os.read(self._read, 1 << 20) if ready else b""
            assert data, "the browser went away" if ready else f"no answer from the browser in {PATIENCE} s"
            self._rest += data


def found_browser():
    """The path of a Chromium; an error, never a skip, where there is none."""
    paths = [path for name in NAMES if (path := shutil.which(name))]
    assert paths, f"no browser ({', '.join(NAMES)}) on PATH: `make browser` installs one"
    return paths[0]


@contextmanager
def browser_page():
    """A tab of a browser of its own, which ends with the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        theirs_in, ours_out = _pipe()
        ours_in, theirs_out = _pipe()
        command = [found_browser(), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(  # the protocol is spoken on descriptors 3 (in) and 4 (out)
            ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "browser", *command],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            yield Page(ours_in, ours_out)
        finally:
            os.close(ours_out)  # the browser quits when nobody speaks to it any more
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
            os.close(ours_in)


def _pipe():
    """Both ends under numbers above those that the browser's own take."""
    ends = os.pipe()
    high = [fcntl(end, F_DUPFD, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high

"""For tests of the browser: whether there is one, what processes are there, and ways to start it that are less than the
best.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from crawler.render import chromium, namespaces, profiles
from crawler.render.browser import Browser
from crawler.render.memory import Descendants
from crawler.render.namespaces import Rung
from crawler.render.tab import Tab
from tests.support import marks

FENCES = Rung(namespaces=False, own_pids=False)


def need_chromium() -> Path:
    """The program; the test is skipped, and says so, if there is none. In CI there has to be one."""
    marks.need("browser")
    program = chromium.find()
    if program is None:
        assert "CI" not in os.environ, "there is no Chromium, which CI is to have"
        pytest.skip("there is no Chromium: apt-get install chromium")
    return program


def boot(*rungs: Rung) -> str:
    """What the launcher is started by, when it is to try those only."""
    return (
        "import sys, json; sys.path[:] = json.loads(sys.argv[1]);"
        "from crawler.render import launch, namespaces; from crawler.render.namespaces import Rung;"
        f"namespaces.rungs = lambda: {rungs!r};"
        "sys.exit(launch.main(sys.argv[2:]))"
    )


def may(rung: Rung) -> bool:
    """This system permits it, for this user."""
    if not rung.namespaces:
        return True
    child = os.fork()
    if child == 0:
        try:
            namespaces.unshare(rung)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def with_mark(mark: str) -> dict[int, str]:
    """The processes that have *mark* in their command line or environment, and their state: Z is a zombie."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
            if mark.encode() in words and int(folder.name) != os.getpid():
                found[int(folder.name)] = state(int(folder.name))
        except OSError:
            continue
    return found


def state(pid: int) -> str:
    """Such as S or Z; empty if there is no such process."""
    try:
        return (
            (Path("/proc") / str(pid) / "stat")
            .read_text(encoding="utf-8", errors="replace")
            .rpartition(")")[2]
            .split()[0]
        )
    except OSError:
        return ""


def eventually(true: Callable[[], bool], within_s: float = 5.0) -> bool:
    end = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def folders(place: Path) -> list[str]:
    """Profiles on the disk."""
    return sorted(path.name for path in place.glob(f"{profiles.PREFIX}*"))


class Pages:
    """What a tab gets instead of the web: documents by path, of any host; and what it has asked for."""

    def __init__(self, documents: Mapping[str, str]) -> None:
        self.documents = documents
        self.asked: list[str] = []
        self.said: list[str] = []
        """On the console."""

    def open(self, tab: Tab, url: str) -> None:
        tab.send("Runtime.enable")
        tab.send("Network.enable")
        tab.send("Fetch.enable", {"patterns": [{"urlPattern": "*"}]})
        # Answered by the page, after all that it was told before: calls sent before Page.navigate are not always
        # carried out when the document begins, and then its first events are lost.
        tab.call("Page.enable", timeout_s=60)
        tab.send("Page.navigate", {"url": url})

    def answer(self, tab: Tab, until: str, within_s: float = 60.0) -> bool:
        """Answer its requests until an event of that name; False if there was none in time."""
        end = time.monotonic() + within_s
        while (event := tab.mailbox.get(end - time.monotonic())) is not None:
            match event.method:
                case "Fetch.requestPaused":
                    self._answer(tab, event.params, event.session)
                case "Runtime.consoleAPICalled":
                    self.said.append(" ".join(str(arg.get("value")) for arg in event.params["args"]))
            if event.method == until:
                return True
        return False

    def load(self, tab: Tab, url: str) -> None:
        self.open(tab, url)
        assert self.answer(tab, "Page.loadEventFired")

    def _answer(self, tab: Tab, params: Mapping[str, Any], session: str) -> None:
        url = params["request"]["url"]
        self.asked.append(url)
        text = self.documents.get("/" + url.split("/", 3)[3].partition("?")[0])
        answer: dict[str, Any] = {"requestId": params["requestId"], "responseCode": 404}
        if text is not None:
            kind = "text/javascript" if ".js" in url else "text/html"
            headers = [{"name": "Content-Type", "value": f"{kind}; charset=utf-8"}]
            body = base64.b64encode(text.encode()).decode()
            answer |= {"responseCode": 200, "responseHeaders": headers, "body": body}
        tab.send("Fetch.fulfillRequest", answer, session=session)


def value(tab: Tab, expression: str, *, timeout_s: float = 30.0) -> Any:
    """Of JavaScript in the page."""
    asked = {"expression": expression, "returnByValue": True, "awaitPromise": True}
    return tab.call("Runtime.evaluate", asked, timeout_s=timeout_s)["result"].get("value")


def pids_of(browser: Browser) -> list[int]:
    """The ids of its processes, the launcher first."""
    launcher = browser._process.pid
    return [launcher, *Descendants(launcher).look()]


def pss_bytes(browser: Browser) -> int:
    """Memory of all its processes, in bytes; shared memory counts once. 0 where the system does not tell."""
    return sum(map(proportional_bytes, pids_of(browser)))


def proportional_bytes(pid: int) -> int:
    """Proportional set size, in bytes: shared memory is divided by the number of its users. Takes 1 ms and more."""
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0

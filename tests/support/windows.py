"""A Chromium as a person has it, at the size of a window of theirs, driven by a test: files, keys, pointers, pictures.

The browser of ``crawler.render`` draws nothing and has no network. This one does what the user's does, but for a proxy:
all that would leave the machine is refused there and noted.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from crawler.render.devtools import DevTools
from crawler.render.devtools_messages import DevToolsError, DevToolsEvent
from crawler.render.mailbox import Mailbox
from crawler.render.tab import Tab
from tests.support.tcpserver import TcpServer

_EXEC = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4);"
    "os.execv(sys.argv[3], sys.argv[3:])"
)
"""What ends as Chromium, with the pipe as its descriptors 3 and 4."""
_FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-startup-window",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--password-store=basic",
    "--proxy-bypass-list=127.0.0.1",
    "--log-level=3",
)
KEYS = {
    "Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, ""), "ArrowLeft": (37, ""), "ArrowUp": (38, ""),
    "ArrowRight": (39, ""), "ArrowDown": (40, ""), "Home": (36, ""), "End": (35, ""), "PageDown": (34, ""),
    "PageUp": (33, ""), " ": (32, " "), "Backspace": (8, ""),
}  # fmt: skip


class Refusals(TcpServer):
    """A proxy that lets nothing pass; ``asked`` has the first line of each request."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def _serve(self, sock: Any) -> None:
        with suppress(OSError):
            sock.settimeout(5)
            self.asked.append(sock.recv(4096).split(b"\r\n")[0].decode("latin-1"))
            sock.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            sock.close()


@contextmanager
def _between_documents() -> Iterator[None]:
    """A question that is asked while one document takes the place of another is answered by neither."""
    try:
        yield
    except DevToolsError as exc:
        if "navigated" not in str(exc):
            raise


class Window:
    """One tab. Events are kept; ``requests`` has the URL of all that the page has asked for."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab
        self.requests: list[str] = []
        self.said: list[str] = []
        """On the console, errors and broken rules among it."""
        self.dialogs: list[str] = []
        self.events: deque[DevToolsEvent] = deque()
        """Those of tracing."""

    def pump(self, for_s: float = 0.0) -> None:
        """Read what has happened."""
        end = time.monotonic() + for_s
        while event := self.tab.mailbox.get(max(end - time.monotonic(), 0.0)):
            self._take(event)

    def _take(self, event: DevToolsEvent) -> None:
        params = event.params
        match event.method:
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Runtime.consoleAPICalled":
                self.said.append(" ".join(str(arg.get("value")) for arg in params["args"]))
            case "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                what = details.get("exception", {}).get("description", details.get("text", ""))
                self.said.append(f"exception: {what}")
            case "Log.entryAdded":
                self.said.append(f"{params['entry']['level']}: {params['entry']['text']}")
            case "Page.javascriptDialogOpening":
                self.dialogs.append(params["message"])
                self.tab.send("Page.handleJavaScriptDialog", {"accept": False})
            case method if method.startswith("Tracing."):
                self.events.append(event)

    def open(
        self, url: str, *, until: str = "gallery.store && gallery.store.isWhole", within_s: float = 60
    ) -> None:
        self.tab.call("Page.navigate", {"url": url}, timeout_s=within_s)
        self.wait_for(until, within_s)

    def value(self, expression: str, *, timeout_s: float = 60.0) -> Any:
        """Of JavaScript in the page. Raises AssertionError if it throws."""
        asked = {"expression": expression, "returnByValue": True, "awaitPromise": True, "userGesture": True}
        answer = self.tab.call("Runtime.evaluate", asked, timeout_s=timeout_s)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, expression: str, within_s: float = 10.0) -> Any:
        """Its value, once that is true."""
        end = time.monotonic() + within_s
        while True:
            self.pump()
            with _between_documents():
                value = self.value(
                    f"(() => {{ try {{ const it = {expression}; return it instanceof Node || it }}"
                    " catch { return null } })()"
                )
                if value:
                    return value
            assert time.monotonic() < end, f"{expression} did not become true; {self.said[-5:]}"
            time.sleep(0.02)

    def reload(self) -> None:
        """Returns with the new document, which may not be read yet."""
        self.value("window.isOld = true; location.reload()")
        self.wait_for("!window.isOld")

    def frame(self) -> None:
        """Wait for two frames: what was asked for is drawn."""
        self.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def press(self, *keys: str) -> None:
        """As by a keyboard; what is not in KEYS is typed. "Shift+Tab" goes back."""
        for pressed in keys:
            key = pressed.removeprefix("Shift+")
            code, text = KEYS.get(key, (0, key))
            event = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if key != pressed else 0}
            event["code"] = key if key in KEYS else ""
            self.tab.call("Input.dispatchKeyEvent", event | {"type": "keyDown", "text": text})
            self.tab.call("Input.dispatchKeyEvent", event | {"type": "keyUp"})
        self.frame()

    def type(self, text: str) -> None:
        """Into the field that has the focus, letter by letter."""
        for letter in text:
            self.tab.call("Input.insertText", {"text": letter})
        self.frame()

    def click(self, selector: str) -> None:
        """At the middle of the first element of *selector*, which has to be seen there."""
        x, y = self.value(
            f"""(() => {{
                const at = document.querySelector({selector!r}).getBoundingClientRect();
                return [at.left + at.width / 2, at.top + at.height / 2];
            }})()"""
        )
        self.click_at(x, y)

    def click_at(self, x: float, y: float) -> None:
        mouse = {"x": x, "y": y, "button": "left", "clickCount": 1}
        self.tab.call("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y})
        for kind in ("mousePressed", "mouseReleased"):
            self.tab.call("Input.dispatchMouseEvent", mouse | {"type": kind})
        self.frame()

    def swipe(self, *, x: float, y: float, by_x: float = 0, by_y: float = 0) -> None:
        """With a finger."""
        gesture = {
            "x": x,
            "y": y,
            "xDistance": by_x,
            "yDistance": by_y,
            "gestureSourceType": "touch",
            "speed": 1600,
        }
        self.tab.call("Input.synthesizeScrollGesture", gesture, timeout_s=30)
        self.frame()

    def size(self, width: int, height: int, *, scale: float = 1.0, is_mobile: bool = False) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": is_mobile}
        self.tab.call("Emulation.setDeviceMetricsOverride", metrics)
        self.tab.call("Emulation.setTouchEmulationEnabled", {"enabled": is_mobile})

    def media(self, **features: str) -> None:
        """Such as prefers_color_scheme="dark"."""
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.tab.call("Emulation.setEmulatedMedia", {"features": named})

    def shot(self, file: Path) -> None:
        picture = self.tab.call("Page.captureScreenshot", {"format": "png"}, timeout_s=60)
        file.write_bytes(base64.b64decode(picture["data"]))


class Windows:
    """The browser; a context manager. *flags* are added to its own."""

    def __init__(self, program: Path, *flags: str) -> None:
        self._program = program
        self._flags = flags
        self._sessions: dict[str, str] = {}
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        self.proxy = Refusals().__enter__()
        self._profile = tempfile.TemporaryDirectory(prefix="windows-", ignore_cleanup_errors=True)
        theirs_in, outgoing = os.pipe()
        incoming, theirs_out = os.pipe()
        flags = [*_FLAGS, *self._flags, f"--user-data-dir={self._profile.name}"]
        flags.append(f"--proxy-server=http://127.0.0.1:{self.proxy.port}")
        if os.geteuid() == 0:
            flags.append("--no-sandbox")
        self.process = subprocess.Popen(
            [sys.executable, "-c", _EXEC, str(theirs_in), str(theirs_out), str(self._program), *flags],
            pass_fds=(theirs_in, theirs_out),
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self.devtools = DevTools(incoming, outgoing, on_event=self._happened)
        self.devtools.call("Browser.getVersion", timeout_s=30)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Exception):
            self.devtools.call("Browser.close", timeout_s=5)
        self.devtools.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._profile.cleanup()
        self.proxy.__exit__()

    def _happened(self, event: DevToolsEvent) -> None:
        if event.method == "Target.attachedToTarget":
            with self._changed:
                self._sessions[event.params["targetInfo"]["targetId"]] = event.params["sessionId"]
                self._changed.notify_all()

    @contextmanager
    def window(
        self, width: int = 1280, height: int = 900, *, scale: float = 1.0, is_mobile: bool = False
    ) -> Iterator[Window]:
        """A window of a profile of its own."""
        context = self.devtools.call("Target.createBrowserContext")["browserContextId"]
        page = {"url": "about:blank", "browserContextId": context, "width": width, "height": height}
        target = self.devtools.call("Target.createTarget", page, timeout_s=30)["targetId"]
        told = {"targetId": target, "flatten": True}
        session = self.devtools.call("Target.attachToTarget", told)["sessionId"]
        tab = Tab(self.devtools, target_id=target, session=session)
        tab.mailbox = Mailbox(max_bytes=2**30)
        self.devtools.route(session, tab.mailbox)
        for domain in ("Page", "Runtime", "Network", "Log"):
            tab.call(f"{domain}.enable")
        window = Window(tab)
        window.size(width, height, scale=scale, is_mobile=is_mobile)
        tab.call("Emulation.setFocusEmulationEnabled", {"enabled": True})
        try:
            yield window
        finally:
            self.devtools.call("Target.closeTarget", {"targetId": target})
            self.devtools.unroute(tab.mailbox)
            with suppress(Exception):
                self.devtools.call("Target.disposeBrowserContext", {"browserContextId": context})


def until(true: Callable[[], bool], window: Window, within_s: float = 10.0) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, window.said[-5:]
        window.pump(0.02)


def listed(answer: Mapping[str, Any]) -> list[Any]:
    return list(answer.values())

"""The browser itself: that it has no network, leaves nothing behind, and that no page holds up another."""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from crawler.errors import BrowserFailed, PageCrashed
from crawler.render import browser as browser_module
from crawler.render import browsers as module
from crawler.render import launch, memory, namespaces, process
from crawler.render.browser import BLANK_TABS, Browser
from crawler.render.browsers import Browsers
from crawler.render.devtools_messages import DevToolsError, DevToolsTimeout, TabCrashed
from crawler.render.tab import CRASH, MEMORY
from tests.support.browsers import (
    Pages,
    boot,
    eventually,
    folders,
    may,
    need_chromium,
    pids_of,
    pss_bytes,
    state,
    value,
)
from tests.support.cpu_time import soon

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc"),
    pytest.mark.timeout(300),
]

MIB = 2**20
PAGE_BYTES = 300 * MIB
PLAIN = Pages({"/": "<!doctype html><title>plain</title><h1>here</h1>"})
LOOP = "<script>setTimeout(() => {for (;;);}, 20)</script>"
BOMB = "<script>const all = []; setInterval(() => all.push(new Uint8Array(2e7).fill(1)), 10)</script>"
MODES = ("namespaces", "fences")


def rungs(mode: str) -> tuple[namespaces.Rung, ...]:
    wanted = tuple(rung for rung in namespaces.rungs() if rung.namespaces == (mode == "namespaces"))
    if not any(map(may, wanted)):
        pytest.skip(f"this system does not permit {mode}")
    return wanted


@contextmanager
def started(mode: str, **settings: int) -> Iterator[Browsers]:
    program = need_chromium()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "_BOOT", boot(*rungs(mode)))
        made = Browsers(program, page_memory_bytes=PAGE_BYTES, **settings)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="module", params=MODES)
def browsers(request: pytest.FixtureRequest) -> Iterator[Browsers]:
    """One of each kind for all tests that leave it alive."""
    with started(request.param) as made:
        yield made


@pytest.fixture(scope="module")
def best() -> Iterator[Browsers]:
    """Where it makes no difference."""
    with started(
        "namespaces" if any(may(rung) for rung in namespaces.rungs() if rung.namespaces) else "fences"
    ) as made:
        yield made


def browser_of(browsers: Browsers) -> Browser:
    with browsers.tab("any"):
        assert browsers._current
        return browsers._current.browser


def renderers(browser: Browser) -> list[int]:
    return [pid for pid in pids_of(browser) if memory.is_renderer(pid)]


def chromiums(browser: Browser) -> list[int]:
    """Without launcher and keeper."""
    return [pid for pid in pids_of(browser) if os.getsid(pid) != pids_of(browser)[0]]


# --- no network ---


def test_it_says_how_it_is_cut_off(browsers: Browsers) -> None:
    browser = browser_of(browsers)

    assert browser.version.startswith(("Chrome/", "HeadlessChrome/"))
    assert browser.isolation in {launch.NAMESPACES, launch.FENCES}
    for pid in chromiums(browser) if os.geteuid() != 0 else ():
        with suppress(OSError):
            flags = Path(f"/proc/{pid}/cmdline").read_bytes()
            assert b"--no-sandbox" not in flags, "it has a sandbox of its own"


def test_none_of_its_processes_has_an_interface_or_a_route(browsers: Browsers) -> None:
    browser = browser_of(browsers)
    if browser.isolation == launch.FENCES:
        pytest.skip("it has our network, and a dead proxy")
    with browsers.tab("a.example") as tab:
        PLAIN.load(tab, "http://a.example/")
        pids = chromiums(browser)
        assert len(pids) >= 4
        for pid in pids:
            interfaces = Path(f"/proc/{pid}/net/dev").read_text(encoding="ascii").splitlines()[2:]
            assert [line.split(":")[0].strip() for line in interfaces] == ["lo"]
            assert Path(f"/proc/{pid}/net/route").read_text(encoding="ascii").splitlines()[1:] == []
            if os.geteuid() == 0:
                assert Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()


ESCAPES = """<!doctype html><meta charset=utf-8><title>x</title>
<link rel=preconnect href=http://127.0.0.1:{port}/><link rel=dns-prefetch href=//127.0.0.1:{port}>
<link rel=prefetch href=http://127.0.0.1:{port}/prefetch><link rel=prerender href=http://127.0.0.1:{port}/prerender>
<script type=speculationrules>{{"prefetch":[{{"urls":["http://127.0.0.1:{port}/s"],"eagerness":"immediate"}}],
"prerender":[{{"urls":["http://127.0.0.1:{port}/p"],"eagerness":"immediate"}}]}}</script>
<a id=ping href=#x ping=http://127.0.0.1:{port}/ping>x</a>
<iframe src=http://127.0.0.1:{port}/frame></iframe><img src=http://127.0.0.1:{port}/image>
<script>
ping.click();
navigator.sendBeacon("http://127.0.0.1:{port}/beacon", "x");
fetch("http://127.0.0.1:{port}/fetch", {{mode: "no-cors"}}).catch(() => 0);
for (const url of ["ws://127.0.0.1:{port}/", "ws://localhost:{port}/"]) try {{ new WebSocket(url) }} catch {{}}
try {{ new EventSource("http://127.0.0.1:{port}/events") }} catch {{}}
try {{ new WebTransport("https://127.0.0.1:{port}/").closed.catch(() => 0) }} catch {{}}
new Worker(URL.createObjectURL(new Blob([`fetch("http://127.0.0.1:{port}/worker").catch(() => 0);
    new WebSocket("ws://127.0.0.1:{port}/worker")`])));
for (const scheme of ["stun:", "turn:"]) {{
    const servers = ["?transport=udp", "?transport=tcp"].map(t => (
        {{urls: scheme + "127.0.0.1:{port}" + (scheme == "turn:" ? t : ""), username: "u", credential: "c"}}));
    const peer = new RTCPeerConnection({{iceServers: servers}});
    peer.createDataChannel("x");
    peer.createOffer().then(offer => peer.setLocalDescription(offer));
}}
</script>"""


def test_nothing_that_a_page_tries_reaches_the_network(browsers: Browsers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        port = server.getsockname()[1]
        datagrams.bind(("127.0.0.1", port))
        for listener in (server, datagrams):
            listener.setblocking(False)
        pages = Pages({"/": ESCAPES.format(port=port)})
        with browsers.tab("a.example") as tab:
            tab.send("Network.setBypassServiceWorker", {"bypass": True})
            pages.load(tab, "http://a.example/")
            pages.answer(tab, "nothing", within_s=2.0)
            with suppress(DevToolsError):  # not caught by anything: the fences alone
                tab.call("Fetch.disable")
                value(
                    tab,
                    f"fetch('http://127.0.0.1:{port}/open', {{mode: 'no-cors'}}).catch(() => 0)",
                    timeout_s=3,
                )
                value(
                    tab,
                    f"fetch('http://localhost:{port}/open', {{mode: 'no-cors'}}).catch(() => 0)",
                    timeout_s=3,
                )
            tab.mailbox.get(0.5)

        assert f"http://127.0.0.1:{port}/fetch" in pages.asked  # as is right: it asks us
        for receive in (server.accept, lambda: datagrams.recv(1)):
            with pytest.raises(BlockingIOError):
                receive()


# --- tabs ---


def test_a_page_is_at_work_though_nobody_sees_it(best: Browsers) -> None:
    page = """<div style="height: 3000px"></div><p id=last>x</p><script>
        var seen = 0, frames = 0, ticks = 0;
        new IntersectionObserver(all => { if (all.some(one => one.isIntersecting)) seen++ }).observe(last);
        const frame = () => { frames++; requestAnimationFrame(frame) }; frame();
        setInterval(() => ticks++, 10)</script>"""
    with best.tab("a.example") as tab, best.tab("a.example") as front:
        PLAIN.load(front, "http://a.example/")
        Pages({"/": page}).load(tab, "http://a.example/")
        assert value(tab, "[innerWidth, innerHeight, devicePixelRatio, document.visibilityState]") == [
            1280, 900, 1, "visible",
        ]  # fmt: skip
        value(tab, "scrollTo(0, 9999)")
        wait = "new Promise(done => setInterval(() => seen && frames > 5 && ticks > 20 && done([seen]), 50))"
        assert value(tab, wait) == [1]


def test_all_pages_are_drawn_and_not_the_one_in_front_alone(best: Browsers) -> None:
    """Those behind it got a frame a second, and lazy pictures with it, as long as one in front was open or blank."""
    twenty = """new Promise(done => {
        let n = 0;
        const frame = () => {
            document.body.style.paddingTop = `${++n}px`;
            n > 20 ? done(n) : requestAnimationFrame(frame);
        };
        frame();
    })"""
    with best.tab("a.example") as behind, best.tab("a.example") as second:
        for tab in (behind, second):
            PLAIN.load(tab, "http://a.example/")
        with best.tab("a.example") as front:
            PLAIN.load(front, "http://a.example/")
            for tab in (behind, second, front):
                assert value(tab, twenty, timeout_s=8) == 21
        assert value(second, twenty, timeout_s=8) == 21  # the one in front is blank by now


def test_hosts_share_no_storage_and_pages_of_one_do(best: Browsers) -> None:
    def stored(host: str, expression: str) -> str:
        with best.tab(host) as tab:
            PLAIN.load(tab, f"http://{host}/")
            return str(value(tab, expression))

    assert stored("b.example", "localStorage.x = document.cookie = 'x=1'") == "x=1"
    assert stored("b.example", "localStorage.x + document.cookie") == "x=1x=1"
    with best.tab("c.example") as tab:  # another context, the same URL
        PLAIN.load(tab, "http://b.example/")
        assert value(tab, "String(localStorage.x) + document.cookie") == "undefined"


def test_a_page_hears_nothing_of_the_one_before(best: Browsers) -> None:
    """Not even that it has loaded, which would be taken for its own."""
    for number in range(10):
        pages = Pages({"/": f"<title>{number}</title>"})
        with best.tab("g.example") as tab:
            pages.load(tab, "http://g.example/")
            assert value(tab, "document.title", timeout_s=10) == str(number)


def test_a_tab_that_was_not_used_does_no_harm_to_the_next(best: Browsers) -> None:
    for _ in range(5):
        with best.tab("h.example"):
            pass
        time.sleep(0.2)  # what breaks down does it in a moment
        with best.tab("h.example") as tab:
            PLAIN.load(tab, "http://h.example/")
            assert value(tab, "document.title", timeout_s=10) == "plain"


def test_few_blank_tabs_are_kept_and_none_for_long(best: Browsers, monkeypatch: pytest.MonkeyPatch) -> None:
    def pages_open() -> int:
        return sum(map(memory.is_renderer, pids_of(best._current.browser) if best._current else []))

    hosts = [f"blank-{n}.example" for n in range(7)]
    together = threading.Barrier(len(hosts))

    def opened(host: str) -> None:
        with best.tab(host) as tab:
            PLAIN.load(tab, f"http://{host}/")
            together.wait(30)

    monkeypatch.setattr(module, "IDLE_S", 600.0)
    monkeypatch.setattr(browser_module, "_CLOSE_S", 60.0)  # a tab that is slow to go blank is closed
    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(opened, hosts))
    assert eventually(lambda: pages_open() <= BLANK_TABS, within_s=30)
    assert pages_open() > 0
    monkeypatch.setattr(module, "IDLE_S", 0.1)
    with best.tab(hosts[0]) as tab:
        PLAIN.load(tab, f"http://{hosts[0]}/")
    assert eventually(lambda: pages_open() == 0)


def test_workers_and_frames_of_a_page_are_heard_in_its_mailbox(best: Browsers) -> None:
    pages = Pages({
        "/": "<iframe src=http://other.example/frame></iframe><script>new Worker('/worker.js')</script>",
        "/frame": "<script>fetch('/of-frame')</script>",
        "/worker.js": "fetch('/of-worker')",
    })  # fmt: skip
    attach = {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True}
    with best.tab("d.example") as tab:
        tab.send("Target.setAutoAttach", attach)
        pages.open(tab, "http://d.example/")
        assert pages.answer(tab, "Target.attachedToTarget")
        deadline = time.monotonic() + 30
        attached = False
        while (
            not (attached and "http://other.example/of-frame" in pages.asked) and time.monotonic() < deadline
        ):
            targets = tab.call("Target.getTargets", {"filter": [{}]})["targetInfos"]
            attached = any(target["type"] == "worker" and target["attached"] for target in targets)
            pages.answer(tab, "nothing", within_s=0.2)
        assert attached
        assert "http://d.example/worker.js" in pages.asked
        assert "http://d.example/of-worker" not in pages.asked  # it waits for its debugger


def test_windows_that_a_page_opens_are_closed_at_once(best: Browsers) -> None:
    page = """<a id=blank target=_blank rel=noopener href=/new>x</a><a id=plain href=/other>y</a>"""
    pages = Pages({"/": page, "/new": "<script>console.log('opened')</script>"})
    with best.tab("e.example") as tab:
        pages.load(tab, "http://e.example/")
        gesture = {"userGesture": True, "returnByValue": True}
        devtools = tab._devtools

        def pages_open() -> int:
            targets = devtools.call("Target.getTargets", {"filter": [{"type": "page"}]})["targetInfos"]
            return len(targets)

        before = pages_open()  # tabs that wait for another page among them
        for script in (
            "open('/new'); open('/new', '', 'noopener'); 1",
            "blank.click(); 1",
            "plain.dispatchEvent(new MouseEvent('click', {ctrlKey: true})); 1",
        ):
            assert tab.call("Runtime.evaluate", gesture | {"expression": script})["result"]["value"] == 1
        pages.answer(tab, "nothing", within_s=0.3)
        assert eventually(lambda: pages_open() == before)
        assert pages.said == []
        assert value(tab, "1 + 1") == 2


# --- pages that do harm ---


def test_a_page_in_an_endless_loop_is_closed_and_others_go_on(browsers: Browsers) -> None:
    with browsers.tab("b.example") as other:
        PLAIN.load(other, "http://b.example/")
        with browsers.tab("a.example") as tab:
            Pages({"/": LOOP}).load(tab, "http://a.example/")
            time.sleep(0.5)  # it begins
            with pytest.raises(DevToolsTimeout):
                value(tab, "1", timeout_s=0.5)
            before = time.monotonic()
        assert soon(time.monotonic() - before, 3)
        assert value(other, "document.title") == "plain"


def test_a_page_that_asks_whether_it_may_be_closed_is_not_asked(browsers: Browsers) -> None:
    page = "<script>onbeforeunload = one => { one.preventDefault(); return 1 }; onunload = () => {for (;;);}</script>"
    with browsers.tab("a.example") as tab:
        Pages({"/": page}).load(tab, "http://a.example/")
        tab.call("Runtime.evaluate", {"expression": "alert; document.body.click()", "userGesture": True})
        before = time.monotonic()
    assert soon(time.monotonic() - before, 3)
    assert_another_opens(browsers)


def test_a_dialog_does_not_keep_a_page_open(browsers: Browsers) -> None:
    with browsers.tab("a.example") as tab:
        PLAIN.load(tab, "http://a.example/")
        tab.send("Runtime.evaluate", {"expression": "alert(1)"})
        assert PLAIN.answer(tab, "Page.javascriptDialogOpening")
        before = time.monotonic()
    assert soon(time.monotonic() - before, 3)
    assert_another_opens(browsers)


def assert_another_opens(browsers: Browsers) -> None:
    """A page of the same host, in the same tab or not."""
    with browsers.tab("a.example") as tab:
        PLAIN.load(tab, "http://a.example/")
        assert value(tab, "document.title") == "plain"


def test_a_page_that_takes_too_much_memory_is_killed_and_others_go_on(browsers: Browsers) -> None:
    with browsers.tab("b.example") as other:
        PLAIN.load(other, "http://b.example/")
        with pytest.raises(PageCrashed, match="more memory"):
            bomb(browsers)
        assert value(other, "document.title") == "plain"


def bomb(browsers: Browsers) -> None:
    with browsers.tab("a.example") as tab:
        pages = Pages({"/": BOMB})
        pages.open(tab, "http://a.example/")
        assert pages.answer(tab, "Inspector.targetCrashed")
        assert eventually(lambda: tab.crashed == MEMORY)
        with pytest.raises(TabCrashed):
            tab.send("Page.enable")
        value(tab, "1")


def test_a_page_whose_process_breaks_down_is_told_from_one_that_is_killed(browsers: Browsers) -> None:
    with browsers.tab("a.example") as tab:
        tab.send("Page.crash")
        assert eventually(lambda: tab.crashed == CRASH, within_s=20)
        with pytest.raises(TabCrashed):
            value(tab, "1")


def test_a_script_gets_a_heap_of_so_much(best: Browsers) -> None:
    with best.tab("a.example") as tab:
        PLAIN.load(tab, "http://a.example/")
        with pytest.raises(TabCrashed):
            value(tab, "const all = []; for (let i = 0;; i++) all.push({i, j: [i]})", timeout_s=60)
    with best.tab("a.example") as tab:
        PLAIN.load(tab, "http://a.example/")
        assert value(tab, "document.title") == "plain"


def test_a_flood_costs_memory_within_bounds_and_each_request_is_answered(
    best: Browsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our memory: the page keeps what nobody has read yet, 260 MiB and more where we are slow to read."""
    monkeypatch.setattr(best, "_page_memory_bytes", 2048 * MIB)
    page = """<script>
        const text = "x".repeat(1000); let done = 0;
        for (let i = 0; i < 1e5; i++) console.log(text);
        for (let i = 0; i < 5e3; i++) fetch("/flood?" + i + text).catch(() => 0).finally(() => done++)
    </script>"""
    pages = Pages({"/": page})
    with best.tab("f.example") as tab:
        pages.open(tab, "http://f.example/")
        assert pages.answer(tab, "Fetch.requestPaused")
        before = memory.own_bytes(os.getpid())
        assert eventually(lambda: tab.mailbox.dropped > 50_000, within_s=60)  # nobody reads
        assert memory.own_bytes(os.getpid()) - before < 60 * MIB
        while value(tab, "done") < 5000:
            pages.answer(tab, "nothing", within_s=0.2)
    with best.tab("f.example") as tab:
        PLAIN.load(tab, "http://f.example/")


def test_text_that_is_no_unicode_does_no_harm(best: Browsers) -> None:
    pages = Pages({"/": "<script>console.log('\\ud800', 'a\\udc00b', '\\u{1f600}')</script>"})
    with best.tab("a.example") as tab:
        pages.load(tab, "http://a.example/")
        pages.answer(tab, "nothing", within_s=0.2)
        assert pages.said == ["� a�b 😀"]
        assert value(tab, "'\\ud800'") == "�"


# --- an end of each ---


class Renderer:
    """A process with a browser, see ``browser_process``."""

    def __init__(self, place: Path, mode: str) -> None:
        command = [
            sys.executable,
            "-m",
            "tests.e2e.browser_process",
            str(need_chromium()),
            boot(*rungs(mode)),
        ]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"TMPDIR": str(place), "HOME": str(place)},
        )
        self.place = place
        try:
            said = self.heard()
        except ValueError:
            self.process.communicate()
            raise
        self.pids: list[int] = said["pids"]
        self.pages: list[int] = said["pages"]
        self.launcher = self.pids[0]
        parents = {pid: parent(pid) for pid in self.pids}
        self.keeper = next(pid for pid in self.pids if parents[pid] == self.launcher)
        self.main = next(pid for pid in self.pids if parents[pid] == self.keeper and os.getsid(pid) == pid)

    def heard(self) -> dict[str, Any]:
        assert self.process.stdout
        said: dict[str, Any] = json.loads(self.process.stdout.readline())
        return said

    def go_on(self) -> dict[str, Any]:
        self.answer()
        return self.heard()

    def answer(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def left(self, pids: list[int]) -> dict[int, str]:
        """Those of them that are there still, be it as zombies.

        A zombie that the system has adopted is not ours to bury: process 1 of some machines looks every two seconds,
        and under load did not within five.
        """
        ours = {self.process.pid, *self.pids}
        return {pid: found for pid in pids if (found := state(pid)) and (found != "Z" or parent(pid) in ours)}

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        assert eventually(lambda: not self.left(self.pids)), self.left(self.pids)


def parent(pid: int) -> int:
    """Of a process; 0 if there is none such."""
    try:
        return int((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


@pytest.fixture
def place() -> Iterator[Path]:
    """With a short path, for Chromium has a socket in it; and for nobody, who Chromium may be."""
    with TemporaryDirectory(prefix="t-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture(params=MODES)
def renderer(request: pytest.FixtureRequest, place: Path) -> Iterator[Renderer]:
    made = Renderer(place, request.param)
    yield made
    made.close()


def test_nothing_is_left_of_a_renderer_that_ends_in_order(renderer: Renderer) -> None:
    assert renderer.go_on() == {"alive": 2}
    assert renderer.go_on() == {"again": "here"}
    renderer.answer()
    assert renderer.process.wait(10) == 0

    assert eventually(lambda: not renderer.left(renderer.pids))
    assert list(renderer.place.iterdir()) == []


def test_nothing_is_left_of_a_renderer_that_is_killed(renderer: Renderer) -> None:
    renderer.process.kill()
    renderer.process.wait()

    assert eventually(lambda: not renderer.left(renderer.pids)), renderer.left(renderer.pids)
    assert eventually(lambda: list(renderer.place.iterdir()) == [])


@pytest.mark.parametrize("victim", ["launcher", "keeper", "main"])
def test_nothing_is_left_of_a_browser_that_is_killed_and_another_is_started(
    renderer: Renderer, victim: str
) -> None:
    os.kill(getattr(renderer, victim), signal.SIGKILL)

    assert eventually(lambda: not renderer.left(renderer.pids)), renderer.left(renderer.pids)
    assert renderer.go_on() == {"alive": 0}
    assert renderer.go_on() == {"again": "here"}
    if victim != "launcher":  # whose folder the next one has removed, which has one itself
        assert len(folders(renderer.place)) <= 1
    renderer.answer()
    assert renderer.process.wait(10) == 0
    assert list(renderer.place.iterdir()) == []


def test_a_page_that_is_killed_takes_no_other_with_it(renderer: Renderer) -> None:
    os.kill(renderer.pages[0], signal.SIGKILL)

    assert eventually(lambda: not renderer.left(renderer.pages[:1]))
    assert renderer.go_on() == {"alive": 1}
    assert renderer.go_on() == {"again": "here"}


def test_nothing_is_left_when_all_are_killed_at_once(renderer: Renderer) -> None:
    for pid in (renderer.process.pid, renderer.launcher, renderer.keeper, renderer.main):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    renderer.process.wait()

    assert eventually(lambda: not renderer.left(renderer.pids)), renderer.left(renderer.pids)
    left = folders(renderer.place)
    assert len(left) <= 1
    if left:  # nobody was there to remove it: the next one does
        Renderer(renderer.place, "fences").close()
        assert left[0] not in folders(renderer.place)


def test_a_browser_that_hangs_is_replaced_and_done_away_with(renderer: Renderer) -> None:
    os.kill(renderer.main, signal.SIGSTOP)
    assert renderer.go_on() == {"alive": 0}  # nor any of its pages
    assert "opens no page" in renderer.go_on()["again"]

    assert eventually(lambda: not renderer.left(renderer.pids)), renderer.left(renderer.pids)


def test_a_program_that_is_no_browser_is_said_to_be_none() -> None:
    browsers = Browsers(Path("/bin/true"), page_memory_bytes=PAGE_BYTES)
    with pytest.raises(BrowserFailed, match=r"/bin/true: it did not start"), browsers.tab("a"):
        pass
    browsers.close()


# --- age ---


def test_a_thousand_pages_would_not_wear_it_out() -> None:
    """120 of them, in CPU time, which other work on the machine does not change much."""
    with started(
        "namespaces" if any(may(rung) for rung in namespaces.rungs() if rung.namespaces) else "fences"
    ) as made:
        spent: list[float] = []
        sizes: list[int] = []
        browser = browser_of(made)
        for number in range(120):
            before = cpu_s(browser)
            with made.tab("a.example") as tab:
                PLAIN.load(tab, "http://a.example/")
                if number % 12 == 11:
                    sizes.append(pss_bytes(browser))
            spent.append(cpu_s(browser) - before)
        assert browser.is_alive
        assert statistics.mean(spent[-50:]) <= 1.3 * statistics.mean(spent[12:62])
        assert statistics.median(sizes[-4:]) <= statistics.median(sizes[1:5]) + 30 * MIB


def cpu_s(browser: Browser) -> float:
    """Of those that are there, and of those that these have waited for."""
    total = 0
    for pid in pids_of(browser):
        with suppress(OSError):
            fields = (
                Path(f"/proc/{pid}/stat")
                .read_text(encoding="utf-8", errors="replace")
                .rpartition(")")[2]
                .split()
            )
            total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")

"""What the page of a gallery takes in a Chromium: until the first picture, while it scrolls, to search, of memory.

    python -m tests.benchmarks.gallery_page [--images 1000,100000] [--rounds 3] [--folder FOLDER] [--axe]
    python -m tests.benchmarks.gallery_page --gallery DIR/gallery/index.html

Without --gallery the galleries are made first: data of the builder's form, and thumbnails that are hard links to a few
dozen pictures of Pillow's, each under a name of its own, so that the browser has as many to read and to decode as of a
real crawl. Opened from the disk, in a window of 1440 by 900, drawn by the processor (headless, no graphics card).

The figures:

- first picture: from the navigation to its drawing (largest contentful paint, the first entry of a thumbnail);
- all data: until the last chunk is read;
- frames: those that were presented (PipelineReporter of Chromium's trace) while a wheel scrolls, at the pace of reading
  and as fast as one can: how many of 60 in a second, and the rate at the 95th percentile of the intervals. An empty
  page beside it shows what the machine can do at this moment;
- search: from the input to the frame that shows its result, of several kinds of words;
- memory: of the renderer's process, as Chromium's tracing tells it (private footprint), after some scrolling and all
  searches: as it is, and after a collection of garbage, which Chromium makes when memory is short.

With --axe the newest axe-core is taken from npm, and the tests of accessibility run with it.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFilter

from crawler.render.chromium import find
from tests.support.galleries import write
from tests.support.windows import Window, Windows

SIZE = (1440, 900)
PICTURES = 60
SHAPES = ((400, 267), (267, 400), (400, 225), (400, 400), (400, 300), (400, 133))
WORDS = [
    *("rose", "fern", "moss", "oak", "maple", "garden", "path", "gate", "bench"),
    *("pond", "heron", "robin", "bee", "clover", "ivy", "lilac", "poppy", "daisy"),
    *("thistle", "willow", "morning", "evening", "autumn", "frost", "dew", "light", "shade"),
    *("harvest", "market", "greenhouse", "orchard", "meadow", "Übersicht", "façade", "Сад", "庭園"),
]
SEARCHES = (
    "r",
    "rose",
    "rose garden",
    '"garden path"',
    "heron -pond",
    "photo-77",
    "jpg",
    "nothing at all",
    "庭園",
)
PACES = {"reading": 1500, "fast": 9000}
"""Pixels in a second."""
SCROLL_S = 6
SAME_MS = 2
"""The compositor's part of a frame and the page's are reported apart, and presented at once."""
_OBSERVE = """
window.firstPicture = 0;
new PerformanceObserver(list => {
    for (const one of list.getEntries())
        if (!window.firstPicture && one.url.includes('/thumbs/')) window.firstPicture = one.startTime;
}).observe({type: 'largest-contentful-paint', buffered: true});
"""
_SEARCH = """
(async text => {
    const field = document.getElementById('search');
    const begin = performance.now();
    field.value = text;
    field.dispatchEvent(new Event('input'));
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))));
    return performance.now() - begin;
})
"""


_EMPTY = "<!doctype html><style>div { height: 400000px }</style><div></div>"


class Frames(NamedTuple):
    """What was seen of a scroll."""

    share: float
    """Frames that were presented, of 60 in a second."""
    fps: float
    """At the 95th percentile of the intervals between two of them."""


class Figures(NamedTuple):
    images: int
    first_picture_ms: float
    all_data_ms: float
    frames: dict[str, Frames]
    """By pace."""
    empty: dict[str, Frames]
    """Those of an empty page of the same height, at once after them: what this machine can do at this moment."""
    search_ms: float
    slowest_search_ms: float
    private_mib: dict[str, float]


def make(folder: Path, count: int) -> Path:
    """A gallery of *count* images."""
    dice = random.Random(count)
    thumbs = folder / "gallery" / "thumbs"
    originals = folder / "originals"
    originals.mkdir(parents=True, exist_ok=True)
    for number in range(PICTURES):
        _photo(number, SHAPES[number % len(SHAPES)]).save(originals / f"{number}.webp", "WEBP", quality=75)
    rows = []
    for number in range(count):
        name = f"{number % 256:02x}/{number:032x}"
        kind = number % PICTURES
        target = thumbs / f"{name}.webp"
        if number < 256:
            target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            os.link(originals / f"{kind}.webp", target)
        width, height = SHAPES[kind % len(SHAPES)]
        words = [" ".join(dice.choices(WORDS, k=dice.randint(1, 6))) for _ in range(3)]
        rows.append(
            {
                "w": width * 4,
                "h": height * 4,
                "bytes": dice.randint(20_000, 900_000),
                "thumb": name,
                "path": f"images/www.garden.example/{number // 100}/photo-{number}.jpg",
                "url": f"https://www.garden.example/galleries/{number // 100}/photo-{number}.jpg?width={width}",
                "text": f"{words[0]}\x1f\x1f{words[1]}\x1f{words[2]}\x1fThe garden, page {number // 40}",
                "date": 1_760_000_000 + number * 7,
                "host": number % 12,
                "format": number % 3,
                "group": 0 if number % 20 else 1 + number // 60,
            }
        )
    return write(folder, rows, hosts=[f"media{n}.garden.example" for n in range(12)])


def _photo(number: int, size: tuple[int, int]) -> Image.Image:
    """As much detail as a photograph has, so that decoding takes as long."""
    noise = Image.effect_noise((size[0] // 2, size[1] // 2), 90).resize(size)
    back = Image.linear_gradient("L").resize(size)
    image = Image.merge("RGB", (back, noise, Image.blend(back, noise, 0.4)))
    draw = ImageDraw.Draw(image)
    dice = random.Random(number)
    for _ in range(12):
        x, y, r = dice.randrange(size[0]), dice.randrange(size[1]), dice.randrange(10, 90)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(dice.choices(range(256), k=3)))
    return image.filter(ImageFilter.GaussianBlur(1))


def measured(windows: Windows, page: str) -> Figures:
    with windows.window(*SIZE) as window:
        window.tab.call("Page.addScriptToEvaluateOnNewDocument", {"source": _OBSERVE})
        begin = time.perf_counter()
        window.open(page, until="window.firstPicture", within_s=60)
        first_ms = window.value("window.firstPicture")
        window.wait_for("gallery.store.isWhole", within_s=120)
        all_ms = (time.perf_counter() - begin) * 1000
        time.sleep(1)
        private_mib = _used(window, windows)
        frames = _all_paces(window)
        window.value("window.scrollTo(0, 0)")
        times = [window.value(f"({_SEARCH})({text!r})") for text in SEARCHES for _ in range(3)]
        count = window.value("gallery.store.count")
        window.tab.call("Page.navigate", {"url": f"data:text/html,{_EMPTY}"})
        window.wait_for("document.body && document.body.scrollHeight > 1000")
        empty = _all_paces(window)
        return Figures(
            images=count,
            first_picture_ms=first_ms,
            all_data_ms=all_ms,
            frames=frames,
            empty=empty,
            search_ms=statistics.median(times),
            slowest_search_ms=max(times),
            private_mib=private_mib,
        )


def _used(window: Window, windows: Windows) -> dict[str, float]:
    """Memory after pages of scrolling and each of the searches, in MiB: as it is, and once garbage is collected.

    Before anything is traced: a trace is kept in the page's process.
    """
    _scroll(window, PACES["reading"])
    for text in (*SEARCHES, ""):
        window.value(f"({_SEARCH})({text!r})")
    used = {"as it is": _private_bytes(windows, window) / 2**20}
    window.tab.call("HeapProfiler.collectGarbage", timeout_s=60)
    return used | {"collected": _private_bytes(windows, window) / 2**20}


def _scrolled(window: Window, speed: int) -> Frames:
    window.value("window.scrollTo(0, 0)")
    window.frame()
    room = window.value("document.documentElement.scrollHeight - innerHeight")
    speed = min(speed, int(room / SCROLL_S))  # not to the end
    at = presented_ms(traced(window, "cc,benchmark", lambda: _scroll(window, speed)))
    assert window.value("scrollY") > 1000, "it did not scroll"
    steps = [later - earlier for earlier, later in itertools.pairwise(at)]
    return Frames(len(at) / (60 * SCROLL_S), 1000 / statistics.quantiles(steps, n=100)[94])


def _all_paces(window: Window) -> dict[str, Frames]:
    return {pace: _scrolled(window, speed) for pace, speed in PACES.items()}


def presented_ms(events: Sequence[dict[str, Any]]) -> list[float]:
    """When frames that scrolled were on the screen, by the compositor's own reports. Their ids are used again."""
    reports = sorted((one for one in events if one["name"] == "PipelineReporter"), key=lambda one: one["ts"])
    under_way: dict[tuple[int, str], bool] = {}
    found = []
    for one in reports:
        key = (one["pid"], one["id2"]["local"])
        told = one["args"].get("frame_reporter")
        if told:
            under_way[key] = (
                str(told["state"]).startswith("STATE_PRESENTED") and told["scroll_state"] != "SCROLL_NONE"
            )
        elif under_way.pop(key, False) and (not found or one["ts"] / 1000 - found[-1] > SAME_MS):
            found.append(one["ts"] / 1000)
    return found


def _scroll(window: Window, speed: int) -> None:
    gesture = {
        "x": 700,
        "y": 500,
        "yDistance": -speed * SCROLL_S,
        "speed": speed,
        "gestureSourceType": "mouse",
    }
    window.tab.call("Input.synthesizeScrollGesture", gesture, timeout_s=SCROLL_S * 5)


def traced(window: Window, categories: str, do: Any) -> list[dict[str, Any]]:
    """What Chromium's tracing says of all its processes while *do* is called."""
    window.events.clear()
    window.tab.call(
        "Tracing.start",
        {"traceConfig": {"includedCategories": categories.split(",")}, "transferMode": "ReportEvents"},
    )
    do()
    window.tab.call("Tracing.end")
    end = time.monotonic() + 60
    while not any(event.method == "Tracing.tracingComplete" for event in window.events):
        window.pump(0.1)
        if time.monotonic() > end:
            raise TimeoutError("Chromium does not end its trace")
    return [
        one
        for event in window.events
        if event.method == "Tracing.dataCollected"
        for one in event.params["value"]
    ]


def _private_bytes(windows: Windows, window: Window) -> int:
    """The private footprint of the page's process."""
    pid = _renderer(windows)
    dumps = traced(
        window,
        "disabled-by-default-memory-infra",
        lambda: window.tab.call("Tracing.requestMemoryDump", {"levelOfDetail": "light"}, timeout_s=30),
    )
    found = [
        int(totals["private_footprint_bytes"], 16)
        for event in dumps
        if event.get("pid") == pid
        and (totals := event.get("args", {}).get("dumps", {}).get("process_totals"))
    ]
    return max(found)


def _renderer(windows: Windows) -> int:
    """The process of the page: the one whose heap is the page's, the largest renderer."""
    processes = windows.devtools.call("SystemInfo.getProcessInfo")["processInfo"]
    renderers = [one["id"] for one in processes if one["type"] == "renderer"]
    return max(renderers, key=_anonymous_bytes)


def _anonymous_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def rows(all_figures: Sequence[Figures]) -> Iterator[str]:
    """The lines of a table: the median of the rounds for each number of images."""
    yield (
        "| images | first picture (ms) | all data (ms)"
        + "".join(f" | frames, {pace} (of 60) | fps at p95 | ... of an empty page" for pace in PACES)
        + " | search, median (ms) | ... slowest (ms) | memory (MiB) | ... collected |"
    )
    yield f"|{'---|' * (7 + 3 * len(PACES))}"
    for count in sorted({one.images for one in all_figures}):
        same = [one for one in all_figures if one.images == count]

        def middle(of: Any, same: Sequence[Figures] = same) -> float:
            return statistics.median(map(of, same))

        values = (
            f"{count:,}",
            f"{middle(lambda one: one.first_picture_ms):.0f}",
            f"{middle(lambda one: one.all_data_ms):,.0f}",
            *(
                f"{middle(of):.{digits}f}"
                for pace in PACES
                for of, digits in (
                    (lambda one, pace=pace: 60 * one.frames[pace].share, 0),
                    (lambda one, pace=pace: one.frames[pace].fps, 1),
                    (lambda one, pace=pace: one.empty[pace].fps, 1),
                )
            ),
            f"{middle(lambda one: one.search_ms):.0f}",
            f"{max(one.slowest_search_ms for one in same):.0f}",
            *(f"{max(one.private_mib[when] for one in same):.0f}" for when in same[0].private_mib),
        )
        yield f"| {' | '.join(values)} |"


def with_axe() -> int:
    """Run the tests of accessibility with the newest axe-core of npm."""
    with tempfile.TemporaryDirectory() as folder:
        npm = [
            "npm",
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
            "axe-core",
        ]
        subprocess.run(npm, cwd=folder, check=True)
        axe = Path(folder) / "node_modules" / "axe-core" / "axe.min.js"
        print(axe.read_text(encoding="utf-8").splitlines()[0])
        tests = [sys.executable, "-m", "pytest", "-q", "-n0", "tests/unit/gallery/test_accessible_page.py"]
        return subprocess.run(tests, env=os.environ | {"IMAGE_CRAWLER_AXE": str(axe)}, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", default="1000,100000", metavar="N[,N]")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument(
        "--folder", type=Path, metavar="FOLDER", help="where galleries are made; they are kept there"
    )
    parser.add_argument(
        "--gallery", type=Path, action="append", metavar="INDEX.HTML", help="one that there is"
    )
    parser.add_argument("--axe", action="store_true", help="test its accessibility with the newest axe-core")
    options = parser.parse_args()
    if options.axe:
        return with_axe()
    program = find(os.environ.get("IMAGE_CRAWLER_CHROMIUM", ""))
    if program is None:
        sys.exit("this needs a Chromium (Debian: apt install chromium)")
    folder = options.folder or Path(tempfile.mkdtemp(prefix="gallery-page-"))
    try:
        pages = options.gallery or [make(folder / n, int(n)) for n in options.images.split(",")]
        found = []
        for _ in range(options.rounds):
            for page in pages:
                with Windows(program) as windows:
                    version = windows.devtools.call("Browser.getVersion")["product"]
                    found.append(measured(windows, page.absolute().as_uri()))
                    print(found[-1], file=sys.stderr)
        print(
            f"{version}, {os.cpu_count()} cores, {SIZE[0]} x {SIZE[1]}, {options.rounds} rounds",
            *rows(found),
            sep="\n",
        )
    finally:
        if not options.folder:
            shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

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
  and as fast as one can:
  - how many there were in the worst second: of each second of the scroll, wherever it begins;
  - the rate at the 95th percentile of the intervals between two frames, in whole refreshes of a screen of 60 Hz. This
    is what is seen: a screen shows a frame when it refreshes, however early in the refresh before it was drawn. A
    frame that is lost makes 30;
  - the same of the moments at which the frames were drawn. This is stricter: a frame that takes 3 ms after one that
    took 1 ms counts as late, though a screen shows both in time. It is what the machine has left, not what is seen;
- the same frames of two other pages, at once after it: an empty one, and one of the same pictures without a script,
  one beside the other. They show what the machine can do at this moment, and what is the pictures' and not the page's;
- search: from the input to the frame that shows its result, of several kinds of words; each search is another one than
  that before it. It has the wait for two frames, up to 33 ms;
- memory: of the renderer's process, as Chromium's tracing tells it (private footprint), after some scrolling and all
  searches: as it is, and after a collection of garbage, which Chromium makes when memory is short.

With --axe the newest axe-core is taken from npm, and the tests of accessibility run with it.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFilter

from crawler.render.chromium import find
from tests.benchmarks.gallery_frames import PACES, SCROLL_S, Frames, presented, scroll, seen, traced
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
LETTER_S = 0.1
"""Between two searches: who types a hundred words a minute takes as long for a letter. Without it the pictures of one
search are drawn while the next is timed."""
PLAIN_PICTURES = 2500
"""As many as pass by in SCROLL_S at the fastest pace, and some more."""
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


PAGES = ("gallery", "pictures", "empty")
"""The page itself, one of the same pictures without a script, an empty one."""


class Figures(NamedTuple):
    images: int
    first_picture_ms: float
    all_data_ms: float
    frames: dict[str, dict[str, Frames]]
    """By page (PAGES) and by pace."""
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
        frames = {"gallery": _all_paces(window)}
        window.value("window.scrollTo(0, 0)")
        times = []
        for text in SEARCHES * 3:
            time.sleep(LETTER_S)
            times.append(window.value(f"({_SEARCH})({text!r})"))
        count = window.value("gallery.store.count")
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder, "pictures.html")
            plain.write_text(_without_script(window, page), encoding="utf-8")
            for name, url in (("pictures", plain.as_uri()), ("empty", f"data:text/html,{_EMPTY}")):
                window.tab.call("Page.navigate", {"url": url})
                window.wait_for("document.readyState === 'complete' && document.body.scrollHeight > 1000", 60)
                time.sleep(1)
                frames[name] = _all_paces(window)
        return Figures(
            images=count,
            first_picture_ms=first_ms,
            all_data_ms=all_ms,
            frames=frames,
            search_ms=statistics.median(times),
            slowest_search_ms=max(times),
            private_mib=private_mib,
        )


def _without_script(window: Window, page: str) -> str:
    """A page of the first pictures of the gallery in *window*, which is at *page*, of the same height."""
    found = json.loads(
        window.value(
            f"""JSON.stringify(Array.from({{ length: Math.min(gallery.store.count, {PLAIN_PICTURES}) }}, (_, i) =>
                [gallery.store.thumb(i), Math.round(184 * gallery.rows.ratio(i))]))"""
        )
    )
    thumbs = page.rpartition("/")[0] + "/thumbs"
    images = "".join(
        f'<img src="{html.escape(thumbs)}/{html.escape(thumb)}.webp" width={width} height=184>'
        for thumb, width in found
        if thumb
    )
    style = "<style>body { margin: 0 28px } img { margin: 3px; object-fit: cover }</style>"
    return f"<!doctype html><meta charset=utf-8>{style}{images}"


def _used(window: Window, windows: Windows) -> dict[str, float]:
    """Memory after pages of scrolling and each of the searches, in MiB: as it is, and once garbage is collected.

    Before anything is traced: a trace is kept in the page's process.
    """
    scroll(window, PACES["reading"])
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
    frames = presented(traced(window, "cc,benchmark", lambda: scroll(window, speed)))
    assert window.value("scrollY") > 1000, "it did not scroll"
    return seen(frames)


def _all_paces(window: Window) -> dict[str, Frames]:
    return {pace: _scrolled(window, speed) for pace, speed in PACES.items()}


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
    """The lines of a table: the median of the rounds for each number of images, of memory and the slowest the most."""
    counts = sorted({one.images for one in all_figures})
    yield f"| | {' | '.join(f'{count:,} pictures' for count in counts)} |"
    yield f"|---{'|---' * len(counts)}|"

    def row(name: str, told: Callable[[Sequence[Figures]], str]) -> str:
        cells = (told([one for one in all_figures if one.images == count]) for count in counts)
        return f"| {name} | {' | '.join(cells)} |"

    def middle(same: Sequence[Figures], of: Callable[[Figures], float]) -> float:
        return statistics.median(map(of, same))

    yield row("first picture", lambda same: f"{middle(same, lambda one: one.first_picture_ms) / 1000:.2f} s")
    yield row("all data read", lambda same: f"{middle(same, lambda one: one.all_data_ms) / 1000:.1f} s")
    for pace, speed in PACES.items():
        for at, (name, digits) in enumerate(
            (
                ("frames in the worst second", 0),
                ("... fps at the 95th percentile, as a screen shows them", 0),
                ("... as they are drawn", 1),
            )
        ):

            def all_pages(
                same: Sequence[Figures], pace: str = pace, at: int = at, digits: int = digits
            ) -> str:
                told = (middle(same, lambda one: one.frames[page][pace][at]) for page in PAGES)  # noqa: B023
                own, *others = (f"{value:.{digits}f}" for value in told)
                return f"{own} ({', '.join(others)})"

            yield row(f"{name}, {pace} ({speed:,} px/s)" if at == 0 else name, all_pages)
    yield row(
        "search, median, and the slowest",
        lambda same: (
            f"{middle(same, lambda one: one.search_ms):.0f} ms,"
            f" {max(one.slowest_search_ms for one in same):.0f} ms"
        ),
    )
    for when in all_figures[0].private_mib:
        yield row(
            f"memory, {when}",
            lambda same, when=when: f"{max(one.private_mib[when] for one in same):.0f} MiB",  # type: ignore[misc]
        )


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
            f"{version}, {os.cpu_count()} cores, {SIZE[0]} x {SIZE[1]}, {options.rounds} rounds; in brackets: the same"
            " pictures without a script, an empty page",
            *rows(found),
            sep="\n",
        )
    finally:
        if not options.folder:
            shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

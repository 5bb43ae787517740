"""What an image, a page and a task cost of the processor: the regression bench of CI.

Each is measured in turns with work that stays as it is, so that a slow or a busy machine slows both. A ratio that has
grown says that the code got dearer; ``python -m tests.benchmarks.peers`` then says by how much a crawl did. The bounds
are a quarter above what was measured when they were set. Who makes a part cheaper lowers its bound.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from PIL import Image

from crawler.config import QueueConfig, ScopeConfig, load
from crawler.download.handler import ImageHandler
from crawler.download.verify import verify
from crawler.harvest.documents import DocumentReader
from crawler.models import Origin, Task, TaskKind
from crawler.scope import Scope
from crawler.storage.local import LocalStorage
from crawler.task_handler import HandlerContext
from tests.benchmarks.peers.corpora import photo
from tests.support.cpu_time import cpu_s, reference
from tests.support.harvesting import Site, answer
from tests.support.queues import embedded, images, saved, take

_TURNS, _TRIES = 5, 4
_SITE = "http://garden.example/"
_PAGE = (
    "<!DOCTYPE html><html><head><title>Roses</title><link rel=stylesheet href=/s.css></head><body>"
    + "".join(
        f"<h2 id=h{n}>Rose {n}</h2><p>It grows in bed {n}, see <a href='bed/{n}.html'>there</a> and"
        f" <a href='/rose/{n}?of=garden' class=more>here</a>.<figure><img src='/i/{n}.jpg' alt='Rose {n}'"
        f" srcset='/i/{n}-2.jpg 2x' width=320 height=200><figcaption>A rose, number {n}</figcaption></figure></p>"
        for n in range(30)
    )
)

Work = Callable[[], object]
"""Does it once more."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """On a RAM disk, where there is one: what a new file takes on a disk depends on what was there before."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    with TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@contextmanager
def _image(folder: Path) -> Iterator[Work]:
    """What a downloader does for 100 photos, but for fetching and decoding them."""
    data = photo(1)
    info = verify(data, max_pixels=10**8)
    urls = [f"{_SITE}bed/{number}/rose.jpg" for number in range(100 * (_TURNS * _TRIES + 1))]
    handler = ImageHandler(
        HandlerContext(
            transport=Site({url: answer(url, data + url.encode(), "image/jpeg") for url in urls}),
            scope=Scope((_SITE,)),
            config=load(),
            worker_id="w1",
        ),
        LocalStorage(folder / "images", fsync=False, min_free_bytes=0),
        verify=lambda _: info,
    )
    left = iter(urls)

    def work() -> None:
        for number, url in zip(range(100), left, strict=False):
            origin = Origin(page_url=_SITE, found_in="img", alt="A rose")
            task = Task(id=number, serial=1, kind=TaskKind.IMAGE, url=url, depth=1, attempt=1, origin=origin)
            assert handler(task).record.status == "saved"

    yield work


@contextmanager
def _page(_: Path) -> Iterator[Work]:
    """What a reader does for a page with 60 links and 30 pictures, ten times."""
    reader = DocumentReader(Scope((_SITE,)), load(flags={"render": "never"}))
    task = Task(id=1, serial=1, kind=TaskKind.PAGE, url=_SITE, depth=1, attempt=1)
    fetched = answer(_SITE, _PAGE)

    def work() -> None:
        for _ in range(10):
            harvest = reader.read(task, fetched)
            assert (len(harvest.images), len(harvest.links)) == (30, 61)

    yield work


@contextmanager
def _task(folder: Path) -> Iterator[Work]:
    """What a ledger does for 320 images, in batches of 32: it takes, leases and settles them."""
    hosts = count()
    with embedded(folder / "crawl.db", queue=QueueConfig(per_host=1000), scope=ScopeConfig()) as (_, queues):

        def work() -> None:
            queues.tasks.put(images(320, f"h{next(hosts)}"))
            for _ in range(10):
                tasks = take(queues, count=32, slots=1000)
                assert len(tasks) == 32
                queues.results.put([saved(task) for task in tasks])

        yield work


def _ratio(work: Work, known: Work, *, most: float) -> float:
    """How many times as long *work* takes as what is *known*: the least of either, of turns. It is measured again where
    that is *most* or more: whoever shares the machine may have taken all of one and none of the other.
    """
    work()  # files are made, and patterns compiled
    took_s, known_s = [], []
    for turn in range(_TURNS * _TRIES):
        took_s.append(cpu_s(work))
        known_s.append(cpu_s(known))
        if turn + 1 >= _TURNS and min(took_s) < most * min(known_s):
            break
    return min(took_s) / min(known_s)


@pytest.mark.slow
@pytest.mark.untraced
@pytest.mark.parametrize(("part", "most"), [(_image, 0.67), (_page, 0.63), (_task, 0.27)])
def test_it_costs_no_more_than_it_did(
    part: Callable[[Path], AbstractContextManager[Work]], most: float, folder: Path
) -> None:
    with part(folder) as work:
        ratio = _ratio(work, reference, most=most)
    assert ratio < most, f"{part.__name__[1:]}: {ratio:.2f} times the reference, of {most} at most"


@pytest.mark.slow
@pytest.mark.untraced
def test_a_photo_costs_little_more_than_its_decoding() -> None:
    photos = [photo(number) for number in range(10)]

    def verified() -> None:
        for data in photos:
            verify(data, max_pixels=10**8)

    def decoded() -> None:
        for data in photos:
            with Image.open(io.BytesIO(data)) as image:
                image.draft("L", (image.width // 8, image.height // 8))
                image.load()

    ratio = _ratio(verified, decoded, most=1.35)
    assert ratio < 1.35, f"{ratio:.2f} times Pillow's own time"

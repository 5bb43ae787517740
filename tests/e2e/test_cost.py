"""What an image costs, beside the least that it can, in seconds of CPU: other load changes little in them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.benchmarks.peers import measure
from tests.benchmarks.peers.corpora import Corpus, found, make_photos
from tests.benchmarks.peers.scripts import reference
from tests.benchmarks.peers.tools.base import Job
from tests.benchmarks.peers.tools.ours import Ours
from tests.support.sites import serving

pytestmark = [
    pytest.mark.skipif(
        sys.platform != "linux", reason="all processes of a crawl are measured by a subreaper"
    ),
    pytest.mark.untraced,
]
IMAGES, FEW = 400, 4
"""Of the crawl that is measured; of the one that tells what its start and end take."""
MOST = 5.0
"""Times the reference: a crawl took 2.6 to 3.2 of it on 2026-11-30."""
TRIES = 3


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Corpus, str]]:
    folder = tmp_path_factory.mktemp("photos") / "site"
    make_photos(folder, images=IMAGES)
    with serving(folder) as server:
        yield Corpus(name="photo", folder=folder), server.url


def test_an_image_costs_not_much_more_than_it_has_to(site: tuple[Corpus, str], tmp_path: Path) -> None:
    corpus, url = site
    make_photos(tmp_path / "few", images=FEW)
    ratios = []
    with serving(tmp_path / "few") as few:
        for number in range(TRIES):
            start_s = crawl(few.url, tmp_path / f"few-{number}").cpu_s
            folder = tmp_path / str(number)
            crawl_s = crawl(url, folder).cpu_s
            assert found(corpus, folder, reencoded=False) == IMAGES
            image_s = (crawl_s - start_s) / (IMAGES - FEW)
            ratios.append(image_s / reference_s(corpus, url, tmp_path))
            if ratios[-1] < MOST:
                return
    pytest.fail(
        f"an image takes {', '.join(f'{each:.1f}' for each in ratios)} times as much CPU as the reference"
    )


def crawl(url: str, folder: Path) -> measure.Usage:
    folder.mkdir()
    job = Job(url=url, folder=folder, image_urls=folder, suffix=".jpg", ca=folder)
    ours = Ours("ours", None)
    environment = {name: value for name, value in ours.environment(job).items() if name != "SSL_CERT_FILE"}
    usage = measure.run(ours.command(job), folder=folder, environment=environment, timeout_s=60)
    assert (usage.code, usage.left) == (0, 0), usage.output
    return usage


def reference_s(corpus: Corpus, url: str, folder: Path) -> float:
    """Of one image."""
    parts = urlsplit(url)
    paths = [f"/{path.as_posix()}" for path in corpus.images]
    command = [sys.executable, reference.__file__, str(parts.hostname), str(parts.port), *paths]
    usage = measure.run(command, folder=folder, environment={}, timeout_s=60)
    assert usage.code == 0, usage.output
    return float(usage.output) / len(paths)

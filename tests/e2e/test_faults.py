"""One crawl of a page that lists every fault there is, and what has to become of each: FAULTS.

    python -m tests.e2e.test_faults

prints that table as Markdown.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from html import escape
from pathlib import Path

import pytest

from crawler.config import FetchConfig
from crawler.errors import CrawlerError, ForbiddenAddress
from crawler.http.address_guard import AddressGuard
from crawler.http.requests_transport import RequestsTransport
from crawler.urls import canonical
from tests.e2e.running import Outcome, image_crawler, records
from tests.support import faultserver
from tests.support.faultserver import FaultServer
from tests.support.hostile import MADE, hostile, of_its_own
from tests.support.images import samples
from tests.support.sites import serving

pytestmark = pytest.mark.timeout(240)

Row = tuple[str, str, int]
SAVED: Row = ("saved", "", 200)
MAX_IMAGE_BYTES = 2**20
LIMITS = {
    "--total-timeout-s": 13,
    "--decode-timeout-s": 60,  # no row is about it, and a sound image may wait long for a busy processor
    "--max-image-bytes": MAX_IMAGE_BYTES,
    "--max-redirects": 5,
    "--tries": 2,
    "--max-attempts": 1,
    "--per-host": 48,
    "--downloaders": 2,
    "--downloader-threads": 24,
}


def failed(reason: str, http_status: int = 0) -> Row:
    return ("failed", reason, http_status)


def rejected(reason: str, http_status: int = 200) -> Row:
    return ("rejected", reason, http_status)


LONG = "x" * 1900
GOOD: dict[str, Row] = {
    **{f"/good/{name}": SAVED for name in samples()},
    # however it is sent
    "/chunked/plain.jpg": SAVED,
    "/gzip/plain.png": SAVED,
    "/deflate/plain.png": SAVED,
    "/deflate-raw/plain.png": SAVED,
    "/gzip-more/plain.png": SAVED,
    "/br/plain.png": SAVED,
    "/zstd/plain.png": SAVED,
    "/twice/plain.png": SAVED,
    "/conditional/plain.png": SAVED,
    "/encoding/utf-8/plain.png": SAVED,
    "/http10/plain.png": SAVED,
    "/length-chunked/plain.png": SAVED,
    "/slow/500/plain.png": SAVED,
    "/hints/1/plain.png": SAVED,
    "/hints/3/plain.png": SAVED,
    "/bomb-zstd/1/21": rejected("not-an-image"),
    "/cookie/plain.png": SAVED,
    "/headers/40": rejected("not-an-image"),
    "/large-unannounced/300000": rejected("not-an-image"),
    # whatever it is said to be
    "/lying/plain.png": SAVED,
    "/as/image/gif/plain.png": SAVED,
    "/as/application/octet-stream/lossy.webp": SAVED,
    "/as/text/plain/plain.svg": SAVED,
    "/html-as-png": rejected("not-an-image"),
    "/echo": rejected("not-an-image"),
    # whatever it is called
    "/own/plain.png": SAVED,
    "/own/..%2F..%2Fetc%2Fpasswd.png": SAVED,
    "/own/..%5C..%5Cwindows.png": SAVED,
    "/own/..%2Fout.png": SAVED,
    "/own/%00.png": SAVED,
    "/own/CON.png": SAVED,
    "/own/con": SAVED,
    "/own/.htaccess": SAVED,
    "/own/-rf%20*.png": SAVED,
    "/own/name.": SAVED,
    "/own/%20name%20": SAVED,
    "/own/%FF%FE.png": SAVED,
    "/own/%E2%80%AEgnp.exe": SAVED,
    "/own/%F0%9F%8C%B9.png": SAVED,
    "/own/e%CC%81.png": SAVED,
    "/own/%C3%A9.png": SAVED,
    "/own/NAME.png": SAVED,
    "/own/name.png": SAVED,
    "/own/folder": SAVED,
    "/own/folder/": SAVED,
    "/own/folder/in-it.png": SAVED,
    "/own/folder/in-it.png/still.png": SAVED,
    "/own/a:b.png": SAVED,
    "/own/%3Cb%3E%22quoted%22%3C%2Fb%3E.png": SAVED,
    f"/own/{LONG}.png": SAVED,
    f"/own/{'deep/' * 300}x.png": SAVED,
    f"/own/{'%F0%9F%8C%B9' * 150}.png": SAVED,
    "/attachment/plain.png": SAVED,
}
BROKEN: dict[str, Row] = {
    # whole files, faithfully sent, that are not whole
    "/truncated/300/plain.png": rejected("truncated-image"),
    "/truncated/900/plain.jpg": rejected("truncated-image"),
    "/truncated/300/plain.gif": rejected("truncated-image"),
    "/truncated/200/lossy.webp": rejected("truncated-image"),
    "/truncated/300/plain.avif": rejected("truncated-image"),
    "/truncated/300/plain.bmp": rejected("truncated-image"),
    "/truncated/300/plain.ico": rejected("truncated-image"),
    "/truncated/100/plain.svg": rejected("truncated-image"),
    "/truncated/5/plain.png": rejected("truncated-image"),
    "/empty": rejected("empty"),
    # bodies that are not what was announced
    "/cut/300/plain.png": failed("truncated-transfer", 200),
    "/chunked-cut/plain.png": failed("truncated-transfer", 200),
    "/chunked-bad/plain.png": failed("bad-response", 200),
    "/gzip-cut/plain.png": failed("truncated-transfer", 200),
    "/gzip-bad/plain.png": failed("bad-response", 200),
    "/encoding/compress/plain.png": failed("bad-response", 200),
    "/reset-body/plain.png": failed("connection-lost", 200),
    "/two-lengths/plain.png": failed("bad-response"),
    "/length/5/plain.png": rejected("truncated-image"),
    "/length/99999/plain.png": failed("truncated-transfer", 200),
    "/length/-1/plain.png": failed("bad-response"),
    "/length/much/plain.png": failed("bad-response"),
    # too much
    "/bomb/64": rejected("too-large"),
    "/bomb-br/64": rejected("too-large"),
    "/bomb-zstd/64": rejected("too-large"),
    "/bomb-zstd/64/27": failed("bad-response", 200),
    "/hints/50/plain.png": failed("bad-response"),
    f"/large/{MAX_IMAGE_BYTES}": rejected("not-an-image"),
    f"/large/{MAX_IMAGE_BYTES + 1}": rejected("too-large"),
    f"/large-unannounced/{MAX_IMAGE_BYTES + 1}": rejected("too-large"),
    "/endless": rejected("too-large"),
    "/header-flood/4": failed("bad-response"),
    "/header-flood/20": failed("bad-response"),
    "/headers/5000": failed("bad-response"),
    "/status-line/100000": failed("bad-response"),
    "/chunk-line/8": failed("bad-response", 200),
    "/trailers/8": failed("bad-response", 200),
    # too slow
    "/drip/100/plain.png": failed("too-slow", 200),
    "/drip-header/100": failed("too-slow"),
    "/stall/plain.png": failed("too-slow", 200),
    "/silent": failed("deadline-exceeded"),
    "/continues": failed("bad-response"),
    # no answer
    "/reset": failed("connection-lost"),
    "/close": failed("connection-lost"),
    "/garbage": failed("bad-response"),
}
ANSWERS: dict[str, Row] = {
    "/no-content": failed("unexpected-status", 204),
    "/not-modified": failed("unexpected-status", 304),
    "/partial/plain.png": failed("unexpected-status", 206),
    "/status/205": failed("unexpected-status", 205),
    "/status/300": failed("unexpected-status", 300),
    "/status/400": failed("client-error", 400),
    "/status/401": failed("login-required", 401),
    "/status/402": failed("client-error", 402),
    "/status/403": failed("forbidden", 403),
    "/status/404": failed("not-found", 404),
    "/status/407": failed("client-error", 407),
    "/status/408": failed("request-timeout", 408),
    "/status/410": failed("not-found", 410),
    "/status/418": failed("client-error", 418),
    "/status/425": failed("request-timeout", 425),
    "/status/451": failed("client-error", 451),
    "/status/500": failed("server-error", 500),
    "/status/502": failed("server-error", 502),
    "/status/504": failed("server-error", 504),
    "/status/599": failed("server-error", 599),
    "/cookie-status/404": failed("not-found", 404),
    "/nothing-of-that-name.png": failed("not-found", 404),
    "/fail/503/1/a/plain.png": SAVED,
    "/fail/500/1/a/plain.png": SAVED,
    "/fail/500/9/b/plain.png": failed("server-error", 500),
    "/fail/404/1/a/plain.png": failed("not-found", 404),
    "/status/503/retry-after/1": failed("server-error", 503),
    "/status/429/retry-after/1": failed("rate-limited", 429),
    "/status/429/retry-after/soon": failed("rate-limited", 429),
    "/retry-date/429/1": failed("rate-limited", 429),
    "/retry-date/503/1": failed("server-error", 503),
    "/retry-date/429/-9": failed("rate-limited", 429),
    # redirects
    "/redirect/1/plain.png": SAVED,
    "/redirect/5/plain.png": SAVED,
    "/redirect/6/plain.png": failed("too-many-redirects", 302),
    "/loop": failed("too-many-redirects", 301),
    "/pingpong/a": failed("too-many-redirects", 307),
    "/cookie-wall/plain.png": failed("too-many-redirects", 302),
    "/cookie-to?/good/plain.png": SAVED,
    "/nowhere": failed("unexpected-status", 302),
    "/to?/good/plain.png": SAVED,
    "/to?//": failed("bad-redirect", 308),
    "/to?file:///etc/passwd": failed("bad-redirect", 308),
    "/to?ftp://127.0.0.1/plain.png": failed("bad-redirect", 308),
    "/to?javascript:alert(1)": failed("bad-redirect", 308),
    "/to?data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7": failed(
        "bad-redirect", 308
    ),
    "/to?http://": failed("bad-redirect", 308),
    "/to?http://127.0.0.1:99999/": failed("bad-redirect", 308),
    # what owners ask
    "/robots-tag/noindex/plain.png": rejected("noindex"),
    "/robots-tag/noimageindex/plain.png": rejected("noimageindex"),
    "/robots-tag/noai/plain.png": rejected("noai"),
    "/robots-tag/noimageai/plain.png": rejected("noimageai"),
    "/robots-tag/nofollow/plain.png": SAVED,
    "/tdm/plain.png": rejected("tdm-reservation"),
}
HOSTILE: dict[str, Row] = {
    "/hostile/pixels.png": rejected("too-many-pixels"),
    "/hostile/tall.png": rejected("too-many-pixels"),
    "/hostile/most.png": SAVED,
    "/hostile/idat.png": SAVED,
    "/hostile/text.png": SAVED,
    "/hostile/profile.png": SAVED,
    "/hostile/canvas.gif": rejected("too-many-pixels"),
    "/hostile/frames.gif": rejected("too-many-pixels"),
    "/hostile/thick.gif": rejected("too-many-pixels"),
    "/hostile/scans.jpg": rejected("too-many-pixels"),
    "/hostile/circle.tif": SAVED,
    "/hostile/laughs.svg": rejected("unsupported-format"),
    "/hostile/external.svg": rejected("unsupported-format"),
    "/hostile/deep.svg": SAVED,
    "/hostile/script.svg": SAVED,
    "/hostile/page.gif": SAVED,
    "/hostile/page.jpg": SAVED,
    "/hostile/page.svg": SAVED,
    "/hostile/archive.png": SAVED,
}
ELSEWHERE: dict[str, Row] = {
    # refused before anything is sent there: see refused_here
    "/to?http://127.0.0.1:22/": rejected("forbidden-address", 0),
    "/to?http://127.0.0.1:6667/plain.png": rejected("forbidden-address", 0),
    "/to?http://169.254.169.254/latest/meta-data/": rejected("forbidden-address", 0),
    "/to?http://10.0.0.1/plain.png": rejected("forbidden-address", 0),
}
FAULTS: dict[str, Row] = {**GOOD, **BROKEN, **ANSWERS, **HOSTILE, **ELSEWHERE}


def body_of(path: str) -> bytes:
    """What a saved file has to hold."""
    if path.startswith("/own/"):
        return of_its_own(path)
    name = path.rpartition("/")[2]
    return hostile(name) if path.startswith("/hostile/") else samples()[name]


def url_of(path: str, *, plain: FaultServer, pausing: FaultServer) -> str:
    """Where it is asked for: what makes a whole host wait has a host of its own."""
    waits = path.startswith(("/status/429", "/status/503", "/retry-date/", "/fail/503"))
    return (pausing if waits else plain).url + path


def refused_here(path: str) -> bool:
    """Whether the transport asks for nothing where *path* leads, tried in this process, whose sockets are guarded.

    A crawl's processes are not: what is not refused here must not be asked for there.
    """
    transport = RequestsTransport(FetchConfig(), AddressGuard(("127.0.0.0/8",)))
    try:
        transport.fetch(path.partition("?")[2], max_bytes=1, accept="*/*")
    except ForbiddenAddress:
        return True
    except (CrawlerError, RuntimeError):
        return False
    finally:
        transport.close()
    return False


class Crawled:
    """A crawl of a page with images at these paths, when it is over."""

    def __init__(self, folder: Path, paths: Iterable[str]) -> None:
        folder.mkdir()
        with FaultServer() as plain, FaultServer() as pausing:
            urls = {path: url_of(path, plain=plain, pausing=pausing) for path in paths}
            images = "".join(f'<img src="{escape(url)}" alt="">\n' for url in urls.values())
            (folder / "site").mkdir()
            (folder / "site" / "index.html").write_text(f"<!DOCTYPE html>{images}", encoding="utf-8")
            with serving(folder / "site") as site:
                self.outcome: Outcome = image_crawler(
                    "crawl", site.url, "-o", "crawl", "--json", "--no-sitemaps",
                    *(str(word) for option in LIMITS.items() for word in option),
                    folder=folder,
                )  # fmt: skip
        assert self.outcome.code == 0, self.outcome.err
        self.folder = folder / "crawl"
        self.paths = {str(canonical(url)): path for path, url in urls.items()}
        self.records = records(self.folder)
        self.rows = {
            self.paths.get(url, url): (
                "saved" if record.status == "duplicate" else str(record.status),
                record.reason,
                record.http_status,
            )
            for url, record in self.records.items()
        }


@pytest.fixture(scope="module", name="crawled")
def a_crawl(tmp_path_factory: pytest.TempPathFactory) -> Crawled:
    folder = tmp_path_factory.mktemp("faults")
    assert all(map(refused_here, ELSEWHERE)), "it would ask at addresses that are not ours"
    here = ["/good/plain.png", *(path for path in ELSEWHERE if "//127." in path)]
    refused = Crawled(folder / "first", here)
    assert refused.rows == {path: FAULTS[path] for path in here}, "its processes have no guard"
    return Crawled(folder / "all", FAULTS)


def test_the_table_is_complete() -> None:
    kinds = {path.removeprefix("/").partition("?")[0].split("/")[0] for path in FAULTS}
    served = {
        name.removeprefix("serve_").replace("_", "-")
        for name in vars(faultserver._Handler)
        if name.startswith("serve_")
    }
    assert served <= kinds, "faults that no row tells of"
    assert {f"/good/{name}" for name in samples()} <= FAULTS.keys()
    assert {f"/hostile/{name}" for name in MADE} <= FAULTS.keys()
    assert len(FAULTS) == sum(map(len, (GOOD, BROKEN, ANSWERS, HOSTILE, ELSEWHERE))), "a path in two tables"


def test_every_fault_ends_as_it_should(crawled: Crawled) -> None:
    wrong = {
        path: (crawled.rows.get(path), row) for path, row in FAULTS.items() if crawled.rows.get(path) != row
    }
    assert not wrong, "\n".join(f"{path[:80]}: {is_} is not {ought}" for path, (is_, ought) in wrong.items())


def test_each_url_has_one_record_and_nothing_else_was_asked_for(crawled: Crawled) -> None:
    assert len(crawled.paths) == len(FAULTS), "two rows are the same URL"
    assert crawled.records.keys() == crawled.paths.keys()  # records() has seen to it that none is there twice


def test_the_books_balance_and_nobody_died(crawled: Crawled) -> None:
    assert crawled.outcome.code == 0, crawled.outcome.err
    assert json.loads(crawled.outcome.out)["balanced"] is True
    for word in ("has died", "Traceback", "internal error"):
        assert word not in crawled.outcome.err
    images = crawled.outcome.stats()["images"]
    assert images["done"] == len(FAULTS)
    assert {name: count for name, count in images.items() if count and name != "done"} in (
        {}, {"total": len(FAULTS)}, {"known": len(FAULTS)},
    )  # fmt: skip
    assert crawled.outcome.stats()["page_status"] == {"harvested": 1}


def test_what_was_saved_is_what_was_sent(crawled: Crawled) -> None:
    for url, record in crawled.records.items():
        if record.status in {"saved", "duplicate"}:
            content = (crawled.folder / record.path).read_bytes()
            assert content == body_of(crawled.paths[url]), url
            assert record.sha256 == hashlib.sha256(content).hexdigest()
        else:
            assert (record.path, record.sha256) == ("", ""), url


def test_nothing_is_outside_of_the_folder_for_images(crawled: Crawled) -> None:
    images = (crawled.folder / "images").resolve()
    kept = {record.path for record in crawled.records.values() if record.path}
    there = {path for path in images.rglob("*") if path.is_file() or path.is_symlink()}
    assert {(crawled.folder / path).resolve() for path in kept} == there
    around, beside = (
        {path.name for path in folder.iterdir() if not path.name.startswith(".coverage")}
        for folder in (crawled.folder.parent, crawled.folder)
    )
    assert around == {"site", "crawl"}
    beside = {name for name in beside if (crawled.folder / name).is_file()}
    assert all(name.startswith("crawl.") for name in beside), beside
    suffixes = {".jpg", ".png", ".gif", ".webp", ".avif", ".bmp", ".tif", ".ico", ".svg"}
    assert {path.suffix for path in there} <= suffixes, "the extension says what the bytes are"


def markdown() -> str:
    """FAULTS for people to read."""
    lines = ["| asked for | record | HTTP |", "|---|---|---|"]
    for path, (status, reason, http_status) in FAULTS.items():
        shown = path if len(path) <= 70 else f"{path[:60]}… ({len(path)} characters)"
        lines.append(f"| `{shown.replace('|', chr(92) + '|')}` | {status} {reason} | {http_status or ''} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown())

"""XML that is no page: sitemaps, feeds, and the reader below them; gzip around them; and web app manifests."""

from __future__ import annotations

from collections import Counter

from crawler.errors import LEFT_OUT
from crawler.harvest import encoding, feeds, manifest, sitemap, xml
from crawler.harvest.candidates import Candidate
from crawler.harvest.cuts import Cut
from crawler.harvest.sniffing import GZIP_MAGIC, gunzipped, opened
from crawler.harvest.xhtml import as_html
from tests.fuzz.drawn import Drawn

_NAMES = frozenset({"url", "sitemap", "item", "entry", "rss"})
_TYPES = (
    "",
    "application/xml",
    "text/xml; charset=utf-16le",
    "application/x-gzip",
    "text/plain",
    "text/html",
)
_MAX_BYTES = 50_000


def fuzz(data: bytes) -> None:
    drawn = Drawn(data)
    content_type = drawn.one_of(_TYPES)
    content = drawn.rest()
    left_out: Counter[str] = Counter()
    unpacked = gunzipped(content, max_bytes=_MAX_BYTES, left_out=left_out, what="sitemap")
    assert len(unpacked) <= max(_MAX_BYTES, len(content))
    assert left_out.keys() <= {"sitemap-cut", "sitemap-broken"}
    assert unpacked.startswith(GZIP_MAGIC) or unpacked == content or content.startswith(GZIP_MAGIC)
    for wanted in ("", "sitemap", "feed", "style sheet", "manifest"):
        left_out.clear()
        inner, kind = opened(
            content, content_type.partition(";")[0], wanted=wanted, max_bytes=_MAX_BYTES, left_out=left_out
        )
        assert kind in {"html", "image", "css", "manifest", "feed", "sitemap", "other", "style sheet"}
        assert left_out.keys() <= LEFT_OUT.keys()
        assert len(inner) <= max(_MAX_BYTES, len(content))
    text = encoding.decode_xml(unpacked, content_type)
    text.encode()
    as_html(text).encode()
    for node in xml.subtrees(text, _NAMES, what="feed"):
        if isinstance(node, Cut):
            _cut(node)
    for entry in sitemap.read(unpacked, content_type):
        if isinstance(entry, Cut):
            _cut(entry)
        else:
            entry.url.encode()
            _candidates(entry.images)
    for item in feeds.read(text):
        if isinstance(item, Cut):
            _cut(item)
        else:
            "".join((*item.links, *item.html)).encode()
            _candidates(item.images)
    _candidates(manifest.images(unpacked))


def _candidates(found: object) -> None:
    for item in found:  # type: ignore[attr-defined]
        if isinstance(item, Cut):
            _cut(item)
        else:
            assert isinstance(item, Candidate)
            assert item.found_in
            (item.reference + item.page_url + "".join(item.element.attributes.values())).encode()


def _cut(cut: Cut) -> None:
    assert cut.slug in LEFT_OUT
    assert cut.amount > 0

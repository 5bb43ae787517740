"""The small grammars inside of documents, one at a time."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable

from crawler.errors import LEFT_OUT
from crawler.harvest import (
    css,
    data_images,
    data_urls,
    headers,
    images,
    js_literals,
    json_data,
    json_ld,
    links,
    loose_json,
    script_data,
    scripts,
    srcset,
)
from crawler.harvest.candidates import Candidate
from crawler.harvest.cuts import Cut
from crawler.harvest.parser_base import Element
from crawler.urls import canonical
from tests.fuzz.drawn import Drawn

BASE = "https://example.org/a/b.html"


def element(name: str, text: str = "", /, **attributes: str) -> Element:
    named = {key.replace("_", "-"): value for key, value in attributes.items()}
    return Element(name=name, attributes=named, number=1, text=text)


def of_srcset(text: str) -> None:
    for source in srcset.parse(text):
        assert source.url in text
        assert not source.url.startswith(",")
        assert not source.url.endswith(",")
        assert source.width_px is None or source.density is None
        assert source.width_px is None or source.width_px > 0
        assert source.density is None or 0 <= source.density < math.inf


def of_css(text: str) -> None:
    found = css.references(text)
    assert found == css.references(text)
    for item in found:
        if isinstance(item, Cut):
            assert item.slug in LEFT_OUT
            assert item.amount > 0
    assert len(found) <= len(text) + 1


def of_loose_json(text: str) -> None:
    value = loose_json.read(text)
    if value is not loose_json.BROKEN:
        json.dumps(value).encode()
        _no_halves(value)
    value, end = loose_json.read_at(text, 0)
    assert 0 <= end <= len(text)
    begun, whole = loose_json.read_object(text)
    assert isinstance(begun, dict)
    assert not whole or begun == loose_json.read(text)
    _no_halves(begun)


def of_js(text: str) -> None:
    for read in (js_literals.read_at, js_literals.list_at):
        try:
            value, end = read(text, 0)
        except js_literals.NotALiteralError:
            continue
        assert 0 < end <= len(text)
        _no_halves(value)
    for value in script_data.assigned(text):
        _no_halves(value)
    _no_halves(script_data.unflattened(loose_json.read(text)))


def of_scripts(text: str) -> None:
    for found in (
        scripts.image_urls(element("script", text)),
        scripts.image_urls(element("div", data_x="{" + text)),
        json_data.in_script(element("script", text, type="application/json")),
        json_data.in_script(element("script", text)),
        json_data.in_attribute(element("p"), "data-x", text),
        json_data.astro_props(element("astro-island", props=text)),
        json_data.in_streams([element("script", f"self.__next_f.push([1,{text}")]),
        json_ld.json_ld(element("script", text, type="application/ld+json")),
    ):
        candidates(list(found))


def of_attributes(text: str) -> None:
    for one in (
        element("img", src=text, srcset=text, data_src=text, data_widths=text, data_srcset=text, style=text),
        element("photo-card", thumbnail=text, src=text + ".png", poster=text),
        element("div", data_bg=text, data_images=text + ".png", background=text),
        element("link", rel=text, href=text, imagesrcset=text),
        element("meta", property=text, content=text, itemprop=text, name=text),
        element("object", data=text, type=text),
    ):
        candidates(list(images.found_on([one], guess=True)))
        for link in links.links_on([one]):
            if not isinstance(link, Cut):
                assert link.found_in


def of_inline(text: str) -> None:
    for reference in (text, "data:" + text, "data:image/png;base64," + text):
        decoded = data_urls.decode(reference)
        if decoded is not None:
            assert decoded[0].startswith("image/")
            assert decoded[0] == decoded[0].lower()
            assert len(decoded[1]) <= data_urls.MAX_CONTENT_BYTES
        left_out: Counter[str] = Counter()
        known = data_urls.InlineImages(left_out)
        name = known.name(reference) if data_urls.is_inline(reference) else None
        assert name is None or known.content(name) == (decoded and decoded[1])
        assert left_out.keys() <= {data_urls.TOO_LARGE}


def of_headers(text: str) -> None:
    text = text.encode("utf-8", "replace").decode("latin-1")  # as headers are read
    found = headers.elements({"link": text, "refresh": text, "content-security-policy": text}, BASE)
    assert [one.number for one in found] == list(range(1, len(found) + 1))
    for one in found:
        assert one.name in {"link", "meta"}
        "".join(one.attributes.values()).encode()
    candidates(list(images.found_on(found)))
    for _, parameters in headers.parsed(text):
        assert all(name == name.lower() for name in parameters)
    target = links.refresh_target(text)
    assert target is None or target in text.strip() or target.strip("'\"") in text


def candidates(found: list[Candidate | Cut]) -> None:
    for item in found:
        if isinstance(item, Cut):
            assert item.slug in LEFT_OUT
            assert item.amount > 0
            continue
        assert item.found_in
        assert item.width_px is None or item.width_px >= 0
        assert item.density is None or 0 <= item.density < math.inf
        item.reference.encode()
        url = links.Resolver(BASE)(item.reference)
        assert url is None or canonical(url) == url


def _no_halves(value: object) -> None:
    """No half of a surrogate pair anywhere: a message with one could not be sent."""
    if value is None or value is loose_json.BROKEN:
        return
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text.encode()


GRAMMARS: tuple[Callable[[str], None], ...] = (
    of_srcset,
    of_css,
    of_loose_json,
    of_js,
    of_scripts,
    of_attributes,
    of_inline,
    of_headers,
)
assert data_images  # what json_data looks with


def fuzz(data: bytes) -> None:
    drawn = Drawn(data)
    grammar = drawn.one_of(GRAMMARS)
    grammar(drawn.rest().decode("utf-8", "replace"))

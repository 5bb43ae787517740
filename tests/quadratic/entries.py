"""Every way into what reads other people's text: each takes a text, and is searched with the units of its grammars."""

from __future__ import annotations

import gzip
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from itertools import islice, permutations, product
from typing import Any, NamedTuple

from crawler.config import ScopeConfig, load
from crawler.download import jumbf, metadata, naming, svg, xmp
from crawler.errors import SeedError
from crawler.harvest import (
    candidates,
    css,
    data_images,
    data_keys,
    data_urls,
    encoding,
    extensions,
    feeds,
    headers,
    images,
    js_literals,
    json_data,
    json_ld,
    lazy,
    links,
    loose_json,
    manifest,
    novelty,
    paging,
    placeholders,
    script_data,
    scripts,
    shingles,
    sitemap,
    sniffing,
    srcset,
    styles,
    traps,
    xhtml,
    xml,
)
from crawler.harvest.documents import DocumentReader
from crawler.harvest.html import parse
from crawler.harvest.page_numbers import Numbered
from crawler.harvest.parser_base import Element
from crawler.harvest.tasks import upgraded, wants_upgrades
from crawler.http.cookies import CookieJar
from crawler.http.robots import product_token
from crawler.http.robots_file import RobotsFile
from crawler.lists.rows import entries as list_entries
from crawler.lists.tasks import task_of
from crawler.models import Origin, Task, TaskKind
from crawler.opt_outs import directives
from crawler.opt_outs.tdmrep import Reservations
from crawler.scope import Scope
from crawler.seeds import seed_of
from crawler.sizes import size_of
from crawler.urls import (
    Base,
    canonical,
    identity,
    resolve,
    task_key,
    with_bytes_escaped,
    without_login,
    without_tracking,
)
from tests.quadratic import Shape
from tests.quadratic.patterns import hash_of
from tests.quadratic.units import ALL
from tests.support.harvesting import answer, decode_html

URL = "https://example.org/p/"
IN_ALL_SIZES, WITH_SOUP = {"images": "all"}, {"parser": "beautifulsoup"}


class Entry(NamedTuple):
    work: Callable[[str], Any]
    grammars: tuple[str, ...]
    """Names of :data:`tests.quadratic.units.ALL`, beside the characters."""
    places: tuple[tuple[str, str], ...] = ()
    """What stands before and behind the units, besides nothing."""
    most_chars: int | None = None
    """It is never given more."""


@cache
def _reader(**settings: object) -> DocumentReader:
    config = load(flags={"script_urls": True, "strip_tracking": True, **settings})
    return DocumentReader(Scope((URL,), config.scope), config)


def _read(content_type: str, found_in: str = "a", **settings: object) -> Callable[[str], Any]:
    def work(text: str) -> Any:
        origin = Origin(page_url="https://example.org/", found_in=found_in)
        task = Task(id=1, serial=1, kind=TaskKind.PAGE, url=URL, depth=0, attempt=1, origin=origin)
        content = text.encode("utf-8", "surrogatepass")
        return _reader(**settings).read(task, answer(URL, content, content_type))

    return work


def _words(text: str) -> Any:
    return _reader().words(answer(URL, text.encode("utf-8", "surrogatepass")))


def _with_headers(name: str) -> Callable[[str], Any]:
    def work(text: str) -> Any:
        told = headers.elements({name: text}, URL)
        return list(links.links_on(told)), list(images.found_on(told)), wants_upgrades(told)

    return work


def _element(name: str, **attributes: str) -> Element:
    return Element(
        name=name, attributes={key.replace("_", "-"): v for key, v in attributes.items()}, number=1
    )


def _script(rule: Callable[[Element], Any], media_type: str = "") -> Callable[[str], Any]:
    return lambda text: rule(Element(name="script", attributes={"type": media_type}, number=1, text=text))


def _stream(stream: str) -> Callable[[str], Any]:
    return lambda text: script_data.streamed([text], stream)


def _judged(content: bytes, url: str) -> Any:
    of_all = RobotsFile(content, agent="image-crawler")
    return of_all.verdict(url), of_all.statements(url)


def _bytes(work: Callable[[bytes], Any]) -> Callable[[str], Any]:
    return lambda text: work(text.encode("utf-8", "surrogatepass"))


def _data(text: str) -> Any:
    return data_images.images_in(loose_json.read(text), _element("script"), scope="1")


def _in_list(text: str) -> Any:
    of_list = Numbered(text)
    return of_list.has(text), of_list.has(URL)


def _as_words(text: str) -> Any:
    element = Element(
        name="a", attributes={"href": "b", "class": text, "title": text}, number=1, text=text, around=text
    )
    return paging.turns_page(element)


def _gunzip(content: bytes) -> bytes:
    return sniffing.gunzipped(content, max_bytes=2**26, left_out=Counter(), what="sitemap")


_MEMBER = gzip.compress(b"a", mtime=0)


def _members(text: str) -> Any:
    return _gunzip(_MEMBER * (len(text) // len(_MEMBER)))


def _cookies(text: str) -> Any:
    jar = CookieJar(is_suffix=lambda _: False)
    jar.store(URL, [text])
    jar.store(URL, (f"{text[:20]}{n}={n}" for n in range(50)))
    return jar.header(URL)


_RESERVED = Reservations(
    b'[{"location":"/*a*b*c$","tdm-reservation":1},{"location":"/p/*","tdm-reservation":0}]'
)
_LD = "application/ld+json"
_TAGS_AROUND = (
    ("<table>", ""),
    ("<svg>", "</svg>"),
    ("<select>", ""),
    ("<template>", ""),
    ("<a href=x>", ""),
    ("<figure>", "<figcaption>x"),
    ("<a ", ">"),
    ("<img src='", "'>"),
    ("<img alt='", "' src=a.png>"),
    ("<img srcset='", "'>"),
    ("<p style='", "'>"),
    ("<p data-x='", "'>"),
    ("<img data-src='", "'>"),
    ("<img data-srcset='", "'>"),
    ("<a href='", "'>x</a>"),
    ("<a href=b class='", "'>x</a>"),
    ("<a href=b>", "</a>"),
    ("<script>", "</script>"),
    ("<script type=application/json>", "</script>"),
    ("<script type=application/ld+json>", "</script>"),
    ("<style>", "</style>"),
    ("<title>", "</title>"),
    ("<!--", "-->"),
    ("<iframe srcdoc='", "'>"),
    ("<meta content='", "' name=robots>"),
    ("<base href='", "'>"),
    ("<math><mi>", ""),
    ("<frameset>", ""),
    ("<h1>", "</h1>"),
    ("<picture>", "</picture>"),
)

ENTRIES: dict[str, Entry] = {
    "parse": Entry(parse, ("html",), _TAGS_AROUND),
    "parse by soup": Entry(lambda text: parse(text, parser="beautifulsoup"), ("html",), _TAGS_AROUND),
    "read html": Entry(_read("text/html"), ("html",), _TAGS_AROUND),
    "read html in all sizes": Entry(_read("text/html", **IN_ALL_SIZES), ("html",), _TAGS_AROUND),
    "read html by soup": Entry(_read("text/html", **WITH_SOUP), ("html",), _TAGS_AROUND),
    "read xhtml": Entry(
        _read("application/xhtml+xml"),
        ("html", "xml"),
        (("<html xmlns='http://www.w3.org/1999/xhtml'><p>", ""), ("<?a ", "?>")),
    ),
    "read css": Entry(_read("text/css", "stylesheet"), ("css",), (("a{b:", "}"),)),
    "read manifest": Entry(
        _read("application/manifest+json", "manifest"),
        ("json",),
        (('{"icons":[', "]}"), ('{"icons":[{"src":"', '"}]}')),
    ),
    "read feed": Entry(
        _read("application/rss+xml", "feed"),
        ("xml",),
        (("<rss><channel><item>", "</item>"), ("<feed><entry><content>", "")),
    ),
    "read json feed": Entry(
        _read("application/feed+json", "feed"),
        ("json",),
        (
            ('{"version":"https://jsonfeed.org/version/1","items":[', "]}"),
            ('{"items":[{"content_html":"', '"}]}'),
        ),
    ),
    "read sitemap": Entry(
        _read("application/xml", "sitemap"),
        ("xml",),
        (("<urlset>", "</urlset>"), ("<urlset><url><loc>", "</loc>")),
    ),
    "read sitemap in text": Entry(_read("text/plain", "sitemap"), ("url",), (("http://e.org/", "\n"),)),
    "read guessed sitemap": Entry(_read("application/octet-stream", "sitemap-guess"), ("xml",)),
    "read of no type": Entry(_read(""), ("html", "xml", "json")),
    "words": Entry(_words, ("html",)),
    "link header": Entry(
        _with_headers("link"),
        ("headers", "srcset"),
        (("<a>;rel=icon", ""), ('<a>;rel="', '"'), ('<a>;rel=preload;as=image;imagesrcset="', '"')),
    ),
    "refresh header": Entry(
        _with_headers("refresh"), ("headers", "url"), (("0;url=", ""), ("0;url='", "'"), ("0", ""))
    ),
    "policy header": Entry(_with_headers("content-security-policy"), ("headers",)),
    "robots header": Entry(
        lambda text: directives.of_headers(
            {"x-robots-tag": text, "tdm-reservation": text}, agent="image-crawler"
        ),
        ("headers",),
    ),
    "robots meta": Entry(
        lambda text: directives.with_meta(frozenset(), [("robots", text)] * 2, agent="image-crawler"),
        ("headers",),
    ),
    "wishes in headers": Entry(
        lambda text: directives.told_by(
            dict.fromkeys(("x-robots-tag", "content-usage", "content-signal", "link"), text),
            agent="image-crawler",
        ),
        ("headers",),
        (("<a>;type=application/rsl+xml;rel=license,", ""), ("a=(", ")"), ('a="', '"'), ("noai,", "")),
    ),
    "tdmrep.json": Entry(
        _bytes(lambda content: Reservations(content).reservation(f"{URL}{'a' * 1000}")),
        ("json", "url"),
        (
            ('[{"tdm-reservation":1,"location":"/', '"}]'),
            ('[{"tdm-reservation":1,"location":"/*', '$"}]'),
            ("[", "]"),
        ),
        500 * 1024,
    ),
    "tdmrep.json for a long url": Entry(
        lambda text: _RESERVED.reservation(f"{URL}{text}"), ("url",), (), 8192
    ),
    "xmp": Entry(
        _bytes(xmp.in_packet),
        ("xml",),
        (('<r xmlns:p="http://ns.useplus.org/ldf/xmp/1.0/"><p:DataMining>', "</p:DataMining></r>"),),
        2**20,
    ),
    "svg metadata": Entry(
        _bytes(metadata.opt_outs_in_svg), ("xml", "base64"), (("<c2pa:manifest>", "</c2pa:manifest>"),)
    ),
    "content credentials": Entry(
        lambda text: jumbf.in_store(text.encode("latin-1", "replace") + b".training-mining"),
        ("chars",),
        (),
        2**20,
    ),
    "robots.txt": Entry(
        _bytes(lambda content: _judged(content, f"{URL}{'a' * 1000}")),
        ("headers",),
        (("User-agent: *\nDisallow: ", ""), ("User-agent: *\nContent-Usage: ", "")),
        500 * 1024,
    ),
    "robots.txt of patterns": Entry(
        lambda text: _judged(f"User-agent: *\nDisallow: /{text}".encode(), f"{URL}{'a*b/' * 2000}"),
        ("url",),
        (("", "\nDisallow: /"), ("*", "*")),
        500 * 1024,
    ),
    "robots.txt for a long url": Entry(
        lambda text: _judged(
            b"User-agent: *\nDisallow: /*a*b*c$\nAllow: /p/*\nContent-Usage: /*a*b c\n", URL + text
        ),
        ("url",),
        (),
        8192,
    ),
    "set-cookie": Entry(_cookies, ("headers",), (("a=b", ""), ("a=b; expires=", ""))),
    "product token": Entry(product_token, ("headers",)),
    "content type": Entry(
        lambda text: (decode_html(b"a", text), sniffing.kind_of(text, b"a"), sniffing.is_xml(text)),
        ("headers",),
        (("text/html; charset=", ""),),
    ),
    "srcset": Entry(srcset.parse, ("srcset",), (("a.png ", ""),)),
    "srcset candidates": Entry(
        lambda text: candidates.in_srcset(_element("img"), text, "img-srcset"), ("srcset",)
    ),
    "css": Entry(
        css.references, ("css",), (("a{b:", "}"), ("@import ", ";"), ("url(", ")"), ("image-set(", ")"))
    ),
    "style attribute": Entry(lambda text: styles.style_attribute(_element("p", style=text)), ("css",)),
    "loose json": Entry(loose_json.read, ("json",), (("[", "]"), ('{"a":', "}"), ('["', '"]'))),
    "loose json object": Entry(loose_json.read_object, ("json",), (("{", ""), ('{"a":[', ""))),
    "js literal": Entry(
        lambda text: js_literals.read_at(text, 0),
        ("json", "script"),
        (("[", "]"), ("{a:", "}"), ("'", "'"), ("(", ")")),
    ),
    "json in data": Entry(_data, ("json",), (("[", "]"), ('{"image":[', "]}"), ('["', '"]'))),
    "json in an attribute": Entry(
        lambda text: json_data.in_attribute(_element("div"), "data-x", text),
        ("json", "script"),
        (("{", ""), ("[", "]"), ("%7b", "")),
    ),
    "json in a script": Entry(
        _script(json_data.in_script, "application/json"), ("json",), (("[", "]"), ('{"image":"', '"}'))
    ),
    "nuxt data": Entry(
        lambda text: json_data.in_script(
            Element(
                name="script",
                attributes={"id": "__NUXT_DATA__", "type": "application/json"},
                number=1,
                text=text,
            )
        ),
        ("json",),
        (("[", "]"), ("[[1],", "1]")),
    ),
    "astro": Entry(
        lambda text: json_data.astro_props(_element("astro-island", props=text)),
        ("json",),
        (('{"a":[1,[', "]]}"),),
    ),
    "script": Entry(
        _script(json_data.in_script),
        ("script", "json"),
        (("window.a={", "}"), ("window.__N=(function(a){", "}(1))"), ("window.__a={b:", "}")),
    ),
    "urls in a script": Entry(_script(scripts.image_urls), ("script", "json")),
    "assigned": Entry(script_data.assigned, ("script",), (("__sveltekit", ""),)),
    "flight": Entry(
        _stream("__next_f"),
        ("script", "json"),
        (('__next_f.push([1,"', '"])'), ('__next_f.push([1,"1:', '\\n"])')),
    ),
    "stream": Entry(
        _stream("streamController"),
        ("script", "json"),
        (('streamController.enqueue("', '")'), ('streamController.enqueue("[', ']")')),
    ),
    "json-ld": Entry(
        _script(json_ld.json_ld, _LD), ("json",), (("[", "]"), ('{"image":', "}"), ('{"image":[', "]}"))
    ),
    "xml": Entry(
        lambda text: xml.subtrees(text, frozenset({"url", "item", "loc", "entry"}), what="sitemap"),
        ("xml", "chars"),
        (("<url>", "</url>"), ("<url a='", "'>"), ("<url ", ">")),
    ),
    "xml encoding": Entry(_bytes(encoding.decode_xml), ("xml",), (("<?xml ", "?>"),)),
    "xhtml": Entry(
        xhtml.as_html,
        ("xml", "html"),
        (
            ("<html xmlns='http://www.w3.org/1999/xhtml'>", ""),
            ("<a><?xml-stylesheet ", "?></a>"),
            ("<?xml-stylesheet ", "?><a/>"),
            ("<a></b>", ""),
            ("<a xmlns:h='http://www.w3.org/1999/xhtml'></b>", ""),
        ),
    ),
    "feed": Entry(
        feeds.read,
        ("xml", "json"),
        (("<rss><item>", "</item>"), ("<feed><entry>", "</entry>"), ('{"items":[', "]}")),
    ),
    "sitemap": Entry(_bytes(sitemap.read), ("xml", "url"), (("<urlset>", "</urlset>"),)),
    "manifest": Entry(_bytes(manifest.images), ("json",)),
    "html encoding": Entry(
        _bytes(decode_html),
        ("html",),
        (
            ("<meta content='charset", "'>"),
            ("<meta http-equiv=content-type content='", "'>"),
            ("<?xml ", "?>"),
        ),
    ),
    "html of Japan": Entry(
        lambda text: encoding.decoded(text.encode("utf-8", "surrogatepass"), "iso2022_jp"), ("chars",)
    ),
    "xml encoding of pages": Entry(_bytes(encoding.encoding_of_xml), ("xml", "html")),
    "css encoding": Entry(_bytes(encoding.decode_css), ("css",)),
    "query in Latin-1": Entry(lambda text: encoding.with_query_in("cp1252", text), ("url",), (("?é", ""),)),
    "data url": Entry(
        data_urls.decode,
        ("base64", "url"),
        (
            ("data:image/png;base64,", ""),
            ("data:image/png", ","),
            ("data:image/png,", ""),
            ("data:image/png;", ";base64,A"),
        ),
    ),
    "data or not": Entry(data_urls.is_inline, ("base64", "url")),
    "gzip of text": Entry(
        lambda text: _gunzip(gzip.compress(text.encode("utf-8", "replace"), 1)), ("chars",)
    ),
    "gzip members": Entry(_members, ("chars",)),
    "no gzip": Entry(_bytes(lambda content: _gunzip(b"\x1f\x8b\x08\0" + content)), ("chars",)),
    "refresh": Entry(links.refresh_target, ("headers", "url"), (("0;url=", ""), ("0", ""))),
    "kinds": Entry(
        _bytes(lambda content: (sniffing.kind_of("", content), sniffing.root_kind(content))),
        ("html", "xml"),
        (("<!--", "-->"), ("<?xml ", "?>"), ("<!DOCTYPE a [", "]>")),
    ),
    "extensions": Entry(
        lambda text: (
            extensions.leads_to_image(text),
            extensions.leads_elsewhere(text),
            extensions.may_lead_to_page(text),
            extensions.extension(text),
            extensions.format_of_type(text),
        ),
        ("url",),
    ),
    "templates": Entry(
        lambda text: (placeholders.is_template(text), placeholders.is_flag(text)), ("url", "words")
    ),
    "keys of data": Entry(data_keys.meaning, ("words",)),
    "lazy": Entry(
        lambda text: lazy.lazy_attributes(
            _element("img", data_src=text, data_bg=text, data_x=text, data_widths=text)
        ),
        ("srcset", "url", "css"),
        (("{width}", ""), ("a.png 1x,", "")),
    ),
    "other attributes": Entry(
        lambda text: lazy.other_attributes(_element("x-y", src=text, thumb=text)), ("url",), (("", ".png"),)
    ),
    "paging": Entry(_as_words, ("words",), (("next ", ""), ("next", ":"))),
    "pieces": Entry(
        lambda text: [shingles.without_echo(piece, URL) for piece in islice(shingles.pieces(text), 64)],
        ("words", "html"),
    ),
    "echo": Entry(lambda text: shingles.without_echo(text[:1000], URL + text[:8192]), ("words", "url")),
    "opt-outs of svg": Entry(_bytes(svg.may_be_svg), ("xml",)),
    "svg": Entry(
        _bytes(svg.svg_info),
        ("xml",),
        (
            ("<svg xmlns='http://www.w3.org/2000/svg'>", "</svg>"),
            ("<svg width='", "'/>"),
            ("<svg viewBox='", "'/>"),
            ("<!DOCTYPE svg [", "]><svg/>"),
            ("<svg ", "/>"),
        ),
    ),
    "upgrades": Entry(lambda text: upgraded(f"http://{text}/a"), ("url",), (), 8192),
    "names of files": Entry(
        lambda text: [
            naming.image_path(f"https://e.org/{text}", "png", layout=layout, version="1")
            for layout in ("site", "flat")
        ],
        ("url",),
        (),
        8192,
    ),
}

_LONGEST_URL = 8192


def _of_urls(work: Callable[[str], Any], *, start: str = URL) -> Entry:
    """What is given canonical URLs only, or what nearly are."""
    return Entry(work, ("url",), (("/", ""), ("?", ""), ("?a=", "")), _LONGEST_URL)


ENTRIES |= {
    f"url: {name}": _of_urls(lambda text, work=work: work(URL + text))
    for name, work in {
        "trap": lambda url: traps.url_trap(url, year=2026),
        "groups": novelty.groups_of,
        "size": size_of,
        "identity": identity,
        "key": lambda url: task_key("page", url),
        "tracking": without_tracking,
        "login": without_login,
        "numbered": _in_list,
        "template": placeholders.is_template,
        "names": extensions.leads_to_image,
        "echo": lambda url: shingles.without_echo("some words of a page", url),
        "scope": lambda url: Scope(
            (URL,), load(flags={"include": ["*a*b*c*"], "exclude": ["*/1/*2*"]}).scope
        ).refusal(url),
    }.items()
}
_ANYWHERE = Scope((), ScopeConfig())


def _seed(text: str) -> None:
    with suppress(SeedError):
        seed_of(text)


ENTRIES |= {
    "resolve": Entry(
        lambda text: resolve(text, URL), ("url",), (("http://", ""), ("//", "/"), ("?", ""), ("#", ""))
    ),
    "resolve by base": Entry(
        lambda text: Base(URL).resolve(text), ("url",), (("/", ""), ("?", ""), ("../", ""))
    ),
    "base": Entry(lambda text: Base(f"https://e.org/{text}").resolve("../a"), ("url",), (), _LONGEST_URL),
    "canonical": Entry(canonical, ("url",), (("http://", ""), ("http://e.org/", ""))),
    "bytes escaped": Entry(with_bytes_escaped, ("url",)),
    "login": Entry(without_login, ("url",), (("http://", ""),)),
    "seed": Entry(
        _seed, ("url",), (("http://", ""), ("a.example/", ""), ("a.", ":80/"), ("u:", "@a.example"))
    ),
}


def _listed(head: str) -> Callable[[str], Any]:
    def work(text: str) -> None:
        for row in list_entries(io.BytesIO((head + text).encode("utf-8", "replace")), name="x"):
            task_of(row, _ANYWHERE, strip_tracking=True)

    return work


ENTRIES |= {
    "list": Entry(_listed(""), ("url", "json"), (("http://", "\n"), ("a,", "\n"))),
    "list of a table": Entry(
        _listed("url,caption\n"), ("url", "json"), (("http://a.example/", '",'), ('"', '"\n'))
    ),
    "list of json": Entry(_listed('{"url":"http://a.example/"}\n'), ("url", "json"), (('{"url":"', '"}\n'),)),
}


def units_of(entry: Entry) -> tuple[str, ...]:
    return tuple(dict.fromkeys(unit for grammar in (*entry.grammars, "chars") for unit in ALL[grammar]))


def alone(entry: Entry) -> Iterator[Shape]:
    """Each unit by itself."""
    return map(Shape, units_of(entry))


def in_places(entry: Entry) -> Iterator[Shape]:
    """Each unit in each place, those of all grammars: what stands in a script or in a style is of another."""
    everything = (
        dict.fromkeys(unit for units in ALL.values() for unit in units)
        if len(entry.places) > 8
        else units_of(entry)
    )
    for (start, end), unit in product(entry.places, everything):
        yield Shape(unit, start=start, end=end)


def closed(entry: Entry) -> Iterator[Shape]:
    """Units that open something, then as many that may end it."""
    units = units_of(entry)
    ends = [
        unit
        for unit in units
        if unit[:1] in ("</", ")", "]", "}", ">") or unit.startswith(("</", "-->", "*/", "]]>"))
    ]
    for unit, end in product(units, ends):
        if unit != end:
            yield Shape(unit, end, in_halves=True)


def pairs(entry: Entry) -> Iterator[Shape]:
    """Any two units in turn, and the one after the other."""
    for one, other in permutations(units_of(entry), 2):
        yield Shape(one, other)
        yield Shape(one, other, in_halves=True)


def triples(entry: Entry, *, seed: str) -> Iterator[Shape]:
    """Three units in turn; without end, and in an order that only *seed* tells."""
    units = units_of(entry)
    number = hash_of(seed)
    while True:
        picked = []
        for _ in range(3):
            number = hash_of(f"{number}")
            picked.append(units[(number >> 7) % len(units)])
        yield Shape(picked[0], picked[1] + picked[2])
        yield Shape(picked[0] + picked[1], picked[2], in_halves=True)


def sampled(shapes: Iterable[Shape], *, of_all: int, part: int) -> Iterator[Shape]:
    """One in *of_all*; each *part* has others, and the same ones each time."""
    return (shape for shape in shapes if hash_of(str(shape)) % of_all == part)

"""The rules that find images in a document: one small function for each place, all listed in RULES.

A rule takes one element and yields candidates with unresolved references. To add a place, write a function, list it in
RULES with the elements it applies to, and put a page with its expected images into tests/cases. Elements that are named
in RULES have to be in NAMES of parser_base. A rule for elements of any name sees those that ``may_tell`` there keeps,
unless all their attributes are in _PLAIN_ATTRIBUTES. Example::

    def img_longdesc(element: Element) -> Iterator[Candidate]:
        yield from alone(element, "longdesc", "longdesc")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from crawler.harvest import event_handlers, json_data, json_ld, lazy, scripts, styles
from crawler.harvest.candidates import FALLBACK, PLAIN, Candidate, Rule, alone, group_of, in_srcset
from crawler.harvest.cuts import Cut
from crawler.harvest.data_urls import is_inline
from crawler.harvest.extensions import leads_to_image
from crawler.harvest.lightboxes import promises_image
from crawler.harvest.parser_base import COMPONENTS, Element, link_target


def found_on(elements: Iterable[Element], *, guess: bool = False) -> Iterator[Candidate | Cut]:
    """All candidates of the rules, in document order, repeats included; with *guess* those of LAST_RULES too."""
    scripts = []
    last = LAST_RULES if guess else ()
    for element in elements:
        name, attributes = element.name, element.attributes
        if _PLAIN_ATTRIBUTES.issuperset(attributes) and "-" not in name:
            if name == "a" and not _may_show(attributes):
                if not last:
                    continue  # as most elements: no rule finds anything
                rules: Sequence[Rule] = ()
            else:
                rules = _NAMED_RULES.get(name, ())
        else:
            rules = _RULES_OF.get(name, _RULES_OF_ALL)
        for rule in rules:
            yield from rule(element)
        for rule in last:
            yield from rule(element)
        if name == "script":
            scripts.append(element)
    yield from json_data.in_streams(scripts)


# --- images proper ----------------------------------------------------------------------------------------


def img_src(element: Element) -> Iterator[Candidate]:
    """``src``, and the ``lowsrc`` that was shown until it had come."""
    for name, rank in (("src", PLAIN), ("lowsrc", FALLBACK)):
        if reference := element.attributes.get(name):
            yield Candidate(
                reference=reference, found_in="img", group=group_of(element), rank=rank, element=element
            )


def img_srcset(element: Element) -> Iterator[Candidate]:
    """``srcset`` of ``<img>``, and of ``<source>`` in a ``<picture>``."""
    if (value := element.attributes.get("srcset")) and (element.name != "source" or element.picture):
        yield from in_srcset(element, value, "picture" if element.name == "source" else "srcset")


def input_image(element: Element) -> Iterator[Candidate]:
    if element.attributes.get("type", "").strip().lower() == "image":
        yield from alone(element, "src", "input")


def poster(element: Element) -> Iterator[Candidate]:
    """``poster`` of ``<video>``, and of custom elements."""
    if element.name == "video" or "-" in element.name:
        yield from alone(element, "poster", "poster")


def frame_image(element: Element) -> Iterator[Candidate]:
    """A frame that shows an image instead of a page."""
    if leads_to_image(element.attributes.get("src", "")):
        yield from alone(element, "src", "iframe")


def object_data(element: Element) -> Iterator[Candidate]:
    if _embeds_image(element, "data"):
        yield from alone(element, "data", "object")


def embed_src(element: Element) -> Iterator[Candidate]:
    if _embeds_image(element, "src"):
        yield from alone(element, "src", "embed")


def svg_image(element: Element) -> Iterator[Candidate]:
    """``<image>`` and ``<feImage>`` of SVG; ``href`` wins over the old ``xlink:href``, both are taken."""
    for name in ("href", "xlink:href"):
        if not element.attributes.get(name, "#").lstrip().startswith("#"):
            yield from alone(element, name, "svg")


def svg_use(element: Element) -> Iterator[Candidate]:
    """``<use>`` of a part of another file; references within the document are left out."""
    for name in ("href", "xlink:href"):
        if leads_to_image(element.attributes.get(name, "")):
            yield from alone(element, name, "svg")


_POSTERS = ("poster-portrait-src", "poster-square-src", "poster-landscape-src")


def amp_image(element: Element) -> Iterator[Candidate]:
    """``<amp-img>`` and ``<amp-anim>``, the images of AMP pages."""
    if src := element.attributes.get("src"):
        yield Candidate(reference=src, found_in="amp", group=group_of(element), element=element)
    if value := element.attributes.get("srcset"):
        yield from in_srcset(element, value, "amp")


def amp_story(element: Element) -> Iterator[Candidate]:
    """The posters of a story: each place that shows it takes the one of the shape that it has room for."""
    for name in _POSTERS:
        yield from alone(element, name, "amp")


def component(element: Element) -> Iterator[Candidate]:
    """The image of a library of components, as it stands in the page before the library has run."""
    if src := element.attributes.get("src"):
        yield Candidate(reference=src, found_in="img", group=group_of(element), element=element)
    if value := element.attributes.get("srcset"):
        yield from in_srcset(element, value, "srcset")


# --- links, and what the head says ------------------------------------------------------------------------

_APPLE_RELS = {f"apple-touch-{name}" for name in ("icon", "icon-precomposed", "startup-image")}
_ICON_RELS = _APPLE_RELS | {"icon", "mask-icon", "fluid-icon"}
_TILES = ("square70x70logo", "square150x150logo", "wide310x150logo", "square310x310logo", "tileimage")
_META_NAMES = {
    **dict.fromkeys(("og:image", "og:image:url", "og:image:secure_url", "og:video:thumbnail"), "og"),
    **dict.fromkeys(("twitter:image", "twitter:image:src", "twitter:image0"), "twitter"),
    **dict.fromkeys((f"msapplication-{name}" for name in _TILES), "msapplication"),
    **dict.fromkeys(
        (
            "image",
            "thumbnail",
            "thumbnailurl",
            "thumbnail_url",
            "parsely-image-url",
            "sailthru.image.full",
            "sailthru.image.thumb",
            "vk:image",
        ),
        "meta",
    ),
}
"""Where an image is found that a ``<meta>`` names, by the ``property`` or ``name`` of that."""
_PROPERTIES = frozenset(
    {"image", "thumbnail", "thumbnailurl", "logo", "photo", "screenshot", "primaryimageofpage"}
)
_ADDRESSES = ("contenturl", "url")
"""Properties that may be the address of an image, by its extension."""
_VALUES = {"a": "href", "area": "href", "link": "href", "data": "value", "object": "data"}
"""The attribute with the value of a property, by element (HTML, "microdata"); ``content`` takes precedence."""


def linked_image(element: Element) -> Iterator[Candidate]:
    """``<a>`` and ``<area>`` that lead to an image by extension, or by a lightbox; in SVG also by ``xlink:href``."""
    if leads_to_image(element.attributes.get("href", "")) or promises_image(element.attributes):
        yield from alone(element, "href", element.name)
    if leads_to_image(element.attributes.get("xlink:href", "")):
        yield from alone(element, "xlink:href", element.name)
    if "data-src" in element.attributes and link_target(element.attributes) == element.attributes["data-src"]:
        yield from alone(element, "data-src", element.name)
    yield from alone(element, "data-pswp-src", element.name)  # PhotoSwipe shows it in place of href


def link_relations(element: Element) -> Iterator[Candidate]:
    """``<link>``: icons, the page's own picture, and images to load early."""
    rels = element.attributes.get("rel", "").lower().split()
    if not _ICON_RELS.isdisjoint(rels):
        yield from alone(element, "href", "icon")
    elif "image_src" in rels:
        yield from alone(element, "href", "image_src")
    elif (
        not {"preload", "prefetch"}.isdisjoint(rels)
        and element.attributes.get("as", "").strip().lower() == "image"
    ):
        if href := element.attributes.get("href"):
            yield Candidate(reference=href, found_in="preload", group=group_of(element), element=element)
        yield from in_srcset(element, element.attributes.get("imagesrcset", ""), "preload")


def meta_images(element: Element) -> Iterator[Candidate]:
    """Open Graph, Twitter cards, Windows tiles."""
    name = element.attributes.get("property") or element.attributes.get("name", "")
    if found_in := _META_NAMES.get(name.strip().lower()):
        yield from alone(element, "content", found_in)


def with_meta_words(elements: Iterable[Element]) -> list[Element]:
    """*elements*; each ``<meta>`` of an image has the ``alt`` that ``og:image:alt`` or ``twitter:image:alt`` tells."""
    told = list(elements)
    places: dict[str, int] = {}
    for place, element in enumerate(told):
        if element.name != "meta":
            continue
        name = (element.attributes.get("property") or element.attributes.get("name", "")).strip().lower()
        kind, _, about = name.partition(":")
        if name in _META_NAMES:
            places[kind] = place
        elif about == "image:alt" and kind in places:
            named = told[places[kind]]
            attributes = {**named.attributes, "alt": element.attributes.get("content", "")}
            told[places[kind]] = msgspec.structs.replace(named, attributes=attributes)
    return told


def properties(element: Element) -> Iterator[Candidate]:
    """schema.org in microdata (``itemprop``) and RDFa (``property``); not of ``<img>``, which other rules find."""
    for attribute in ("itemprop", "property"):
        value = element.attributes.get(attribute)
        if not value or (element.name == "img" and "content" not in element.attributes):
            continue
        names = {name.removeprefix("schema:") for name in value.lower().split()}
        holder = "content" if "content" in element.attributes else _VALUES.get(element.name, "resource")
        reference = element.attributes.get(holder, "")
        if not _PROPERTIES.isdisjoint(names) or (
            not names.isdisjoint(_ADDRESSES) and leads_to_image(reference)
        ):
            yield from alone(element, holder, "itemprop" if attribute == "itemprop" else "rdfa")


# --- what the rules share ---------------------------------------------------------------------------------


def _may_show(attributes: Mapping[str, str]) -> bool:
    """Whether a link with none but _PLAIN_ATTRIBUTES may show an image; asked of most elements, hence by the letter."""
    href = attributes.get("href", "")
    return href[:1] in _CODE or leads_to_image(href) or "rel" in attributes or "type" in attributes


def _embeds_image(element: Element, attribute: str) -> bool:
    media_type = element.attributes.get("type", "").strip().lower()
    reference = element.attributes.get(attribute, "")
    return media_type.startswith("image/") or (
        not media_type and (leads_to_image(reference) or is_inline(reference))
    )


RULES: tuple[tuple[Rule, str], ...] = (
    (img_src, "img"),
    (img_srcset, "img source"),
    (input_image, "input"),
    (poster, ""),
    (frame_image, "iframe frame"),
    (object_data, "object"),
    (embed_src, "embed"),
    (svg_image, "image feimage"),
    (svg_use, "use"),
    (amp_image, "amp-img amp-anim"),
    (amp_story, "amp-story"),
    (component, " ".join(COMPONENTS)),
    (linked_image, "a area"),
    (link_relations, "link"),
    (meta_images, "meta"),
    (properties, ""),
    (json_ld.json_ld, "script"),
    (json_data.in_script, "script"),
    (json_data.astro_props, "astro-island"),
    (styles.style_element, "style"),
    (lazy.lazy_attributes, ""),
    (lazy.other_attributes, ""),
    (event_handlers.handlers, ""),
    (event_handlers.code_link, "a area"),
    (styles.background_attribute, ""),
    (styles.style_attribute, ""),
)
"""Each rule with the names of the elements that it applies to; without any for all."""
LAST_RULES: tuple[Rule, ...] = (scripts.image_urls,)
"""Rules that guess; only used on request."""

_PLAIN_ATTRIBUTES = (lazy.NOT_OF_IMAGES - {"background", "poster", "style", "xlink:href"}) | {
    "accesskey", "aria-hidden", "aria-label", "coords", "dir", "height", "lang", "rel", "role", "shape", "tabindex",
    "width",
}  # fmt: skip
"""Attributes that rules for elements of any name ignore; most elements have no others."""
_CODE = ("j", "J")
"""How ``javascript:`` begins."""
_NAMES = {name for _, names in RULES for name in names.split()}
_NAMED_RULES = {name: tuple(rule for rule, names in RULES if name in names.split()) for name in _NAMES}
_RULES_OF_ALL = tuple(rule for rule, names in RULES if not names)
_RULES_OF = {
    name: tuple(rule for rule, names in RULES if not names or name in names.split()) for name in _NAMES
}

"""Finds images in style sheets, ``style`` attributes and ``background`` attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from crawler.harvest import css
from crawler.harvest.candidates import Candidate, alone
from crawler.harvest.css import CssReference
from crawler.harvest.cuts import Cut
from crawler.harvest.parser_base import Element


def background_attribute(element: Element) -> Iterator[Candidate | Cut]:
    yield from alone(element, "background", "background")


def style_attribute(element: Element) -> Iterator[Candidate | Cut]:
    if style := element.attributes.get("style"):
        yield from images_among(css.references(style), element, scope=str(element.number))


def style_element(element: Element) -> Iterator[Candidate | Cut]:
    yield from images_among(css.references(element.text), element, scope=str(element.number))


def images_among(
    references: Iterable[CssReference | Cut], element: Element, *, scope: str = ""
) -> Iterator[Candidate | Cut]:
    """The images among the references of a style sheet. *scope* tells its ``image-set`` groups from those of others."""
    for item in references:
        if isinstance(item, Cut):
            yield item
        elif not item.is_import:
            yield Candidate(
                reference=item.url,
                found_in="css",
                group=f"css{scope}.{item.image_set}" if item.image_set else "",
                density=item.density,
                element=element,
            )

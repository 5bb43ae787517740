"""Groups the candidates of a document into pictures: which size is taken, and what is said of it.

A browser loads one of several sizes, and a person sees one picture. One URL of each picture is taken here. The others
travel with it, in the order in which they are to be tried if it can't be fetched.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from crawler.harvest.candidates import FULL_SIZE, SHOWN, Candidate, Preference, group_of, preference
from crawler.harvest.parser_base import Element
from crawler.sizes import size_of


class Located(NamedTuple):
    """A candidate with its resolved URL."""

    url: str
    candidate: Candidate
    secure_url: str = ""
    """The https URL of the same image, if this http URL is only a fallback for it."""


class Other(NamedTuple):
    """Another size of a picture."""

    found: Located
    rule: str
    """Why it was not taken: a key of :data:`crawler.models.ALTERNATIVE_RULES`."""


class Picture(NamedTuple):
    """One picture: the size that is taken, and the others."""

    taken: Located
    others: tuple[Other, ...]
    """The other sizes, best first, each URL once."""
    refused: tuple[Located, ...]
    """Sizes that would have been preferred, but are forbidden."""
    named_by: tuple[Located, ...]
    """All candidates of the picture, in any size."""


class _Size(NamedTuple):
    found: Located
    is_thumbnail: bool
    wanted: Preference


_TOLD_ENOUGH = 64
"""Candidates whose words are read, where very many sizes are taken."""
_TOLD_TO_PEOPLE = SHOWN | {"input", "object", "embed", "image", "video", "a", "area", "iframe", "frame"}
"""Elements whose words a person reads; words of ``<meta>``, ``<link>`` and data count less."""


def pictures(
    found: Sequence[Located], *, formats: frozenset[str], forbidden: Callable[[str], str]
) -> list[Picture]:
    """The pictures of a document, each once, in the order in which their taken sizes were found.

    *formats* are those that are kept. *forbidden* returns the slug of what forbids a URL, or nothing: such a size is
    taken only where all are forbidden.
    """
    by_url = _by_url(found)
    made: dict[str, list[Picture]] = defaultdict(list)
    for sizes in _grouped(found, formats):
        picture = _picture(sizes, forbidden)
        made[picture.taken.url].append(picture)
    order = {url: position for position, url in enumerate(by_url)}
    merged = _without_stand_ins([_merged(same, by_url[url]) for url, same in made.items()])
    return sorted(merged, key=lambda picture: order[picture.taken.url])


def in_all_sizes(found: Sequence[Located], pictured: Iterable[Picture]) -> list[Picture]:
    """Each size of these pictures as a picture of its own, in the order in which they were found."""
    insecure = {item.secure_url: (Other(item, "insecure"),) for item in found if item.secure_url}
    made: dict[str, Picture] = {}
    for picture in pictured:
        for item in picture.named_by:
            if item.url not in made and not item.secure_url:
                others = insecure.get(item.url, ())
                made[item.url] = Picture(item, others, (), (item, *picture.named_by[:_TOLD_ENOUGH]))
    return [
        made[url]._replace(named_by=(*named, *made[url].named_by))
        for url, named in _by_url(found).items()
        if url in made
    ]


def _by_url(found: Iterable[Located]) -> dict[str, list[Located]]:
    """Groups by URL, in the order of first appearance."""
    by_url: dict[str, list[Located]] = defaultdict(list)
    for item in found:
        by_url[item.url].append(item)
    return by_url


def words_of(told: Iterable[Located], images: Mapping[int, Element]) -> Element:
    """An element with all words for a picture; *images* has the ``<img>`` of each ``<picture>``.

    The first word of each kind counts; words for people come before words for machines.
    """
    elements = [images.get(item.candidate.element.picture, item.candidate.element) for item in told]
    if len(elements) > 1:
        elements.sort(key=lambda element: element.name not in _TOLD_TO_PEOPLE)
    alt = label = title = hint = caption = heading = ""
    for element in elements:
        attributes = element.attributes
        alt = alt or _said(attributes.get("alt"))
        label = label or _said(element.label)
        title = title or _said(attributes.get("title"))
        hint = hint or _said(element.hint)
        caption = caption or _said(element.caption)
        heading = heading or _said(element.heading)
    spoken = label if alt and label != alt else ""  # a label comes before alt where a page is read aloud
    return Element(
        name=elements[0].name,
        attributes={"alt": alt or label, "title": title or spoken or hint},
        number=elements[0].number,
        caption=caption or (spoken if title else ""),
        heading=heading,
    )


def _said(text: str | None) -> str:
    return text if text and not text.isspace() else ""


# --- which of the sizes is taken --------------------------------------------------------------------------


def _picture(sizes: Sequence[_Size], forbidden: Callable[[str], str]) -> Picture:
    """One picture; *sizes* has the best first."""
    if len(sizes) == 1:  # as most
        only = sizes[0].found
        return Picture(only, (), (), (only,))
    distinct: dict[str, _Size] = {}
    for size in sizes:
        distinct.setdefault(size.found.url, size)
    allowed = [size for size in distinct.values() if not forbidden(size.found.url)]
    taken = next(iter(allowed or distinct.values()))
    better = list(distinct.values())
    return Picture(
        taken.found,
        tuple(Other(size.found, _rule(size, taken)) for size in allowed if size is not taken),
        tuple(size.found for size in better[: better.index(taken)]),
        tuple(size.found for size in sizes),
    )


def _rule(size: _Size, taken: _Size) -> str:
    """The rule by which *size* comes after *taken*."""
    its, best = size.wanted, taken.wanted
    if its.is_kept < best.is_kept:
        return "type"
    if its.is_fetched < best.is_fetched:
        return "placeholder"
    if size.is_thumbnail > taken.is_thumbnail:
        return "thumbnail"
    if size.found.secure_url == taken.found.url:
        return "insecure"
    if _told(size) != _told(taken):
        return "smaller"
    return "placeholder" if its.rank < best.rank else "later"


def _told(size: _Size) -> tuple[float, ...]:
    """The declared size."""
    return (size.wanted.width_px, size.wanted.density, size_of(size.found.url).px)


def _merged(same: Sequence[Picture], named: Iterable[Located]) -> Picture:
    """Pictures with the same taken size as one; *named* are all candidates with this size's URL."""
    url = same[0].taken.url
    told = (*named, *(item for picture in same for item in picture.named_by if item.url != url))
    if len(same) == 1:
        return same[0]._replace(named_by=told)
    others: dict[str, Other] = {}
    for other in (other for picture in same for other in picture.others):
        others.setdefault(other.found.url, other)
    refused = {item.url: item for picture in same for item in picture.refused}
    return Picture(same[0].taken, tuple(others.values()), tuple(refused.values()), told)


def _without_stand_ins(made: Sequence[Picture]) -> Iterator[Picture]:
    """*made* without sizes that stand for several pictures: spinners and grey boxes."""
    shown = Counter(
        other.found.url
        for picture in made
        for other in picture.others
        if other.rule in ("placeholder", "later")
    )
    if not shown:
        yield from made
        return
    for picture in made:
        others = tuple(
            other
            for other in picture.others
            if shown[other.found.url] < 2 or other.rule not in ("placeholder", "later")  # noqa: PLR2004 - of several
        )
        yield picture._replace(others=others)


# --- what are sizes of one picture ------------------------------------------------------------------------


def _grouped(found: Iterable[Located], formats: frozenset[str]) -> Iterator[list[_Size]]:
    """The sizes of each picture, best first."""
    groups: dict[str, list[tuple[Preference, Located]]] = defaultdict(list)
    for item in found:
        key = item.candidate.group or f"alone {item.secure_url or item.url}"
        groups[key].append((preference(item.candidate, formats), item))
    for sizes in groups.values():
        if len(sizes) > 1:
            _put_best_first(sizes)
    best = {key: sizes[0][1] for key, sizes in groups.items()}
    full = _full_sizes(groups, best)
    for keys in _joined(best, full):
        if len(keys) > 1:
            keys.sort(key=lambda key: (key in full, -size_of(best[key].url).px))
        elif len(groups[keys[0]]) == 1:  # as most
            [(wanted, item)] = groups[keys[0]]
            yield [_Size(item, keys[0] in full, wanted)]
            continue
        together = [_Size(item, key in full, wanted) for key in keys for wanted, item in groups[key]]
        # formats that are not kept come last, before them inline placeholders
        yield sorted(together, key=lambda size: (not size.wanted.is_kept, not size.wanted.is_fetched))


def _put_best_first(sizes: list[tuple[Preference, Located]]) -> None:
    """Sort, best first. The size in a URL counts before the declared one where URLs differ in nothing else."""
    urls = {item.secure_url or item.url for wanted, item in sizes if wanted.is_kept and wanted.is_fetched}
    by_url = len(urls) > 1 and len({size_of(url).picture for url in urls}) == 1

    def key(size: tuple[Preference, Located]) -> tuple[bool, bool, float, Preference, bool]:
        wanted, item = size
        px = size_of(item.secure_url or item.url).px if by_url else 0.0
        return wanted.is_kept, wanted.is_fetched, px, wanted, not item.secure_url

    sizes.sort(key=key, reverse=True)


def _full_sizes(
    groups: Mapping[str, Iterable[tuple[Preference, Located]]], best: Mapping[str, Located]
) -> dict[str, str]:
    """The group of the full-size image for each group that is a thumbnail; *best* has the best size of each group.

    A thumbnail is an image in a link to an image, the only one in links with that target: with several, nothing tells
    whose larger version it is. An image that leads to several pictures is an icon or a blank, and a thumbnail of none.
    """
    targets = {
        item.candidate.reference: key
        for key, sizes in groups.items()
        for _, item in sizes
        if item.candidate.found_in == "a"
    }
    if not targets:  # as on most pages
        return {}
    inside: dict[str, list[str]] = defaultdict(list)
    for key, item in best.items():
        element = item.candidate.element
        link = element.link
        is_own = key == group_of(element)  # not of another attribute of the element
        if is_own and element.name in SHOWN and link in targets:
            inside[link].append(key)
    if not inside:
        return {}
    pictured = {key: size_of(item.url).picture for key, item in best.items()}
    full = {
        key: targets[link]
        for link, keys in inside.items()
        if len({best[key].url for key in keys}) == 1 and best[keys[0]].candidate.rank < FULL_SIZE
        for key in keys
        if pictured[key] != pictured[targets[link]]
    }
    leads_to: dict[str, set[str]] = defaultdict(set)
    for key, target in full.items():
        leads_to[pictured[key]].add(pictured[target])
    return {key: target for key, target in full.items() if len(leads_to[pictured[key]]) == 1}


def _joined(best: Mapping[str, Located], full: Mapping[str, str]) -> Iterator[list[str]]:
    """The groups of each picture: thumbnails with their targets, and those that differ only in marks of sizes."""
    named = {key: size_of(item.url).picture for key, item in best.items()}
    if not full and len(set(named.values())) == len(named):  # as on most pages
        return ([key] for key in best)
    leader = {key: key for key in best}

    def find(key: str) -> str:
        while leader[key] != key:
            leader[key] = key = leader[leader[key]]
        return key

    first_of: dict[str, str] = {}
    for key, picture in named.items():
        leader[find(key)] = find(first_of.setdefault(picture, key))
    for key, target in full.items():
        leader[find(key)] = find(target)
    together: dict[str, list[str]] = defaultdict(list)
    for key in best:
        together[find(key)].append(key)
    return iter(together.values())

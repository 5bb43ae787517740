"""1,000 pages of five templates: two need scripts, three have scripts that make no pictures. Which are rendered?

The same site twice: once each template has a path of its own, once all pages are below one path, in mixed order, so that
only their documents tell them apart.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import NamedTuple

from tests.benchmarks.rendered.site import Answer, Ask, Pictures, Reply, Site, as_json, html, page, script

PAGES = 1000
PER_PAGE = 3
"""Pictures of one page, which no other has."""
PER_LIST = 50
NEED_SCRIPTS = ("gallery", "lookbook")
TEMPLATES = (*NEED_SCRIPTS, "article", "review", "event")
STATS = '<script async src="/js/stats.js"></script>'
MENU = '<button id="menu">☰</button><nav hidden><a href="/">Home</a></nav>'
WORDS = [
    "river",
    "stone",
    "garden",
    "light",
    "window",
    "morning",
    "harbour",
    "bridge",
    "winter",
    "paper",
    "market",
    "circle",
    "silver",
    "orange",
    "engine",
    "letter",
]


class Numbered(NamedTuple):
    """One page: which, of what template, and where."""

    number: int
    template: str
    path: str

    @property
    def pictures(self) -> range:
        first = (self.number - 1) * PER_PAGE + 1
        return range(first, first + PER_PAGE)


def pages(count: int = PAGES, *, one_path: bool) -> list[Numbered]:
    """As many of each template; the same in every run."""
    kinds = [name for name in TEMPLATES for _ in range(count // len(TEMPLATES))]
    random.Random(16).shuffle(kinds)
    return [
        Numbered(at, kind, f"/p/{at}" if one_path else f"/{kind}/{at}")
        for at, kind in enumerate(kinds, start=1)
    ]


def document(site_pictures: Pictures, it: Numbered) -> str:
    """Of changing length and words, as pages of one template are."""
    dice = random.Random(it.number)

    def prose(paragraphs: int) -> str:
        return "".join(
            f"<p>{' '.join(dice.choices(WORDS, k=dice.randint(15, 40)))}.</p>" for _ in range(paragraphs)
        )

    title = f"{it.template.title()} {it.number}: {dice.choice(WORDS)}"
    images = "".join(f'<img src="{site_pictures.src(n)}" alt="Photo {n}">' for n in it.pictures)
    first = it.pictures[0] - 1
    bodies = {
        "gallery": f'<div id="gallery" class="grid" data-from="{first}"></div>{prose(dice.randint(0, 2))}'
        '<script src="/js/gallery.js"></script>',
        "lookbook": f'<section class="looks">{"".join(f"<figure data-look={n}><figcaption>Look</figcaption></figure>" for n in it.pictures)}'
        f'</section>{prose(1)}<script src="/js/lookbook.js"></script>',
        "article": f'<article>{prose(2)}{images}{prose(dice.randint(1, 4))}</article><ul class="tags"><li>{dice.choice(WORDS)}</li></ul>',
        "review": f'<main class="review">{images}<div class="stars" data-stars="{dice.randint(1, 5)}"></div>{prose(dice.randint(1, 3))}</main>'
        '<script src="/js/review.js"></script>',
        "event": f'<main class="event"><time data-at="{dice.randint(1, 28)}"></time>{images}<aside id="weather"></aside>{prose(1)}</main>'
        '<script src="/js/event.js"></script>',
    }
    return page(
        title, f'{MENU}<h1>{title}</h1>{bodies[it.template]}<script src="/js/menu.js"></script>', STATS
    )


SCRIPTS = {
    "js/stats.js": 'navigator.sendBeacon("/collect", JSON.stringify({ at: location.pathname }));',
    "js/menu.js": 'menu.onclick = () => { const it = document.querySelector("nav"); it.hidden = !it.hidden; };',
    "js/gallery.js": """
const box = document.getElementById("gallery");
fetch(`/api/pictures?offset=${box.dataset.from}&limit=3`).then((it) => it.json()).then(({ pictures }) => {
  for (const it of pictures) box.append(Object.assign(new Image(), { src: it.src, alt: it.title }));
});
""",
    "js/lookbook.js": """
const observer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) if (isIntersecting) {
    observer.unobserve(target);
    target.prepend(Object.assign(new Image(), { src: `/photo/${target.dataset.look}.jpg`, alt: "Look" }));
  }
});
document.querySelectorAll("figure").forEach((it) => observer.observe(it));
""",
    "js/review.js": 'const it = document.querySelector(".stars"); it.innerHTML = "<i>★</i>".repeat(it.dataset.stars);',
    "js/event.js": """
const time = document.querySelector("time");
time.textContent = new Date(2030, 4, time.dataset.at).toLocaleDateString();
fetch("/weather").then((it) => it.json()).then((it) => { document.getElementById("weather").textContent = it.text; });
""",
}


def _site(name: str, count: int, *, one_path: bool) -> Site:
    numbered = pages(count, one_path=one_path)
    pictures = Pictures(count=len(numbered) * PER_PAGE, url="/photo/{n}.jpg", widths=(96,))
    by_path = {it.path: it for it in numbered}

    def shown(ask: Ask) -> Reply:
        return html(document(pictures, by_path[ask.path]))

    lists = {
        f"list/{at // PER_LIST + 1}.html": page(
            f"List {at // PER_LIST + 1}",
            "<ul>"
            + "".join(
                f'<li><a href="{it.path}">No {it.number}</a></li>' for it in numbered[at : at + PER_LIST]
            )
            + "</ul>",
        )
        for at in range(0, len(numbered), PER_LIST)
    }
    answers: Mapping[str, Answer] = {
        **dict.fromkeys(by_path, shown),
        "/weather": lambda _: as_json({"text": "Fair"}),
        "/collect": lambda _: as_json({}),
    }
    return Site(
        name=name,
        about=f"{len(numbered):,} pages of five templates below {'one path' if one_path else 'a path each'}",
        kind="templates",
        pictures=pictures,
        answers=answers,
        files={
            "index.html": page(
                "Lists",
                "".join(f'<a href="/{it}">{it}</a> ' for it in lists) + script("document.title += '!';"),
            ),
            **lists,
            **SCRIPTS,
        },
    )


def sites(count: int = PAGES) -> tuple[Site, Site]:
    """With so many pages: each template below a path of its own, and all below one."""
    return _site("templates-paths", count, one_path=False), _site("templates-one-path", count, one_path=True)


SITES = PATHS, ONE_PATH = sites()

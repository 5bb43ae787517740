"""Whole sites, made on the way: honest ones lose nothing by default, endless ones end after some hundreds of pages."""

from __future__ import annotations

import calendar
import hashlib
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import pytest

from crawler.config import Config, ScopeConfig
from crawler.harvest import sitemap
from crawler.harvest.documents import DocumentReader
from crawler.harvest.link_filter import LinkFilter
from crawler.models import NewTask, Origin, Task, TaskKind
from crawler.scope import Scope
from crawler.urls import identity
from tests.support.harvesting import answer

pytestmark = [pytest.mark.slow, pytest.mark.untraced]

SITE = "https://e.org"
YEAR = 2026
ENOUGH = {"nested": 1500, "facets in the path": 1500}
"""Pages after which a site that goes on without end has to be over, where that takes more than 700: folders within
folders are given some patience, for honest ones have the pictures at the bottom.
"""
Page = Callable[[str, str], str]
"""From path and query to HTML."""


class Reply(NamedTuple):
    """What a server says, where that is no page, or a redirect leads to it."""

    content: str
    content_type: str = "text/html"
    final_url: str = ""


Site = Callable[[str], str | Reply]
"""From a whole URL to HTML, or to what else is there."""


class Walk(NamedTuple):
    visited: list[str]
    images: set[str]
    kept_out: dict[str, int]


def walk(page: Page, *, start: str = "/", **options: Any) -> Walk:
    """As :func:`walk_all`, of the pages of one host; images are named by their paths."""

    def site(url: str) -> str:
        path, _, query = url.removeprefix(SITE).partition("?")
        return page(path, query)

    done = walk_all(site, start=SITE + start, **options)
    return done._replace(images={image.removeprefix(SITE) for image in done.images})


def walk_all(  # noqa: C901 - a crawl in small
    site: Site,
    *,
    limit: int,
    start: str = f"{SITE}/",
    order: str = "fifo",
    harvesters: int = 1,
    sitemaps: Iterable[str] = (),
    **scope: Any,
) -> Walk:
    """Crawl a site with default settings, but for *scope*: each URL once, with the depth that it was first found at.
    Fails when there are still pages to visit after *limit*. What is asked for that is no page counts as well.
    """
    config = Config(scope=ScopeConfig(**scope))
    scope_of_site = Scope((start,), config.scope)
    reader = DocumentReader(scope_of_site, config)
    judges = [
        LinkFilter(scope_of_site, config.scope, now=lambda: datetime.now(UTC)) for _ in range(harvesters)
    ]
    seeds = [NewTask(kind=TaskKind.PAGE, url=start)]
    for url in sitemaps:
        origin = Origin(page_url=start, found_in=sitemap.SITEMAP)
        seeds.append(NewTask(kind=TaskKind.PAGE, url=url, origin=origin))
    waiting, known = deque(seeds), {identity(seed.url) for seed in seeds}
    rng = random.Random(4)
    done = Walk([], set(), {})
    while waiting:
        if order == "random":
            waiting.rotate(rng.randrange(len(waiting)))
        task = waiting.pop() if order == "lifo" else waiting.popleft()
        judge = judges[len(done.visited) % harvesters] if config.scope.avoid_traps else None
        if judge is not None and task.origin is not None and judge.is_repeat(task.url):
            continue
        done.visited.append(task.url)
        assert len(done.visited) <= limit, f"it goes on: {done.visited[-5:]}"
        reply = site(task.url)
        said = Reply(reply) if isinstance(reply, str) else reply
        fetched = answer(task.url, said.content, said.content_type, final_url=said.final_url)
        harvest = reader.read(_leased(task), fetched)
        done.images.update(image.url for image in harvest.images)
        links: Sequence[NewTask] = harvest.links
        if judge is not None:
            links = judge.filtered(
                harvest.kind,
                fetched.final_url,
                task_url=task.url,
                images={image.url for image in harvest.images} - harvest.dots,
                links=links,
                shingles=partial(reader.words, fetched),
            )
        for link in links:
            if not link.kept_out_by and identity(link.url) not in known:
                known.add(identity(link.url))
                waiting.append(link)
        for link in (*harvest.kept_out, *links):
            if link.kept_out_by and link.url not in known:
                done.kept_out[link.kept_out_by] = done.kept_out.get(link.kept_out_by, 0) + 1
        for slug, count in harvest.left_out.items():
            done.kept_out[slug] = done.kept_out.get(slug, 0) + count
    return done


def _leased(task: NewTask) -> Task:
    return Task(id=1, serial=1, kind=task.kind, url=task.url, depth=task.depth, attempt=1, origin=task.origin)


def anchors(references: Iterable[str], text: str = "go") -> str:
    return "".join(f"<a href='{reference}'>{text}</a>" for reference in references)


def words(*seed: object) -> str:
    """A sentence that no other page has."""
    digest = hashlib.sha256(repr(seed).encode()).hexdigest()
    return " ".join("".join(chr(97 + int(char, 16)) for char in digest[n : n + 8]) for n in range(0, 40, 8))


def number(query: str, name: str, default: int = 1) -> int:
    return next(
        (int(item.partition("=")[2]) for item in query.split("&") if item.startswith(f"{name}=")), default
    )


# --- honest ones ---


def strips(lists: int = 60, per_list: int = 10) -> Page:
    """Lists of links "Strip 17" without thumbnails; the pictures are one link away."""

    def page(path: str, query: str) -> str:
        if path.startswith("/strip/"):
            n = path.removeprefix("/strip/")
            return f"<title>Strip {n}</title><a href=/>all</a><img src=/i/{n}.png>"
        k = number(query, "page")
        items = "".join(f"<a href=/strip/{n}>Strip {n}</a>" for n in range((k - 1) * per_list, k * per_list))
        more = f"<a href='/?page={k + 1}'>Older</a>" if k < lists else ""
        return f"<title>All strips, page {k}</title>{items}{more}"

    return page


def one_program(path: str, query: str) -> str:
    """The same, all by one script that tells lists and pictures apart by its parameters."""
    if "photo=" in query:
        n = number(query, "photo")
        return f"Photo {n}<img src='/img.php?id={n}'><a href='/index.php?list={n // 10}'>back</a>"
    k = number(query, "list", 0)
    items = "".join(f"<a href='/index.php?photo={n}'>{n}</a>" for n in range(k * 10, k * 10 + 10))
    return f"Photos{items}" + (f"<a class=next href='/index.php?list={k + 1}'>{k + 1}</a>" if k < 59 else "")


def three_levels(path: str, query: str) -> str:
    """Lists of albums of photos, with numbers for names all over."""
    if path.startswith("/photo/"):
        return f"<img src=/i/{path[7:]}.png>"
    if path.startswith("/album/"):
        n = int(path[7:])
        return f"Album {n}{anchors([f'/photo/{n}-{k}' for k in range(5)], '1')}"
    k = number(query, "page")
    return f"Albums{anchors([f'/album/{k * 4 + n}' for n in range(4)], '1')}" + (
        f"<a rel=next href='/?page={k + 1}'>2</a>" if k < 50 else ""
    )


def webcomic(path: str, query: str) -> str:
    """300 strips, of which each only names the one before it."""
    n = int(path.strip("/").removeprefix("comic/") or 300)
    previous = f"<a href=/comic/{n - 1}><img src=/prev.gif alt=Previous></a>" if n > 1 else ""
    return f"<title>Comic</title><img src=/strips/{n}.png alt=strip>{previous}"


def webcomic_with_titles(path: str, query: str) -> str:
    n = int(path.rpartition("-")[2] or 0) if path != "/" else 0
    following = f"<li class=nav-next><a href=/{words('t', n)[:8]}-{n + 1}>A strip</a></li>" if n < 150 else ""
    return f"<img src=/strips/{n}.png>{following}"


def blog(path: str, query: str) -> str:
    """Archives by month without a text of their own, older posts by page, posts in the site's root."""
    parts = path.strip("/").split("/")
    if len(parts) == 2 and parts[0].isdigit():
        year, month = map(int, parts)
        earlier = f"/{year - (month == 1)}/{(month - 2) % 12 + 1:02}/"
        return (
            "Archive"
            + anchors([f"/post-{year}-{month}-{n}/" for n in range(3)])
            + (f"<a href={earlier}>{calendar.month_name[(month - 2) % 12 + 1]}</a>" if year > 2016 else "")
        )
    if parts[0].startswith("post-"):
        return f"<p>{words(path)}</p><img src=/i{path}a.jpg>"
    return "Welcome" + anchors(["/2026/11/"])


def text_only_manual(path: str, query: str) -> str:
    """Hundreds of pages of text with links from one to the next, and one picture at the end."""
    n = int(path.rpartition("/")[2].removesuffix(".html") or 0)
    end = "<img src=/end.png>" if n == 400 else f"<a href=/book/part/{n + 1}.html>Next</a>"
    return f"<h1>Chapter</h1><p>{words(n)}</p>{end}"


def directory_listing(path: str, query: str) -> str:
    """As web servers make them: years, months, days, then the pictures."""
    parts = [part for part in path.split("/") if part]
    below = {0: range(2005, 2010), 1: range(1, 13), 2: range(1, 11)}.get(len(parts))
    links = (
        "".join(f"<a href={n}/>{n}/</a>" for n in below)
        if below
        else "<a href=a.jpg>a</a><a href=b.jpg>b</a>"
    )
    return f"<title>Index of {path}</title><h1>Index of {path}</h1><a href=../>Parent Directory</a>{links}"


def tags(path: str, query: str) -> str:
    """Posts with tags; each tag's page only lists posts that are known already."""
    kind, _, name = path.strip("/").partition("/")
    if kind == "post":
        n = int(name)
        return f"<img src=/i/{n}.jpg>" + anchors([f"/tag/t{n % 90}", f"/tag/t{n * 7 % 90}", "/"])
    if kind == "tag":
        t = int(name.removeprefix("t"))
        return "Tagged" + anchors([f"/post/{n}" for n in range(t, 600, 90)])
    k = number(query, "page")
    return (
        "Posts"
        + anchors([f"/post/{n}" for n in range(k * 10 - 10, k * 10)])
        + (anchors([f"/?page={k + 1}"], "Next") if k < 60 else "")
    )


def placeholders(path: str, query: str) -> str:
    """A gallery in which 40 photos beside each other are not there yet."""
    if path.startswith("/photo/"):
        n = int(path[7:])
        return "Coming soon<img src=/soon.png>" if 100 <= n < 140 else f"<img src=/i/{n}.jpg>"
    k = number(query, "start", 0)
    return (
        "Gallery"
        + anchors([f"/photo/{n}" for n in range(k, k + 10)], "x")
        + (anchors([f"/?start={k + 10}"], "»") if k < 390 else "")
    )


def shop(path: str, query: str) -> str:
    """Filters upon a finite shop, pages of reviews that all say the same."""
    kind, _, name = path.strip("/").partition("/")
    if kind == "p":
        return f"<img src=/i/{name}.jpg>{anchors([f'/review?id={name}', '/'])}"
    if kind == "review":
        return f"No reviews yet{anchors(['/'])}"
    k = number(query, "page")
    return anchors([f"/p/{n}" for n in range(k * 20, k * 20 + 20)]) + (
        f"<div class=pagination>{anchors([f'/list?page={n}' for n in range(max(1, k - 2), min(25, k + 3))], '3')}</div>"
    )


def images_on(n: int, name: str = "/i/{}.png") -> set[str]:
    return {name.format(k) for k in range(n)}


HONEST: dict[str, tuple[Page, str, Callable[[], set[str]]]] = {
    "strips": (strips(), "/", lambda: images_on(600)),
    "one program": (one_program, "/index.php?list=0", lambda: images_on(600, "/img.php?id={}")),
    "three levels": (
        three_levels,
        "/",
        lambda: {f"/i/{n}-{k}.png" for n in range(4, 204) for k in range(5)},
    ),
    "webcomic": (webcomic, "/", lambda: {f"/strips/{n}.png" for n in range(1, 301)}),
    "webcomic with titles": (webcomic_with_titles, "/", lambda: images_on(151, "/strips/{}.png")),
    "blog": (
        blog,
        "/",
        lambda: {
            f"/i/post-{year}-{month}-{n}/a.jpg"
            for year in range(2016, 2027)
            for month in range(1, 13)
            for n in range(3)
            if (2016, 12) <= (year, month) <= (2026, 11)
        },
    ),
    "manual of text": (text_only_manual, "/", lambda: {"/end.png"}),
    "directories": (
        directory_listing,
        "/",
        lambda: {
            f"/{y}/{m}/{d}/{name}.jpg"
            for y in range(2005, 2010)
            for m in range(1, 13)
            for d in range(1, 11)
            for name in "ab"
        },
    ),
    "tags": (tags, "/", lambda: images_on(600, "/i/{}.jpg")),
    "placeholders": (placeholders, "/", lambda: {f"/i/{n}.jpg" for n in (*range(100), *range(140, 400))}),
    "shop": (shop, "/list", lambda: {f"/i/{n}.jpg" for n in range(20, 500)}),
}


@pytest.mark.parametrize("order", ["fifo", "lifo"])
@pytest.mark.parametrize("name", HONEST)
def test_an_honest_site_loses_nothing(name: str, order: str) -> None:
    page, start, expected = HONEST[name]
    done = walk(page, limit=10_000, start=start, order=order)

    assert expected() - done.images == set()
    assert done.kept_out == {}


@pytest.mark.parametrize("name", ["strips", "three levels", "placeholders"])
def test_several_harvesters_lose_nothing_either(name: str) -> None:
    page, start, expected = HONEST[name]
    assert expected() <= walk(page, limit=10_000, start=start, harvesters=3).images


# --- endless ones ---


def calendar_of_months(path: str, query: str) -> str:
    year, month = map(int, query.removeprefix("month=").split("-")) if query else (YEAR, 11)
    months = [divmod(year * 12 + month - 1 + step, 12) for step in (-1, 1)]
    return f"<title>{calendar.month_name[month]} {year}</title>No events." + anchors(
        (f"/cal?month={y}-{m + 1:02}" for y, m in months), "Next month"
    )


def calendar_of_days(path: str, query: str) -> str:
    """With a page for each day, which leads to the days before and after, and to the months of these."""
    parts = [int(part) for part in path.split("/")[2:] if part] or [YEAR, 11]
    months = [divmod(parts[0] * 12 + parts[1] - 1 + step, 12) for step in (-1, 0, 1)]
    links = [f"/cal/{y}/{m + 1}" for y, m in months]
    if len(parts) == 3:
        return f"Nothing on this {calendar.day_name[parts[2] % 7]}" + anchors(links)
    return "<table>" + anchors([*links, *(f"/cal/{parts[0]}/{parts[1]}/{day}" for day in range(1, 31))])


def facets(count: int, values: int = 1) -> Page:
    """One more filter on every page, over thirty products."""

    def page(path: str, query: str) -> str:
        if path.startswith("/product/"):
            return f"<img src=/i/{path[9:]}.png>"
        chosen = dict(item.split("=") for item in query.split("&")) if query else {}
        rng = random.Random(query)
        shown = anchors(f"/product/{n}" for n in rng.sample(range(30), 10))
        links = [
            "/facet?" + "&".join(f"{k}={v}" for k, v in sorted((chosen | {f"f{n}": str(value)}).items()))
            for n in range(count)
            for value in range(values)
        ]
        return f"Filters{shown}{anchors(links)}"

    return page


def facets_in_the_path(path: str, query: str) -> str:
    chosen = [part for part in path.split("/")[2:] if part]
    more = [f"/shop/{'/'.join(sorted({*chosen, f}))}" for f in [f"{chr(97 + n)}c" for n in range(11)]]
    return f"<img src=/logo.png>Our shop{anchors(more)}"


def facets_with_thumbnails(path: str, query: str) -> str:
    rng = random.Random(query)
    pictures = "".join(f"<img src=/t/{n}.jpg>" for n in rng.sample(range(60), 12))
    chosen = set(filter(None, query.split("&")))
    return pictures + anchors("/list?" + "&".join(sorted(chosen ^ {f"f{n}=1"})) for n in range(14))


def echo_search(path: str, query: str) -> str:
    """Each page repeats what is searched for, and suggests more of it."""
    said = query.removeprefix("q=").replace("+", " ") or "start"
    more = [f"/search?q={query[2:] or 'start'}+{word}" for word in ("red", "blue", "green")]
    return f"<title>{said} - search</title><h1>Results for “{said}”</h1>Nothing found." + "".join(
        f"<a href='{url}'>{url[10:].replace('+', ' ')}</a>" for url in more
    )


def echo_of_random_words(path: str, query: str) -> str:
    said = query.removeprefix("q=") or "start"
    return f"<h1>Results for {said}</h1>" + "".join(
        f"<a href='/search?q={word}'>{word}</a>" for word in words(said).split()
    )


def beyond_the_last(path: str, query: str) -> str:
    """Pages beyond the last repeat the last."""
    k = number(query, "page")
    pictures = "".join(f"<img src=/i/{n}.png>" for n in range(min(k, 5) * 10))
    return f"Page {k}{pictures}<a rel=next href='/?page={k + 1}'>Next</a>"


def nothing_more(path: str, query: str) -> str:
    k = number(query, "page")
    return f"No results on page {k}<a rel=next href='/search?q=x&page={k + 1}'>Next</a>"


def nothing_more_in_the_path(path: str, query: str) -> str:
    k = int(path.rpartition("/")[2] or 1)
    return f"Sorry, nothing here yet<link rel=next href=/news/page/{k + 1}>"


def deeper(path: str, query: str) -> str:
    return f"<p>Here</p><a href={random.Random(path).randrange(10**6)}/>more</a>"


def nested_relative(path: str, query: str) -> str:
    return "<img src=/logo.png>Menu" + anchors(["img/", "css/", "about/"])


def tag_combinations(path: str, query: str) -> str:
    names = ["red", "blue", "cat", "dog", "sun", "sea", "sky", "ice", "oak", "elm", "fir", "ash"]
    if path.startswith("/post/"):
        return f"<img src=/i/{path[6:]}.png>"
    chosen = set(filter(None, path.removeprefix("/tags/").strip("/").split("+")))
    posts = anchors(f"/post/{n}" for n in random.Random(path).sample(range(40), 5))
    return f"<h1>{' and '.join(sorted(chosen))}</h1>{posts}" + anchors(
        f"/tags/{'+'.join(sorted(chosen ^ {name}))}" for name in names
    )


def random_tokens(path: str, query: str) -> str:
    token = hashlib.sha256((path + query).encode()).hexdigest()
    return f"Welcome, visitor {token[:12]}" + anchors(f"/go/{token[n : n + 16]}" for n in range(0, 40, 8))


def random_words_in_the_root(path: str, query: str) -> str:
    return "Welcome back" + anchors(f"/{word}" for word in words(path).split())


def random_parameter(path: str, query: str) -> str:
    rng = random.Random(query)
    return "Welcome" + anchors(f"/?ref={rng.randrange(10**9)}" for _ in range(10))


def sessions(path: str, query: str) -> str:
    """Three pages that link to each other under ever new sessions."""
    rng = random.Random(path + query)
    return f"<img src=/logo.png><p>This is {path}</p>" + anchors(
        f"/{name}?visit={rng.randrange(10**9)}" for name in ("a", "b", "c")
    )


def sorted_in_every_way(path: str, query: str) -> str:
    rng = random.Random(query)
    pictures = "".join(f"<img src=/i/{n}.png>" for n in rng.sample(range(50), 10))
    ways = [
        f"/list?sort={name}&page={n}&view={v}&n={rng.randrange(50)}"
        for name in "abc"
        for n in range(4)
        for v in "xy"
    ]
    return pictures + anchors(ways)


def logins(path: str, query: str) -> str:
    return "Please log in to go on" + anchors(
        [f"/login?return={path.strip('/')}{len(query)}x{number(query, 'n', 0)}&n={number(query, 'n', 0) + 1}"]
    )


def weeks_under_sessions(path: str, query: str) -> str:
    """A calendar with nothing in it, of a forum that gives each link a session of its own."""
    n = number(query, "week", 0)
    rng = random.Random(query)
    links = [*(f"calendar.php?week={n + step}" for step in (-1, 1)), "index.php?", "faq.php?", "search.php?"]
    shown = "No events" if path.startswith("/calendar") else f"<img src={path}.png>"
    return shown + anchors(
        f"/{link}&sid={hashlib.sha256(rng.randbytes(9)).hexdigest()[:32]}" for link in links
    )


def weeks_that_are_counted(path: str, query: str) -> str:
    """The same without, whose visitors are counted by a dot that nobody sees."""
    n = number(query, "week", 0)
    dot = f"<img src='/count.gif?{random.Random(query).random()}' width=1 height=1>"
    return f"{dot}No events" + anchors(f"/calendar?week={n + step}" for step in (-1, 1))


ENDLESS: dict[str, Page] = {
    "weeks under sessions": weeks_under_sessions,
    "weeks that are counted": weeks_that_are_counted,
    "months": calendar_of_months,
    "days": calendar_of_days,
    "facets": facets(12),
    "many facets": facets(24),
    "facets with values": facets(5, 4),
    "facets in the path": facets_in_the_path,
    "facets with thumbnails": facets_with_thumbnails,
    "echo": echo_search,
    "echo of random words": echo_of_random_words,
    "beyond the last": beyond_the_last,
    "nothing more": nothing_more,
    "nothing more in the path": nothing_more_in_the_path,
    "deeper": deeper,
    "nested": nested_relative,
    "tags": tag_combinations,
    "tokens": random_tokens,
    "words": random_words_in_the_root,
    "a parameter": random_parameter,
    "sessions": sessions,
    "sorted": sorted_in_every_way,
    "logins": logins,
}


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_site_ends(name: str) -> None:
    done = walk(ENDLESS[name], limit=ENOUGH.get(name, 700), max_depth=10**6)

    assert done.kept_out
    assert all(slug.startswith(("trap-", "session-id")) for slug in done.kept_out), "nothing else stops it"

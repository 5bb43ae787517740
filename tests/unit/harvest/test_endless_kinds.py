"""Endless sites of further kinds, and an honest twin of each that must lose nothing; see test_endless_sites.py."""

from __future__ import annotations

import hashlib
import itertools
import random
import string
from collections.abc import Callable

import pytest

from tests.unit.harvest.test_endless_sites import SITE, Reply, Site, anchors, walk_all, words

pytestmark = [pytest.mark.slow, pytest.mark.untraced]

HUNDREDS = 1000


def parts(url: str) -> tuple[str, list[str], str]:
    """Host, segments of the path, query."""
    start, _, query = url.partition("?")
    _, _, host, *segments = start.split("/")
    return host, [segment for segment in segments if segment], query


def names(*seed: object, count: int) -> list[str]:
    rng = random.Random(repr(seed))
    return ["".join(rng.choices(string.ascii_lowercase, k=6)) for _ in range(count)]


def token(*seed: object) -> str:
    return hashlib.sha256(repr(seed).encode()).hexdigest()[:32]


def css(*rules: str) -> Reply:
    return Reply("\n".join(rules), "text/css")


# --- endless ones ---


def facets_in_all_orders(url: str) -> str:
    """Seven names with five values each, as they were chosen."""
    _, path, query = parts(url)
    if path[:1] == ["p"]:
        return f"<img src=/i/{path[1]}.jpg>"
    chosen = [item for item in query.split("&") if item]
    left = {f"f{n}" for n in range(7)} - {item.partition("=")[0] for item in chosen}
    shown = random.Random(repr(sorted(chosen))).sample(range(60), 10)
    links = [f"/shop?{'&'.join([*chosen, f'{name}={value}'])}" for name in sorted(left) for value in "abcde"]
    return f"<h1>Shop</h1>{anchors(f'/p/{n}' for n in shown)}{anchors(links)}"


def deep(children: int, *, image: bool = False, text: str = "", repeated: bool = False) -> Site:
    """Folders in folders, with names made at random."""

    def site(url: str) -> str:
        _, path, _ = parts(url)
        below = names(url, count=children)
        said = f"<p>{text}</p>" if text else ""
        said += f"<p>{path[-1] if path else 'home'} is a fine word</p>" if repeated else ""
        return ("<img src=/logo.png>" if image else "") + said + anchors(f"{name}/" for name in below)

    return site


def imports(url: str) -> str | Reply:
    """Each style sheet imports five more."""
    _, path, _ = parts(url)
    if not path:
        return "<link rel=stylesheet href=/s/0.css>Hello"
    return css(*(f"@import '/s/{token(url, n)}.css';" for n in range(5)), "body { color: red }")


def imports_with_a_picture(url: str) -> str | Reply:
    _, path, _ = parts(url)
    if not path:
        return "<link rel=stylesheet href=/s/0.css>Hello"
    return css(
        *(f"@import '/s/{'/'.join(names(url, count=3))}/{n}.css?v={token(url)}';" for n in range(5)),
        "body { background: url(/dot.png) }",
    )


def imports_from_other_hosts(url: str) -> str | Reply:
    """Style sheets may come from anywhere, and so from hosts without end."""
    host, _, _ = parts(url)
    if host == "e.org":
        return "<link rel=stylesheet href=//a.cdn.test/0.css>Hello"
    return css(*(f"@import '//{name}.cdn.test/{n}.css';" for n, name in enumerate(names(url, count=5))))


def feeds_of_feeds(url: str) -> str | Reply:
    """Each page has a feed of its own, whose items are pages with feeds of their own."""
    _, path, _ = parts(url)
    if path[:1] == ["feed"]:
        items = "".join(
            f"<item><title>News</title><link>{SITE}/post/{name}</link></item>" for name in names(url, count=5)
        )
        return Reply(f"<rss><channel>{items}</channel></rss>", "application/rss+xml")
    feed = f"/feed/{token(url)}.xml"
    return f"<link rel=alternate type=application/rss+xml href={feed}>A post"


def manifests(url: str) -> str | Reply:
    """A manifest on each page, and pages without end."""
    _, path, _ = parts(url)
    if path[:1] == ["m"]:
        return Reply('{"name": "x"}', "application/manifest+json")
    return f"<link rel=manifest href=/m/{token(url)}.json>Hello{anchors(names(url, count=3))}"


def sheets_of_pages(url: str) -> str | Reply:
    """Each page names 20 style sheets of its own."""
    _, path, _ = parts(url)
    if path[:1] == ["s"]:
        return css("body { color: red }")
    sheets = "".join(f"<link rel=stylesheet href=/s/{token(url, n)}.css>" for n in range(20))
    return f"{sheets}Hello{anchors(names(url, count=3))}"


def many_sheets_on_one_page(url: str) -> str | Reply:
    _, path, _ = parts(url)
    if path[:1] == ["s"]:
        return css("body { color: red }")
    return "".join(f"<link rel=stylesheet href=/s/{token(url, n)}.css>" for n in range(9000)) + "Hello"


def iframes(url: str) -> str:
    return "<p>A frame</p>" + "".join(f"<iframe src=/f/{token(url, n)}></iframe>" for n in range(5))


def srcdocs(url: str) -> str:
    inner = "".join(f"<iframe src=/f/{token(url, n)}></iframe>" for n in range(3))
    return f'<p>A frame</p><iframe srcdoc="<p>inside</p>{inner}"></iframe>'


def redirects(url: str) -> Reply:
    """Whatever is asked for leads to another URL, which names two more."""
    more = anchors(f"/go/{name}" for name in names(url, count=2))
    return Reply(f"<p>Moved</p><img src=/logo.png>{more}", final_url=f"{SITE}/at/{token(url)}")


def next_without_end(url: str) -> str:
    _, _, query = parts(url)
    n = int(query.removeprefix("p=") or 1)
    return f"<img src=/logo.png><p>Page {n} of many</p><link rel=next href='/list?p={n + 1}'>"


def next_by_token(url: str) -> str:
    return f"<p>More of the same</p><a rel=next href='/list?cursor={token(url)}'>Next</a>"


def sessions_in_paths(url: str) -> str:
    """Five pages under ever new sessions, which lie in a folder."""
    _, path, _ = parts(url)
    name = path[-1] if path else "home"
    links = [f"/{token(url, n)}/{page}" for n, page in enumerate("abcde")]
    return f"<img src=/{name}.png><p>This is {name}</p>{anchors(links)}"


def sessions_in_deep_paths(url: str) -> str:
    _, path, _ = parts(url)
    name = path[-1] if path else "home"
    links = [f"/app/{token(url, n)}/view/{page}.do" for n, page in enumerate("abcde")]
    return f"<img src=/{name}.png><p>This is {name}</p>{anchors(links)}"


def calendar_both_ways(url: str) -> str:
    _, path, _ = parts(url)
    y, m = (int(path[1]), int(path[2])) if len(path) == 3 else (2026, 11)
    months = [divmod(y * 12 + m - 1 + step, 12) for step in (-12, -1, 1, 12)]
    return f"<img src=/logo.png>No events in {m}/{y}" + anchors(f"/when/{a}/{b + 1}" for a, b in months)


def calendar_of_days(url: str) -> str:
    """Years, months and days by their names, from this year on and back."""
    _, path, _ = parts(url)
    given = [int(part) for part in path[1:]]
    y, m, d = [*given, *[2026, 11, 29][len(given) :]]
    months = [divmod(y * 12 + m - 1 + step, 12) for step in (-1, 1)]
    days = [f"/calendar/{y}/{m:02}/{n:02}/" for n in range(1, 29)]
    return "Nothing" + anchors([*days, *(f"/calendar/{a}/{b + 1:02}/" for a, b in months)], str(d))


def calendar_by_query(url: str) -> str:
    _, _, query = parts(url)
    y, m = divmod(int(query[5:9]) * 12 + int(query[10:12]) - 1 if query else 2026 * 12 + 10, 12)
    months = [divmod(y * 12 + m + step, 12) for step in (-1, 1)]
    return "No events" + anchors(f"/events?date={a}-{b + 1:02}-01" for a, b in months)


def calendar_by_number(url: str) -> str:
    """Days as seconds since 1970, in both directions."""
    _, _, query = parts(url)
    n = int(query.removeprefix("t=") or 1_790_000_000)
    return "Nothing today" + anchors([f"/day?t={n - 86400}", f"/day?t={n + 86400}"])


def doubling(url: str) -> str:
    return "<img src=/logo.png>Menu" + anchors(["a/", "b/", "c.html"])


def doubling_pages(url: str) -> str:
    """A relative link that is written without its slash: each page repeats what is before it."""
    return "<img src=/logo.png>Menu" + anchors(
        [f"{url.removeprefix(SITE + '/').rstrip('/')}/about", "news/list"]
    )


def cases(url: str) -> str:
    """A server to which upper and lower case are one, and links in every spelling."""
    rng = random.Random(url)
    spelled = [
        "".join(rng.choice((c.lower(), c.upper())) for c in page)
        for page in ("products", "company", "contacts", "imprints")
        for _ in range(4)
    ]
    return "<img src=/logo.png>Welcome" + anchors(f"/{page}" for page in spelled)


def slashes_and_parameters(url: str) -> str:
    """The same page with a slash, with several, and with parameters of a path."""
    rng = random.Random(url)
    page = rng.choice(["news", "shop", "team"])
    ways = [f"/{page}{'/' * rng.randrange(1, 9)}", f"/{page};v={rng.randrange(10**6)}"]
    ways += [f"/{page};{name}=1/" for name in names(url, count=3)]
    return f"<img src=/{page}.png>Welcome{anchors(ways)}"


def subdomains(url: str) -> str:
    """Names that one wildcard answers for."""
    return "<img src=//e.org/logo.png>Welcome" + anchors(
        f"https://{name}.e.org/" for name in names(url, count=4)
    )


def subdomains_of_subdomains(url: str) -> str:
    host, _, _ = parts(url)
    below = [f"https://{name}.{host}/" for name in names(url, count=2)] if len(host) < 150 else []
    return "Welcome" + anchors([*below, *(f"https://{name}.e.org/x" for name in names(url, 2, count=2))])


def forum_under_sessions(topics: int, *, start: bool = True) -> Site:
    """A forum that gives each link a session of its own."""

    def site(url: str) -> str:
        _, path, query = parts(url)
        page = (path or ["index"])[-1].removesuffix(".php")
        ids = dict(item.partition("=")[::2] for item in query.split("&"))
        n = int(ids.get("t", "0"))
        links = [f"viewtopic.php?t={k}" for k in range(topics)] + ["index.php?", "faq.php?"]
        shown = f"<img src=/i/{n}.png>" if page == "viewtopic" else "<img src=/logo.png>"
        shown += f"<p>This is {page}</p>"
        marked = [f"/{link}&sid={token(url, k)}".replace("?&", "?") for k, link in enumerate(links)]
        return shown + anchors(marked)

    return site


ENDLESS: dict[str, tuple[Site, dict]] = {
    "facets in all orders": (facets_in_all_orders, {}),
    "deep, 2 children": (deep(2), {}),
    "deep, 5 children": (deep(5), {}),
    "deep, with a picture": (deep(5, image=True), {}),
    "deep, with a text": (deep(5, text="The quick brown fox jumps over the lazy dog"), {}),
    "deep, with both": (deep(3, image=True, text="The quick brown fox jumps over"), {}),
    "deep, with its name": (deep(5, image=True, repeated=True), {}),
    "imports": (imports, {}),
    "imports with a picture": (imports_with_a_picture, {}),
    "imports from other hosts": (imports_from_other_hosts, {}),
    "feeds of feeds": (feeds_of_feeds, {}),
    "manifests": (manifests, {}),
    "sheets of pages": (sheets_of_pages, {}),
    "sheets on one page": (many_sheets_on_one_page, {}),
    "iframes": (iframes, {}),
    "srcdocs": (srcdocs, {}),
    "redirects": (redirects, {}),
    "next": (next_without_end, {}),
    "next by token": (next_by_token, {}),
    "sessions in paths": (sessions_in_paths, {}),
    "sessions in deep paths": (sessions_in_deep_paths, {}),
    "calendar both ways": (calendar_both_ways, {}),
    "calendar by number": (calendar_by_number, {}),
    "calendar of days": (calendar_of_days, {}),
    "calendar by query": (calendar_by_query, {}),
    "doubling": (doubling, {}),
    "doubling pages": (doubling_pages, {}),
    "cases": (cases, {}),
    "slashes": (slashes_and_parameters, {}),
    "subdomains": (subdomains, {"scope": "domain"}),
    "subdomains of subdomains": (subdomains_of_subdomains, {"scope": "domain"}),
    "forum under sessions": (forum_under_sessions(10), {}),
    "larger forum under sessions": (forum_under_sessions(20), {}),
}
ENOUGH = {
    "facets in all orders": 1300,  # 30 filters on each page, and 60 products that are found meanwhile
    "sheets of pages": 1300,  # 400 of them, and as many pages as of any such site
    "slashes": 1600,  # each page is known by a dozen of spellings before any is visited twice
    "forum under sessions": 300,  # all 12 pages name all others before all were seen twice
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("max_depth", [10**6, 20])  # the first is the harder one
@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_site_ends_after_hundreds_of_requests(name: str, max_depth: int) -> None:
    site, options = ENDLESS[name]
    done = walk_all(site, limit=ENOUGH.get(name, HUNDREDS), max_depth=max_depth, **options)

    assert done.kept_out, "what it goes on with is counted"


def test_several_harvesters_end_as_well() -> None:
    for name in ("facets in all orders", "deep, 5 children", "imports", "subdomains"):
        site, options = ENDLESS[name]
        assert walk_all(site, limit=3 * HUNDREDS, harvesters=3, **options).kept_out


# --- honest ones ---


def big_site(url: str) -> str:
    """5,000 articles by lists of categories, each with a picture, under names that are words."""
    _, path, query = parts(url)
    if not path:
        return anchors(f"/c/{name}/" for name in names("categories", count=50))
    if path[0] == "c":
        k = int(query.removeprefix("page=") or 1)
        listed = names("category", path[1], count=100)[k * 10 - 10 : k * 10]
        more = anchors([f"/c/{path[1]}/?page={k + 1}"], "Older") if k < 10 else ""
        return anchors(f"/{path[1]}-{name}.html" for name in listed) + more
    return f"<p>{words(path)}</p><img src=/i/{path[0]}.jpg>"


def archive(url: str) -> str:
    """25 years, each with 12 months, each with 28 days of a photo each; lists say nothing."""
    _, path, _ = parts(url)
    below = {0: range(2001, 2026), 1: range(1, 13), 2: range(1, 29)}.get(len(path))
    if below is None:
        return f"<img src=/i/{'-'.join(path)}.jpg>"
    return anchors(f"/{'/'.join([*path, f'{n:02}'])}/" for n in below)


def documentation(url: str) -> str:
    """A tree of chapters with words of their own; the pictures are at its leaves."""
    _, path, _ = parts(url)
    if len(path) == 4:
        return f"<p>{words(path)}</p><img src=/i/{'-'.join(path)}.png>"
    return f"<h1>{words('h', path)}</h1>" + anchors(f"{name}/" for name in names(path, count=6))


def faceted_shop(url: str) -> str:
    """2,000 products that only combinations of two filters show, of 50 values each."""
    _, path, query = parts(url)
    if path[:1] == ["p"]:
        return f"<img src=/i/{path[1]}.jpg>"
    chosen = dict(item.split("=") for item in query.split("&")) if query else {}
    if len(chosen) == 2:
        first = (int(chosen["brand"]) * 40 + int(chosen["color"])) % 2000
        return "Products" + anchors([f"/p/{first}", f"/p/{(first * 7 + 1) % 2000}"])
    if chosen:
        return "Choose a color" + anchors(f"/shop?brand={chosen['brand']}&color={n}" for n in range(40))
    return "Choose a brand" + anchors(f"/shop?brand={n}" for n in range(50))


def many_sheets(url: str) -> str | Reply:
    """One style sheet imports 300 others, each with a picture."""
    _, path, _ = parts(url)
    if not path:
        return "<link rel=stylesheet href=/s/all.css>Hello"
    if path[1] == "all.css":
        return css(*(f"@import '{n}.css';" for n in range(300)))
    return css(f"a {{ background: url(/i/{path[1].removesuffix('.css')}.png) }}")


def sheets_of_posts(url: str) -> str | Reply:
    """1,500 posts without an image of their own, each with a style sheet that has it."""
    _, path, query = parts(url)
    if path[:1] == ["s"]:
        return css(f"a {{ background: url(/i/{path[1].removesuffix('.css')}.png) }}")
    if path[:1] == ["post"]:
        return f"<link rel=stylesheet href=/s/{path[1]}.css><p>{words(path)}</p>"
    k = int(query.removeprefix("page=") or 1)
    more = anchors([f"/?page={k + 1}"], "Older") if k < 75 else ""
    return anchors(f"/post/{n}" for n in range(k * 20 - 20, k * 20)) + more


def listed_in_sitemaps(url: str) -> str | Reply:
    """An index of 50 sitemaps that list 10,000 pages, of which nothing else knows."""
    _, path, _ = parts(url)
    if not path:
        return "Hello"
    if path[0] == "index.xml":
        named = "".join(f"<sitemap><loc>{SITE}/map-{n}.xml</loc></sitemap>" for n in range(50))
        return Reply(f"<sitemapindex>{named}</sitemapindex>", "application/xml")
    if path[0].startswith("map-"):
        n = int(path[0][4:-4])
        named = "".join(f"<url><loc>{SITE}/{n}/{k}</loc></url>" for k in range(200))
        return Reply(f"<urlset>{named}</urlset>", "application/xml")
    return f"<img src=/i/{path[0]}-{path[1]}.jpg>"


def parts_like_dates(url: str) -> str:
    """Parts whose numbers read like days and months of years to come, by lists of words."""
    _, path, query = parts(url)
    if len(path) == 2 or query:
        return f"<img src='/i/{path[-1]}-{query}.jpg'>"
    ways = ("/sku/{}-05-06", "/wall-calendar/{}", "/events/{}-12", "/parts?end={}-12-03", "/cars?year={}&m=2")
    return anchors(way.format(n) for n in range(2028, 2108) for way in ways)


def thumbs_by_token(url: str) -> str:
    """A script shows pictures by a parameter whose name is that of sessions elsewhere."""
    _, path, query = parts(url)
    if path[:1] == ["view.php"]:
        return f"<img src=/img.php?{query}><a href=/>back</a>"
    return anchors((f"/view.php?s={token(n)}" for n in range(300)), "x")


def photos_of_posts(url: str) -> str:
    """Each post leads to one picture by its token, and that to one in full: without a word."""
    _, path, query = parts(url)
    if path[:1] == ["post"]:
        return f"<a href=/view.php?sid={token(path[1])}></a>"
    if path[:1] == ["view.php"]:
        return f"<a href=/full.php?{query}></a>"
    if path[:1] == ["full.php"]:
        return f"<img src=/img.php?{query}>"
    return anchors((f"/post/{n}" for n in range(200)), "x")


def chain_by_token(url: str) -> str:
    """A comic whose strips are named by tokens, with placeholders at its beginning."""
    _, _, query = parts(url)
    n = next((n for n in range(300) if query == f"session={token(n)}"), 0)
    shown = "<img src=/soon.png>Coming soon" if n < 8 else f"<img src=/i/{n}.png>"
    return f"{shown}<a rel=next href='/strip?session={token(n + 1)}'>Next</a>" if n < 250 else shown


def placeholders_by_token(url: str) -> str:
    """Two scripts with tokens, of which the first 40 pictures are not there yet, and then some are in between."""
    _, path, query = parts(url)
    if path[:1] in (["view.php"], ["large.php"]):
        n = next(n for n in range(200) if query == f"s={token(n)}")
        gone = n < 40 or n % 3 == 0
        shown = f"<p>Not there yet {path[0]}</p>" if gone else f"<img src=/i/{n}-{path[0]}.png>"
        return shown + (f"<a href='/large.php?{query}'>Large</a>" if path[0] == "view.php" else "")
    return anchors((f"/view.php?s={token(n)}" for n in range(200)), "x")


def users(url: str) -> str:
    """300 users with a host each, found one from another."""
    host, path, _ = parts(url)
    n = int(host.removeprefix("u").partition(".")[0]) if host != "e.org" else 0
    if path:
        return f"<img src=/i/{n}.jpg>"
    return anchors([f"https://u{n + 1}.e.org/", "/album/1"]) if n < 300 else "Hello"


def two_spellings(url: str) -> str:
    """Every list names its 30 photos with the parameters in another order, and the next list with more slashes."""
    _, path, query = parts(url)
    given = dict(item.split("=") for item in query.split("&")) if query else {}
    if path[:1] == ["photo"]:
        return f"<img src=/i/{given['album']}-{given['id']}.jpg>"
    k = int(given.get("page", 1))
    one = [f"/photo?album={k}&id={n}" for n in range(30)]
    other = [f"/photo?id={n}&album={k}" for n in range(30)]
    return anchors(one + other) + (anchors([f"/list{'/' * (k % 3)}?page={k + 1}"], "Next") if k < 40 else "")


def all_images(*numbers: range, name: str) -> set[str]:
    return {f"{SITE}/{name.format(*each)}" for each in itertools.product(*numbers)}


HONEST: dict[str, tuple[Site, dict, Callable[[], set[str]]]] = {
    "big site": (
        big_site,
        {},
        lambda: {
            f"{SITE}/i/{category}-{name}.html.jpg"
            for category in names("categories", count=50)
            for name in names("category", category, count=100)
        },
    ),
    "archive": (
        archive,
        {},
        lambda: all_images(range(2001, 2026), range(1, 13), range(1, 29), name="i/{}-{:02}-{:02}.jpg"),
    ),
    "documentation": (
        documentation,
        {},
        lambda: {
            f"{SITE}/i/{a}-{b}-{c}-{d}.png"
            for a in names([], count=6)
            for b in names([a], count=6)
            for c in names([a, b], count=6)
            for d in names([a, b, c], count=6)
        },
    ),
    "faceted shop": (faceted_shop, {}, lambda: all_images(range(2000), name="i/{}.jpg")),
    "many sheets": (many_sheets, {}, lambda: all_images(range(300), name="i/{}.png")),
    "sheets of posts": (sheets_of_posts, {}, lambda: all_images(range(1500), name="i/{}.png")),
    "sitemaps": (
        listed_in_sitemaps,
        {"sitemaps": [f"{SITE}/index.xml"]},
        lambda: all_images(range(50), range(200), name="i/{}-{}.jpg"),
    ),
    "parts like dates": (
        parts_like_dates,
        {},
        lambda: {
            f"{SITE}/i/{name.format(n)}.jpg"
            for n in range(2028, 2108)
            for name in ("{}-05-06-", "{}-", "{}-12-", "parts-end={}-12-03", "cars-year={}&m=2")
        },
    ),
    "thumbs by token": (thumbs_by_token, {}, lambda: {f"{SITE}/img.php?s={token(n)}" for n in range(300)}),
    "photos of posts": (
        photos_of_posts,
        {},
        lambda: {f"{SITE}/img.php?sid={token(str(n))}" for n in range(200)},
    ),
    "chain by token": (chain_by_token, {}, lambda: all_images(range(8, 251), name="i/{}.png")),
    "placeholders by token": (
        placeholders_by_token,
        {},
        lambda: {
            f"{SITE}/i/{n}-{script}.png"
            for n in range(40, 200)
            for script in ("view.php", "large.php")
            if n % 3
        },
    ),
    "users": (
        users,
        {"scope": "domain", "max_depth": 1000},
        lambda: {f"https://u{n}.e.org/i/{n}.jpg" for n in range(1, 300)},
    ),
    "two spellings": (two_spellings, {}, lambda: all_images(range(1, 41), range(30), name="i/{}-{}.jpg")),
    "forum under sessions": (
        forum_under_sessions(15),
        {},
        lambda: all_images(range(15), name="i/{}.png"),
    ),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", HONEST)
def test_its_honest_twin_loses_nothing(name: str) -> None:
    site, options, expected = HONEST[name]
    done = walk_all(site, limit=20_000, **options)

    assert expected() - done.images == set()


class RandomSite:
    """A site made by chance: lists in lists of pages with a picture each, by names, numbers, tokens or parameters."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.pages: dict[str, str] = {}
        self.images: set[str] = set()
        self._depth = rng.randint(1, 4)
        self._fan = [rng.randint(2, (60, 25, 10, 6)[self._depth - 1]) for _ in range(self._depth)]
        self._name = rng.choice([self._word, self._number, self._by_query, self._token, self._by_folder])
        self._says = rng.choice(["", "words", "same", "number"])
        self._parameter = rng.choice(["s", "sid", "token"])
        self._logo = rng.random() < 0.5
        self._has_links_back = rng.random() < 0.7
        self._grow("/", 0)

    def _grow(self, path: str, level: int) -> None:
        said = {"": "", "words": f"<p>{words(path)}</p>", "same": "<p>One of our many lists of things</p>"}
        html = said.get(self._says, f"<p>List {len(self.pages)} of many</p>")
        html += "<img src=/logo.png>" * self._logo + anchors(["/"]) * self._has_links_back
        if level == self._depth:
            image = f"/i/{len(self.images)}.jpg"
            self.images.add(SITE + image)
            self.pages[path] = f"{html}<img src={image}>"
            return
        self.pages[path] = ""
        below = [self._name(path, level, n) for n in range(self._fan[level])]
        for child in below:
            self._grow(child, level + 1)
        self.pages[path] = html + anchors(below)

    def _word(self, path: str, level: int, n: int) -> str:
        return f"{path}{names(path, n, count=1)[0]}/"

    def _number(self, path: str, level: int, n: int) -> str:
        return f"/{'abcd'[level]}/{len(self.pages) * 100 + n}"

    def _by_query(self, path: str, level: int, n: int) -> str:
        return f"/index.php?show={'abcd'[level]}&id={len(self.pages) * 100 + n}"

    def _token(self, path: str, level: int, n: int) -> str:
        return f"/{('list', 'album', 'page', 'photo', 'more')[level]}.php?{self._parameter}={token(path, n)}"

    def _by_folder(self, path: str, level: int, n: int) -> str:
        return f"{path}{n}/"

    def __call__(self, url: str) -> str:
        return self.pages[url.removeprefix(SITE)]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("order", ["fifo", "lifo", "random"])
@pytest.mark.parametrize("seed", range(40))
def test_no_site_made_by_chance_loses_an_image(seed: int, order: str) -> None:
    site = RandomSite(seed)
    done = walk_all(site, limit=10_000, order=order)

    assert site.images - done.images == set()

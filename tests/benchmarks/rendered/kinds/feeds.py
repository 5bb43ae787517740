"""Pages that go on as one scrolls or clicks, and lists of which only what is in view exists."""

from __future__ import annotations

from tests.benchmarks.rendered.site import (
    Ask,
    Click,
    Pictures,
    Reply,
    Scroll,
    Site,
    Visit,
    html,
    npm,
    page,
    script,
)

HIGH = "<style>img { display: block; width: 480px; height: 360px; margin: 20px }</style>"


def _posts(ask: Ask) -> Reply:
    """A page of a blog, as HTML; 404 past its last."""
    number = int(ask.path.rpartition("/")[2])
    if number > 6:
        return Reply(b"", status=404)
    posts = "".join(
        f'<article class="post"><img src="{ask.site.pictures.src(n)}" alt="Photo {n}"></article>'
        for n in range(number * 4 - 3, number * 4 + 1)
    )
    return html(page(f"Page {number}", f'<div class="posts">{posts}</div>'))


INFINITE_SCROLL = Site(
    name="infinite-scroll",
    about="Infinite Scroll 5: pages of HTML by a pattern of URLs that no link names",
    pictures=Pictures(count=24),
    delay_s=0.15,
    answers={f"/blog/page/{n}": _posts for n in range(2, 8)},
    files={
        "index.html": page(
            "Blog",
            '<div class="posts">'
            + "".join(
                f'<article class="post"><img src="/img/photo-{n:02}.jpg" alt="Photo {n}"></article>'
                for n in range(1, 5)
            )
            + "</div>"
            + npm("infinite-scroll/dist/infinite-scroll.pkgd.min.js")
            + script(
                'new InfiniteScroll(".posts", { path: "/blog/page/{{#}}", append: ".post", history: false });'
            ),
            HIGH,
        )
    },
)

REACT_INFINITE = Site(
    name="react-infinite",
    about="react-infinite-scroll-component over an API that takes 300 ms",
    pictures=Pictures(count=30),
    delay_s=0.3,
    files={
        "index.html": page("Feed", '<div id="root"></div><script type="module" src="/app.js"></script>', HIGH)
    },
    bundles={
        "app.jsx": """
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import InfiniteScroll from "react-infinite-scroll-component";

function Feed() {
  const [items, set] = useState([]), [next, setNext] = useState("/api/pictures?limit=5");
  const more = async () => {
    const answer = await (await fetch(next)).json();
    set((old) => [...old, ...answer.pictures]);
    setNext(answer.next);
  };
  useEffect(() => { more(); }, []);
  return (
    <InfiniteScroll dataLength={items.length} next={more} hasMore={Boolean(next)} loader={<p>Loading…</p>}>
      {items.map((it) => <img key={it.id} src={it.src} alt={it.title} />)}
    </InfiniteScroll>
  );
}
createRoot(document.getElementById("root")).render(<Feed />);
"""
    },
)

OBSERVER_FEED = Site(
    name="observer-feed",
    about="By hand: a sentinel under the feed and an IntersectionObserver; the API takes 800 ms",
    pictures=Pictures(count=20),
    delay_s=0.8,
    files={
        "index.html": page(
            "Feed",
            '<main></main><div id="sentinel" style="height:1px"></div>'
            + script("""
let next = "/api/pictures?limit=4", busy = false;
const sentinel = document.getElementById("sentinel");
async function more() {
  if (busy || !next) return;
  busy = true;
  const answer = await (await fetch(next)).json();
  for (const it of answer.pictures) document.querySelector("main").append(Object.assign(new Image(), { src: it.src, alt: it.title }));
  next = answer.next;
  busy = false;
  observer.unobserve(sentinel);
  observer.observe(sentinel);
}
const observer = new IntersectionObserver((entries) => { if (entries.some((it) => it.isIntersecting)) more(); }, { rootMargin: "100px" });
observer.observe(sentinel);
"""),
            HIGH,
        )
    },
)

REACT_WINDOW = Site(
    name="react-window",
    about="react-window 2: a list in a box, of which only the rows in view are in the document",
    pictures=Pictures(count=40),
    files={"index.html": page("List", '<div id="root"></div><script type="module" src="/app.js"></script>')},
    bundles={
        "app.jsx": """
import { createRoot } from "react-dom/client";
import { List } from "react-window";

const pictures = Array.from({ length: 40 }, (_, at) => `/img/photo-${String(at + 1).padStart(2, "0")}.jpg`);
const Row = ({ index, style }) => <div style={style}><img src={pictures[index]} alt={`Photo ${index + 1}`} height={190} /></div>;
createRoot(document.getElementById("root")).render(
  <List rowComponent={Row} rowCount={pictures.length} rowHeight={200} rowProps={{}} style={{ height: 600 }} />
);
"""
    },
    visits=(Visit("/", (Scroll("[role=list]"),)),),
)

VIRTUA = Site(
    name="virtua-window",
    about="virtua's WindowVirtualizer: the page itself scrolls, rows above and below are taken out",
    pictures=Pictures(count=40, url="/long/{n}.png"),
    delay_s=0.1,
    files={"index.html": page("Long", '<div id="root"></div><script type="module" src="/app.js"></script>')},
    bundles={
        "app.jsx": """
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { WindowVirtualizer } from "virtua";

function Long() {
  const [pictures, set] = useState([]);
  useEffect(() => { fetch("/api/pictures").then((it) => it.json()).then((it) => set(it.pictures)); }, []);
  return <WindowVirtualizer>{pictures.map((it) => <div key={it.id} style={{ height: 300 }}><img src={it.src} alt={it.title} height={280} /></div>)}</WindowVirtualizer>;
}
createRoot(document.getElementById("root")).render(<Long />);
"""
    },
)

MORE = {
    "en": "Load more",
    "de": "Mehr laden",
    "fr": "Afficher plus",
    "es": "Ver más",
    "it": "Carica altri",
    "pt": "Carregar mais",
    "nl": "Meer tonen",
    "pl": "Pokaż więcej",
    "ru": "Показать ещё",
    "tr": "Daha fazla göster",
    "ja": "もっと見る",
    "zh": "加载更多",
    "ko": "더 보기",
    "ar": "عرض المزيد",
}
PER_LANGUAGE = 3
"""Pictures: one when the page is opened, and one more for each of two clicks."""


def _language(at: int, language: str, label: str) -> str:
    """As a button, a link to #, or a div that plays a button, in turn."""
    made = (
        f"<button>{label}</button>",
        f'<a href="#" class="btn">{label}</a>',
        f'<div role="button" tabindex="0">{label}</div>',
    )[at % 3]
    first = at * PER_LANGUAGE
    return page(
        language,
        f'<nav>{"".join(f"<a href=/{other}.html>{other}</a> " for other in MORE)}</nav><main></main><div id="more">{made}</div>'
        + script(
            """
let at = FIRST;
async function more() {
  const { pictures } = await (await fetch(`/api/pictures?offset=${at}&limit=1`)).json();
  for (const it of pictures) document.querySelector("main").append(Object.assign(new Image(), { src: it.src, alt: it.title }));
  if (++at === FIRST + 3) document.getElementById("more").remove();
}
document.getElementById("more").firstChild.addEventListener("click", (event) => { event.preventDefault(); more(); });
more();
""".replace("FIRST", str(first))
        ),
    ).replace('lang="en"', f'lang="{language}"')


LANGUAGES = Site(
    name="load-more-languages",
    about=f"A button for more in {len(MORE)} languages, a page for each; a button, a link to # or a div that plays one",
    pictures=Pictures(count=len(MORE) * PER_LANGUAGE),
    delay_s=0.15,
    files={
        "index.html": page("Languages", "".join(f'<p><a href="/{it}.html">{it}</a></p>' for it in MORE)),
        **{f"{it}.html": _language(at, it, label) for at, (it, label) in enumerate(MORE.items())},
    },
    visits=tuple(Visit(f"/{it}.html", (Click("#more > *", 2),)) for it in MORE),
)

SITES = (INFINITE_SCROLL, REACT_INFINITE, OBSERVER_FEED, REACT_WINDOW, VIRTUA, LANGUAGES)

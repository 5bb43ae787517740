"""Sites of one document whose addresses are made by a router, and documentation that is written in Markdown."""

from __future__ import annotations

from tests.benchmarks.rendered.site import Click, Pictures, Site, Visit, npm, page, script

DOCSIFY = Site(
    name="docsify",
    about="Docsify: Markdown by hash routes, a sidebar of them; a page that only another page names",
    pictures=Pictures(count=16, url="/_media/shot-{n}.png"),
    files={
        "index.html": page(
            "Manual",
            '<div id="app"></div>'
            + script(
                'window.$docsify = { name: "Manual", loadSidebar: true, subMaxLevel: 2, relativePath: false };'
            )
            + npm("docsify/dist/docsify.min.js"),
            npm("docsify/themes/vue.css"),
        ),
        "_sidebar.md": "* [Home](/)\n* [Guide](guide.md)\n* [Options](options.md)\n",
        "README.md": "# Manual\n\n" + "".join(f"![Shot {n}](_media/shot-{n}.png)\n\n" for n in range(1, 5)),
        "guide.md": "# Guide\n\n"
        + "".join(f"![Shot {n}](_media/shot-{n}.png)\n\n" for n in range(5, 9))
        + "More of it: [advanced](advanced.md)\n",
        "options.md": "# Options\n\n"
        + "".join(f'<img src="_media/shot-{n}.png" alt="Shot {n}">\n\n' for n in range(9, 13)),
        "advanced.md": "# Advanced\n\n"
        + "".join(f"![Shot {n}](_media/shot-{n}.png)\n\n" for n in range(13, 17)),
    },
    visits=tuple(Visit(f"/#/{it}") for it in ("", "guide", "options", "advanced")),
)

DOCUTE = Site(
    name="docute",
    about="Docute: Markdown by the History API, a sidebar from its settings",
    pictures=Pictures(count=9, url="/shots/{n}.png"),
    spa=True,
    files={
        "index.html": page(
            "Docute",
            '<div id="docute"></div>'
            + npm("docute/dist/docute.js")
            + script("""
new Docute({ target: "#docute", sourcePath: "/md/", router: { mode: "history" }, sidebar: [{ title: "Guide", links: [{ title: "Start", link: "/start" }, { title: "Themes", link: "/themes" }] }] });
"""),
            npm("docute/dist/docute.css"),
        ),
        "md/README.md": "# Docute\n\n" + "".join(f"![{n}](/shots/{n}.png)\n\n" for n in (1, 2, 3)),
        "md/start.md": "# Start\n\n" + "".join(f"![{n}](/shots/{n}.png)\n\n" for n in (4, 5, 6)),
        "md/themes.md": "# Themes\n\n" + "".join(f"![{n}](/shots/{n}.png)\n\n" for n in (7, 8, 9)),
    },
    visits=tuple(Visit(f"/{it}") for it in ("", "start", "themes")),
)

VUE_HASH = Site(
    name="vue-hash",
    about="vue-router with createWebHashHistory; templates compiled in the browser; the routes hang together by links",
    pictures=Pictures(count=16),
    delay_s=0.1,
    files={
        "index.html": page(
            "Rooms",
            '<div id="app"></div>'
            + npm("vue/dist/vue.global.prod.js", "vue-router/dist/vue-router.global.js")
            + script("""
const Room = {
  props: ["id"],
  data: () => ({ pictures: [] }),
  async created() {
    const answer = await fetch(`/api/pictures?offset=${(this.id - 1) * 4}&limit=4`);
    this.pictures = (await answer.json()).pictures;
  },
  template: `<h2>Room {{ id }}</h2><img v-for="it in pictures" :key="it.id" :src="it.src" :alt="it.title" width="300"><p v-if="id < 4"><router-link :to="'/room/' + (+id + 1)">Further</router-link></p>`,
};
const routes = [{ path: "/", redirect: "/room/1" }, { path: "/room/:id", component: Room, props: true }];
const router = VueRouter.createRouter({ history: VueRouter.createWebHashHistory(), routes });
Vue.createApp({ template: '<router-view :key="$route.path"></router-view>' }).use(router).mount("#app");
"""),
        )
    },
    visits=tuple(Visit(f"/#/room/{n}") for n in range(1, 5)),
)

PAGE_JS = Site(
    name="page-js",
    about="page.js with the History API; links in static markup, what they show only by script",
    pictures=Pictures(count=12),
    delay_s=0.1,
    spa=True,
    files={
        "index.html": page(
            "Routes",
            '<nav><a href="/">Home</a> <a href="/north">North</a> <a href="/south">South</a></nav><main></main>'
            + npm("page/page.js")
            + script("""
const show = (offset) => async () => {
  const { pictures } = await (await fetch(`/api/pictures?offset=${offset}&limit=4`)).json();
  document.querySelector("main").innerHTML = pictures.map((it) => `<img src="${it.src}" alt="${it.title}" width="300">`).join("");
};
page("/", show(0));
page("/north", show(4));
page("/south", show(8));
page();
"""),
        )
    },
    visits=(Visit("/"), Visit("/north"), Visit("/south")),
)

NAVIGO = Site(
    name="navigo-hash",
    about="Navigo by hash, links with data-navigo, made by script",
    pictures=Pictures(count=12),
    files={
        "index.html": page(
            "Navigo",
            "<nav></nav><main></main>"
            + npm("navigo/lib/navigo.min.js")
            + script("""
const router = new Navigo("/", { hash: true });
const name = (n) => "/img/photo-" + String(n).padStart(2, "0") + ".jpg";
const show = (from) => () => { document.querySelector("main").innerHTML = [0, 1, 2, 3].map((it) => `<img src="${name(from + it)}" alt="Photo ${from + it}" width="300">`).join(""); };
document.querySelector("nav").innerHTML = '<a href="first" data-navigo>First</a> <a href="second" data-navigo>Second</a>';
router.on("first", show(5)).on("second", show(9)).on(show(1)).resolve();
router.updatePageLinks();
"""),
        )
    },
    visits=(Visit("/"), Visit("/#/first"), Visit("/#/second")),
)

CLICK_ROUTES = Site(
    name="routes-behind-clicks",
    about="Routes behind spans and table rows, by history.pushState; no link names them",
    pictures=Pictures(count=12),
    spa=True,
    files={
        "index.html": page(
            "Register",
            '<table id="list"></table><main></main>'
            + script("""
const name = (n) => "/img/photo-" + String(n).padStart(2, "0") + ".jpg";
function show() {
  const at = Number(location.pathname.split("/")[2] ?? 0);
  document.querySelector("main").innerHTML = [1, 2, 3].map((it) => `<img src="${name(at * 3 + it)}" alt="Photo" width="300">`).join("");
}
for (let at = 0; at < 4; at++) {
  const row = document.getElementById("list").insertRow();
  row.innerHTML = `<td><span style="cursor:pointer">Entry ${at}</span></td>`;
  row.addEventListener("click", () => { history.pushState(null, "", "/entry/" + at); show(); });
}
addEventListener("popstate", show);
show();
"""),
        )
    },
    visits=(Visit("/", (Click("#list span", each=True),)),),
)

SITES = (DOCSIFY, DOCUTE, VUE_HASH, PAGE_JS, NAVIGO, CLICK_ROUTES)

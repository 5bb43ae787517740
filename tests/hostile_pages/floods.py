"""Pages that do one thing a hundred thousand times."""

from __future__ import annotations

from tests.hostile_pages.kinds import Hostile, with_script

_FIRST = ("img/asked.png",)
_MANY = 100_000

PAGES = (
    Hostile(
        name="images",
        what="100,000 images",
        page=with_script(f"for (let n = 0; n < {_MANY}; n++) new Image().src = 'img/i' + n + '.png';"),
        images=("img/i0.png",),
    ),
    Hostile(
        name="long-images",
        in_ci=False,
        what="300 images with URLs of a megabyte",
        page=with_script(
            "const some = 'x'.repeat(1e6); for (let n = 0; n < 300; n++) new Image().src = `img/${n}${some}.png`;"
        ),
        images=_FIRST,
        left_out=("url-too-long|render-time",),
    ),
    Hostile(
        name="fetches",
        what="100,000 requests by fetch",
        page=with_script(f"for (let n = 0; n < {_MANY}; n++) fetch('data?' + n);"),
        parts={"data": "{}"},
        images=_FIRST,
        left_out=("render-requests|render-time",),
    ),
    Hostile(
        name="fetches-in-turn",
        in_ci=False,
        what="a new request as soon as the one before is answered, or refused",
        page=with_script("let n = 0; const next = () => fetch('data?' + n++).then(next, next); next();"),
        parts={"data": "{}"},
        images=_FIRST,
        left_out=("render-requests|render-time",),
    ),
    Hostile(
        name="scripts",
        in_ci=False,
        what="20,000 scripts",
        page=with_script(
            "for (let n = 0; n < 20000; n++) { const one = document.createElement('script'); one.src = `s.js?${n}`;"
            " document.head.append(one); }"
        ),
        parts={"s.js": "1"},
        images=_FIRST,
        left_out=("render-requests|render-time",),
    ),
    Hostile(
        name="imports",
        in_ci=False,
        what="style sheets that import style sheets, without end",
        page=with_script("", head="<link rel=stylesheet href=s.css?0>"),
        parts={
            "s.css": lambda request: request.say(
                f"@import url('s.css?{request.path[-40:].count('x')}x{request.path.rpartition('?')[2]}');".encode(),
                "text/css",
            )
        },
        left_out=("render-requests|render-time",),
    ),
    Hostile(
        name="modules",
        in_ci=False,
        what="modules that import two modules each, without end",
        page=with_script("", head="<script type=module src=m.js?></script>"),
        parts={
            "m.js": lambda request: request.say(
                "".join(f"import 'm.js?{request.path.rpartition('?')[2]}{n}';" for n in "ab")
                .replace("'m", "'./m")
                .encode(),
                "text/javascript",
            )
        },
        images=_FIRST,
        left_out=("render-requests|render-time",),
    ),
    Hostile(
        name="console",
        what="a million words to the console, and errors",
        page=with_script(
            "for (let n = 0; n < 1e6; n++) console.log('%cwords', 'color: red', n, {n});"
            "setInterval(() => { throw new Error('x'.repeat(1e5)); }, 1);"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="history",
        what="addresses of its own, without end",
        page=with_script("let n = 0; setInterval(() => history.pushState({}, '', `step-${n++}`), 1);"),
        images=_FIRST,
    ),
    Hostile(
        name="long-history",
        in_ci=False,
        what="… of a megabyte each",
        page=with_script(
            "const some = 'x'.repeat(1e6); let n = 0; setInterval(() => history.pushState({}, '', n++ + some), 1);"
        ),
        images=_FIRST,
        left_out=("url-too-long|render-time",),
    ),
    Hostile(
        name="long-hashes",
        in_ci=False,
        what="fragments of a megabyte each, without end",
        page=with_script(
            "const some = 'x'.repeat(1e6); let n = 0; setInterval(() => { location.hash = n++ + some; }, 1);"
        ),
        images=_FIRST,
        left_out=("url-too-long|render-time",),
    ),
    Hostile(
        name="long-history-framed",
        in_ci=False,
        what="a frame whose addresses are of a megabyte each",
        page=with_script(
            "const inner = Object.assign(document.createElement('iframe'), {src: '/framed-history'});"
            " document.body.append(inner);"
            " const some = 'x'.repeat(1e6); let n = 0;"
            " setInterval(() => inner.contentWindow.history.replaceState({}, '', '/' + n++ + some), 1);"
        ),
        images=_FIRST,
        left_out=("render-time",),
    ),
    Hostile(
        name="hashes",
        in_ci=False,
        what="fragments, without end",
        page=with_script("let n = 0; setInterval(() => { location.hash = `#/route-${n++}`; }, 1);"),
        images=_FIRST,
    ),
    Hostile(
        name="wrong-hashes",
        what="fragments that no task may have: long ones, with spaces and half characters",
        page=with_script(
            "for (const some of ['x'.repeat(5000), 'a b', '\\ud800', '\\x1b[31m', '<b>', '\\u202e'])"
            " { location.hash = '#/' + some; history.pushState({}, '', '#!' + some); history.pushState({}, '', some); }"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="locations",
        what="ways to other pages, without end",
        page=with_script("let n = 0; setInterval(() => { location = `away-${n++}`; }, 1);"),
        parts={"away": "gone"},
        images=_FIRST,
        never=("away",),
        left_out=("render-away",),
    ),
    Hostile(
        name="refresh",
        in_ci=False,
        what="meta refresh to itself at once, in a header as well",
        page=lambda request: request.say(
            with_script("", head="<meta http-equiv=refresh content='0; url=?again'>").encode(), Refresh="0"
        ),
        images=_FIRST,
        most_requests=1,
    ),
    Hostile(
        name="reloads",
        in_ci=False,
        what="reloads without end",
        page=with_script("setInterval(() => location.reload(), 1);"),
        images=_FIRST,
        most_requests=3,  # pages that set a cookie first come twice or so
        left_out=("render-away",),
    ),
    Hostile(
        name="forms",
        what="forms sent without end, by GET and by POST, to itself, to a frame and to a new window",
        page=with_script(
            "setInterval(() => { for (const one of document.forms) one.submit(); }, 5);",
            "".join(
                f"<form method={method} action=sent-{method}-{target} target={target}><input name=a></form>"
                for method in ("get", "post")
                for target in ("_self", "inner", "_blank")
            )
            + "<iframe name=inner></iframe>",
        ),
        parts={"sent": "sent"},
        images=_FIRST,
        never=("sent",),
        left_out=("render-forms",),
    ),
    Hostile(
        name="windows",
        in_ci=False,
        what="windows without end",
        page=with_script(
            "setInterval(() => open('window?' + Math.random()), 1); document.body.onclick = () => open('window?click');"
            "for (let n = 0; n < 50; n++) { const link = document.createElement('a'); link.target = '_blank';"
            " link.href = 'window?a' + n; document.body.append(link); link.click(); }"
        ),
        parts={"window": "<script>for (;;) open('?')</script>"},
        images=_FIRST,
        never=("window",),
    ),
    Hostile(
        name="dialogs",
        what="alert, confirm, prompt and print without end",
        page=with_script("for (;;) { alert(1); confirm(2); prompt(3); print(); }"),
        images=_FIRST,
        left_out=("render-dialogs",),
    ),
    Hostile(
        name="dialogs-in-timers",
        in_ci=False,
        what="an alert whenever there is none",
        page=with_script("setInterval(() => alert('x'.repeat(1e5)), 1);"),
        images=_FIRST,
        left_out=("render-dialogs",),
    ),
    Hostile(
        name="dialogs-before-unload",
        in_ci=False,
        what="wants to be asked before it is left, and leaves",
        page=with_script(
            "onbeforeunload = (event) => { event.preventDefault(); return 'stay'; };"
            "setInterval(() => { location = 'away'; }, 100);"
        ),
        parts={"away": "gone"},
        images=_FIRST,
        never=("away",),
    ),
    Hostile(
        name="downloads",
        what="downloads without end",
        page=with_script(
            "setInterval(() => { const link = document.createElement('a'); link.download = 'x.exe';"
            " link.href = 'file.exe?' + Math.random(); link.click();"
            " link.href = URL.createObjectURL(new Blob(['x'.repeat(1e6)])); link.click();"
            " location = 'attached?' + Math.random(); }, 5);"
        ),
        parts={
            "file.exe": "MZ",
            "attached": lambda request: request.say(
                b"x", "application/zip", Content_Disposition="attachment"
            ),
        },
        images=_FIRST,
        never=("attached",),
    ),
    Hostile(
        name="links",
        in_ci=False,
        what="100,000 links and images, each of its own, in the document",
        page=with_script(
            f"let html = ''; for (let n = 0; n < {_MANY}; n++) html += `<a href=page-${{n}}>x</a><a href=img/${{n}}.jpg>y</a>`;"
            "document.body.insertAdjacentHTML('beforeend', html);"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="removed-images",
        in_ci=False,
        what="100,000 images that are taken away again",
        page=with_script(
            f"for (let n = 0; n < {_MANY}; n++) {{ const one = document.createElement('p');"
            " one.innerHTML = `<i data-n=${n}></i><img data-src=img/${n}.png>`; document.body.append(one); one.remove(); }"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="removed-trees",
        what="a tree of 100,000 elements, taken away and put back",
        page=with_script(
            f"const one = document.createElement('div'); one.innerHTML = '<img src=img/in-tree.png>' + '<i>x</i>'.repeat({_MANY});"
            "document.body.append(one); setInterval(() => { one.remove(); document.body.append(one); }, 1);"
        ),
        images=(*_FIRST, "img/in-tree.png"),
    ),
    Hostile(
        name="changed-images",
        in_ci=False,
        what="sources and styles that change at each moment",
        page=with_script(
            "let n = 0; const all = [...document.querySelectorAll('.c')]; setInterval(() => { for (const one of all) {"
            " one.style.left = n++ / 7 + 'px'; one.setAttribute('srcset', `img/${n % 50}.webp 2x`); } }, 1);",
            "<img class=c>" * 100,
        ),
        images=_FIRST,
    ),
    Hostile(
        name="endless-feed",
        what="a feed that goes on for as long as somebody scrolls",
        page=with_script(
            "let n = 0; const more = () => { for (let i = 0; i < 5; i++) document.body.insertAdjacentHTML('beforeend',"
            " `<img height=300 src=img/feed-${n++}.png><br>`); };"
            "new IntersectionObserver(() => more(), {rootMargin: '3000px'}).observe(document.querySelector('#end'));"
            "addEventListener('scroll', more); more();",
            "<div id=end></div>",
        ),
        images=(*_FIRST, "img/feed-0.png", "img/feed-20.png"),
    ),
    Hostile(
        name="endless-height",
        in_ci=False,
        what="a page as high as can be, and higher whenever it is scrolled",
        page=with_script(
            "document.body.style.height = '33554400px'; addEventListener('scroll', () => { document.body.style.height"
            " = (document.body.offsetHeight + 1e5) + 'px'; });"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="endless-more",
        in_ci=False,
        what="'load more' that always has more",
        page=with_script(
            "let n = 0; document.querySelector('button').onclick = () => { document.body.insertAdjacentHTML('beforeend',"
            " `<img src=img/more-${n++}.png>`); };",
            "<button>Load more</button>",
        ),
        images=(*_FIRST, "img/more-0.png"),
    ),
    Hostile(
        name="endless-clicks",
        in_ci=False,
        what="each click makes ten more things that can be clicked",
        page=with_script(
            "const make = () => { for (let n = 0; n < 10; n++) { const one = document.createElement('button');"
            " one.textContent = one.className = 'b' + Math.random(); one.onclick = make; document.body.append(one); } }; make();"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="many-clickables",
        what="5,000 buttons within each other and beside, each with much to read",
        page=with_script(
            "const some = 'lorem ipsum '.repeat(60); for (let n = 0; n < 5000; n++) document.body.insertAdjacentHTML("
            "'beforeend', `<div tabindex=0 role=button onclick='1' class='next arrow'>${some}<span tabindex=0>${n}</span></div>`);"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="many-shadows",
        in_ci=False,
        what="50,000 shadow roots, a hundred of them within each other",
        page=with_script(
            "let at = document.body; for (let n = 0; n < 100; n++) { const one = document.createElement('div'); at.append(one);"
            " at = one.attachShadow({mode: 'open'}); } at.innerHTML = '<img src=img/deep-shadow.png>';"
            "for (let n = 0; n < 50000; n++) document.body.appendChild(document.createElement('p')).attachShadow({mode: 'open'});"
        ),
        images=(*_FIRST, "img/deep-shadow.png"),
    ),
    Hostile(
        name="frames-that-move",
        in_ci=False,
        what="a frame that goes elsewhere at each moment",
        page=with_script(
            "let n = 0; const one = document.querySelector('iframe'); setInterval(() => { one.src = 'inner?' + n++; }, 1);",
            "<iframe></iframe>",
        ),
        parts={"inner": "<img src=img/inner.png>"},
        images=_FIRST,
    ),
    Hostile(
        name="frames-that-come-and-go",
        in_ci=False,
        what="frames made and removed without end",
        page=with_script(
            "setInterval(() => { const one = document.createElement('iframe'); document.body.append(one);"
            " one.contentDocument.body.innerHTML = '<img src=img/come.png>'; setTimeout(() => one.remove(), 5); }, 1);"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="consents",
        in_ci=False,
        what="2,000 banners that ask for consent, each with twenty buttons",
        page=with_script(
            "let html = ''; for (let n = 0; n < 2000; n++) html += `<div class='cookie consent banner'>cookies ${'<button>no</button>'"
            ".repeat(20)}</div>`; document.body.insertAdjacentHTML('beforeend', html);"
        ),
        images=_FIRST,
    ),
)

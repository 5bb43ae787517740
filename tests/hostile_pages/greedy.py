"""Pages that take memory, on and on."""

from __future__ import annotations

from tests.hostile_pages.kinds import Hostile, with_script

_FIRST = ("img/asked.png",)

PAGES = (
    Hostile(
        name="heap",
        what="objects without end",
        page=with_script("const all = []; for (;;) all.push(new Array(1000).fill({}));"),
        images=_FIRST,
    ),
    Hostile(
        name="buffers",
        in_ci=False,
        what="memory outside of the heap: 16 MiB again and again, each byte written",
        page=with_script("const all = []; setInterval(() => all.push(new Uint8Array(2 ** 24).fill(7)), 5);"),
        images=_FIRST,
    ),
    Hostile(
        name="strings",
        in_ci=False,
        what="a string that is doubled until it can't be, and thousands of such",
        page=with_script(
            "const all = []; setInterval(() => { try { let text = 'x' + all.length;"
            " while (text.length < 2 ** 26) text += text; all.push(text.split('').length); all.push(encodeURI(text)); }"
            " catch {} }, 1);"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="nodes",
        what="elements without end",
        page=with_script(
            "setInterval(() => { const part = document.createDocumentFragment();"
            " for (let n = 0; n < 20000; n++) part.append(document.createElement('p')); document.body.append(part); }, 1);"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="text",
        in_ci=False,
        what="text without end in the document",
        page=with_script(
            "const some = 'lorem ipsum '.repeat(20000);setInterval(() => document.body.append(some), 1);"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="canvases",
        in_ci=False,
        what="a hundred canvases of 64 MiB, painted",
        page=with_script(
            "for (let n = 0; n < 100; n++) { const one = document.createElement('canvas'); one.width = one.height = 4096;"
            " const pen = one.getContext('2d'); pen.fillStyle = `hsl(${n} 90% 50%)`; pen.fillRect(9, 9, 999, 4000);"
            " document.body.append(one); }"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="giant-canvas",
        what="one canvas of 16,384 x 16,384 pixels, which a snapshot would have to pack",
        page=with_script(
            "const one = document.createElement('canvas'); one.width = one.height = 16384;"
            "const pen = one.getContext('2d'); for (let n = 0; n < 99; n++) { pen.fillStyle = `hsl(${n} 90% 50%)`;"
            " pen.fillRect(n * 160, n * 99, 120, 9999); } document.body.append(one);"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="blobs",
        in_ci=False,
        what="blobs, which lie in the browser's own process: 8 MiB each, without end",
        page=with_script(
            "const some = new Uint8Array(2 ** 23).fill(7), all = [];"
            "setInterval(() => { some[0]++; all.push(new Blob([some])); }, 1);"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="blob-images",
        in_ci=False,
        what="300 images in blobs of 8 MiB, which a snapshot would have to take",
        page=with_script(
            "const some = new Uint8Array(2 ** 23); for (let n = 0; n < 300; n++) { const one = new Image();"
            " one.src = URL.createObjectURL(new Blob([some], {type: 'image/png'})); document.body.append(one); }"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="workers",
        in_ci=False,
        what="two thousand workers",
        page=with_script(
            "const url = URL.createObjectURL(new Blob(['onmessage = () => {}']));"
            "for (let n = 0; n < 2000; n++) new Worker(url);"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="frames",
        in_ci=False,
        what="two thousand documents within the page",
        page=with_script(
            "for (let n = 0; n < 2000; n++) { const one = document.createElement('iframe');"
            " one.srcdoc = `<img src=img/f${n}.png>`; document.body.append(one); }"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="frames-in-frames",
        in_ci=False,
        what="a page with two of itself in it",
        page=with_script("", "<iframe src=?a></iframe><iframe src=?b></iframe>"),
        parts={"": ""},
        images=_FIRST,
    ),
    Hostile(
        name="frames-of-many-sites",
        what="200 documents of as many sites, each of which would have a process of its own",
        page=with_script(
            "for (let n = 0; n < 200; n++) { const one = document.createElement('iframe');"
            " one.src = `//f${n}.test:%PORT%/frames-of-many-sites/inner`; document.body.append(one); }"
        ),
        parts={"inner": "<img src=img/inner.png><script>new Uint8Array(2 ** 20).fill(7)</script>"},
        images=(*_FIRST,),
        most_requests=81,
    ),
    Hostile(
        name="wasm-memory",
        in_ci=False,
        what="memory of WebAssembly, as much as there is",
        page=with_script(
            "const all = []; setInterval(() => { const one = new WebAssembly.Memory({initial: 256});"
            " new Uint8Array(one.buffer).fill(7); all.push(one); }, 5);"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="sounds",
        in_ci=False,
        what="sounds in memory",
        page=with_script(
            "const all = []; setInterval(() => { const one = new AudioBuffer({length: 2 ** 22, sampleRate: 44100});"
            " one.getChannelData(0).fill(.5); all.push(one); }, 5);"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="storage",
        in_ci=False,
        what="all stores of the browser, filled",
        page=with_script(
            "const some = 'x'.repeat(2 ** 20); let n = 0;"
            "const open = indexedDB.open('a'); open.onupgradeneeded = () => open.result.createObjectStore('a');"
            "open.onsuccess = () => setInterval(() => open.result.transaction('a', 'readwrite').objectStore('a')"
            ".put(some + n, n++), 5);"
            "setInterval(() => { try { localStorage[n] = some; } catch {} try { sessionStorage[n] = some; } catch {} }, 5);"
            "self.caches?.open('a').then((c) => setInterval(() => c.put('/c' + n++, new Response(some)), 5));"
            "navigator.storage?.getDirectory?.().then(async (d) => { for (;;) { const f = await d.getFileHandle('f' + n++,"
            " {create: true}); const w = await f.createWritable(); await w.write(some); await w.close(); } });"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="data-images",
        in_ci=False,
        what="ten thousand images in data: URLs of 20 KB",
        page=with_script(
            "const some = 'A'.repeat(20000); for (let n = 0; n < 10000; n++) { const one = new Image();"
            " one.src = `data:image/png;base64,${btoa(n)}${some}`; document.body.append(one); }"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="giant-data-image",
        in_ci=False,
        what="an image in a data: URL of 60 MB",
        page=with_script(
            "const one = new Image(); one.src = 'data:image/svg+xml,' + 'A'.repeat(6e7); document.body.append(one);"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="giant-attribute",
        in_ci=False,
        what="an attribute of 120 MB, in the document that is to be read in the end",
        page=with_script("document.body.title = 'x'.repeat(12e7);"),
        images=_FIRST,
    ),
    Hostile(
        name="giant-shadow",
        in_ci=False,
        what="80 MB in a closed shadow root",
        page=with_script(
            "const root = document.body.appendChild(document.createElement('div')).attachShadow({mode: 'closed'});"
            "root.innerHTML = '<img src=img/in-shadow.png>'; root.append('\\u00e9'.repeat(8e7));"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="giant-dom",
        what="a million elements",
        page=with_script("document.body.insertAdjacentHTML('beforeend', '<i></i>'.repeat(1e6));"),
        images=_FIRST,
    ),
    Hostile(
        name="deep-dom",
        in_ci=False,
        what="50,000 elements within each other",
        page=with_script(
            "let one = document.body; for (let n = 0; n < 50000; n++) one = one.appendChild(document.createElement('b'));"
            "one.innerHTML = '<img src=img/deep.png>';"
        ),
        reasons=("", "page-crashed"),  # it is too deep to be drawn, in the browser of a person as well
        images=_FIRST,
    ),
    Hostile(
        name="messages",
        in_ci=False,
        what="messages to itself, each with a megabyte",
        page=with_script(
            "const some = new Array(1e5).fill('messages'); onmessage = () => { for (let n = 0; n < 3; n++) postMessage(some); };"
            "postMessage(some);"
        ),
        images=_FIRST,
    ),
)

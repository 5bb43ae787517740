"""Pages and parts of pages that are answered as no honest server would: slowly, hugely, wrongly."""

from __future__ import annotations

import gzip
import zlib
from functools import cache

from tests.hostile_pages.kinds import Hostile, with_script
from tests.hostile_pages.server import Answer, Request

_FIRST = ("img/asked.png",)
_HTML = b"<!DOCTYPE html><title>hostile</title><img src=img/first.png><script>new Image().src = 'img/asked.png'</script>"
_MIB = 2**20


@cache
def _bomb(mebibytes: int, first: bytes = b"") -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    zeros = b" " * _MIB
    return (
        packer.compress(first) + b"".join(packer.compress(zeros) for _ in range(mebibytes)) + packer.flush()
    )


def _zipped(request: Request, content_type: str, first: bytes = b"") -> None:
    request.say(_bomb(100, first), content_type, Content_Encoding="gzip")


def _giant(request: Request) -> None:
    part = b"<p>" + b"lorem ipsum " * 5000
    request.send_response(200)
    request.send_header("Content-Type", "text/html")
    request.send_header("Connection", "close")
    request.end_headers()
    request.close_connection = True
    request.wfile.write(_HTML)
    for _ in range(100 * _MIB // len(part)):
        request.wfile.write(part)


def _never(request: Request) -> None:
    request.server.is_over.wait(60)


def _raw(head: bytes, body: bytes = _HTML) -> Answer:
    def answer(request: Request) -> None:
        request.raw(b"HTTP/1.1 " + head + b"\r\nConnection: close\r\n\r\n" + body)

    return answer


_SLOW = "".join(f"<script async src=slow.js?{n}></script>" for n in range(30))

PAGES = (
    Hostile(
        name="slow-scripts",
        what="30 scripts that come a byte at a time",
        page=with_script("", head=_SLOW),
        parts={"slow.js": lambda request: request.drip("text/javascript", b" ", 0.2)},
        images=_FIRST,
        left_out=("render-time",),
    ),
    Hostile(
        name="slow-first-script",
        what="a script before all else, of which nothing ever comes",
        page=with_script("", head="<script src=slow.js></script>"),
        parts={"slow.js": _never},
        left_out=("render-time",),
    ),
    Hostile(
        name="slow-robots-txt",
        in_ci=False,
        what="scripts and data of 40 hosts whose robots.txt never comes",
        page=with_script(
            "for (let n = 0; n < 40; n++) fetch(`//slow${n}.test:%PORT%/slow-robots-txt/data`).catch(() => 0);"
        ),
        parts={"data": "{}"},
        images=("img/asked.png",),
        left_out=("render-time",),
        never=("data",),
    ),
    Hostile(
        name="slow-page",
        in_ci=False,
        what="a page that comes a byte at a time",
        page=lambda request: request.drip("text/html", b" ", 0.1, _HTML),
        reasons=("deadline-exceeded", "too-slow"),
        most_requests=10,
    ),
    Hostile(
        name="no-page",
        what="a page of which nothing ever comes",
        page=_never,
        reasons=("deadline-exceeded",),
        most_requests=10,
    ),
    Hostile(
        name="endless-page",
        in_ci=False,
        what="a page that never ends, as fast as can be",
        page=lambda request: request.drip("text/html", b"<p>" + b"lorem ipsum " * 9000, 0.0, _HTML),
        reasons=("", "too-large", "page-crashed", "page-timeout"),
        left_out=("page-cut",),
    ),
    Hostile(
        name="endless-parts",
        what="scripts and data that never end, as fast as can be",
        page=with_script(
            "for (let n = 0; n < 9; n++) fetch('data?' + n).then((a) => a.text()).catch(() => 0);",
            head="<script async src=data></script>",
        ),
        parts={"data": lambda request: request.drip("text/javascript", b"1;\n" * 30000, 0.0)},
        images=_FIRST,
        left_out=("render-bytes",),
    ),
    Hostile(
        name="bombs",
        what="scripts and data that unpack to 100 MiB",
        page=with_script(
            "for (let n = 0; n < 9; n++) fetch('data.json?' + n).then((a) => a.json()).catch(() => 0);",
            head="<script async src=bomb.js></script><link rel=stylesheet href=bomb.css>",
        ),
        parts={
            "data.json": lambda request: _zipped(request, "application/json"),
            "bomb.js": lambda request: _zipped(request, "text/javascript"),
            "bomb.css": lambda request: _zipped(request, "text/css"),
        },
        images=_FIRST,
        left_out=("render-bytes",),
    ),
    Hostile(
        name="bomb-page",
        in_ci=False,
        what="a page that unpacks to 100 MiB",
        page=lambda request: _zipped(request, "text/html", _HTML),
        images=_FIRST,
        reasons=("", "too-large", "page-crashed", "page-timeout"),
    ),
    Hostile(
        name="giant-page",
        in_ci=False,
        what="a page of 100 MiB",
        page=_giant,
        images=_FIRST,
        reasons=("", "too-large", "page-crashed", "page-timeout"),
    ),
    Hostile(
        name="giant-markup",
        in_ci=False,
        what="a document with a million elements, and 200,000 within each other",
        page=_HTML + b"<i>x</i>" * 1_000_000 + b"<b>" * 200_000,
        reasons=("", "page-timeout"),
    ),
    Hostile(
        name="no-content",
        what="204, which leaves a browser where it is",
        page=lambda request: request.say(b"", status=204),
        reasons=("unexpected-status",),
    ),
    Hostile(
        name="reset-content",
        in_ci=False,
        what="205",
        page=lambda request: request.say(b"", status=205),
        reasons=("unexpected-status", "empty"),
    ),
    Hostile(
        name="not-modified",
        in_ci=False,
        what="304 for what nobody has",
        page=lambda request: request.say(b"", status=304),
        reasons=("unexpected-status",),
    ),
    Hostile(name="empty", what="nothing at all", page=b"", reasons=("empty",)),
    Hostile(
        name="attachment",
        what="a page that is to be downloaded",
        page=lambda request: request.say(_HTML, Content_Disposition='attachment; filename="../../x.html"'),
    ),
    Hostile(
        name="a-pdf",
        what="a PDF",
        page=lambda request: request.say(b"%PDF-1.7\n%%EOF", "application/pdf"),
        reasons=("not-html",),
    ),
    Hostile(
        name="a-zip",
        in_ci=False,
        what="an archive",
        page=lambda request: request.say(b"PK\3\4", "application/zip"),
        reasons=("not-html",),
    ),
    Hostile(
        name="an-image",
        in_ci=False,
        what="an image at the address of a page",
        page=lambda request: request.say(b"\x89PNG\r\n\x1a\n rest", "image/png"),
        reasons=("", "not-html"),
    ),
    Hostile(
        name="a-film",
        in_ci=False,
        what="a film at the address of a page",
        page=lambda request: request.say(b"\0\0\0\x20ftypisom", "video/mp4"),
        reasons=("not-html",),
    ),
    Hostile(
        name="plain-text",
        in_ci=False,
        what="markup that is said to be plain text",
        page=lambda request: request.say(_HTML, "text/plain"),
        reasons=("not-html", ""),
    ),
    Hostile(
        name="json",
        in_ci=False,
        what="JSON, 100,000 arrays deep",
        page=lambda request: request.say(b"[" * 100_000, "application/json"),
        reasons=("not-html", ""),
    ),
    Hostile(
        name="xhtml",
        in_ci=False,
        what="XHTML that is broken, with a script",
        page=lambda request: request.say(
            b"<html xmlns='http://www.w3.org/1999/xhtml'><body><img src='img/first.png'/><script>for(;;);</script><p></body>",
            "application/xhtml+xml",
        ),
        reasons=("", "not-html"),
    ),
    Hostile(
        name="xslt",
        in_ci=False,
        what="XML with a style sheet that never ends",
        page=lambda request: request.say(
            b"<?xml version='1.0'?><?xml-stylesheet type='text/xsl' href='style.xsl'?><a/>", "text/xml"
        ),
        parts={
            "style.xsl": "<xsl:stylesheet version='1.0' xmlns:xsl='http://www.w3.org/1999/XSL/Transform'><xsl:template match='*'>"
            "<xsl:apply-templates select='.'/></xsl:template></xsl:stylesheet>"
        },
        reasons=("", "not-html", "unexpected-content"),
    ),
    Hostile(
        name="mixed-replace",
        in_ci=False,
        what="multipart/x-mixed-replace: one page after the other, without end",
        page=lambda request: request.drip(
            "multipart/x-mixed-replace; boundary=a",
            b"--a\r\nContent-Type: text/html\r\n\r\n<p>next\r\n",
            0.05,
            b"--a\r\nContent-Type: text/html\r\n\r\n" + _HTML + b"\r\n",
        ),
        reasons=("deadline-exceeded", "not-html", "too-slow"),
        most_requests=10,
    ),
    Hostile(
        name="sleeping-mhtml",
        in_ci=False,
        what="a web archive, which has a network of its own",
        page=lambda request: request.say(
            b'MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary="b"\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n'
            b"<script>fetch('http://127.0.0.2/')</script>\r\n--b--",
            "multipart/related",
        ),
        reasons=("", "not-html"),
    ),
    Hostile(
        name="login",
        what="401, with a password to be asked for",
        page=lambda request: request.say(
            _HTML, status=401, WWW_Authenticate='Basic realm="password, please"'
        ),
        reasons=("login-required",),
    ),
    Hostile(
        name="logins-of-parts",
        in_ci=False,
        what="401 and 407 for scripts and APIs",
        page=with_script(
            "fetch('secret'); fetch('proxy').catch(() => 0);", head="<script src=secret></script>"
        ),
        parts={
            "secret": lambda request: request.say(b"x", status=401, WWW_Authenticate="Basic realm=x"),
            "proxy": lambda request: request.say(b"x", status=407, Proxy_Authenticate="Basic realm=x"),
        },
        images=_FIRST,
    ),
    Hostile(
        name="wrong-statuses",
        what="statuses that are none, for parts of a page",
        page=with_script(
            "for (const n of [0, 99, 199, 299, 600, 999, 1234]) fetch('status-' + n).catch(() => 0);",
            head="<script src=status-999></script>",
        ),
        parts={
            f"status-{n}": _raw(b"%03d Odd\r\nContent-Type: text/javascript" % n, b"1")
            for n in (0, 99, 199, 299, 600, 999, 1234)
        },
        images=_FIRST,
    ),
    Hostile(
        name="wrong-status",
        what="status 999 for the page itself",
        page=_raw(b"999 Denied\r\nContent-Type: text/html"),
        reasons=("unexpected-status", "server-error", "bad-response", "client-error"),
        most_requests=10,
    ),
    Hostile(
        name="many-informations",
        what="a hundred times 103 Early Hints, then a page",
        page=lambda request: request.raw(
            b"HTTP/1.1 103 Early Hints\r\nLink: </x.png>; rel=preload\r\n\r\n" * 100
            + b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n"
            + _HTML
        ),
        reasons=("", "bad-response"),
        most_requests=20,
    ),
    Hostile(
        name="odd-headers",
        what="headers with NUL, line feeds, other letters, no name, no value",
        page=_raw(
            b"200 OK\r\nContent-Type: text/html\r\nX-Nul: a\0b\r\nX-Letters: \xff\xfe\x80\r\nX-Empty:\r\n: no name\r\nX Space: a\r\n"
            b"X-Fold: a\r\n b\r\nContent-Security-Policy: \xe2\x80\xae\r\nSet-Cookie: a\0=b; Domain=.test\r\nX-Bell: \x07\x1b[31m"
        ),
        reasons=("", "bad-response"),
        most_requests=20,
    ),
    Hostile(
        name="odd-headers-of-parts",
        what="the same for scripts and data, one oddity each",
        page=with_script(
            "for (let n = 0; n < 8; n++) fetch('odd-' + n).catch(() => 0);",
            head="<script src=odd-0></script>",
        ),
        parts={
            f"odd-{n}": _raw(b"200 OK\r\nContent-Type: text/javascript\r\n" + header, b"1")
            for n, header in enumerate(
                (
                    b"X: a\0b",
                    b"X: \xff\xfe",
                    b"X:",
                    b": y",
                    b"X Y: z",
                    b"X: a\r\n b",
                    b"X: \x07\x1b[31m",
                    b"Access-Control-Allow-Origin: \x80",
                )
            )
        },
        images=_FIRST,
    ),
    Hostile(
        name="many-headers",
        in_ci=False,
        what="as many headers as are read, for the page and its scripts",
        page=lambda request: request.raw(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"
            + b"".join(b"X-%d: %b\r\n" % (n, b"y" * 900) for n in range(90))
            + b"\r\n"
            + _HTML
        ),
        reasons=("", "bad-response"),
        most_requests=20,
    ),
    Hostile(
        name="sandboxed",
        what="CSP sandbox, X-Frame-Options, COOP, COEP, Clear-Site-Data, HSTS, Permissions-Policy, Document-Policy",
        page=lambda request: request.say(
            with_script("new Image().src = 'img/not-run.png'").encode(),
            Content_Security_Policy="sandbox; default-src 'none'",
            X_Frame_Options="DENY",
            Cross_Origin_Opener_Policy="same-origin",
            Cross_Origin_Embedder_Policy="require-corp",
            Origin_Agent_Cluster="?1",
            Clear_Site_Data='"*"',
            Strict_Transport_Security="max-age=99999999; includeSubDomains; preload",
            Permissions_Policy="fullscreen=(), unload=()",
            Document_Policy="force-load-at-top",
            Alt_Svc='h3=":443"; ma=9999',
            NEL='{"report_to": "a", "max_age": 9}',
            Report_To='{"group": "a", "max_age": 9, "endpoints": [{"url": "http://canary.test/"}]}',
            Reporting_Endpoints='default="http://canary.test/"',
            Accept_CH="Sec-CH-UA-Full",
            Critical_CH="Sec-CH-UA-Full",
        ),
    ),
    Hostile(
        name="isolated",
        what="COOP, COEP and trusted types, and a script that brings an image all the same",
        page=lambda request: request.say(
            with_script("new Image().src = 'img/run.png'").encode(),
            Content_Security_Policy="require-trusted-types-for 'script'; trusted-types 'none'",
            Cross_Origin_Opener_Policy="same-origin",
            Cross_Origin_Embedder_Policy="require-corp",
        ),
        images=(*_FIRST, "img/run.png"),
    ),
    Hostile(
        name="wrong-encodings",
        in_ci=False,
        what="UTF-7, UTF-16 without a mark, invalid UTF-8, NULs, and a coding that is none",
        page=lambda request: request.say(
            b"<!DOCTYPE html><meta charset=utf-7><title>\xff\xfe\0\xc3\x28\xed\xa0\x80</title><img src=img/first.png>"
            b"<img src='img/\xff\0.png' alt='\xf0\x28\x8c\xbc'>+ADw-script+AD4-",
            "text/html; charset=utf-16le\x80",
        ),
        reasons=("", "not-html", "bad-response"),
    ),
    Hostile(
        name="odd-characters",
        what="half characters, NULs, escape sequences and right-to-left marks in titles, texts and URLs",
        page=with_script(
            "const odd = '\\ud800\\udc00\\ud800 \\0 \\x1b[2J\\x1b]0;owned\\x07 \\u202e\\u2066 \\u200f \\ufffe \\r\\n';"
            "document.title = odd; for (const name of ['alt', 'title', 'src']) { const one = new Image(); one.src = 'img/odd.png?' + name;"
            " one.setAttribute(name, name === 'src' ? 'img/odd.png?' + odd : odd); document.body.append(one); }"
            "history.pushState({}, '', '?' + odd); document.body.append(odd.repeat(1000));"
            "const link = document.createElement('a'); link.href = '#/' + odd; link.textContent = odd; document.body.append(link);"
            "link.click(); try { alert(odd); location = odd; open(odd); } catch {}"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="large-odd-characters",
        in_ci=False,
        what="60 MB of half characters, each of which has to be mended",
        page=with_script("document.body.append('\\ud800x'.repeat(2e7));"),
        images=_FIRST,
    ),
    Hostile(
        name="short-lengths",
        in_ci=False,
        what="answers that end before what they have announced, and connections that are reset",
        page=with_script(
            "for (let n = 0; n < 5; n++) { fetch('short?' + n).catch(() => 0); fetch('reset?' + n).catch(() => 0); }",
            head="<script src=short></script>",
        ),
        parts={
            "short": _raw(b"200 OK\r\nContent-Type: text/javascript\r\nContent-Length: 999", b"1"),
            "reset": lambda request: request.raw(b""),
        },
        images=_FIRST,
    ),
    Hostile(
        name="gzip-in-gzip",
        what="a script in two codings, and one that is said to be coded and is not",
        page=with_script("", head="<script src=twice></script><script src=not></script>"),
        parts={
            "twice": lambda request: request.say(
                gzip.compress(gzip.compress(b"1")), "text/javascript", Content_Encoding="gzip, gzip"
            ),
            "not": lambda request: request.say(b"1", "text/javascript", Content_Encoding="br"),
        },
        images=_FIRST,
    ),
)

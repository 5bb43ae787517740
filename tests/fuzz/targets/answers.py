"""What headers of answers say beside the content: when to come again, cookies, what owners ask of robots, redirects."""

from __future__ import annotations

import msgspec

from crawler.errors import REASONS, BadRedirect
from crawler.http import cookies
from crawler.http.cookies import CookieJar
from crawler.http.engine_transport import _target
from crawler.http.request_headers import referer_for
from crawler.http.status import retry_after_s, status_error
from crawler.models import Cookie, Purpose
from crawler.opt_outs import directives
from crawler.opt_outs.purposes import SIGNALS, refusal
from crawler.opt_outs.tdmrep import Reservations
from crawler.urls import canonical
from tests.fuzz.drawn import Drawn

_URLS = (
    "https://www.example.org/a/b.html",
    "http://example.org/",
    "https://a.b.example.co.uk/x/",
    "http://127.0.0.1:8080/",
    "http://[::1]/p/q",
    "http://localhost/",
    "https://evil.test/",
)
_NOW = 1_790_000_000.0
_COOKIES = msgspec.msgpack.Decoder(tuple[Cookie, ...])


def fuzz(data: bytes) -> None:
    drawn = Drawn(data)
    what = drawn.one_of((_cookies, _retry_after, _optouts, _redirect))
    what(drawn)


def _cookies(drawn: Drawn) -> None:
    clock = 100.0
    jar, other = (
        CookieJar(
            is_suffix=lambda domain: domain in ("org", "co.uk", "uk", "test", "com", "localhost"),
            clock=lambda: clock,
            now=lambda: _NOW,
        )
        for _ in range(2)
    )
    for _ in range(8):
        url = drawn.one_of(_URLS)
        size = drawn.byte()
        headers = drawn.bytes(size * 4).decode("latin-1").split("\n")
        jar.store(url, headers)
        if not drawn.left:
            break
    # as other workers hear of them
    news = jar.news()
    for cookie in news:
        assert len(cookie.name) + len(cookie.value) <= cookies.MAX_BYTES
    other.learn(_COOKIES.decode(msgspec.msgpack.encode(news)))
    sent = {url: jar.header(url) for url in _URLS}
    told = {url: other.header(url) for url in _URLS}
    if len(news) < cookies.MAX_NEWS and max(map(len, sent.values())) < 15_000:
        assert {url: sorted(header.split("; ")) for url, header in told.items()} == {
            url: sorted(header.split("; ")) for url, header in sent.items()
        }, "workers of one crawl differ in their cookies"
    for header in sent.values():
        assert len(header) <= 16 * 1024 + 2
        header.encode("latin-1")
        assert not set("\r\n\0") & set(header), "a header within a header"
    assert not sent["https://evil.test/"] or any(cookie.domain == "evil.test" for cookie in news), (
        "one site's cookie is sent to another one"
    )
    for cookie in news:
        assert cookie.domain not in ("org", "co.uk", "uk", "test", "com")
        assert cookie.path.startswith("/")
    clock += 401 * 24 * 3600
    assert all(cookie.expires_in_s is None or cookie.expires_in_s <= 400 * 24 * 3600 for cookie in news)
    for url in _URLS:
        jar.header(url)
    jar.news()


def _retry_after(drawn: Drawn) -> None:
    status = 100 + drawn.number() % 900
    headers = {
        "date": drawn.bytes(drawn.byte()).decode("latin-1"),
        "retry-after": drawn.rest().decode("latin-1"),
    }
    seconds = retry_after_s(headers)
    assert seconds is None or 0 <= seconds <= 3600
    error = status_error(status, headers, _URLS[0])
    if error is not None:
        assert REASONS[error.reason] is type(error)
        assert error.retry_after_s is None or 0 <= error.retry_after_s <= 3600


def _optouts(drawn: Drawn) -> None:
    reservation = drawn.bytes(drawn.byte() % 8).decode("latin-1")
    text = drawn.rest().decode("latin-1")
    asked = directives.of_headers(
        {"x-robots-tag": text, "tdm-reservation": reservation}, agent="image-crawler"
    )
    known = {directives.NOFOLLOW, *directives.AGAINST_IMAGES}
    assert asked <= known
    more = directives.with_meta(
        asked, [("robots", text), (text, "noindex"), ("tdm-reservation", text)], agent="image-crawler"
    )
    assert asked - {directives.TDM_RESERVATION} <= more <= known
    names = ("x-robots-tag", "content-usage", "content-signal", "link")
    told = directives.told_by(
        dict.fromkeys(names, text) | {"tdm-reservation": reservation}, agent="image-crawler"
    )
    if (found := Reservations(text.encode("latin-1")).reservation(f"https://e.x/{reservation}")) is not None:
        told.append(found)
    assert {one.signal for one in told} <= SIGNALS.keys()
    for purpose in Purpose:
        error = refusal(told, purpose=purpose, obeyed=frozenset(SIGNALS))
        assert (error is None) is not any(purpose in one.forbids for one in told)
        assert error is None or REASONS[error.reason] is type(error)


def _redirect(drawn: Drawn) -> None:
    base = drawn.one_of(_URLS)
    location = drawn.rest().decode("latin-1")
    try:
        target = _target(location, base)
    except BadRedirect as exc:
        assert len(str(exc)) < 2000
        return
    assert canonical(target) == target
    referer = referer_for(target, base)
    assert not referer or base.startswith(referer[:8])
    assert not (referer and base.startswith("https:") and target.startswith("http:")), (
        "a page told to a listener"
    )

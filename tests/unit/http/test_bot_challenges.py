"""Protections against bots: told by what their vendors document, and by nothing that ordinary pages have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import (
    BotChallenge,
    ClientError,
    Forbidden,
    LoginRequired,
    NotFound,
    RateLimited,
    ServerError,
)
from crawler.http import bot_challenges
from crawler.http.bot_challenges import challenger, is_worth_a_look
from crawler.http.request_retries import refused_for_s
from crawler.http.status import status_error
from crawler.models import ImageRecord, ImageStatus
from crawler.queues import throttle
from crawler.queues.host_evidence import Evidence, evidence
from tests.support.saved_pages import documents

URL = "https://example.org/a"
HEADERS = [
    ("Cloudflare", 403, {"cf-mitigated": "challenge"}),
    ("Cloudflare", 503, {"cf-mitigated": "challenge", "retry-after": "5"}),
    ("Cloudflare", 429, {"cf-mitigated": "challenge"}),
    ("AWS WAF", 202, {"x-amzn-waf-action": "challenge"}),
    ("AWS WAF", 405, {"x-amzn-waf-action": "captcha"}),
    ("Vercel", 403, {"x-vercel-mitigated": "challenge"}),
    ("Vercel", 429, {"x-vercel-mitigated": "Challenge"}),
    ("DataDome", 403, {"x-dd-b": "2", "x-datadome": "protected"}),
    ("Kasada", 429, {"x-kpsdk-ct": "0a1b"}),
]
PAGES = [
    (
        "Anubis",
        200,
        b'<!doctype html><title>Making sure you\'re not a bot!</title><script id="anubis_challenge">{}',
    ),
    (
        "Cloudflare",
        403,
        b"<!DOCTYPE html><title>Just a moment...</title><script>window._cf_chl_opt = {cvId: '3'}",
    ),
    ("Vercel", 403, b"<html><head><title>Vercel Security Checkpoint</title>"),
    ("HUMAN", 403, b"<html><script>window._pxAppId = 'PXa';</script><div id=\"px-captcha\"></div>"),
    ("HUMAN", 403, b"<html><div id='px-captcha'></div>"),
    ("Akamai", 429, b"<html><div id='sec-if-cpt-container'></div>"),
    ("Akamai", 428, b'{"sec-cp-challenge": "true", "provider": "crypto"}'),
    ("DDoS-Guard", 403, b'<html><script src="/.well-known/ddos-guard/js-challenge/index.js"></script>'),
    ("Sucuri", 200, b"<html><script>sucuri_cloudproxy_js='';S='eD0'"),
    ("Imperva", 403, b"<html><iframe>Request unsuccessful. Incapsula incident ID: 1-2</iframe>"),
    ("Imperva", 200, b'<html><head><script src="/_Incapsula_Resource?SWJIYLWA=719d"></script></head></html>'),
    ("DataDome", 403, b"<html><script>var dd={'rt':'c','cid':'A'}</script>"),
    ("AWS WAF", 202, b'<html><script src="https://a.b.token.awswaf.com/a/b/challenge.js"></script>'),
]


@pytest.mark.parametrize(("vendor", "status", "headers"), HEADERS)
def test_a_vendor_s_header_decides(vendor: str, status: int, headers: dict[str, str]) -> None:
    error = status_error(status, headers, URL)
    assert isinstance(error, BotChallenge)
    assert error.detail.startswith(vendor)
    assert "--cookies" in error.detail
    assert not error.retryable, "who asks again is not let in either"
    assert refused_for_s(error) is None, "it says nothing of how fast the host may be asked"
    assert error.http_status == status


@pytest.mark.parametrize(("vendor", "status", "content"), PAGES)
def test_a_page_that_only_challenges_have(vendor: str, status: int, content: bytes) -> None:
    assert challenger(status, {"content-type": "text/html"}, content) == vendor
    error = status_error(status, {}, URL, content)
    assert isinstance(error, BotChallenge) == (status >= 300), "of a success, whoever reads the page decides"


ORDINARY = [
    b'<html><script src="/cdn-cgi/challenge-platform/scripts/jsd/main.js"></script>'
    + b"<p>A page.</p>" * 1000,
    b'<html><script src="/_Incapsula_Resource?SWJIYLWA=719d"></script>' + b"<p>A page.</p>" * 1000,
    b"<html><script src='https://js.datadome.co/tags.js'></script><p>A shop.",
    b"<html><script src='//client.px-cloud.net/PXabc/main.min.js'></script><p>A shop.",
    b"<p>Anubis shows <code>&lt;script id=&quot;anubis_challenge&quot;&gt;</code></p>",
    b"<p>How to get past <b>Just a moment...</b> of Cloudflare, px-captcha, and captcha-delivery.com</p>",
    b"\x89PNG\r\n\x1a\n id='px-captcha'",
    b"",
]


@pytest.mark.parametrize("content", ORDINARY)
def test_ordinary_pages_of_their_customers_are_none(content: bytes) -> None:
    assert challenger(200, {"content-type": "text/html", "x-datadome": "protected"}, content) == ""
    assert isinstance(status_error(403, {"server": "cloudflare"}, URL, content), Forbidden)


def test_no_page_of_the_corpus_is_one() -> None:
    assert len(documents()) > 50
    assert [path.name for path in documents() if challenger(200, {}, path.read_bytes())] == []


@pytest.mark.parametrize("value", ["", "block", "deny", "allow"])
def test_other_words_in_those_headers_are_none(value: str) -> None:
    headers = dict.fromkeys(("cf-mitigated", "x-amzn-waf-action", "x-vercel-mitigated"), value)
    assert isinstance(status_error(403, headers, URL), Forbidden)


@given(st.integers(100, 599), st.dictionaries(st.text(), st.text()), st.binary())
def test_it_never_raises(status: int, headers: dict[str, str], content: bytes) -> None:
    assert isinstance(challenger(status, headers, content), str)
    assert isinstance(is_worth_a_look(status, headers), bool)


def test_a_host_that_gives_nothing_else_is_in_trouble_and_not_asked_faster() -> None:
    record = ImageRecord(
        url=URL, status=ImageStatus.FAILED, reason="bot-challenge", http_status=403, detail="Cloudflare wants"
    )
    assert evidence(record) is Evidence.TROUBLE, "one among answers slows nothing: see health"
    assert throttle.refused_for_s(record, None) is None


# --- 401, and https ---


@pytest.mark.parametrize(
    ("challenge", "option"),
    [
        ("", "--login"),
        ('Basic realm="x"', "--login"),
        ("Bearer", "--header"),
        ("Negotiate, NTLM", "--header"),
    ],
)
def test_a_401_says_what_to_give(challenge: str, option: str) -> None:
    error = status_error(401, {"www-authenticate": challenge}, URL)
    assert isinstance(error, LoginRequired)
    assert option in error.detail
    assert "--cookies" in error.detail
    assert not error.retryable


def test_a_port_of_https_is_named() -> None:
    said = b"<html><title>400 The plain HTTP request was sent to HTTPS port</title>"
    error = status_error(400, {}, "http://example.org:8443/a", said)
    assert isinstance(error, ClientError)
    assert error.detail.endswith("perhaps https://example.org:8443/ is meant")
    assert "https://" not in str(status_error(400, {}, "http://example.org:8443/a"))


@pytest.mark.parametrize(
    ("status", "leaf"), [(404, NotFound), (429, RateLimited), (500, ServerError), (503, ServerError)]
)
def test_others_are_what_they_were(status: int, leaf: type[Exception]) -> None:
    assert type(status_error(status, {}, URL)) is leaf


@pytest.mark.parametrize(
    "mark", [*bot_challenges._PAGES, *bot_challenges._STUBS], ids=lambda mark: mark.vendor
)
@given(data=st.data())
def test_whatever_a_pattern_finds_has_one_of_its_words(
    mark: bot_challenges._Mark, data: st.DataObject
) -> None:
    text = data.draw(st.from_regex(mark.pattern))
    assert any(word in text for word in mark.words)
    assert mark in bot_challenges._STUBS or any(word in text for word in bot_challenges._WORDS)

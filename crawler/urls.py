"""URLs as a browser sees them (WHATWG URL Standard, by ada); touches no network.

A URL is *canonical* here when it is http(s), serialised by the standard (lower-case host in ASCII, no default
port, no dot segments), without fragment and without user name and password. Two spellings of one URL are one task.
The URL of a page to be rendered may have a fragment as well, if that is the route of a script.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from urllib.parse import quote

from ada_url import URL, join_url

from crawler.errors import SeedError
from crawler.text.plain_errors import quoted

MAX_URL_CHARS = 8192
"""Maximum length of a canonical URL; content delivery networks sign with thousands of characters."""
DATA_HOST = "data:"
"""Stands for the host of ``data:`` URLs; such a URL is known by media type and SHA-256 of its content."""
_ASCII = "".join(map(chr, range(128)))
_SCHEMES = ("http:", "https:")
_NO_HOST = re.compile(r"https?:[/\\]{3,}", re.IGNORECASE)

_LOGIN = re.compile(r"^(\s*(?:https?:[/\\]*|(?:[a-z][a-z0-9+.-]*:)?//))[^/\\?#]*@", re.IGNORECASE)
_SESSION_HINTS = ("sessid=", "sessionid", "oscsid=", "cftoken=", "zenid=", "/(")
_SESSION_IN_PATH = re.compile(
    r";(?:jsessionid|phpsessid)=[^/?;]*"
    # ASP.NET: of 24 letters and digits, maybe beside what else it keeps in URLs
    r"|/\((?:[a-z]\([0-9a-z_-]+\))*s\([0-9a-z]{24}\)(?:[a-z]\([0-9a-z_-]+\))*\)(?![^/;])",
    re.IGNORECASE,
)
_SESSION_PARAMETER = re.compile(
    r"(?:jsessionid|phpsessid|aspsessionid[a-z]{8}|oscsid)=.*|zenid=(?=\D*\d)[0-9a-z]{20,}",
    re.IGNORECASE | re.DOTALL,
)
_SESSION_OF_COLDFUSION = re.compile(r"cfid=[0-9a-f-]+|cftoken=.*", re.IGNORECASE | re.DOTALL)
_MAYBE_SESSION = re.compile(
    r"([?&;])(s|ss?id|sess|sess_?id|session|session_?id|token|cfid|zenid)=(?=[^\d&;/?]*\d)[0-9a-z_-]{16,}(?![^&;/?])",
    re.IGNORECASE,
)
_TRACKING_PARAMETER = re.compile(
    r"(?:utm_\w+|(?:fb|g|d|ms|y|tt|tw)clid|gclsrc|[gw]braid|mc_[ce]id|_ga|_gl|_hsenc|_hsmi|__hs\w+"
    r"|igshid|igsh|mkt_tok|oly_(?:anon|enc)_id|vero_id|srsltid|ref_src)(?:=.*)?",
    re.IGNORECASE | re.DOTALL,
)


_PATH = re.compile(
    r"(?=[/.\w~-])(/|(?:\.\./)*+)"
    r"((?:[\w~-][\w.~+-]*+(?:/|(?=[?#]|\Z)))*+(?:\?[\w.~+=&;,/%-]*+)?+)(?:#[\x00-\x7f]*+)?+",
    re.ASCII,
)
"""References of which nothing is to be escaped or to be taken away but the fragment: where it begins, and the rest."""
_ABSOLUTE = ("http://", "https://")
_REMEMBERED_CHARS = 512


def resolve(reference: str, base: str) -> str | None:
    """The canonical absolute URL of *reference* on a page at *base*, or None where it is not one to fetch.

    None stands for: not parseable, not http(s), or longer than MAX_URL_CHARS. Never raises.
    Source: https://url.spec.whatwg.org/#concept-basic-url-parser
    """
    href = _serialised(reference, base)
    return href if href is not None and len(href) <= MAX_URL_CHARS else None


class Base:
    """The base URL of a document's references, which is canonical."""

    def __init__(self, url: str) -> None:
        self.url = url
        path = url.partition("?")[0]
        self._root = path[: path.index("/", path.index("//") + 2) + 1]
        self._folders = [path[: path.rindex("/") + 1]]
        """The folder of the document, then those above it."""
        # no further up than the references lead that are looked up here: 4,000 folders within each other were 16 MB
        while self._folders[-1] != self._root and len(self._folders) <= _REMEMBERED_CHARS // len("../"):
            self._folders.append(self._folders[-1][: self._folders[-1].rindex("/", 0, -1) + 1])
        self._max_chars = min(_REMEMBERED_CHARS, MAX_URL_CHARS - len(path))

    def resolve(self, reference: str) -> str | None:
        """As :func:`resolve`, five times as fast: most references need no parser."""
        if len(reference) > self._max_chars:
            return resolve(reference, self.url)
        if not reference.startswith(_ABSOLUTE):
            plain = _PATH.fullmatch(reference)
        elif reference.startswith(self._root):
            plain = _PATH.fullmatch(reference, len(self._root) - 1)
        else:
            return canonical(reference)
        if plain is None:
            return resolve(reference, self.url)
        up, rest = plain.groups()
        folders = self._folders
        return (self._root if up == "/" else folders[min(len(up) // len("../"), len(folders) - 1)]) + rest


def is_too_long(reference: str, base: str) -> bool:
    """Whether *reference* can be fetched but for its length."""
    href = _serialised(reference[: 4 * MAX_URL_CHARS], base)
    return href is not None and (len(reference) > 4 * MAX_URL_CHARS or len(href) > MAX_URL_CHARS)


def _serialised(reference: str, base: str) -> str | None:
    if len(reference) > 4 * MAX_URL_CHARS:
        return None
    try:
        href: str = join_url(base, reference)  # half as dear as an object with properties
        if not href.startswith(_SCHEMES):
            return None
        if "@" in href:
            url = URL(href)
            url.username = url.password = ""
            href = url.href
    except (ValueError, UnicodeError):
        return None
    return href.partition("#")[0]  # not before: the space in front of a "#" counts


def canonical(url: str) -> str | None:
    """The canonical form of an absolute URL, or None; idempotent, never raises.

    That of a short URL is remembered: links of navigation are on each page, whose URL goes with each of its images.
    """
    # of what is not ASCII each character would take up to twelve bytes
    return _remembered(url) if len(url) <= _REMEMBERED_CHARS and url.isascii() else _parsed(url)


def _parsed(url: str) -> str | None:
    return resolve(url, "about:blank")


_remembered = lru_cache(maxsize=8192)(_parsed)


def canonical_seed(text: str) -> str:
    """The canonical form of what a person typed as a seed.

    Raises SeedError when it has no scheme, another scheme than http(s), or no host.
    """
    url = canonical(text.strip())
    if url is not None and _NO_HOST.match(text.strip()):  # browsers take what comes next for the host
        raise SeedError(
            f"the seed {quoted(without_login(text))} names no host; did you mean {without_login(url)} ?"
        )
    if url is not None:
        return url
    text = without_login(text)  # for what is told of it
    if text.strip() and "://" not in text:
        host = text.strip().lstrip("/").partition("/")[0].partition(":")[0]
        scheme = "http" if host == "localhost" or host.startswith("127.") else "https"
        guess = canonical(f"{scheme}://{text.strip().lstrip('/')}")
        if guess is not None and ("." in host or scheme == "http"):
            raise SeedError(f"the seed {quoted(text)} has no scheme; did you mean {guess} ?")
    raise SeedError(
        f"the seed {quoted(text)} is not an http or https URL; give one such as https://example.org/"
    )


def without_login(text: str) -> str:
    """*text* as typed, with … in place of the login if it is a URL that has one."""
    return _LOGIN.sub(r"\1…@", text)


def authority(url: str) -> str:
    """``host[:port]`` of a canonical http(s) URL, which is what a request says in Host (RFC 9110, section 7.2)."""
    return host_key(url).partition("//")[2]


def with_bytes_escaped(header: str) -> str:
    """The reference in a header that was read as Latin-1, with each byte that is not ASCII escaped.

    So bytes of any encoding are sent back as they came, as by browsers (Chromium, issue 942073); UTF-8 as standardised.
    """
    return header if header.isascii() else quote(header, safe=_ASCII, encoding="latin-1", errors="replace")


def host_key(url: str) -> str:
    """``scheme://host[:port]`` of a canonical URL: the unit of politeness and of scope; DATA_HOST without one."""
    if url.startswith(DATA_HOST):
        return DATA_HOST
    return url[: url.index("/", url.index("//") + 2)]


def other_scheme(host: str) -> str | None:
    """The host (of ``host_key``) that is the same server by the other scheme; None if *host* names a port of its own.

    >>> other_scheme("http://a.example")
    'https://a.example'
    """
    scheme, _, name = host.partition("://")
    if not name or name.rpartition(":")[2].isdigit():  # an IPv6 address ends in a bracket
        return None
    return f"https://{name}" if scheme == "http" else f"http://{name}"


def identity(url: str) -> str:
    """A canonical URL without its session id: what a task is known by. Idempotent.

    Servers that keep sessions in URLs give each visitor other URLs for the same pages, without end. Only parameters
    that can be nothing else count, by name and form: the sessions of PHP, Java, ASP and the like. Those that may name
    a picture as well (``s``, ``sid``, ``token``) are for :func:`maybe_session` and harvest/session_ids.py.
    """
    if "=" not in url and "/(" not in url:  # as in most: each URL that is found is asked for this
        return url
    url, mark, route = url.partition("#")
    return _without_session(url) + mark + route


def _without_session(url: str) -> str:
    folded = url.lower()
    if not any(hint in folded for hint in _SESSION_HINTS):
        return url
    host = "" if url.startswith(DATA_HOST) else host_key(url)  # in which a ";" may stand
    path, mark, query = url[len(host) :].partition("?")
    path = _SESSION_IN_PATH.sub("", path) or "/"
    url = _without(host + path + mark + query, _SESSION_PARAMETER)
    # a cfid alone may be anybody's
    is_of_coldfusion = "?cftoken=" in folded or "&cftoken=" in folded
    return _without(url, _SESSION_OF_COLDFUSION) if is_of_coldfusion else url


def maybe_session(url: str) -> tuple[str, str] | None:
    """The parameter of a canonical URL that may be a session id: its name in lower case, and the URL without it; None
    without any. Names with other meanings count if the value can only be a token.
    """
    match = _MAYBE_SESSION.search(url)
    if match is None:
        return None
    before, after = url[: match.start()], url[match.end() :]
    if match[1] == "?" and after[:1] in ("&", ";"):
        after = f"?{after[1:]}"
    return match[2].lower(), before + after


def task_key(kind: str, url: str) -> bytes:
    """The 16 bytes by which a task is known: of its kind (``page``, ``image``, ``render``) and identity."""
    return hashlib.blake2b(f"{kind} {identity(url)}".encode(), digest_size=16).digest()


def left_out_mark(slug: str, kind: str, url: str) -> int:
    """The 64 bits, as a signed integer of SQLite, by which a URL that was left out by a slug is known."""
    return _mark(f"{slug} {kind} {url}")


def page_mark(url: str) -> int:
    """As ``left_out_mark``, of a page that names images."""
    return _mark(url)


def _mark(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def without_tracking(url: str) -> str:
    """A canonical URL without tracking parameters, which only tell advertisers whence a visitor came. Idempotent."""
    return _without(url, _TRACKING_PARAMETER) if "?" in url else url


def _without(url: str, parameter: re.Pattern[str]) -> str:
    """*url* without the parameters that match; the others keep their order."""
    start, mark, query = url.partition("?")
    if not query:
        return url
    before = query.split("&")
    kept = [item for item in before if not parameter.fullmatch(item)]
    if len(kept) == len(before):
        return url
    return f"{start}{mark}{'&'.join(kept)}" if kept else start


def show_address(address: tuple[str, int]) -> str:
    """``host:port``, with brackets around an IPv6 address (RFC 3986, 3.2.2)."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

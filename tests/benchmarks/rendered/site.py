"""What a site is: its pictures, its files, what its server answers, and what a person does there."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

ELSEWHERE = "{{elsewhere}}"
"""Stands in files and answers for the origin of another host, without a slash at its end."""
QUIET_MS = 500


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """So many distinct pictures, numbered from 1, each of them in all *widths*."""

    count: int
    url: str = "/img/photo-{n:02}.jpg"
    """A path with ``{n}``, and with ``{w}`` where there are several widths. Its ending says the format; none: JPEG."""
    widths: tuple[int, ...] = (640,)
    elsewhere: bool = False
    """Whether they lie at the other origin."""

    def path(self, n: int, w: int = 0) -> str:
        return self.url.format(n=n, w=w or self.widths[-1])

    def src(self, n: int, w: int = 0) -> str:
        """As a page names it."""
        return (ELSEWHERE if self.elsewhere else "") + self.path(n, w)

    @property
    def numbers(self) -> frozenset[int]:
        return frozenset(range(1, self.count + 1))

    @property
    def ending(self) -> str:
        return "png" if self.url.endswith(".png") else "jpg"

    def known_by(self, target: str) -> tuple[int, int] | None:
        """The number and width of the picture at *target*, a path with its query; None if there is none."""
        found = self._pattern.fullmatch(target)
        if found is None:
            return None
        n, w = int(found["n"]), int(found.groupdict().get("w") or self.widths[-1])
        return (n, w) if n in self.numbers and w in self.widths else None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        parts = re.split(r"(\{[nw][^}]*\})", self.url)
        return re.compile("".join(rf"(?P<{p[1]}>\d+)" if p[0:1] == "{" else re.escape(p) for p in parts))


class Ask(NamedTuple):
    """A request, as a site's own answers see it."""

    site: Site
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}

    def number(self, name: str, otherwise: int) -> int:
        text = self.query.get(name, "")
        return int(text) if text.isdecimal() else otherwise


class Reply(NamedTuple):
    body: bytes
    content_type: str = "text/html; charset=utf-8"
    status: int = HTTPStatus.OK
    headers: Mapping[str, str] = {}


Answer = Callable[[Ask], Reply]


class Click(NamedTuple):
    """At the first that is seen of *selector*, again and again until there is none, or it does nothing."""

    selector: str
    times: int = 1
    each: bool = False
    """All of them instead, one after the other; *times* does not count."""


class Press(NamedTuple):
    key: str
    times: int = 1


class Scroll(NamedTuple):
    """Within the element of *selector*, slowly to its end; what shows as *sideways* scrolls to the right."""

    selector: str
    sideways: bool = False


class Wheel(NamedTuple):
    """Over the middle of the element of *selector*."""

    selector: str
    delta_y: int
    times: int = 1


class Hover(NamedTuple):
    """Over the middle of each element of *selector*, one after the other."""

    selector: str


class Choose(NamedTuple):
    """Each option of the ``<select>`` that *selector* means."""

    selector: str


class Drag(NamedTuple):
    """From the middle of the element of *selector*, so far to the right."""

    selector: str
    delta_x: int
    times: int = 1


Step = Click | Press | Scroll | Wheel | Hover | Choose | Drag


class Visit(NamedTuple):
    """A page that a person opens, scrolls through from top to end, and then takes these steps at."""

    address: str = "/"
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Site:
    name: str
    about: str
    """What is special here, in a line."""
    pictures: Pictures
    files: Mapping[str, str]
    """By path: ``index.html``, ``about/index.html`` …"""
    bundles: Mapping[str, str] = field(default_factory=dict)
    """By path, what esbuild makes of this JSX or TypeScript: ``app.jsx`` is served as ``app.js``."""
    vite: Mapping[str, str] = field(default_factory=dict)
    """A project for vite, by path; it is built instead of ``bundles``, its ``index.html`` among them."""
    answers: Mapping[str, Answer] = field(default_factory=dict)
    """By path, besides the pictures' own API (see server.py)."""
    elsewhere: Mapping[str, Answer] = field(default_factory=dict)
    """The same at the other origin."""
    delay_s: float = 0.0
    """How late its API answers."""
    spa: bool = False
    """Whether each path that is nothing else has the index.html, as routers need that use the history."""
    visits: tuple[Visit, ...] = (Visit(),)
    wanted: frozenset[int] | None = None
    """Numbers of the pictures that a person can get to see; None: all."""
    drawn: int = 0
    """Further pictures that are on no server: the last numbers, each drawn in its own colour."""
    kind: str = ""
    """Of the module that it is in; filled in there."""

    @cached_property
    def digest(self) -> str:
        """Of what is built."""
        made_of = repr((sorted(self.files.items()), sorted(self.bundles.items()), sorted(self.vite.items())))
        return hashlib.sha256(made_of.encode()).hexdigest()

    @property
    def wants(self) -> frozenset[int]:
        if self.wanted is not None:
            return self.wanted
        return frozenset(range(1, self.pictures.count + self.drawn + 1))


def page(title: str, body: str, head: str = "") -> str:
    """A document, as sites write one; what every one of them needs is in here once."""
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{head}</head>\n<body>\n{body}\n</body></html>\n"
    )


def script(source: str, *, module: bool = False) -> str:
    return f'<script type="module">\n{source}\n</script>' if module else f"<script>\n{source}\n</script>"


def npm(*paths: str) -> str:
    """Elements that load these files of packages: scripts, and style sheets by their ending."""
    return "\n".join(
        f'<link rel="stylesheet" href="/node_modules/{path}">'
        if path.endswith(".css")
        else f'<script src="/node_modules/{path}"></script>'
        for path in paths
    )


def as_json(value: Any, status: int = HTTPStatus.OK) -> Reply:
    return Reply(json.dumps(value).encode(), "application/json", status)


def html(text: str) -> Reply:
    return Reply(text.encode())

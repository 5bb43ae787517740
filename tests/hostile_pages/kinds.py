"""What a hostile page is: what it says, and what must come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.hostile_pages.server import Said


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """A page that harms whoever opens it in a browser."""

    name: str
    what: str
    """What it does, in a line."""
    page: Said
    parts: Mapping[str, Said] = field(default_factory=dict)
    """What belongs to it, by path below its own."""
    reasons: tuple[str, ...] = ("",)
    """Of which its record has one; empty for one that was rendered."""
    left_out: tuple[str, ...] = ()
    """Slugs that its record has to name, if it is rendered; with ``|`` between them one will do."""
    images: tuple[str, ...] = ()
    """That are found all the same: paths below its own."""
    not_images: tuple[str, ...] = ()
    """That are no images of it."""
    never: tuple[str, ...] = ()
    """Paths below its own that nobody is to ask for."""
    most_requests: int = 80
    """How often the server may be asked for what belongs to it."""
    in_ci: bool = True
    """Whether it is opened in the tests; else it is much like another one, or takes long."""


def with_script(script: str, body: str = "", head: str = "") -> str:
    """A page that asks for an image that nothing but its scripts knows, img/asked.png, and then does *script*."""
    return (
        f"<!DOCTYPE html><html><head><title>hostile</title>{head}</head><body>{body}<img src=img/first.png alt=first>"
        f"<script>new Image().src = 'img/asked.png';</script><script>{script}</script></body></html>"
    )

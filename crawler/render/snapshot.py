"""Takes the document of a rendered page, to be read as any other."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from typing import Any

from crawler.render import stand_in_images
from crawler.render.devtools_messages import BrowserGone, DevToolsError, DevToolsTimeout
from crawler.render.isolated_world import IsolatedWorld
from crawler.render.page_requests import MOST_FRAMES, MOST_IMAGES
from crawler.render.tab import Tab

_MOST_DRAWN, _MOST_DRAWN_BYTES = 30, 6 * 2**20
_MOST_TOLD_CHARS = 8 * 2**20
"""Most characters of one answer, for documents that are larger than an answer of Chromium may be."""


class Snapshot:
    """The snapshot of the page in *tab* with the isolated *world*.

    *sent* is the document as it came, *most_s* the seconds that each part may take; *left_out* counts what is over the
    limits.
    """

    def __init__(
        self,
        tab: Tab,
        world: IsolatedWorld,
        *,
        sent: bytes,
        max_html_chars: int,
        most_s: float,
        left_out: Counter[str],
    ) -> None:
        self._tab = tab
        self._world = world
        self._sent = sent
        self._max_html_chars = max_html_chars
        self._read_s = most_s
        self._left_out = left_out

    def take(self) -> str:
        """The HTML of the document, with closed shadow roots, frames, canvases, and elements that scripts have removed.
        Raises DevToolsError.
        """
        limits = {"most": _MOST_DRAWN, "most_bytes": _MOST_DRAWN_BYTES, "marker": stand_in_images.MARKER}
        markup = self._markup()
        parts: list[str] = []
        with contextlib.suppress(DevToolsTimeout):
            self._world.open(most_s=self._read_s)
            # what ends a script may have met this one
            kept = self._world.asked("kept()", most_s=self._read_s) or self._world.asked(
                "kept()", most_s=self._read_s
            )
            if isinstance(kept, dict):
                parts.append(str(kept.get("html", "")))
                self._left_out["render-images"] += _count(kept.get("missed"))
            drawn = self._world.asked(f"drawn({json.dumps(limits)})", most_s=self._read_s)
            if isinstance(drawn, dict):
                parts.append(str(drawn.get("html", "")))
                self._left_out["render-drawn"] += _count(drawn.get("cut"))
                markup = self._without(drawn.get("blank"), markup)
            parts += self._frames()
        room = max(0, self._max_html_chars - sum(map(len, parts)))
        self._left_out["page-cut"] += len(markup) > room
        return "\n".join([markup[:room], *filter(None, parts)])

    def _without(self, blank: Any, markup: str) -> str:
        """*html* without the empty images in data: URLs that only scripts have put there."""
        for url in blank[:_MOST_DRAWN] if isinstance(blank, list) else []:
            if url.encode("utf-8", "replace") not in self._sent:
                markup = markup.replace(f'"{url}"', '""')
        return markup

    def _markup(self) -> str:
        """The markup of the document. A script that does not end is stopped for it."""
        try:
            root = self._root(most_s=self._read_s / 3)
        except DevToolsTimeout:
            self._tab.send("Runtime.terminateExecution")
            root = self._root(most_s=self._read_s)
        try:
            found = self._world.call(
                "DOM.getOuterHTML", {"backendNodeId": root, "includeShadowDOM": True}, most_s=self._read_s
            )
            return str(found["outerHTML"])
        except BrowserGone:
            raise
        except DevToolsError:
            most_chars = min(self._max_html_chars, _MOST_TOLD_CHARS)
            return str(self._world.asked(f"markup({most_chars})", most_s=self._read_s) or "")

    def _root(self, *, most_s: float) -> int:
        return int(self._world.call("DOM.getDocument", {"depth": 0}, most_s=most_s)["root"]["backendNodeId"])

    def _frames(self) -> list[str]:
        """The images of the page's frames."""
        found: list[str] = []
        waiting = list(
            self._world.call("Page.getFrameTree", most_s=self._read_s)["frameTree"].get("childFrames", [])
        )
        while waiting and len(found) < MOST_FRAMES:
            frame = waiting.pop(0)
            waiting += frame.get("childFrames", [])[:MOST_FRAMES]
            if "unreachableUrl" in frame["frame"]:  # a page of Chromium's own stands there
                continue
            with contextlib.suppress(DevToolsError):
                context = self._world.of(frame["frame"]["id"], most_s=1.0)
                found.append(str(self._world.asked("framed()", most_s=1.0, context=context) or ""))
        return found


def _count(told: Any) -> int:
    return min(told, MOST_IMAGES) if isinstance(told, int) and told > 0 else 0

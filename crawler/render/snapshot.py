"""Takes the document of a rendered page, to be read as any other."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from crawler.render import stand_in_images
from crawler.render.devtools_messages import BrowserGone, DevToolsError, DevToolsTimeout
from crawler.render.isolated_world import IsolatedWorld
from crawler.render.page_requests import MOST_FRAMES, MOST_IMAGES

_MOST_DRAWN, _MOST_DRAWN_BYTES = 30, 6 * 2**20
_MOST_TOLD_CHARS = 8 * 2**20
"""Most characters of one answer, for documents that are larger than an answer of Chromium may be."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The snapshot of the page in *world*.

    *sent* is the document as it came, *most_s* the seconds for each part; *left_out* counts what is over the limits.
    """

    world: IsolatedWorld
    sent: bytes
    max_html_chars: int
    most_s: float
    left_out: Counter[str]

    def take(self) -> str:
        """The HTML, with closed shadow roots, frames, canvases, and what scripts have removed. Raises DevToolsError."""
        limits = {"most": _MOST_DRAWN, "most_bytes": _MOST_DRAWN_BYTES, "marker": stand_in_images.MARKER}
        markup = self._markup()
        parts: list[str] = []
        with contextlib.suppress(DevToolsTimeout):
            self.world.open(most_s=self.most_s)
            # what ends a script may have met this one
            removed = self._value_of("kept()") or self._value_of("kept()")
            if isinstance(removed, dict):
                parts.append(str(removed.get("html", "")))
                self.left_out["render-images"] += _count(removed.get("missed"))
            drawn = self._value_of(f"drawn({json.dumps(limits)})")
            if isinstance(drawn, dict):
                parts.append(str(drawn.get("html", "")))
                self.left_out["render-drawn"] += _count(drawn.get("cut"))
                markup = self._without(drawn.get("blank"), markup)
            parts += self._frames()
        room = max(0, self.max_html_chars - sum(map(len, parts)))
        self.left_out["page-cut"] += len(markup) > room
        return "\n".join([markup[:room], *filter(None, parts)])

    def _without(self, blank: Any, markup: str) -> str:
        """*html* without the empty images in data: URLs that only scripts have put there."""
        for url in blank[:_MOST_DRAWN] if isinstance(blank, list) else ():
            if url.encode("utf-8", "replace") not in self.sent:
                markup = markup.replace(f'"{url}"', '""')
        return markup

    def _markup(self) -> str:
        """The markup of the document. A script that does not end is stopped for it."""
        try:
            root = self._root(most_s=self.most_s / 3)
        except DevToolsTimeout:
            self.world.tab.send("Runtime.terminateExecution")
            root = self._root(most_s=self.most_s)
        try:
            whole = {"backendNodeId": root, "includeShadowDOM": True}
            return str(self.world.call("DOM.getOuterHTML", whole, most_s=self.most_s)["outerHTML"])
        except BrowserGone:
            raise
        except DevToolsError:
            most_chars = min(self.max_html_chars, _MOST_TOLD_CHARS)
            return str(self._value_of(f"markup({most_chars})") or "")

    def _value_of(self, call: str) -> Any:
        return self.world.value_of(call, most_s=self.most_s)

    def _root(self, *, most_s: float) -> int:
        return int(self.world.call("DOM.getDocument", {"depth": 0}, most_s=most_s)["root"]["backendNodeId"])

    def _frames(self) -> list[str]:
        """The images of the page's frames."""
        found: list[str] = []
        tree = self.world.call("Page.getFrameTree", most_s=self.most_s)["frameTree"]
        waiting = list(tree.get("childFrames", []))
        while waiting and len(found) < MOST_FRAMES:
            frame = waiting.pop(0)
            waiting += frame.get("childFrames", [])[:MOST_FRAMES]
            if "unreachableUrl" in frame["frame"]:  # a page of Chromium's own stands there
                continue
            with contextlib.suppress(DevToolsError):
                context = self.world.of(frame["frame"]["id"], most_s=1.0)
                found.append(str(self.world.value_of("framed()", most_s=1.0, context=context) or ""))
        return found


def _count(told: Any) -> int:
    return min(told, MOST_IMAGES) if isinstance(told, int) and told > 0 else 0

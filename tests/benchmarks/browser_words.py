"""What Chromium tells a person of the images of a page: names and descriptions of its accessibility tree, captions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_URL = "function () { return this.currentSrc || this.src || (this.href && this.href.baseVal) || this.data || ''; }"
_CAPTIONS = """() => Array.from(document.querySelectorAll("figure")).flatMap(figure => {
    const caption = figure.querySelector(":scope > figcaption");
    if (!caption) return [];
    return Array.from(figure.querySelectorAll("img"))
        .filter(image => image.currentSrc && image.closest("figure") === figure)
        .map(image => [image.currentSrc, caption.innerText]);
})"""
_MOST = 2_000


def words_shown(page: Any) -> Iterator[tuple[str, str]]:
    """URLs of images, each with a text that is said of it."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    shown = [
        node for node in nodes if (node.get("role") or {}).get("value") in ("image", "img", "graphics-symbol")
    ]
    for node in shown[:_MOST]:
        texts = {(node.get(kind) or {}).get("value", "") for kind in ("name", "description")} - {""}
        if not texts or "backendDOMNodeId" not in node:
            continue
        found = session.send("DOM.resolveNode", {"backendNodeId": node["backendDOMNodeId"]})["object"]
        answer = session.send(
            "Runtime.callFunctionOn",
            {"objectId": found["objectId"], "functionDeclaration": _URL, "returnByValue": True},
        )
        url = answer["result"].get("value")
        if isinstance(url, str) and url:
            yield from ((url, text) for text in texts)
    yield from ((url, text) for url, text in page.evaluate(_CAPTIONS) if text.strip())


def lacks(words: str, said: str) -> bool:
    """Whether *said* is not among the *words* of a record, white space apart."""
    return "".join(said.split())[:500] not in "".join(words.split())

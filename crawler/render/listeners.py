"""Finds the elements of a page that listen to the mouse: a person would try them, whatever they look like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crawler.render.devtools_messages import BrowserGone, DevToolsError

MOST = 150
"""Most elements that are looked at. Each costs two calls."""
_KINDS = frozenset({"click", "mousedown", "mouseup", "pointerdown", "pointerup", "touchstart", "touchend"})
_COMING = frozenset({"mouseenter", "mouseover", "pointerenter", "pointerover", "mousemove"})
_TELL = "function(coming) { globalThis.image_crawler?.listens(this, coming); }"

Call = Callable[..., dict[str, Any]]


def tell_listeners(call: Call, *, context: int, most_s: float) -> None:
    """Tell our world on the page, which has the number *context*, of elements that listen to the mouse.

    *call* is that of DevTools: method, params, ``most_s``. What can't be told is left; raises BrowserGone.
    """
    try:
        document = call("Runtime.evaluate", {"expression": "document"}, most_s=most_s)["result"]["objectId"]
        whole = {"objectId": document, "depth": -1, "pierce": True}
        listeners = call("DOMDebugger.getEventListeners", whole, most_s=most_s)["listeners"]
    except BrowserGone:
        raise
    except (DevToolsError, KeyError):
        return
    kinds: dict[object, set[str]] = {}
    for one in listeners:
        if one.get("type") in _KINDS | _COMING:
            kinds.setdefault(one.get("backendNodeId"), set()).add(one["type"])
    for node, told_of in list(kinds.items())[:MOST]:
        try:
            found = call(
                "DOM.resolveNode", {"backendNodeId": node, "executionContextId": context}, most_s=most_s
            )
            told = {
                "objectId": found["object"]["objectId"],
                "functionDeclaration": _TELL,
                "arguments": [{"value": not told_of.isdisjoint(_COMING)}],
            }
            call("Runtime.callFunctionOn", told, most_s=most_s)
        except BrowserGone:
            raise
        except (DevToolsError, KeyError):
            continue

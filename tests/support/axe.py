"""axe-core (Deque, MPL 2.0), which tells what of a page people with other eyes and hands can't use.

It is not kept in this repository. It comes from IMAGE_CRAWLER_AXE, the path of an axe.min.js, such as that of npm's
axe-core; else from the package axe-core-python of the group test-all, which has an older one.
"""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

from tests.support.windows import Window

_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def script() -> Path | None:
    """The axe.min.js that there is."""
    if given := os.environ.get("IMAGE_CRAWLER_AXE"):
        return Path(given)
    found = importlib.util.find_spec("axe_core_python")
    return Path(found.origin).with_name("axe.min.js") if found and found.origin else None


def violations(window: Window, axe: Path) -> list[str]:
    """One line for each element that breaks a rule. The page's policy must be off: ``Page.setBypassCSP``."""
    if not window.value("typeof window.axe === 'object'"):
        window.tab.call("Runtime.evaluate", {"expression": axe.read_text(encoding="utf-8")}, timeout_s=60)
    result: dict[str, Any] = window.value(
        f"axe.run(document, {json.dumps(_RULES)}).then(found => found.violations.map(one => ({{id: one.id,"
        " nodes: one.nodes.map(node => [node.html.slice(0, 160), node.failureSummary])})))",
        timeout_s=120,
    )
    return [f"{one['id']}: {html} | {why}" for one in result for html, why in one["nodes"]]  # type: ignore[index]

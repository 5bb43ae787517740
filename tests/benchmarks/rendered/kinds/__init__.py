"""The sites by kind."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

from tests.benchmarks.rendered.kinds import (
    carousels,
    components,
    controls,
    data,
    documents,
    feeds,
    frames,
    frameworks,
    galleries,
    layouts,
    lazy,
    routers,
    viewers,
    widgets,
)
from tests.benchmarks.rendered.site import Site

_KINDS: tuple[ModuleType, ...] = (
    frameworks,
    lazy,
    galleries,
    carousels,
    layouts,
    feeds,
    widgets,
    routers,
    data,
    frames,
    components,
    viewers,
    controls,
    documents,
)

SITES: tuple[Site, ...] = tuple(
    replace(site, kind=module.__name__.rpartition(".")[2]) for module in _KINDS for site in module.SITES
)

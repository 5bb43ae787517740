"""The read side of a crawl: its folder, looked at while it runs or after. Nothing here ever writes to it."""

from __future__ import annotations

from crawler.catalog.database import Catalog

__all__ = ["Catalog"]

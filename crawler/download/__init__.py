"""An image URL becomes a verified file."""

from __future__ import annotations

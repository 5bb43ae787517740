"""Pages in a browser: what scripts make of them, and the images that come of it."""

from __future__ import annotations

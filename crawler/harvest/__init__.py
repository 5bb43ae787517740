"""From a fetched page to the images and links on it."""

from __future__ import annotations

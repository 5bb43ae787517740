"""Names of what lies in a crawl's folder."""

from __future__ import annotations

from typing import Final

DATABASE: Final = "crawl.db"
SETTINGS_FILE: Final = "crawl.toml"
IMAGES_FOLDER: Final = "images"
INDEX_FOLDER: Final = ".index"
"""The folder that tells which bytes are stored under which path, and the id of the crawl's folder."""
CLAIMS: Final = "claims.db"
FOLDER_ID: Final = f"{INDEX_FOLDER}/folder.id"
GALLERY: Final = "gallery"
"""The folder of the page that shows the images, if somebody has made one; ``--fresh`` removes it as well."""
LOCK: Final = "crawl.lock"
ADDRESS: Final = "crawl.address"
"""Where the manager of the running crawl listens, or the URL of its queue."""
AUTHKEY: Final = "crawl.authkey"
HALF_WRITTEN: Final = ".saving-"
"""Prefix of the files that a downloader is writing, or was killed at."""

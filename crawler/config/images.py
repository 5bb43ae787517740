"""Settings of images: which are kept, where, and under which names."""

from __future__ import annotations

from typing import Annotated

from crawler.config.section import Formats, Section, about


class ImagesConfig(Section):
    """Which images are kept."""

    images: Annotated[
        str,
        about(
            "Sizes to take of one picture that comes in several (srcset, picture, thumbnails): best,"
            " the largest; or all.",
            pattern="^(best|all)$",
        ),
    ] = "best"
    downloaders: Annotated[
        int,
        about(
            "Number of downloader processes, which fetch images; 0 for one per core, at most 4.", ge=0, le=256
        ),
    ] = 0
    downloader_threads: Annotated[
        int,
        about(
            "Most images that one downloader handles at a time; where servers answer fast it handles fewer.",
            ge=1,
            le=256,
        ),
    ] = 32
    max_image_bytes: Annotated[int, about("Maximum size of an image in bytes.", ge=1)] = 64 * 2**20
    max_svg_bytes: Annotated[
        int,
        about("Maximum size of an SVG in bytes; reading one takes many times that in memory.", ge=1),
    ] = 16 * 2**20
    max_pixels: Annotated[
        int, about("Maximum number of pixels of an image: width times height times frames.", ge=1)
    ] = 178_956_970
    decode_timeout_s: Annotated[
        float, about("Seconds to decode one image, which is how it is verified.", gt=0)
    ] = 30.0
    incomplete: Annotated[
        str,
        about(
            "A file that lacks only its end, with all of its pixels there: reject it; or keep it, and"
            " say so in its record.",
            pattern="^(reject|keep)$",
        ),
    ] = "reject"
    formats: Annotated[Formats, about("Formats to keep; all of them if none is given.", item="FORMAT")] = ()
    min_width_px: Annotated[int, about("Minimum width of an image in pixels.", ge=0)] = 0
    max_width_px: Annotated[int, about("Maximum width of an image in pixels; 0 for no limit.", ge=0)] = 0
    min_height_px: Annotated[int, about("Minimum height of an image in pixels.", ge=0)] = 0
    max_height_px: Annotated[int, about("Maximum height of an image in pixels; 0 for no limit.", ge=0)] = 0
    min_image_bytes: Annotated[int, about("Minimum size of an image in bytes.", ge=0)] = 0
    max_aspect: Annotated[
        float,
        about("Maximum ratio of the longer side of an image to the shorter; 0 for no limit.", ge=0),
    ] = 0.0


class StorageConfig(Section):
    """How images are saved."""

    storage: Annotated[
        str,
        about(
            "Place of the images: local, the crawl's folder, and for workers on other machines a"
            " folder of their own; manager, the crawl's folder for all of them, with the bytes sent"
            " over the queue's connection; or an object store, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX,"
            " az://CONTAINER/PREFIX.",
            pattern="^local$|^manager$|^(s3|gs|az)://[^/?#]+(/[^?#]*)?$",
            hint="local, manager, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX",
        ),
    ] = "local"
    layout: Annotated[
        str,
        about(
            "Names of image files: site, as on the site; hash, by their SHA-256; flat, all in one folder.",
            pattern="^(site|hash|flat)$",
        ),
    ] = "site"
    storage_patience_s: Annotated[
        float, about("Seconds to wait for an object store that does not answer.", ge=0)
    ] = 600.0
    fsync: Annotated[bool, about("Force each image to the disk before it counts as saved.")] = False
    min_free_bytes: Annotated[
        int,
        about(
            "Minimum free space on the disk in bytes; below it the crawl stops.", ge=0, also=("--min-free",)
        ),
    ] = 64 * 2**20

    @property
    def url(self) -> str:
        """The URL at which all machines keep images; empty when they lie in folders, the crawl's or its workers'."""
        return self.storage if "://" in self.storage else ""

    @property
    def at_workers(self) -> bool:
        """Whether workers on other machines keep images themselves, each in a folder of its own."""
        return self.storage == "local"

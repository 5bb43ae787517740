"""Settings of images: which are kept, where, and under which names."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from crawler.config.section import Formats, Section


class ImagesConfig(Section):
    """Which images are kept."""

    images: Annotated[
        str,
        Meta(
            pattern="^(best|all)$",
            description="Sizes to take of one picture that comes in several (srcset, picture, thumbnails): best,"
            " the largest; or all.",
        ),
    ] = "best"
    downloaders: Annotated[
        int,
        Meta(
            ge=0,
            le=256,
            description="Number of downloader processes, which fetch images; 0 for one per core, at most 4.",
        ),
    ] = 0
    downloader_threads: Annotated[
        int, Meta(ge=1, le=256, description="Number of images that one downloader handles at a time.")
    ] = 4
    max_image_bytes: Annotated[int, Meta(ge=1, description="Maximum size of an image in bytes.")] = 64 * 2**20
    max_svg_bytes: Annotated[
        int,
        Meta(
            ge=1, description="Maximum size of an SVG in bytes; reading one takes many times that in memory."
        ),
    ] = 16 * 2**20
    max_pixels: Annotated[
        int, Meta(ge=1, description="Maximum number of pixels of an image: width times height times frames.")
    ] = 178_956_970
    decode_timeout_s: Annotated[
        float, Meta(gt=0, description="Seconds to decode one image, which is how it is verified.")
    ] = 30.0
    incomplete: Annotated[
        str,
        Meta(
            pattern="^(reject|keep)$",
            description="A file that lacks only its end, with all of its pixels there: reject it; or keep it, and"
            " say so in its record.",
        ),
    ] = "reject"
    formats: Annotated[
        Formats, Meta(description="Formats to keep; all of them if none is given.", extra={"item": "FORMAT"})
    ] = ()
    min_width_px: Annotated[int, Meta(ge=0, description="Minimum width of an image in pixels.")] = 0
    max_width_px: Annotated[
        int, Meta(ge=0, description="Maximum width of an image in pixels; 0 for no limit.")
    ] = 0
    min_height_px: Annotated[int, Meta(ge=0, description="Minimum height of an image in pixels.")] = 0
    max_height_px: Annotated[
        int, Meta(ge=0, description="Maximum height of an image in pixels; 0 for no limit.")
    ] = 0
    min_image_bytes: Annotated[int, Meta(ge=0, description="Minimum size of an image in bytes.")] = 0
    max_aspect: Annotated[
        float,
        Meta(
            ge=0, description="Maximum ratio of the longer side of an image to the shorter; 0 for no limit."
        ),
    ] = 0.0


class StorageConfig(Section):
    """How images are saved."""

    storage: Annotated[
        str,
        Meta(
            pattern="^local$|^manager$|^(s3|gs|az)://[^/?#]+(/[^?#]*)?$",
            description="Place of the images: local, the crawl's folder, and for workers on other machines a folder"
            " of their own; manager, the crawl's folder for all of them, with the bytes sent over the"
            " queue's connection; or an object store, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX,"
            " az://CONTAINER/PREFIX.",
            extra={"hint": "local, manager, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX"},
        ),
    ] = "local"
    layout: Annotated[
        str,
        Meta(
            pattern="^(site|hash|flat)$",
            description="Names of image files: site, as on the site; hash, by their SHA-256; flat, all in one"
            " folder.",
        ),
    ] = "site"
    storage_patience_s: Annotated[
        float, Meta(ge=0, description="Seconds to wait for an object store that does not answer.")
    ] = 600.0
    fsync: Annotated[bool, Meta(description="Force each image to the disk before it counts as saved.")] = (
        False
    )
    min_free_bytes: Annotated[
        int,
        Meta(
            ge=0,
            description="Minimum free space on the disk in bytes; below it the crawl stops.",
            extra={"also": ("--min-free",)},
        ),
    ] = 64 * 2**20

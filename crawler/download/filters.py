"""Filters of the section ``images``: which sound images are not wanted. Pure.

The order is format, bytes, pixels, aspect ratio. The first two are known before anything is decoded. An SVG without a
size is not judged by its pixels, nor by its height if it only has a width.
"""

from __future__ import annotations

from crawler.config import ImagesConfig
from crawler.download.formats import ImageInfo
from crawler.errors import Rejection, TooLarge, TooSmall, UnwantedAspect, UnwantedFormat


def unwanted(info: ImageInfo, size_bytes: int, config: ImagesConfig) -> Rejection | None:
    """Why an image of *size_bytes* is not to be kept, or None."""
    return unwanted_file(info.format, size_bytes, config) or unwanted_picture(info, config)


def unwanted_file(name: str, size_bytes: int, config: ImagesConfig) -> Rejection | None:
    """Why an image is not to be kept, judged by its format *name* and its number of bytes alone, or None."""
    if config.formats and name not in config.formats:
        return UnwantedFormat(f"it is a {name}; only {', '.join(config.formats)} are kept (formats)")
    if size_bytes < config.min_image_bytes:
        return TooSmall(
            f"{size_bytes:,} bytes are fewer than the {config.min_image_bytes:,} wanted (min_image_bytes)"
        )
    if name == "svg" and size_bytes > config.max_svg_bytes:
        return TooLarge(
            f"{size_bytes:,} bytes of SVG are more than the {config.max_svg_bytes:,} allowed (max_svg_bytes)"
        )
    return None


def unwanted_picture(info: ImageInfo, config: ImagesConfig) -> Rejection | None:
    """Why an image is not to be kept, judged by its pixels alone, or None."""
    for word, length_px, least_px, most_px in (
        ("width", info.width_px, config.min_width_px, config.max_width_px),
        ("height", info.height_px, config.min_height_px, config.max_height_px),
    ):
        if not length_px:
            continue
        if length_px < least_px:
            return TooSmall(f"its {word} of {length_px} px is below {least_px} px (min_{word}_px)")
        if most_px and length_px > most_px:
            return TooLarge(f"its {word} of {length_px} px is above {most_px} px (max_{word}_px)")
    shorter, longer = sorted((info.width_px, info.height_px))
    if config.max_aspect and shorter and longer > config.max_aspect * shorter:
        return UnwantedAspect(
            f"its longer side is {longer / shorter:.1f} times the shorter, {longer} to {shorter} px; "
            f"the limit is {config.max_aspect:g} (max_aspect)"
        )
    return None

"""Which sound images are not wanted, by the settings of the section ``images``: pure.

In this order: the format, the bytes, the pixels, the aspect. The first two are known before anything is decoded.
An SVG that does not say its size is not judged by pixels, nor is one that says only its width by its height.
"""

from __future__ import annotations

from crawler.config import ImagesConfig
from crawler.download.formats import ImageInfo
from crawler.errors import Rejection, TooLarge, TooSmall, UnwantedAspect, UnwantedFormat


def unwanted(info: ImageInfo, size_bytes: int, config: ImagesConfig) -> Rejection | None:
    """Why an image of *size_bytes* is not to be kept, or None."""
    return unwanted_file(info.format, size_bytes, config) or unwanted_picture(info, config)


def unwanted_file(name: str, size_bytes: int, config: ImagesConfig) -> Rejection | None:
    """The same, as far as the format *name* and the number of bytes tell."""
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
    """The same, as far as its pixels tell."""
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

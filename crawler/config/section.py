"""The base of the sections, and the types of values that several settings have."""

from __future__ import annotations

from typing import Annotated, dataclass_transform

import msgspec
from msgspec import Meta


# for type checkers: what derives from it is frozen as well
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the sections."""


def about(
    description: str,
    *,
    gt: float | None = None,
    ge: float | None = None,
    le: float | None = None,
    pattern: str | None = None,
    min_length: int | None = None,
    **extra: object,
) -> Meta:
    """What a setting means, for people, and the bounds of its values.

    *extra* are fields of ``settings.Setting``: hint, item, also, secret.
    """
    bounds = {"gt": gt, "ge": ge, "le": le, "pattern": pattern, "min_length": min_length}
    return Meta(description=description, extra=extra, **bounds)  # type: ignore[arg-type] # each of its own type


Patterns = tuple[str, ...]
"""URLs in which ``*`` stands for any characters; each has to match a whole URL."""
Headers = tuple[Annotated[str, Meta(pattern="^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ -~]*$")], ...]
"""``Name: value`` (RFC 9110, section 5.1)."""
Hosts = tuple[Annotated[str, Meta(pattern="^[^ @]+$")], ...]
"""Names, addresses and networks (``10.1.0.0/16``)."""
Formats = tuple[Annotated[str, Meta(pattern="^(jpeg|png|gif|webp|avif|bmp|tiff|ico|svg|heic)$")], ...]
SYNONYMS = {"jpg": "jpeg", "tif": "tiff"}
Trusts = tuple[
    Annotated[
        str,
        Meta(pattern="^(all|none|manager-network|networks|proxy|insecure-tls|netrc|storage|posts|limits)$"),
    ],
    ...,
]
"""The words of ``trusted.Trust``, ``all`` and ``none``."""

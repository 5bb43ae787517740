"""Which pages are worth a browser, by what rendering pages of the same template brought. Pure, for every engine.

Rendering a page costs hundreds of times as much as reading it, so PROBES pages of a template are rendered to find out
whether it is of use. A gain is *fresh* if no earlier page of the template's family had it: a script that puts the same
logo on every page is a gain once. A template is skipped when its probes, or its last DRY_RENDERS, brought nothing
fresh. As long as fresh gains come, its pages are rendered, with the behaviours that brought any.

A template is named ``family/fine``. A new template is skipped at once if many renders of several templates of its
family have brought nothing at all, or nothing fresh since the last gain. A manual of 5,751 pages had a template for
nearly every page, and its script put the same two icons on each: all of them would have been rendered.

A renderer claims a probe first, so that many at once do not probe more than PROBES pages. Claims expire.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, NamedTuple
from zlib import crc32

import msgspec
from msgspec import Meta

from crawler.models import RenderOutcome, Slug, Small, TemplateAnswer, TemplateVerdict, Total
from crawler.queues import policy

OVERFLOW: Final = "*"
"""The name of the one template for all pages of a host that has too many templates."""
_HASH_BYTES: Final = 4


class Template(msgspec.Struct, frozen=True, array_like=True):
    """The history of one template of one host."""

    renders: Small = 0
    """Pages that were rendered, without those that failed."""
    dry: Small = 0
    """The latest renders in a row that brought nothing fresh."""
    gained: bool = False
    """Whether any render brought something."""
    failed: Small = 0
    """Renders in a row that failed."""
    gains: Annotated[dict[Slug, Total], Meta(max_length=policy.MOST_BEHAVIOURS)] = {}
    """Images by the behaviour that brought them."""
    found: Annotated[bytes, Meta(max_length=_HASH_BYTES * policy.MOST_FOUND)] = b""
    """Hashes of the images found, the latest at the end."""
    claims: Annotated[dict[Total, float], Meta(max_length=policy.PROBES)] = {}
    """Tasks that are being rendered as probes, and until when each claim counts."""
    told_of: Annotated[tuple[Total, ...], Meta(max_length=policy.MOST_TOLD_OF)] = ()


class Family(msgspec.Struct, frozen=True, array_like=True):
    """The history of all templates of one family."""

    renders: Small = 0
    """Pages that were rendered since the last one that brought something fresh."""
    gained: bool = False
    """Whether any render brought something."""
    templates: Annotated[tuple[Total, ...], Meta(max_length=policy.GAINED_FAMILY_TEMPLATES)] = ()
    """Hashes of the names of the templates of those pages: the first GAINED_FAMILY_TEMPLATES."""
    found: Annotated[bytes, Meta(max_length=_HASH_BYTES * policy.MOST_FOUND)] = b""
    """Hashes of the images found, the latest at the end."""

    @property
    def is_hopeless(self) -> bool:
        if self.gained:
            renders, templates = policy.GAINED_FAMILY_RENDERS, policy.GAINED_FAMILY_TEMPLATES
        else:
            renders, templates = policy.FAMILY_RENDERS, policy.FAMILY_TEMPLATES
        return self.renders >= renders and len(self.templates) >= templates


class KnownTemplates(NamedTuple):
    """A template's history, with that of its family."""

    name: str
    template: Template = Template()
    family: Family = Family()


def asked(known: KnownTemplates, task: int | None, now_s: float) -> tuple[KnownTemplates, TemplateAnswer]:
    """Whether to render a page of the template. With *task* its renderer asks, which may claim a probe by that.

    Returns *known* itself if nothing has changed.
    """
    template = known.template
    claims = {claimed: until for claimed, until in template.claims.items() if until > now_s}
    verdict = _verdict(known, claims, task)
    if verdict is TemplateVerdict.UNKNOWN and task is not None:
        claimed = msgspec.structs.replace(template, claims={**claims, task: now_s + policy.TEMPLATE_CLAIM_S})
        known, verdict = known._replace(template=claimed), TemplateVerdict.RENDER
    behaviours = None
    if verdict is TemplateVerdict.RENDER and template.renders >= policy.PROBES:
        # those that bring most come first, for a page may run out of time
        behaviours = tuple(sorted(template.gains, key=lambda name: (-template.gains[name], name)))
    again_s = policy.TEMPLATE_WAIT_S if verdict is TemplateVerdict.WAIT else 0.0
    return known, TemplateAnswer(
        verdict=verdict, behaviours=behaviours, again_s=again_s, renders=template.renders
    )


def _verdict(known: KnownTemplates, claims: dict[int, float], task: int | None) -> TemplateVerdict:
    """UNKNOWN with a *task*: it may be a probe."""
    template = known.template
    is_dry = template.renders >= policy.PROBES and (not template.gained or template.dry >= policy.DRY_RENDERS)
    if is_dry or template.failed >= policy.FAILED_RENDERS:
        return TemplateVerdict.SKIP
    if template.gained or task in claims:
        return TemplateVerdict.RENDER
    if not template.renders and known.family.is_hopeless:
        return TemplateVerdict.SKIP
    if task is not None and template.renders + len(claims) >= policy.PROBES:
        return TemplateVerdict.WAIT
    return TemplateVerdict.UNKNOWN


def told(known: KnownTemplates, outcome: RenderOutcome) -> KnownTemplates:
    """Add what rendering a page brought; returns *known* itself if that was reported before."""
    template = known.template
    claims = {task: until for task, until in template.claims.items() if task != outcome.task}
    if outcome.task in template.told_of:  # its renderer was lost before it settled the task
        if len(claims) == len(template.claims):
            return known
        return known._replace(template=msgspec.structs.replace(template, claims=claims))
    if outcome.failed:
        failed = min(template.failed + 1, policy.FAILED_RENDERS)
        return known._replace(template=msgspec.structs.replace(template, claims=claims, failed=failed))
    before = _hashes(template.found) | _hashes(known.family.found)
    is_fresh = any(found not in before for found in outcome.found)
    gains = dict(template.gains)
    for name, images in outcome.gains.items():
        if images and (name in gains or len(gains) < policy.MOST_BEHAVIOURS):
            gains[name] = gains.get(name, 0) + images
    return known._replace(
        template=Template(
            renders=template.renders + 1,
            dry=0 if is_fresh else template.dry + 1,
            gained=template.gained or is_fresh,
            gains=gains,
            found=_with_latest(template.found, outcome.found),
            claims=claims,
            told_of=(*template.told_of, outcome.task)[-policy.MOST_TOLD_OF :],
        ),
        family=_told_family(known, outcome.found, is_fresh=is_fresh),
    )


def _told_family(known: KnownTemplates, found: Iterable[int], *, is_fresh: bool) -> Family:
    family, templates = known.family, known.family.templates
    kept = _with_latest(family.found, found)
    if is_fresh:
        return Family(gained=True, found=kept)
    if (fine := crc32(known.name.encode())) not in templates:
        templates = (*templates, fine)[: policy.GAINED_FAMILY_TEMPLATES]
    return Family(
        renders=min(family.renders + 1, policy.GAINED_FAMILY_RENDERS),
        gained=family.gained,
        templates=templates,
        found=kept,
    )


def _with_latest(kept: bytes, found: Iterable[int]) -> bytes:
    """The hashes of *kept* and *found*, the latest MOST_FOUND."""
    latest = dict.fromkeys(found)
    hashes = [*(one for one in _hashes(kept) if one not in latest), *latest][-policy.MOST_FOUND :]
    return b"".join(one.to_bytes(_HASH_BYTES, "big") for one in hashes)


def _hashes(found: bytes) -> dict[int, None]:
    """The hashes in the order in which they were found."""
    return dict.fromkeys(
        int.from_bytes(found[start : start + _HASH_BYTES], "big")
        for start in range(0, len(found), _HASH_BYTES)
    )


# --- encoded, as the engines keep it ---

_ENCODE = msgspec.msgpack.Encoder().encode
_TEMPLATE = msgspec.msgpack.Decoder(Template).decode
_FAMILY = msgspec.msgpack.Decoder(Family).decode
_FLAWS = (msgspec.MsgspecError, RecursionError, UnicodeError, TypeError, OverflowError)


def family_of(name: str) -> str:
    """The name under which the family of the template *name* is kept, beside the templates."""
    return f" {name.partition('/')[0]}"


def kept_as(name: str, *, is_known: bool, kept: int) -> str:
    """The name under which a template is kept: OVERFLOW for a new one of a host with too many (*kept*)."""
    return name if is_known or kept < policy.MOST_TEMPLATES else OVERFLOW


def changes(before: KnownTemplates, known: KnownTemplates) -> dict[str, bytes]:
    """The encoded states that differ from *before*, by name; some KB at most."""
    changed: dict[str, bytes] = {}
    if known.template is not before.template:
        changed[known.name] = _ENCODE(known.template)
    if known.family is not before.family:
        changed[family_of(known.name)] = _ENCODE(known.family)
    return changed


def known_of(name: str, template: bytes | None, family: bytes | None) -> KnownTemplates:
    """Decode what is kept of the template *name*; illegible states count as none."""
    try:
        return KnownTemplates(
            name,
            Template() if template is None else _TEMPLATE(template),
            Family() if family is None else _FAMILY(family),
        )
    except _FLAWS:  # another program has written it: it is learned once more
        return KnownTemplates(name)

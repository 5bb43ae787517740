"""Recognises placeholders for references, which a script or a template engine fills, and switches."""

from __future__ import annotations

import re

_TEMPLATE = re.compile(
    r"""
    \{\{ | \$\{ | <% | <\?(?:=|php) | \{%(?:[-+]?\s|\Z) | %\} | \{\$ | \#\{ | @\{
    | (?<!\w)\[\[(?:\s*+[A-Za-z_$][^\[\]"]*+\]\]|\s*+\Z)
    | %(?:[0-9]\$)?[sd@](?![0-9A-Za-z])                     # of printf; "100%silk.jpg" has none, "%d0" is a byte
    | (?:^|[/=?&.])(?:__[A-Z][A-Z0-9_]*+(?<=__)|%%[A-Za-z_]++%%)(?=$|[/?&.\#])      # a whole segment
    """,
    re.VERBOSE,
)
_FLAG = re.compile(
    r"[\w\s|-]*+|[\d.,+-]++(?:%|[a-z]{1,4})?|\#.*|(?:about|javascript|mailto|tel|blob):.*", re.DOTALL
)


def is_template(reference: str) -> bool:
    """Whether *reference* contains an unfilled template: ``{{ image.url }}``, ``${src}``, ``<%= src %>``, ``{% static
    'a.png' %}``, ``[[src]]``, ``%s``, ``__IMAGE__``.
    """
    has_mark = (
        "{" in reference or "%" in reference or "__" in reference or "[[" in reference or "<" in reference
    )
    return has_mark and _TEMPLATE.search(reference) is not None


def is_flag(value: str) -> bool:
    """Whether *value* is a word, a number or empty, in an attribute whose name suits a reference: ``true``, ``1``,
    ``lazy``, ``50%``, ``#``, ``about:blank``.
    """
    return _FLAG.fullmatch(value) is not None

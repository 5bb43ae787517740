"""Decodes and encodes by Python's codecs, corrected where browsers do otherwise.

The corrections come from a comparison of every code point of the Encoding Standard's indexes
(https://encoding.spec.whatwg.org/#indexes) with the codec's result. Not corrected: 192 of Big5's rarest characters, and
the NEC characters of ISO-2022-JP.
"""

from __future__ import annotations

import codecs

CODECS = {"gbk": "gb18030", "x-user-defined": "cp1252"}
"""Codecs, by the standard's names, where webencodings' codec is not the one that is meant: GBK is decoded as GB18030,
and HTML reads ``x-user-defined`` in a ``<meta>`` as windows-1252.
"""
_DECODED_AS = {"iso2022_jp": "iso2022_jp_ext"}
"""Half-width katakana are decoded, and never encoded."""

_EUC_JP = {0x301C: 0xFF5E, 0x2016: 0x2225, 0x2212: 0xFF0D, 0xA2: 0xFFE0, 0xA3: 0xFFE1, 0xAC: 0xFFE2}
_READ_AS = {
    "euc_jp": _EUC_JP,
    "koi8-u": {0x255D: 0x45E, 0x256C: 0x40E},
    "cp932": dict.fromkeys(range(0xF8F0, 0xF8F4), 0xFFFD),
    "big5hkscs": dict(zip(map(ord, "•､‾∼♁☉／＼¥¢£"), map(ord, "‧﹑¯～⊕⊙∕﹨￥￠￡"), strict=True)),  # noqa: RUF001
    "gb18030": dict(
        zip(
            (
                0xE5E5,
                *range(0xE78D, 0xE797),
                0xE7C7,
                0xE81E,
                0xE826,
                0xE82B,
                0xE82C,
                0xE832,
                0xE843,
                0xE854,
                0xE864,
            ),
            (0x3000, 0xFE10, 0xFE12, 0xFE11, *range(0xFE13, 0xFE1A), 0x1E3F, *range(0x9FB4, 0x9FBC)),
            strict=True,
        )
    ),
}
"""Characters that a codec decodes otherwise than browsers, by Python's names."""
_WRITTEN_AS = {"euc_jp": {told: read for read, told in _EUC_JP.items()}}


def decode(content: bytes, codec: str) -> str:
    """The text of *content* in *codec*, a name of Python's. Never raises."""
    text = content.decode(_DECODED_AS.get(codec, codec), _ERRORS.get(codec, "replace"))
    return text.translate(_READ_AS[codec]) if codec in _READ_AS else text


def encode(text: str, codec: str) -> bytes:
    """*text* in *codec*. Raises UnicodeEncodeError."""
    return (text.translate(_WRITTEN_AS[codec]) if codec in _WRITTEN_AS else text).encode(codec)


def _control(error: UnicodeError) -> tuple[str, int]:
    """Decode a byte that windows-125x leaves undefined, as the control character of its number."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    byte = error.object[error.start]
    char = chr(byte) if byte < 0xA0 else "\u05ba" if byte == 0xCA else "\ufffd"  # noqa: PLR2004 - only Hebrew lacks CA
    return char, error.start + 1


def _nec_or_ibm(error: UnicodeError) -> tuple[str, int]:
    """Decode rows that JIS X 0208 leaves empty: they are the same in EUC-JP and in Shift_JIS."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    row, cell = (byte - 0xA1 for byte in error.object[error.start : error.start + 2].ljust(2, b"\0"))
    if not (0 <= row < 94 and 0 <= cell < 94):  # noqa: PLR2004
        return "\ufffd", error.end
    lead, trail = divmod(row * 94 + cell, 188)
    pair = bytes((lead + (0x81 if lead < 0x1F else 0xC1), trail + (0x40 if trail < 0x3F else 0x41)))  # noqa: PLR2004
    return pair.decode("cp932", "replace"), error.start + 2


codecs.register_error("crawler-control", _control)
codecs.register_error("crawler-nec-or-ibm", _nec_or_ibm)
_ERRORS = {
    "euc_jp": "crawler-nec-or-ibm",
    **dict.fromkeys(("cp874", *(f"cp{number}" for number in range(1250, 1259))), "crawler-control"),
}

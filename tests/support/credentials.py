"""Image files that say how they may be used: XMP and Content Credentials, put where each format has them."""

from __future__ import annotations

import base64
import struct
import zlib

from tests.support import images
from tests.support.images import SVG, encoded, picture

PLUS = "http://ns.useplus.org/ldf/vocab/"


def xmp(value: str, *, prefix: str = "plus", form: str = "element", constraints: str = "") -> bytes:
    """A packet with ``DataMining``, in one of the *forms* that XMP allows a simple property."""
    body = {
        "element": f"<{prefix}:DataMining>{value}</{prefix}:DataMining>",
        "resource": f'<{prefix}:DataMining rdf:resource="{value}"/>',
        "attribute": "",
    }[form]
    if constraints:
        body += (
            f'<{prefix}:OtherConstraints><rdf:Alt><rdf:li xml:lang="x-default">{constraints}</rdf:li></rdf:Alt>'
            f"</{prefix}:OtherConstraints>"
        )
    attribute = f' {prefix}:DataMining="{value}"' if form == "attribute" else ""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
        f' xmlns:{prefix}="http://ns.useplus.org/ldf/xmp/1.0/"{attribute}>{body}</rdf:Description></rdf:RDF>'
        f"</x:xmpmeta>{' ' * 50}<?xpacket end='w'?>"
    ).encode()


# --- CBOR and JUMBF ---------------------------------------------------------------------------------------


def cbor(value: object) -> bytes:
    """RFC 8949, for text, numbers, lists and dictionaries."""
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, dict):
        return _head(5, len(value)) + b"".join(cbor(key) + cbor(item) for key, item in value.items())
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(cbor, value))
    assert isinstance(value, int)
    return _head(0, value)


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes((major << 5 | number,))
    return bytes((major << 5 | 25,)) + struct.pack(">H", number)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def superbox(label: str, *boxes: bytes, uuid: bytes = b"cbor") -> bytes:
    """ISO/IEC 19566-5, section 5.2: a description, with a label, and what it is of."""
    description = uuid + bytes.fromhex("00110010800000AA00389B71") + b"\x03" + label.encode() + b"\0"
    return box(b"jumb", box(b"jumd", description) + b"".join(boxes))


def assertion(
    uses: dict[str, str], *, label: str = "cawg.training-mining", infos: dict[str, str] | None = None
) -> bytes:
    entries = {name: {"use": use} for name, use in uses.items()}
    for name, info in (infos or {}).items():
        entries[name]["constraint_info"] = info
    return superbox(label, box(b"cbor", cbor({"entries": entries})))


def store(*manifests: bytes) -> bytes:
    """A C2PA manifest store; each of *manifests* is what the assertion store of one holds. Nothing is signed."""
    boxes = [
        superbox(
            f"urn:c2pa:{number}",
            superbox("c2pa.assertions", assertions, uuid=b"c2as"),
            superbox("c2pa.claim.v2", box(b"cbor", cbor({"alg": "sha256"})), uuid=b"c2cl"),
            uuid=b"c2ma",
        )
        for number, assertions in enumerate(manifests)
    ]
    return superbox("c2pa", *boxes, uuid=b"c2pa")


# --- containers -------------------------------------------------------------------------------------------


def jpeg(*segments: bytes) -> bytes:
    """With *segments* after SOI, each a marker's second byte and its content."""
    plain = encoded(picture(), "JPEG", quality=90)
    made = b"".join(b"\xff" + part[:1] + struct.pack(">H", len(part) + 1) + part[1:] for part in segments)
    return plain[:2] + made + plain[2:]


def jpeg_xmp(packet: bytes) -> bytes:
    return jpeg(b"\xe1http://ns.adobe.com/xap/1.0/\0" + packet)


def jpeg_extended_xmp(packet: bytes) -> bytes:
    """XMP Specification part 3, section 1.1.3.1: in several segments of at most 200 bytes here."""
    head = b"\xe1http://ns.adobe.com/xmp/extension/\0" + b"A" * 32
    return jpeg(
        *(
            head + struct.pack(">II", len(packet), start) + packet[start : start + 200]
            for start in range(0, len(packet), 200)
        )
    )


def jpeg_c2pa(manifests: bytes, *, most: int = 60_000) -> bytes:
    """C2PA, appendix A: JPEG XT boxes (ISO/IEC 18477-3) in APP11, with the box's header in each."""
    head, content = manifests[:8], manifests[8:]
    parts = [content[start : start + most] for start in range(0, len(content), most)]
    return jpeg(
        *(
            b"\xebJP\0\1" + struct.pack(">I", number) + head + part
            for number, part in enumerate(parts, start=1)
        )
    )


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """With *chunks* before IEND, each a type and its content."""
    plain = encoded(picture(), "PNG")
    made = b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
    return plain[:-12] + made + plain[-12:]


def png_xmp(packet: bytes, *, compressed: bool = False) -> bytes:
    head = b"XML:com.adobe.xmp\0" + (b"\1\0" if compressed else b"\0\0") + b"\0\0"
    return png((b"iTXt", head + (zlib.compress(packet) if compressed else packet)))


def webp(kind: bytes, content: bytes) -> bytes:
    plain = encoded(
        picture(), "WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"
    )  # so that it is an extended one
    more = kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    return plain[:4] + struct.pack("<I", len(plain) - 8 + len(more)) + plain[8:] + more


def gif(content: bytes, *, c2pa: bool = False) -> bytes:
    plain = encoded(picture().convert("P"), "GIF")
    if c2pa:
        parts = [content[start : start + 255] for start in range(0, len(content), 255)]
        made = b"\x21\xff\x0bC2PA_GIF\1\0\0" + b"".join(bytes((len(part),)) + part for part in parts) + b"\0"
    else:  # XMP Specification part 3, section 1.1.2
        magic = b"\1" + bytes(range(255, -1, -1)) + b"\0"
        made = b"\x21\xff\x0bXMP DataXMP" + content + magic
    return plain[:-1] + made + plain[-1:]


def tiff(tag: int, content: bytes) -> bytes:
    return encoded(picture(), "TIFF", tiffinfo={tag: content})


def avif(packet: bytes) -> bytes:
    return encoded(picture(), "AVIF", xmp=packet)


def heic(packet: bytes) -> bytes:
    return images.heic(picture(), xmp=packet)


def with_uuid_box(image: bytes, manifests: bytes) -> bytes:
    """C2PA, appendix A.5: after ``ftyp`` it would move pixels, so at the end."""
    uuid = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
    return image + box(b"uuid", uuid + bytes(4) + b"manifest\0" + bytes(8) + manifests)


def svg_xmp(packet: bytes) -> bytes:
    inside = packet.partition(b"?>")[2].rpartition(b"<?")[0]
    return SVG.replace(b"<rect", b"<metadata>" + inside + b"</metadata><rect")


def svg_c2pa(manifests: bytes) -> bytes:
    name_space = b'xmlns:c2pa="http://c2pa.org/manifest"'
    made = (
        b"<metadata "
        + name_space
        + b"><c2pa:manifest>"
        + base64.b64encode(manifests)
        + b"</c2pa:manifest></metadata>"
    )
    return SVG.replace(b"<rect", made + b"<rect")


def samples() -> dict[str, bytes]:
    """One file of each kind, by name."""
    packet = xmp(f"{PLUS}DMI-PROHIBITED-AIMLTRAINING", constraints="ask")
    manifests = store(assertion({"cawg.ai_training": "notAllowed", "cawg.data_mining": "constrained"}))
    return {
        "says-xmp.jpg": jpeg_xmp(packet),
        "says-c2pa.jpg": jpeg_c2pa(manifests, most=200),
        "says-xmp.png": png_xmp(packet, compressed=True),
        "says-c2pa.png": png((b"caBX", manifests)),
        "says-xmp.webp": webp(b"XMP ", packet),
        "says-c2pa.webp": webp(b"C2PA", manifests),
        "says-xmp.gif": gif(packet),
        "says-c2pa.gif": gif(manifests, c2pa=True),
        "says-xmp.tif": tiff(700, packet),
        "says-both.avif": with_uuid_box(avif(packet), manifests),
        "says-both.heic": with_uuid_box(heic(packet), manifests),
        "says-xmp.svg": svg_xmp(packet),
        "says-c2pa.svg": svg_c2pa(manifests),
    }

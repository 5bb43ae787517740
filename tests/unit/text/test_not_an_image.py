"""What comes in place of an image is named as people call it."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.download.sniff import recognised
from crawler.errors import EmptyBody, NotAnImage, TaskError, UnsupportedFormat
from crawler.text.display import is_clean
from crawler.text.not_an_image import is_markup, what_it_is
from crawler.text.plain_errors import is_plain


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "a")
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    return file.getvalue()


MET = {
    "a web page, 'Not here'": b"<!DOCTYPE html>\n<html><head><title>Not\n here</title></head>",
    "a web page": b"\n  <html><body>Hotlinking is not allowed",
    "an XML document": b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
    "data (JSON): '{\"error\": 404}'": b'{"error": 404}',
    "data (JSON): '[1, 2]'": b"[1, 2]",
    "a text: 'Forbidden'": b"Forbidden",
    "a text: 'nicht möglich'": "nicht möglich".encode(),
    "a PDF document": b"%PDF-1.7\n%\xe2\xe3",
    "a ZIP archive, or a document that is one": zipped(),
    "a tar archive": tarred(),
    "a film (MP4)": b"\0\0\0\x20ftypisom\0\0\2\0isomiso2",
    "a film (WebM or Matroska)": b"\x1a\x45\xdf\xa3\x9f",
    "sound (WAV)": b"RIFF\0\0\0\0WAVEfmt ",
    "music (MP3)": b"ID3\x04\0",
    "a program for Windows": b"MZ\x90\0",
    "a program (PHP), which the server should have run": b"<?php echo 1;",
    "nothing but zeros": b"\0" * 100,
    "nothing but white space": b" \r\n ",
    "the stand-in of a file that is kept by Git LFS": b"version https://git-lfs.github.com/spec/v1\noid",
    "of no kind that is known here": b"\x07\x99\xff\x13\x80\x81" * 10,
}


@pytest.mark.parametrize("name", MET)
def test_it_is_named(name: str) -> None:
    assert what_it_is(MET[name]) == name
    with pytest.raises(NotAnImage) as caught:
        recognised(MET[name])
    assert caught.value.detail == f"it is {name}, and no image"


@given(st.binary(max_size=600))
def test_of_any_bytes_something_plain_is_said(data: bytes) -> None:
    said = what_it_is(data)
    assert said
    assert is_clean(said)
    assert "\n" not in said
    assert len(said) < 120
    assert isinstance(is_markup(data), bool)


@given(st.binary(max_size=64))
def test_what_is_said_of_any_bytes_has_nothing_of_python(data: bytes) -> None:
    said = ""
    try:
        recognised(data)
    except TaskError as exc:
        said = exc.detail
    assert is_plain(said.partition("'")[0]), "what is quoted is the server's"


def test_kinds_that_are_known_and_not_kept() -> None:
    for data, said in (
        (b"8BPS\0\1", "it is a Photoshop picture, which is a kind that is not kept"),
        (b"wOF2\0\1", "it is a font, which is a kind that is not kept"),
        (gzip.compress(b"x"), "it is a gzip file (svgz, perhaps), which is a kind that is not kept"),
    ):
        with pytest.raises(UnsupportedFormat) as caught:
            recognised(data)
        assert caught.value.detail == said
    with pytest.raises(EmptyBody):
        recognised(b"")


@pytest.mark.parametrize(
    "data", [b"<p>hi", "<p>ü".encode("utf-16"), "<p>ü".encode("latin-1"), b"text <img src=a>", b"<!-- -->"]
)
def test_markup(data: bytes) -> None:
    assert is_markup(data)


@pytest.mark.parametrize("data", [b"root:x:0:0:root:/root:/bin/bash\n", b"a < b", b"", b"\0\1\2<a\3\4" * 100])
def test_no_markup(data: bytes) -> None:
    assert not is_markup(data)

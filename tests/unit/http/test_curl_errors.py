"""What libcurl says of a transfer that failed, in our words: by its numbers, and where it must be by its texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from crawler.errors import (
    BadResponse,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    TaskError,
    TlsFailed,
)
from crawler.http.curl_errors import error_of, is_end, is_not_understood

URL = "https://site.example/a.png"


@dataclass
class Failed:
    code: int
    message: str = ""
    sent_at: float = 1.0
    place: tuple[str, int] = ("site.example", 443)
    verify_result: int = 0
    names: list[str] = field(default_factory=list)

    def names_of_certificate(self) -> list[str]:
        return self.names


def openssl(reason: str) -> str:
    return f"TLS connect error: error:0A000102:SSL routines::{reason}"


@pytest.mark.parametrize(
    ("failed", "leaf", "text"),
    [
        (Failed(7), ConnectFailed, "site.example port 443 does not accept connections"),
        (Failed(18), ConnectionLost, "without an answer"),
        (Failed(28, sent_at=0.0), ConnectTimeout, "connect_timeout_s"),
        (Failed(35, openssl("unsupported protocol")), TlsFailed, "no version of TLS that is safe"),
        (Failed(35, openssl("wrong version number")), TlsFailed, "does not speak TLS at port 443"),
        (Failed(35, openssl("ssl/tls alert handshake failure")), TlsFailed, "safe way to encrypt in common"),
        (Failed(35, openssl("something new")), TlsFailed, "port 443 failed: something new"),
        (Failed(35, "no words"), TlsFailed, "failed: the cause is not known"),
        (Failed(35, openssl("unexpected eof while reading")), ConnectionLost, "closed the connection"),
        (Failed(35, "Recv failure: Connection reset by peer"), ConnectionLost, "closed the connection"),
        (Failed(52), ConnectionLost, "without an answer"),
        (Failed(55), ConnectionLost, "closed the connection"),
        (Failed(56), ConnectionLost, "closed the connection"),
        (Failed(60, "SSL certificate problem: x", verify_result=10), TlsFailed, "has expired; "),
        (Failed(60, "SSL certificate problem: CA md too weak", verify_result=68), TlsFailed, "CA md too weak"),
        (Failed(60, "?", verify_result=1), TlsFailed, "is not accepted: no reason is given"),
        (
            Failed(60, "SSL: no alternative certificate subject name matches target hostname 'x'", names=["a", "b"]),
            TlsFailed,
            "is for a, b, not for site.example",
        ),
        (Failed(92), ConnectionLost, "closed the connection"),
        (Failed(0), ConnectionLost, "without an answer"),
        (Failed(96), BadResponse, "can't be read"),
    ],
)  # fmt: skip
def test_each_number_has_its_class_and_words(failed: Failed, leaf: type[TaskError], text: str) -> None:
    error = error_of(failed, url=URL, http_status=0, trusted="")
    assert type(error) is leaf
    assert text in error.detail
    assert (error.final_url, error.http_status) == (URL, 0)


def test_what_broke_off_within_an_answer_says_so() -> None:
    error = error_of(Failed(56), url=URL, http_status=200, trusted="")
    assert "before the answer had ended" in error.detail
    assert error.http_status == 200


def test_authorities_that_can_not_be_read_are_a_fault_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nonsense")
    with pytest.raises(ConfigError, match="it holds no certificates"):
        error_of(Failed(77), url=URL, http_status=0, trusted=str(tmp_path / "ca.pem"))


@pytest.mark.parametrize(
    ("failed", "understood"),
    [
        (Failed(1, "Received HTTP/0.9 when not allowed"), False),
        (Failed(8, "NUL byte in header"), False),
        (Failed(56, "Too large response headers: 312321 > 307200"), False),
        (Failed(100, "A value or data field grew larger than allowed"), False),
        (Failed(56, "Recv failure: Connection reset by peer"), True),
        (Failed(52), True),
        (Failed(28), True),
    ],
)
def test_what_another_engine_may_read(failed: Failed, *, understood: bool) -> None:
    assert is_not_understood(failed) is not understood


@pytest.mark.parametrize(
    ("failed", "ends"),
    [
        (Failed(0), True),
        (Failed(18), True),
        (Failed(56, "chunk hex-length char not a hex digit: 0x67"), True),
        (Failed(56, "OpenSSL SSL_read: ...:unexpected eof while reading, errno 0"), True),
        (Failed(56, "Recv failure: Connection reset by peer"), False),
        (Failed(92), False),
    ],
)
def test_where_a_body_has_come_to_an_end(failed: Failed, *, ends: bool) -> None:
    assert is_end(failed) is ends

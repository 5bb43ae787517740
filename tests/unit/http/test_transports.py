"""Which library sends requests: libcurl where it can be used, requests elsewhere, and what is said of it."""

from __future__ import annotations

import logging
import sys
from contextlib import closing
from types import SimpleNamespace

import pytest

from crawler.config import FetchConfig, load
from crawler.errors import ConfigError
from crawler.http import curl_handle
from crawler.http.transports import check, open_transport, trouble_with_curl


def kind(transport: str) -> str:
    with closing(open_transport(FetchConfig(transport=transport))) as made:
        return type(made).__name__


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if pycurl was not installed."""
    monkeypatch.delitem(sys.modules, "crawler.http.curl_handle")
    monkeypatch.setitem(sys.modules, "pycurl", None)


def test_libcurl_is_taken_where_it_is_installed() -> None:
    assert load().fetch.transport == "auto"
    assert [kind(name) for name in ("auto", "curl", "requests")] == [
        "CurlTransport",
        "CurlTransport",
        "RequestsTransport",
    ]


@pytest.mark.usefixtures("missing")
def test_requests_is_taken_where_it_is_not(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        assert kind("auto") == kind("requests") == "RequestsTransport"
    assert [record.getMessage() for record in caplog.records] == [
        "requests are sent by requests: the library pycurl is not installed",
        "requests are sent by requests: the setting says so",
    ]
    check(FetchConfig())
    for told in (check, open_transport):
        with pytest.raises(
            ConfigError, match=r"pycurl is not installed; install it with .* --transport auto"
        ):
            told(FetchConfig(transport="curl"))


def test_a_library_that_does_not_load_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "pycurl":
                raise ImportError("libcurl.so.4: cannot open shared object file", name="pycurl")

    monkeypatch.delitem(sys.modules, "crawler.http.curl_handle")
    monkeypatch.delitem(sys.modules, "pycurl")
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    assert trouble_with_curl() == "the library pycurl is broken: it can't be loaded"
    assert kind("auto") == "RequestsTransport"


@pytest.mark.parametrize(
    ("version", "tls", "trouble"),
    [
        ("7.86.0", "OpenSSL/3.0.2", "it has libcurl 7.86.0; 7.87 or later is needed"),
        ("8.5.0", "GnuTLS/3.8.3", "its libcurl is made with GnuTLS/3.8.3, and not with OpenSSL"),
        ("8.5.0", None, "its libcurl is made with no encryption, and not with OpenSSL"),
        ("8.5.0", "OpenSSL/3.0.2", "it is too old: it lacks PREREQFUNCTION"),
    ],
)
def test_a_libcurl_that_can_not_be_used_is_not(
    monkeypatch: pytest.MonkeyPatch, version: str, tls: str | None, trouble: str
) -> None:
    told = (11, version, 0, "Linux", 0, tls, 0)
    monkeypatch.setattr(curl_handle, "pycurl", SimpleNamespace(version_info=lambda: told))
    assert trouble_with_curl().startswith(trouble)
    assert kind("auto") == "RequestsTransport"
    with pytest.raises(ConfigError, match="transport = curl won't do"):
        check(FetchConfig(transport="curl"))

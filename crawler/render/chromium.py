"""Which Chromium there is, and the flags that it is started with."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from crawler.errors import ConfigError
from crawler.text.plain_errors import quoted

_NAMES = (
    "chromium-headless-shell",
    "chrome-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "chrome",
    "microsoft-edge-stable",
    "microsoft-edge",
)
"""Names on PATH. A headless shell is the same engine without windows: it does a page with two thirds of the work."""

_PLACES = {
    "darwin": (
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    ),
}
"""Where installers put it without touching PATH. None for Windows, whose pipes differ."""

_BEHIND_SCRIPTS = {
    "/usr/bin/chromium": ("/usr/lib/chromium/chromium",),
    "/usr/bin/chromium-browser": (
        "/usr/lib64/chromium-browser/chromium-browser",
        "/usr/lib/chromium-browser/chromium-browser",
        "/usr/lib/chromium/chromium",
    ),
    "/usr/bin/chromium-headless-shell": ("/usr/lib/chromium/chromium-headless-shell",),
    "/opt/google/chrome/google-chrome": ("/opt/google/chrome/chrome",),
    "/opt/microsoft/msedge/microsoft-edge": ("/opt/microsoft/msedge/msedge",),
}
"""The program that a package's start script ends in, by the path of the script. The scripts add keys for services of
Google, extensions and flags, and take a tenth of a second.
"""
_SCRIPT_BYTES = 16_384


def find(setting: str = "") -> Path | None:
    """The program of *setting*, else the first of the usual ones that there is, else None. None on Windows, where the
    launcher has no way to hand it a pipe.

    Raises ConfigError if *setting* is no program.
    """
    if sys.platform == "win32":
        return None
    if setting:
        found = shutil.which(setting)
        if found is None:
            raise ConfigError(
                f"chromium = {quoted(setting)} won't do: there is no such program; give the path of one"
            )
        return _behind(Path(found).absolute())  # the launcher goes elsewhere
    usual = (*filter(None, map(shutil.which, _NAMES)), *_PLACES.get(sys.platform, ()))
    programs = (Path(path).absolute() for path in usual if os.access(path, os.X_OK))
    return next((_behind(program) for program in programs if not _is_snap(program)), None)


def _behind(program: Path) -> Path:
    """What is run in the end, where *program* is the script of a package that is known."""
    for path in _BEHIND_SCRIPTS.get(str(program.resolve()), ()):
        if os.access(path, os.X_OK) and _is_script(program):
            return Path(path)
    return program


def _is_script(program: Path) -> bool:
    return _beginning(program).startswith(b"#!")


def _is_snap(program: Path) -> bool:
    """A snap is confined: it gets neither our pipe nor our profile."""
    return program.resolve().name == "snap" or (_is_script(program) and b"/snap/bin/" in _beginning(program))


def _beginning(program: Path) -> bytes:
    try:
        with program.open("rb") as file:
            return file.read(_SCRIPT_BYTES)
    except OSError:
        return b""


WINDOW_PX = (1280, 900)
"""Width and height of a page on a common screen."""

_FLAGS: tuple[tuple[str, str], ...] = (
    ("--headless", "no window"),
    ("--remote-debugging-pipe", "descriptors 3 and 4: no port that others could connect to"),
    ("--no-startup-window", "only the pages that are asked for"),
    # nothing that was not asked for
    ("--no-first-run", "no welcome page, no questions"),
    ("--no-default-browser-check", "nor this one"),
    ("--disable-background-networking", "no updates, no look-ups, no reports"),
    ("--disable-component-update", "no downloads of its own parts"),
    ("--disable-domain-reliability", "no reports on hosts of Google"),
    ("--disable-sync", "no account"),
    ("--disable-default-apps", "none"),
    ("--disable-extensions", "none, nor those that come with it"),
    ("--disable-component-extensions-with-background-pages", "each would be a process"),
    ("--disable-breakpad", "no reports of crashes, and no process for them"),
    ("--disable-crash-reporter", "the same, by its newer name"),
    ("--disable-client-side-phishing-detection", "no model to be loaded"),
    ("--disable-field-trial-config", "the same features everywhere"),
    ("--metrics-recording-only", "nothing is sent"),
    ("--no-pings", "no <a ping>"),
    ("--password-store=basic", "no key ring"),
    ("--use-mock-keychain", "nor that of macOS"),
    ("--disable-notifications", "no prompts"),
    ("--deny-permission-prompts", "whatever a page asks for"),
    ("--disable-print-preview", "no dialog"),
    # no way around the pipe
    (
        "--proxy-server=socks5://127.0.0.1:9",
        "dead: nothing listens on discard's port, and nobody is asked for names",
    ),
    ("--proxy-bypass-list=<-loopback>", "for loopback too"),
    ("--host-resolver-rules=MAP * ~NOTFOUND", "there is no name at all"),
    ("--disable-quic", "no datagrams"),
    ("--webrtc-ip-handling-policy=disable_non_proxied_udp", "nor those of WebRTC"),
    (
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
        "by the name that the headless shells know",
    ),
    # cheap
    ("--disable-gpu", "drawn by the CPU, without a process that draws"),
    ("--disable-gpu-compositing", "the same"),
    ("--disable-3d-apis", "no WebGL: it would be computed"),
    ("--num-raster-threads=1", "nobody looks at what is drawn"),
    ("--mute-audio", "no sound"),
    ("--hide-scrollbars", "nobody looks"),
    (f"--window-size={WINDOW_PX[0]},{WINDOW_PX[1]}", "what a page is told of the window around it"),
    ("--force-color-profile=srgb", "the same pixels everywhere"),
    ("--disk-cache-size=1", "answers come from us, with a cache of ours"),
    ("--media-cache-size=1", "films don't come at all"),
    ("--js-flags=--max-old-space-size=256", "MiB: a page that takes more has no images that are worth it"),
    (
        "--disable-site-isolation-trials",
        "the frames of a page are in its process, and count as its memory: 200 of other sites were 190 processes",
    ),
    # a page is at work though nobody looks at it
    ("--disable-background-timer-throttling", "its timers run"),
    ("--disable-renderer-backgrounding", "its process is not slowed down"),
    ("--disable-backgrounding-occluded-windows", "and it is drawn"),
    ("--disable-hang-monitor", "no dialog about a page that hangs: it has a budget"),
    ("--noerrdialogs", "no dialog about anything"),
    ("--log-level=2", "errors, of which the last are kept: why it does not start, mostly"),
)

_FEATURES_OFF: tuple[tuple[str, str], ...] = (
    ("Translate", "asks which languages there are"),
    ("OptimizationHints", "asks what pages are like"),
    ("OptimizationGuideModelDownloading", "downloads models"),
    ("MediaRouter", "looks for devices in the network"),
    ("DialMediaRouteProvider", "the same"),
    ("NetworkTimeServiceQuerying", "asks for the time"),
    ("AutofillServerCommunication", "asks about forms"),
    ("CertificateTransparencyComponentUpdater", "downloads lists"),
    ("InterestFeedContentSuggestions", "news"),
    ("PreconnectToSearch", "connects to a search engine"),
    ("LoadingPredictor", "connects to what may be wanted"),
    ("SpeculationRulesPrefetchFuture", "loads what may be wanted"),
    ("Prerender2", "opens what may be wanted"),
    ("NavigationPredictor", "looks for what may be wanted"),
    ("HttpsUpgrades", "asks for https where a page says http: that is the crawl's business"),
    ("HttpsFirstBalancedModeAutoEnable", "the same"),
    ("IsolateOrigins", "as --disable-site-isolation-trials"),
    (
        "site-per-process",
        "the same: there is nothing of one site in the browser that is to be kept from another",
    ),
    ("SpareRendererForSitePerProcess", "a process in reserve, of 40 MiB"),
    ("BackForwardCache", "keeps pages that were left"),
    ("PaintHolding", "waits for pixels"),
    ("GlobalMediaControls", "nobody listens"),
    ("WebUIOmniboxPopup", "what drops down below an address bar that nobody sees, in a process of 50 MiB"),
    ("WebUIOmniboxAimPopup", "the same, for another one"),
)


def flags() -> list[str]:
    """The flags of Chromium. The launcher adds those that depend on the isolation."""
    features = ",".join(name for name, _ in _FEATURES_OFF)
    return [*(flag for flag, _ in _FLAGS), f"--disable-features={features}"]

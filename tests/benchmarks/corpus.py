"""Is what the downloader says of an image file right? Asked of whole folders of test material.

    python -m tests.benchmarks.corpus FOLDER… [--json FILE] [--browser] [--processes N] [--all]

Every file below the folders is judged as the downloader would judge its bytes, and by others who know: Pillow at
full size, each frame, with all its plug-ins; pngcheck, djpeg, dwebp, tiffinfo and xmllint where they are
installed; with --browser Chromium, in an <img>; and by the names that test suites give to what is broken on purpose.
Where they differ one of them is wrong, and the file is listed.

Good material is in the sources of image libraries (``apt-get source``) and in the manuals of programs that draw.
Exit code 1: something crashed, hung, or raised what is no Rejection; in a decoder, too, where it costs one image.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import multiprocessing
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import quote

from PIL import Image

from crawler.config import load
from crawler.download.decoder_pool import DecoderPool
from crawler.download.sniff import image_format
from crawler.errors import Rejection
from crawler.sandbox.memory_budget import Budget, machine_bytes

PATIENCE_S = 45.0
"""Longer than a decoder may take (decode_timeout_s)."""
KEPT = "kept"
FAULTS = ("crashed", "hung", "raised", "decoder-crashed", "decode-timeout", "internal-error")
SUFFIX = re.compile(
    r"\.(apng|avifs?|bmp|cur|dib|gif|hei[cf]|hif|ico|j2k|jfif|jp2|jpe?g?|jxl|pjpeg|png|psd|svgz?|tiff?|webp)",
    re.IGNORECASE,
)
_PNG_SUITE_BROKEN = re.compile(r"x(c[19r]|cs|d[0139t]|hd|lf|s[1247])n\dg\d\d|x(c[19]|d[039])n\dc\d\d")
_BROKEN = re.compile(
    r"\b(corrupt(ed)?|invalid|broken|bad|fail(ing|ed)?|malformed|truncated|fuzz(ed)?|crash(er)?s?)\b"
)
_SOUND = re.compile(r"\b(good|pass|valid)\b")
_TOOLS: dict[str, tuple[str, ...]] = {
    "png": ("pngcheck", "-q"),
    "jpeg": ("djpeg", "-scale", "1/8", "-outfile", "/dev/null"),
    "webp": ("dwebp", "-quiet", "-o", "/dev/null"),
    "tiff": ("tiffinfo", "-D", "-d"),
    "svg": ("xmllint", "--noout", "--nonet"),
}
_UNSEEN = {"tiff", "heic"}
"""What Chromium does not show."""
_SIZE = re.compile(r"[1-9]\d*x[1-9]\d*")
_TOO_MUCH_PX = 100_000_000
_BATCH = 50
_PAGE = """<!DOCTYPE html><meta charset=utf-8><pre id=out></pre><script>
const files = %s, out = document.getElementById('out'); let left = files.length;
files.forEach((file, n) => { const image = new Image();
  const say = word => { out.append(n + ' ' + word + '\\n'); if (!--left) document.title = 'done'; };
  image.onload = () => image.decode().then(
    () => say(image.naturalWidth + 'x' + image.naturalHeight), () => say('undecodable'));
  image.onerror = () => say('refused'); image.src = file; });
</script>"""


def judged(data: bytes, decoders: DecoderPool) -> tuple[str, str, str]:
    """The downloader's verdict, its detail, and the format: what a child process is asked for."""
    try:
        info = decoders.verify(data)
    except Rejection as exc:
        return exc.reason, exc.detail, image_format(data) or ""
    except Exception as exc:  # noqa: BLE001 - that is what is looked for
        return "raised", f"{type(exc).__name__}: {exc}"[:300], image_format(data) or ""
    return KEPT, f"{info.width_px}x{info.height_px} in {info.frames}", info.format


def pillow(data: bytes) -> str:
    """What Pillow makes of all of it: "ok", "abstains", or what is wrong."""
    warnings.simplefilter("ignore")
    try:
        with Image.open(io.BytesIO(data)) as image:
            frames = getattr(image, "n_frames", 1)
            if image.width * image.height * frames > _TOO_MUCH_PX:
                return "abstains"
            for frame in range(frames):
                image.seek(frame)
                image.load()
            return "ok"
    except Image.UnidentifiedImageError:
        return "abstains"
    except Image.DecompressionBombError:
        return "abstains"
    except Exception as exc:  # noqa: BLE001 - it raises anything
        return f"{type(exc).__name__}: {exc}"[:200]


def tool(kind: str, path: Path) -> str:
    """The same of the program that knows this format best."""
    command = _TOOLS.get(kind, ("",))
    if not (program := shutil.which(command[0])):
        return "abstains"
    try:
        done = subprocess.run(
            [program, *command[1:], str(path)], capture_output=True, timeout=PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return "abstains"
    said = (done.stderr + done.stdout).decode("utf-8", "replace").strip()
    if kind == "tiff":  # its exit code says nothing
        return "ok" if "rror" not in said else said[-200:]
    return "ok" if done.returncode == 0 else said[-200:] or f"exit code {done.returncode}"


def expected(path: Path) -> str:
    """What the suite says by its names: "broken", "sound", or "" for nothing."""
    if _PNG_SUITE_BROKEN.fullmatch(path.stem):
        return "broken"
    words = re.sub(r"[_\W]+", " ", "/".join(path.parts[-3:]).lower())
    if "bmpsuite" in path.parent.parent.name and path.parent.name in {"b", "g"}:
        return {"b": "broken", "g": "sound"}[path.parent.name]
    if _BROKEN.search(words):
        return "broken"
    return "sound" if _SOUND.search(words) else ""


# --- one file at a time, in a process that may die of it ----------------------------------------------------


def serve(pipe: Connection) -> None:
    """A child: a verdict for each path, and then what others say."""
    images = load().images
    decoders = DecoderPool(
        most=1,
        max_pixels=images.max_pixels,
        timeout_s=images.decode_timeout_s,
        budget=Budget(machine_bytes() // 2),
    )
    while path := pipe.recv():
        data = Path(path).read_bytes()
        began = time.perf_counter()
        verdict, detail, kind = judged(data, decoders)
        pipe.send((verdict, detail, kind, time.perf_counter() - began))
        pipe.send({"pillow": pillow(data), "tool": tool(kind, Path(path))})


class Child:
    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=serve, args=(theirs,))
        self.process.start()
        theirs.close()

    def ask(self, path: Path) -> dict[str, Any]:
        """The entry of a file; a child that is dead after it is not to be asked again."""
        self.pipe.send(str(path))
        entry: dict[str, Any] = {"path": str(path), "verdict": "hung", "detail": "", "format": ""}
        try:
            if not self.pipe.poll(PATIENCE_S):
                self.process.kill()
                return {**entry, "seconds": PATIENCE_S}
            verdict, detail, kind, seconds = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            return {**entry, "verdict": "crashed", "detail": str(self.process.exitcode), "seconds": 0.0}
        entry.update(verdict=verdict, detail=detail, format=kind, seconds=round(seconds, 4))
        try:
            others = self.pipe.recv() if self.pipe.poll(2 * PATIENCE_S) else {"pillow": "hung"}
        except (EOFError, OSError):
            others = {"pillow": "crashed"}
        if others["pillow"] in {"hung", "crashed"}:
            self.process.kill()
        return {**entry, **others}

    @property
    def alive(self) -> bool:
        return self.process.is_alive()


def entries(paths: list[Path], *, processes: int) -> list[dict[str, Any]]:
    waiting: SimpleQueue[Path] = SimpleQueue()
    for path in paths:
        waiting.put(path)
    found: list[dict[str, Any]] = []

    def work() -> None:
        child = Child()
        while True:
            try:
                path = waiting.get_nowait()
            except Empty:
                child.process.kill()
                return
            found.append({**child.ask(path), "expected": expected(path)})
            if len(found) % 1000 == 0:
                print(f"{len(found)} of {len(paths)} …", file=sys.stderr, flush=True)
            child.process.join(0)
            if not child.alive:
                child = Child()

    threads = [threading.Thread(target=work) for _ in range(processes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(found, key=lambda entry: entry["path"])


# --- the browser's word -------------------------------------------------------------------------------------


def ask_browser(found: list[dict[str, Any]]) -> None:
    """Have Chromium load each file that it might know; adds "browser", its size or what was wrong."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or ""
    if not program:
        raise SystemExit("there is no Chromium")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "page.html")
        for start in range(0, len(found), _BATCH):
            batch = found[start : start + _BATCH]
            page.write_text(_PAGE % json.dumps(list(links_to(batch, Path(folder)))), encoding="utf-8")
            command = [
                program,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--allow-file-access-from-files",
            ]
            command += [
                f"--user-data-dir={folder}/profile",
                "--virtual-time-budget=60000",
                "--dump-dom",
                page.as_uri(),
            ]
            try:
                done = subprocess.run(command, capture_output=True, timeout=90, check=False)
            except subprocess.TimeoutExpired:
                continue
            for line in re.findall(r"(?m)(\d+ [\w]+)$", done.stdout.decode("utf-8", "replace")):
                number, word = line.split()
                batch[int(number)]["browser"] = word
            print(f"browser: {start + len(batch)} of {len(found)} …", file=sys.stderr, flush=True)


def links_to(batch: list[dict[str, Any]], folder: Path) -> Iterator[str]:
    """URLs by which a browser sees the bytes under the name that they deserve, as it sniffs only some of them."""
    for number, entry in enumerate(batch):
        name = Path(entry["path"]).suffix if entry["format"] != "svg" else ".svg"
        link = folder / f"{number}{name}"
        link.unlink(missing_ok=True)
        link.symlink_to(Path(entry["path"]).resolve())
        yield quote(link.name)


# --- what comes of it ---------------------------------------------------------------------------------------


def doubts(entry: dict[str, Any]) -> list[str]:
    """Who does not agree with the verdict. Nothing where it is about what we want, not about what it is."""
    if entry["verdict"] == KEPT:
        return list(_against_keeping(entry))
    if entry["verdict"] in {"corrupt-image", "truncated-image", "not-an-image", "unsupported-format"}:
        return list(_against_refusing(entry))
    return []


def _against_keeping(entry: dict[str, Any]) -> Iterator[str]:
    for judge in ("pillow", "tool"):
        if entry.get(judge, "abstains") not in {"ok", "abstains"}:
            yield f"{judge}: {entry[judge]}"
    browser = entry.get("browser", "")
    if browser in {"refused", "undecodable"} and entry["format"] not in _UNSEEN:
        yield f"browser: {browser}"
    size = entry["detail"].partition(" ")[0]
    turned = "x".join(reversed(size.split("x")))  # by Exif
    if _SIZE.fullmatch(browser) and entry["format"] not in {"svg", "ico"} and browser not in {size, turned}:
        yield f"browser: {browser}"
    if entry["expected"] == "broken":
        yield "name: broken"


def _against_refusing(entry: dict[str, Any]) -> Iterator[str]:
    """A browser shows what it has of a file that was cut short, so that its word on that means nothing."""
    if _SIZE.fullmatch(entry.get("browser", "")) and entry["verdict"] != "truncated-image":
        yield f"browser: {entry['browser']}"
    if entry["verdict"] != "unsupported-format":
        yield from (f"{judge}: ok" for judge in ("pillow", "tool") if entry.get(judge) == "ok")
    if entry["expected"] == "sound":
        yield "name: sound"


def table(found: list[dict[str, Any]]) -> str:
    """By format, or by extension where the bytes are of none; a line each."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in found:
        groups[entry["format"] or Path(entry["path"]).suffix.lower() or "(none)"].append(entry)
    lines = [f"{'format':<10}{'files':>7}{'kept':>7}{'refused':>8}{'slowest s':>10}  reasons"]
    for name, group in sorted(groups.items(), key=lambda item: -len(item[1])):
        reasons = Counter(entry["verdict"] for entry in group)
        kept = reasons.pop(KEPT, 0)
        slowest = max(entry["seconds"] for entry in group)
        why = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
        lines.append(f"{name:<10}{len(group):>7}{kept:>7}{len(group) - kept:>8}{slowest:>10.2f}  {why}")
    return "\n".join(lines)


def files(folders: list[Path], *, every: bool) -> tuple[list[Path], int]:
    """One path for the same bytes, and how many there are with all copies."""
    by_digest: dict[bytes, Path] = {}
    seen = 0
    for folder in folders:
        for path in sorted(folder.rglob("*")) if folder.is_dir() else [folder]:
            if path.is_file() and not path.is_symlink() and (every or SUFFIX.fullmatch(path.suffix)):
                seen += 1
                with path.open("rb") as file:
                    by_digest.setdefault(hashlib.file_digest(file, "sha256").digest(), path)
    return list(by_digest.values()), seen


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--json", type=Path, help="a line for each file")
    parser.add_argument("--browser", action="store_true", help="ask Chromium too")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--all", action="store_true", help="not only files with an image's extension")
    options = parser.parse_args()
    paths, seen = files(options.folders, every=options.all)
    print(f"{seen:,} files, {len(paths):,} different ones")
    found = entries(paths, processes=options.processes)
    if options.browser:
        ask_browser(found)
    for entry in found:
        entry["doubts"] = doubts(entry)
    if options.json:
        options.json.write_text("".join(json.dumps(entry) + "\n" for entry in found), encoding="utf-8")
    print(table(found))
    print("\nslowest")
    for entry in sorted(found, key=lambda entry: -entry["seconds"])[:10]:
        print(f"{entry['seconds']:8.2f} s  {entry['verdict']:<18} {entry['path']}")
    doubted = [entry for entry in found if entry["doubts"]]
    print(f"\n{len(doubted)} verdicts that others do not share")
    for entry in doubted:
        print(
            f"{entry['verdict']:<18} {entry['path']}\n    {entry['detail']}\n    {'; '.join(entry['doubts'])}"
        )
    faults = [entry for entry in found if entry["verdict"] in FAULTS]
    print(f"\n{len(faults)} that crashed, hung or raised something else than a Rejection")
    for entry in faults:
        print(f"{entry['verdict']:<10} {entry['path']} {entry['detail']}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

"""Makes the sites: installs the packages that they are made of, bundles, writes files and pictures."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from tests.benchmarks.rendered.pictures import picture
from tests.benchmarks.rendered.server import Cache
from tests.benchmarks.rendered.site import Site

PACKAGES = Path(__file__).with_name("package.json")
"""Direct dependencies in exact versions; npm finds those of theirs."""
NPM = ("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
ESBUILD = (
    "--bundle",
    "--minify",
    "--format=esm",
    "--splitting",
    "--target=es2022",
    "--jsx=automatic",
    '--define:process.env.NODE_ENV="production"',
    "--log-level=warning",
)
STAMP = "made-of"


def build(sites: Sequence[Site], folder: Path) -> None:
    """Everything that is missing in *folder*, or was made of something else than it would be now."""
    cache = Cache(folder)
    folder.mkdir(parents=True, exist_ok=True)
    packages = PACKAGES.read_text(encoding="utf-8")
    _once(folder / "node_modules" / STAMP, packages, partial(_install, folder, packages))
    for site in sites:
        made_of = repr((packages, site.digest, ESBUILD))
        _once(cache.site(site) / STAMP, made_of, partial(_make, site, cache))
        _draw(site, cache)


def build_without_packages(sites: Sequence[Site], folder: Path) -> None:
    """For sites that are made of none: their files and pictures alone."""
    cache = Cache(folder)
    for site in sites:
        _make(site, cache)
        _draw(site, cache)


def _once(stamp: Path, made_of: str, make: Callable[[], None]) -> None:
    digest = hashlib.sha256(made_of.encode()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return
    make()
    stamp.write_text(digest, encoding="utf-8")


def _install(folder: Path, packages: str) -> None:
    (folder / "package.json").write_text(packages, encoding="utf-8")
    print("installing packages", file=sys.stderr)
    _run(NPM, folder)


def _make(site: Site, cache: Cache) -> None:
    print(f"building {site.name}", file=sys.stderr)
    out = cache.site(site)
    sources = cache.folder / "sources" / out.name
    for stale in (out, sources):
        shutil.rmtree(stale, ignore_errors=True)
    binaries = cache.packages / ".bin"
    out.mkdir(parents=True)
    if site.vite:
        _write(sources, site.vite)
        _run((str(binaries / "vite"), "build", "--outDir", str(out), "--logLevel", "warn"), sources)
    if site.bundles:
        _write(sources, site.bundles)
        entries = [path for path in site.bundles if "/" not in path]
        _run((str(binaries / "esbuild"), *entries, *ESBUILD, f"--outdir={out}"), sources)
    _write(out, site.files)


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _draw(site: Site, cache: Cache) -> None:
    for n in sorted(site.pictures.numbers):
        for w in site.pictures.widths:
            path = cache.picture(site, n, w)
            if not path.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(picture(site.name, n, w, site.pictures.ending))


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command[:3])} in {folder} failed:\n{done.stdout}{done.stderr}")

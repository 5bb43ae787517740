"""``python -m tests.fuzz TARGET|all --minutes N``: by atheris, coverage-guided, where it is installed, else by
hypothesis from the kept corpus.

What is learned goes into .fuzz/corpus, what is found into .fuzz/findings. ``--minimise FILE`` makes a finding small
enough to be kept in tests/fuzz/corpus; ``--try FILE`` tries one input.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import time
import traceback
from pathlib import Path

from tests.fuzz.mutations import mutated
from tests.fuzz.registry import CORPUS, TARGETS, WEIGHTS, corpus, target

WORK = Path(__file__).parents[2] / ".fuzz"
INPUT_S = 10
MEMORY_MIB = 2048
MAX_BYTES = 32 * 1024
_MOST_FINDINGS = 10
"""Of one target; what comes then is most likely the same again."""
_BEGIN = "== begun\n"
_DONE = re.compile(r"^#(\d+)\s|^Done (\d+) runs", re.MULTILINE)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=[*TARGETS, "all"])
    parser.add_argument("--minutes", type=float, default=1.0, help="in all, shared by weight")
    parser.add_argument("--engine", choices=["atheris", "hypothesis"], default="")
    parser.add_argument("--try", dest="tried", type=Path)
    parser.add_argument("--minimise", type=Path)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.tried:
        target(told.target)(told.tried.read_bytes())
        return 0
    if told.minimise:
        return _minimise(told.target, told.minimise)
    engine = told.engine or ("atheris" if importlib.util.find_spec("atheris") else "hypothesis")
    if told.inside:
        (_atheris if engine == "atheris" else _hypothesis)(told.target, told.minutes * 60)
        return 0
    names = TARGETS if told.target == "all" else (told.target,)
    shares = sum(WEIGHTS.get(name, 1) for name in names)
    print(f"fuzzing {len(names)} targets with {engine}, {told.minutes:g} minutes in all", flush=True)
    findings = [_run(name, engine, told.minutes * 60 * WEIGHTS.get(name, 1) / shares) for name in names]
    return 1 if any(findings) else 0


# --- one target, in processes of its own: a finding ends the process ---


def _run(name: str, engine: str, seconds: float) -> int:
    """Fuzz for so long, begun anew after each finding; returns how many there were."""
    end = time.monotonic() + seconds
    found = 0
    log = WORK / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8", errors="replace") as out:
        while (left := end - time.monotonic()) > 1 and found < _MOST_FINDINGS:
            command = [sys.executable, "-m", "tests.fuzz", name, f"--minutes={left / 60}"]
            out.write(_BEGIN)
            out.flush()
            child = subprocess.run(
                [*command, f"--engine={engine}", "--inside"],
                stdout=out,
                stderr=subprocess.STDOUT,
                check=False,
            )
            found += child.returncode != 0
    executions = sum(map(_executions, log.read_text(encoding="utf-8", errors="replace").split(_BEGIN)))
    print(f"{name}: {seconds / 60:.1f} min, {executions:,} executions, {found} findings ({log})", flush=True)
    return found


def _executions(said: str) -> int:
    """Of one process, also of one that has ended in a finding, as libFuzzer tells them now and then."""
    return max((int(done or sofar) for sofar, done in _DONE.findall(said)), default=0)


def _atheris(name: str, seconds: float) -> None:
    import atheris

    with atheris.instrument_imports(include=["crawler", "tinycss2", "bs4", "html.parser"]):
        fuzz = target(name)
    learned, findings = WORK / "corpus" / name, WORK / "findings" / name
    for folder in (learned, findings):
        folder.mkdir(parents=True, exist_ok=True)
    limits = [f"-max_total_time={max(1, int(seconds))}", f"-timeout={INPUT_S}", f"-rss_limit_mb={MEMORY_MIB}"]
    limits += [f"-max_len={MAX_BYTES}", "-print_final_stats=1", f"-artifact_prefix={findings}/"]
    atheris.Setup(["fuzz", *limits, str(learned), str(CORPUS / name)], fuzz)
    atheris.Fuzz()


def _hypothesis(name: str, seconds: float) -> None:
    """Any bytes, and kept ones with changes; a failure is shrunk and shown."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st

    fuzz = target(name)
    kept = list(corpus(name).values())
    changed = st.integers(0, 2**32).map(lambda seed: next(mutated(kept, seed)))
    end = time.monotonic() + seconds
    count = 0

    @settings(
        max_examples=2000,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(st.sampled_from(kept) | changed | st.binary(max_size=2000))
    def once(data: bytes) -> None:
        nonlocal count
        if time.monotonic() < end:
            count += 1
            fuzz(data)

    try:
        while time.monotonic() < end:
            once()
    finally:
        print(f"Done {count} runs in {seconds:.0f} second(s)", flush=True)


# --- findings ---


def _fails(fuzz: object, data: bytes) -> str:
    """The kind of failure and its place; nothing if there is none."""
    try:
        fuzz(data)  # type: ignore[operator]
    except Exception as exc:  # noqa: BLE001 - whatever it is
        last = traceback.extract_tb(exc.__traceback__)[-1]
        return f"{type(exc).__name__} at {last.filename}:{last.lineno}"
    return ""


def _minimise(name: str, file: Path) -> int:
    """Print the place of the failure, and leave the smallest input that has it beside *file*."""
    fuzz, data = target(name), file.read_bytes()
    failure = _fails(fuzz, data)
    if not failure:
        print("it does not fail")
        return 1
    size = max(1, len(data) // 2)
    while True:
        start = 0
        while start < len(data):
            shorter = data[:start] + data[start + size :]
            if _fails(fuzz, shorter) == failure:
                data = shorter
            else:
                start += size
        if size == 1:
            break
        size = max(1, size // 2)
    small = file.with_suffix(".small")
    small.write_bytes(data)
    print(f"{failure}\n{len(data)} bytes in {small}: {data[:200]!r}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

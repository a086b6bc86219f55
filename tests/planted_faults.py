"""Plants faults into a copy of the code, one at a time, and says which tests notice them.

    python tests/planted_faults.py                          all faults
    python tests/planted_faults.py --list                   their names, and whether their text still stands in the code
    python tests/planted_faults.py zbl_sign field_force     some of them
    python tests/planted_faults.py --table FILE             all of them, and the result as a table in Markdown

Not part of the continuous integration: it builds the compiled part for every fault in it. The environment needs what the
tests need, scikit-build-core, nanobind, cmake and ninja. The exit code is 1 if a fault goes unnoticed, if its text is not
in the code any more, or if a test fails without a fault.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("openmm_polarmp", "openmm_polarmp_entry")
TIME_LIMIT = 1200  # s, for the tests of one fault


@dataclass(frozen=True)
class Fault:
    """One wrong line.

    Attributes
    ----------
    name : str
    breaks : str
        What is wrong with the physics then.
    file : str
        Below the root of the repository.
    old, new : str
        The text, which stands in the file once, and what takes its place.
    tests : str
        Arguments of pytest in the tests' folder.
    """

    name: str
    breaks: str
    file: str
    old: str
    new: str
    tests: str

    @property
    def compiled(self) -> bool:
        return self.file.startswith("plugin_cpp/")

    def arguments(self) -> list[str]:
        """Of pytest; what stands in quotation marks is one of them."""
        return [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', self.tests)]


def load_faults() -> list[Fault]:
    """Faults in Python first: those in C++ stay in the build until the next one."""
    from planted_fault_list import FAULTS

    faults = [Fault(*row) for row in FAULTS]
    return sorted(faults, key=lambda fault: fault.compiled)


class Copy:
    """A copy of the repository's files, installed next to itself."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.site = folder / "tree", folder / "site"
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.tree / name)
        self.install()

    def install(self) -> None:
        """As `pip install .` does; only what has changed is compiled anew."""
        for name in PACKAGES:
            shutil.rmtree(self.site / name, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
        command += ["--no-build-isolation", "--no-deps", "--no-cache-dir", "--upgrade", "--target", str(self.site), "."]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # cmake and ninja
        done = subprocess.run(command, cwd=self.tree, capture_output=True, text=True, env={**os.environ, "PATH": path})
        if done.returncode != 0:
            sys.exit(f"the copy cannot be installed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")

    @contextmanager
    def planted(self, fault: Fault) -> Iterator[None]:
        """With a fault. Afterwards it is out of the sources, but in the compiled libraries until the next build."""
        path = self.tree / fault.file
        right = path.read_text(encoding="utf-8")
        self._write(fault, right.replace(fault.old, fault.new))
        if fault.compiled:
            self.install()
        yield
        self._write(fault, right)

    def _write(self, fault: Fault, text: str) -> None:
        (self.tree / fault.file).write_text(text, encoding="utf-8")
        if not fault.compiled:
            (self.site / fault.file).write_text(text, encoding="utf-8")

    def failures(self, arguments: list[str], at_most: int) -> list[str]:
        """The tests that fail, by name."""
        command = [sys.executable, "-m", "pytest", "-q", "--no-header", "--tb=no", "-rfE", "-p", "no:cacheprovider"]
        command += [f"--maxfail={at_most}", *arguments]
        path = os.pathsep.join([str(self.site), str(self.tree / "tests")])
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        try:
            done = subprocess.run(
                command, cwd=self.tree / "tests", env=environment, capture_output=True, text=True, timeout=TIME_LIMIT
            )
        except subprocess.TimeoutExpired:
            return ["(the tests did not end)"]
        if done.returncode < 0:
            return [f"(the process ended by signal {-done.returncode})"]
        if done.returncode not in (0, 1):
            sys.exit(f"pytest {' '.join(arguments)} could not run:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return [
            re.sub(r"^(FAILED|ERROR) (\S*?tests/)?", "", line).split(" - ")[0]
            for line in done.stdout.splitlines()
            if line.startswith(("FAILED", "ERROR"))
        ]


def stale(faults: list[Fault]) -> list[str]:
    """Faults whose text does not stand in the code once."""
    return [
        f"{f.name}: the text of this fault stands {n} times in {f.file}" for f in faults if (n := _occurrences(f)) != 1
    ]


def _occurrences(fault: Fault) -> int:
    path = ROOT / fault.file
    return path.read_text(encoding="utf-8").count(fault.old) if path.exists() else 0


def table(results: list[tuple[Fault, list[str]]], seconds: float) -> str:
    """Markdown."""
    lines = [
        "# Planted faults",
        "",
        "Written by `python tests/planted_faults.py --table tests/planted_faults.md`: what breaks if one line of the code is wrong,",
        f"and a test that notices it. {len(results)} faults took {seconds / 60:.0f} minutes.",
        "",
        "| fault | what it breaks | where | noticed by |",
        "| --- | --- | --- | --- |",
    ]
    for fault, failed in results:
        noticed = f"`{failed[0]}`" if failed else "**nobody**"
        lines.append(f"| {fault.name} | {fault.breaks} | `{fault.file}` | {noticed} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="faults to plant; default: all")
    parser.add_argument("--list", action="store_true", help="list the faults and end")
    parser.add_argument("--table", type=Path, help="write the result to this file")
    options = parser.parse_args()
    faults = load_faults()
    if unknown := set(options.names) - {fault.name for fault in faults}:
        parser.error(f"no faults of these names: {', '.join(sorted(unknown))}; --list names them")
    chosen = [fault for fault in faults if not options.names or fault.name in options.names]
    for complaint in (complaints := stale(chosen)):
        print(complaint)
    if options.list:
        for fault in chosen:
            print(f"{fault.name}: {fault.breaks} ({fault.file})")
    if options.list or complaints:
        return int(bool(complaints))
    start, results = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="planted-faults-") as folder:
        copy = Copy(Path(folder))
        for fault in chosen:
            with copy.planted(fault):
                failed = copy.failures(fault.arguments(), at_most=3)
            results.append((fault, failed))
            print(f"{fault.name}: {', '.join(failed) if failed else 'NOBODY NOTICED'}", flush=True)
        copy.install()
        false_alarms = []
        for arguments in dict.fromkeys(tuple(fault.arguments()) for fault in chosen):
            false_alarms += copy.failures(list(arguments), at_most=3)
    for name in false_alarms:
        print(f"{name} fails without a fault")
    if options.table:
        options.table.write_text(table(results, time.monotonic() - start), encoding="utf-8")
    unnoticed = [fault.name for fault, failed in results if not failed]
    print(f"{len(results)} faults, {len(unnoticed)} unnoticed: {', '.join(unnoticed) or 'none'}")
    return int(bool(unnoticed or false_alarms))


if __name__ == "__main__":
    sys.exit(main())

"""Processes that prepare themselves all at once and then measure one after the other, undisturbed.

A worker calls `my_turn()` when it is ready; the host lets them go one by one. A worker that crashes takes only its own
numbers with it.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import tempfile
import time


def my_turn() -> None:
    """In a worker: say that everything is prepared, and wait until it may measure."""
    print("READY", flush=True)
    if not sys.stdin.readline():
        sys.exit("the host is gone")


class Worker:
    def __init__(self, name: str, arguments: list[str], environment: dict[str, str] | None = None) -> None:
        self.name = name
        self.started = time.time()
        self.process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "2", **(environment or {})},
        )
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text, self.left = "", b""
        self.ready = self.ended = False

    def read(self) -> list[str]:
        """Whole lines that have come since."""
        data = self.process.stdout.read()
        if data is None:
            return []
        if data == b"":
            self.ended = True
        self.left += data
        *lines, self.left = self.left.split(b"\n")
        return [line.decode(errors="replace") for line in lines]


def _until(worker: Worker, end: float, stop_at_ready: bool, show) -> None:
    selector = selectors.DefaultSelector()
    selector.register(worker.process.stdout, selectors.EVENT_READ)
    while not worker.ended and time.time() < end:
        selector.select(timeout=max(0.05, min(1.0, end - time.time())))
        for line in worker.read():
            if line == "READY":
                worker.ready = True
            else:
                show(worker, line)
        if stop_at_ready and worker.ready:
            return


def show_line(worker: Worker, line: str) -> None:
    important = line.startswith(("|", "case", "RESULT", "  "))
    print(line if important else f"    [{worker.name}] {line}", flush=True)


def run(workers: list[tuple[str, list[str], dict[str, str]]], prepare_s: float, each_s: float, show=show_line) -> int:
    """Start all, wait until all are ready or ``prepare_s`` are over, then let one after the other measure. Number of bad ones."""
    started = [Worker(*w) for w in workers]
    end = time.time() + prepare_s
    for worker in started:
        _until(worker, end, True, show)
        print(
            f"    [{worker.name}] {'ready' if worker.ready else 'ENDED' if worker.ended else 'NOT READY'} after {time.time() - worker.started:.1f} s",
            flush=True,
        )
    bad = 0
    for worker in started:
        if worker.ready and not worker.ended:
            try:
                worker.process.stdin.write(b"go\n")
                worker.process.stdin.flush()
            except OSError:
                pass
            _until(worker, time.time() + each_s, False, show)
        if worker.process.poll() is None:
            try:
                worker.process.wait(3 if worker.ended else 0)
            except subprocess.TimeoutExpired:
                worker.process.kill()
        code = worker.process.wait()
        if code:
            bad += 1
            print(f"case {worker.name}: FAILED, exit {code}{' (stopped)' if code == -9 else ''}", flush=True)
    return bad


def together(
    commands: list[tuple[str, list[str], dict[str, str]]], seconds: float, good=lambda text: True
) -> list[str]:
    """Run all at a time, print what each wrote when it ends, stop those that take longer. Names of the bad ones."""
    running, bad, end = [], [], time.time() + seconds
    for name, command, environment in commands:
        out = tempfile.TemporaryFile("w+")
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, "OMP_NUM_THREADS": "2", **environment}
        )
        running.append((name, process, out, time.time()))
    while running:
        time.sleep(0.1)
        late = time.time() > end
        for one in list(running):
            name, process, out, start = one
            if process.poll() is None and not late:
                continue
            if process.poll() is None:
                process.kill()
            code = process.wait()
            running.remove(one)
            out.seek(0)
            text = out.read()
            remark = (
                f", STOPPED after {seconds:.0f} s"
                if late and code == -9
                else f", DIED OF SIGNAL {-code}"
                if code < 0
                else ""
            )
            print(f"==== {name}: exit {code}{remark}, {time.time() - start:.1f} s\n{text.rstrip()}", flush=True)
            if code < 0 and "end of the contexts" in text:
                print(
                    f"case {name}: everything was computed, then the process died while its Contexts were deleted",
                    flush=True,
                )
            if code or not good(text):
                bad.append(name)
                last = (text.strip().splitlines() or ["it wrote nothing"])[-1]
                if not last.startswith("case"):
                    print(f"case {name}: FAILED, last line: {last[:200]}", flush=True)
    return bad

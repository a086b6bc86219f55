"""The endurance command: goes on after kill -9, and notices trouble."""

import subprocess
import sys
import time
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "examples" / "endurance.py"


def test_it_goes_on_after_a_kill(tmp_path):
    command = [sys.executable, str(SCRIPT), str(tmp_path / "e"), "--steps", "6000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while not (tmp_path / "e" / "state.xml").exists():
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.communicate()
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "going on at step" in done.stdout and "step 6000:" in done.stdout and "no growth of memory" in done.stdout

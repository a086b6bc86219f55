"""The command line as a user meets it."""

import subprocess
import sys

import pytest
from support.models import tiny_model

from openmm_polarmp import commands
from openmm_polarmp._platforms import trial
from openmm_polarmp._platforms.driver import compiler_too_new
from openmm_polarmp.cli import main

COMMANDS = "check info demo train evaluate ladder label range export eps-inf ir raman dielectric bench".split()


def test_help_of_everything(capsys):
    for arguments in ([], *([c] for c in COMMANDS)):
        with pytest.raises(SystemExit) as stop:
            main([*arguments, "--help"])
        assert stop.value.code == 0
        assert "example" in capsys.readouterr().out


def test_no_command_is_forgotten(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = capsys.readouterr().out.splitlines()
    assert all(any(line.split()[:1] == [name] for line in listed) for name in COMMANDS)
    assert len(COMMANDS) == len(commands.COMMANDS)


def test_wrong_arguments(capsys):
    for arguments in ([], ["fly"], ["info"], ["demo", "--steps", "many"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
    assert "usage: polarmp" in capsys.readouterr().err


def test_check(capfd):
    assert main(["check"]) == 0
    lines = capfd.readouterr().out.splitlines()
    status = {line.split()[0]: line for line in lines if line.startswith("  ")}
    assert "works" in status["Reference"] and "works" in status["CPU"]
    for name, line in status.items():
        assert "works" in line or "not here: " in line, name


def test_info(tmp_path, capsys):
    tiny_model().save(tmp_path / "tiny.polarmp")
    assert main(["info", str(tmp_path / "tiny.polarmp")]) == 0
    out = capsys.readouterr().out
    assert "quQ+ka" in out and "H, O" in out


def test_mistakes_have_no_traceback(tmp_path):
    broken = tmp_path / "broken.polarmp"
    broken.write_bytes(b"not a model")
    for arguments, message in (
        (["info", "nothing.polarmp"], "nothing.polarmp"),
        (["info", str(broken)], "broken.polarmp"),
        (["demo", "--steps", "1", "--output", str(tmp_path)], "steps is 1"),
    ):
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                f"import sys; sys.path[:0] = {sys.path!r}; from openmm_polarmp.cli import main; sys.exit(main({arguments!r}))",
            ],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_a_platform_that_ends_the_process(monkeypatch):
    """As OpenCL libraries do that miss their compiler."""
    monkeypatch.setattr(trial, "PROBE", "import os, sys; print('broken', file=sys.stderr, flush=True); os.abort()")
    assert trial.try_platform("OpenCL") == ("trying it ended the process by signal 6: broken", "")


def test_a_platform_that_is_not_there():
    reason, _ = trial.try_platform("Abacus")
    assert "Abacus" in reason


def test_a_compiler_newer_than_the_driver():
    assert compiler_too_new((13, 0), (13, 0)) == compiler_too_new((13, 1), (12, 9)) == ""
    assert compiler_too_new(None, (13, 0)) == compiler_too_new((13, 0), None) == ""
    assert "pip install 'nvidia-cuda-nvrtc==13.0.*'" in compiler_too_new((13, 0), (13, 5))
    assert "NVRTC of CUDA 12.9" in compiler_too_new((12, 4), (12, 9))
    assert "pip install 'nvidia-cuda-nvrtc-cu12==12.4.*'" in compiler_too_new((12, 4), (12, 9))

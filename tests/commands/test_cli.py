"""The command line as a user meets it."""

import re

import pytest
from support.models import tiny_model
from support.platforms import PlatformChoice, why_unusable
from support.processes import run_python

from openmm_polarmp import commands
from openmm_polarmp._platforms import trial
from openmm_polarmp._platforms.driver import compiler_too_new
from openmm_polarmp.cli import main

COMMANDS = "check info demo view train evaluate ladder label range export import-mace import-so3lr eps-inf ir raman dielectric bench".split()


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("ir d.csv --skip -5", "argument --skip: '-5' is given; zero or a positive number is accepted"),
        ("ir d.csv --eps-e -1", "argument --eps-e: '-1' is given; a positive number is accepted"),
        ("ir d.csv --highest -1", "argument --highest: '-1' is given; a positive number"),
        ("ir d.csv --volume 0", "argument --volume: '0' is given; a positive number"),
        ("raman p.csv --eps-e 0", "argument --eps-e: '0' is given; a positive number"),
        ("raman p.csv --temperature nan", "argument --temperature: 'nan' is given; a positive number"),
        ("raman p.csv --smooth inf", "argument --smooth: 'inf' is given; zero or a positive number"),
        ("raman p.csv --resolution fine", "argument --resolution: 'fine' is given; a positive number"),
        ("dielectric d.csv --skip -5", "argument --skip: '-5' is given; zero or a positive number"),
        ("dielectric d.csv --eps-inf 0.5", "argument --eps-inf: '0.5' is given; 1, the optical dielectric constant"),
        ("evaluate m.polarmp d.xyz --eps-inf -2", "argument --eps-inf: '-2' is given; 1, the optical"),
        ("eps-inf m.polarmp d.xyz --frames 0", "argument --frames: '0' is given; a positive integer"),
        ("label a.xyz b.xyz --processes 1.5", "argument --processes: '1.5' is given; a positive integer"),
        ("label a.xyz b.xyz --accuracy -1", "argument --accuracy: '-1' is given; a positive number"),
        ("ladder c.yaml --seeds 0", "argument --seeds: '0' is given; a positive integer"),
        ("bench --atoms 1000 0", "argument --atoms: '0' is given; a positive integer"),
        ("bench --seconds -1", "argument --seconds: '-1' is given; a positive number"),
        ("view run --frames -1", "argument --frames: '-1' is given; a positive integer"),
        ("export --metatomic m.polarmp o.pt --multiplicity 0", "argument --multiplicity: '0' is given; a positive"),
        ("export --metatomic m.polarmp o.pt --charge nan", "argument --charge: 'nan' is given; a number"),
        ("import-so3lr o.polarmp --dispersion-cutoff 0", "argument --dispersion-cutoff: '0' is given; a positive"),
    ],
)
def test_numbers_that_mean_nothing(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments.split())
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_check(capfd):
    """It tells of each platform whether a Context can be made on it, and why not."""
    assert main(["check"]) == 0
    lines = capfd.readouterr().out.splitlines()
    said = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines if line.startswith("  ")}
    assert set(said) == {"Reference", "CPU", "OpenCL", "CUDA", "HIP"}
    assert said["Reference"] == said["CPU"] == "works"
    assert said["HIP"] == "not here: OpenMM has no HIP platform here"
    for choice in (PlatformChoice("OpenCL", "mixed"), PlatformChoice("CUDA", "mixed")):
        reason = why_unusable(choice)
        assert said[choice.name].startswith("works" if reason is None else "not here: "), reason
    if "Portable Computing" in said["OpenCL"]:
        assert said["OpenCL"].endswith(", the processor: for tests")


def test_check_fails_where_the_cpu_platform_does_not_work(monkeypatch, capfd):
    monkeypatch.setattr(trial, "try_platform", lambda name: ("no threads", "") if name == "CPU" else ("", name))
    assert main(["check"]) == 1
    assert re.search("CPU +not here: no threads", capfd.readouterr().out)


def test_info(tmp_path, capsys):
    tiny_model().save(tmp_path / "tiny.polarmp")
    assert main(["info", str(tmp_path / "tiny.polarmp")]) == 0
    out = capsys.readouterr().out
    assert "quQ+ka" in out and "H, O" in out


def test_mistakes_have_no_traceback(tmp_path, capsys):
    broken = tmp_path / "broken.polarmp"
    broken.write_bytes(b"not a model")
    for arguments, message in (
        (["info", "nothing.polarmp"], "nothing.polarmp"),
        (["info", str(broken)], "broken.polarmp"),
        (["demo", "--steps", "1", "--output", str(tmp_path)], "steps is 1"),
    ):
        assert main(arguments) == 1
        error = capsys.readouterr().err
        assert message in error
        assert "Traceback" not in error


def test_the_module_is_the_command():
    """`python -m openmm_polarmp`, in a process of its own."""
    code = "import runpy; runpy.run_module('openmm_polarmp', run_name='__main__')"
    done = run_python(code, "info", "nothing.polarmp")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("polarmp info: ") and "nothing.polarmp" in done.stderr


def test_a_platform_that_ends_the_process(monkeypatch):
    """As OpenCL libraries do that miss their compiler."""
    monkeypatch.setattr(trial, "PROBE", "import os, sys; print('broken', file=sys.stderr, flush=True); os.abort()")
    assert trial.try_platform("OpenCL") == ("trying it ended the process by signal 6: broken", "")


def test_a_platform_that_is_not_there():
    reason, _ = trial.try_platform("Abacus")
    assert "Abacus" in reason


@pytest.mark.parametrize("arguments", [["demo"], ["bench", "--atoms", "100"]], ids=str)
def test_platforms_that_do_not_work_are_said(arguments, capsys):
    assert main([*arguments, "--platform", "Abacus"]) == 1
    error = capsys.readouterr().err
    assert (
        "--platform is 'Abacus', which OpenMM does not have here; Reference, CPU" in error and "Traceback" not in error
    )
    if why_unusable(PlatformChoice("CUDA", "mixed")):
        assert main([*arguments, "--platform", "CUDA"]) == 1
        assert "--platform is 'CUDA', which" in capsys.readouterr().err


def test_a_device_that_is_not_there_is_said(tmp_path, capsys):
    import torch
    from support.ionic import ionic_frames

    ase_io = pytest.importorskip("ase.io")
    ase_io.write(tmp_path / "d.extxyz", ionic_frames(1))
    device = "cuda" if not torch.cuda.is_available() else "cuda:99"
    assert main(["evaluate", "polarmp-water", str(tmp_path / "d.extxyz"), "--device", device]) == 1
    assert f"device is {device!r}; only devices of this machine are accepted" in capsys.readouterr().err


def test_names_of_labels_on_the_command_line(tmp_path, capsys):
    from support.ionic import ionic_frames

    ase_io = pytest.importorskip("ase.io")
    frames = ionic_frames(2)
    for frame in frames:
        frame.info["REF_energy"], frame.arrays["REF_forces"] = frame.get_potential_energy(), frame.get_forces()
        frame.calc = None
    data, model = tmp_path / "d.extxyz", tmp_path / "m.polarmp"
    ase_io.write(data, frames)
    tiny_model((3, 9, 11, 17), "q").save(model)
    keys = ["--keys", "energy=REF_energy", "forces=REF_forces"]
    assert main(["evaluate", str(model), str(data), *keys]) == 0
    assert "on 2 structures" in capsys.readouterr().out
    assert main(["range", str(model), str(data), "--output", str(tmp_path / "n.polarmp"), *keys]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(model), str(data), "--keys", "energy"]) == 1
    assert "--keys has 'energy'; LABEL=NAME is accepted" in capsys.readouterr().err
    assert main(["evaluate", str(model), str(data), "--keys", "enery=E"]) == 1
    assert "keys has enery" in capsys.readouterr().err


def test_a_misspelled_model_names_the_nearest(capsys):
    assert main(["info", "polarmp-watr"]) == 1
    assert "model is 'polarmp-watr' (is 'polarmp-water' meant?)" in capsys.readouterr().err


def test_a_compiler_newer_than_the_driver():
    assert compiler_too_new((13, 0), (13, 0)) == compiler_too_new((13, 1), (12, 9)) == ""
    assert compiler_too_new(None, (13, 0)) == compiler_too_new((13, 0), None) == ""
    assert "pip install 'nvidia-cuda-nvrtc==13.0.*'" in compiler_too_new((13, 0), (13, 5))
    assert "NVRTC of CUDA 12.9" in compiler_too_new((12, 4), (12, 9))
    assert "pip install 'nvidia-cuda-nvrtc-cu12==12.4.*'" in compiler_too_new((12, 4), (12, 9))

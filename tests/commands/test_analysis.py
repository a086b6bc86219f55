"""The commands on files of known content."""

import ase.io
import numpy as np
import pytest
from support.ionic import ionic_frames
from support.models import tiny_model

from openmm_polarmp.analysis.spectra import C
from openmm_polarmp.cli import main
from openmm_polarmp.training import Structure, compare

INTERVAL = 0.002


def reporter_file(path, columns, values):
    """As a reporter writes it."""
    lines = [",".join(["step", "time (ps)", *columns])]
    for i, row in enumerate(values):
        lines.append(",".join([str(4 * i), f"{INTERVAL * (i + 1):.6g}", *(f"{x:.10g}" for x in row)]))
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def dipoles(path, wavenumber=1640.0, n=6000):
    signal = 0.01 * np.cos(2 * np.pi * wavenumber * C * 1e-12 * INTERVAL * np.arange(n))
    columns = [f"{p} {a} (e nm)" for p in ("charges", "permanent dipoles", "induced dipoles") for a in "xyz"]
    values = np.zeros((n, 9))
    values[:, 0], values[:, 3], values[:, 6] = 0.5 * signal, 0.3 * signal, 0.2 * signal
    return reporter_file(path, [*columns, "mean molecular dipole (D)"], np.c_[values, np.ones(n)])


def test_infrared_line_of_a_known_signal(tmp_path, capsys):
    path = dipoles(tmp_path / "d.csv")
    (tmp_path / "nk.yml").write_text(
        "DATA:\n  - type: tabulated nk\n    data: |\n        3.0 1.3 0.1\n        6.1 1.3 0.1\n"
    )
    arguments = ["ir", path, "--volume", "2", "--output", str(tmp_path / "ir.csv"), "--plot", str(tmp_path / "ir.png")]
    assert main([*arguments, "--experiment", str(tmp_path / "nk.yml"), "--smooth", "5"]) == 0
    text = capsys.readouterr().out
    assert (
        "highest point 1400 to 1900 1/cm: 1640 1/cm" in text and "6000 rows of 2 fs" in text and "scaling s 1" in text
    )
    rows = np.loadtxt(tmp_path / "ir.csv", delimiter=",", skiprows=1)
    assert rows[rows[:, 1].argmax(), 0] == pytest.approx(1640, abs=5)
    assert (tmp_path / "ir.png").read_bytes().startswith(b"\x89PNG")


def test_infrared_from_the_current(tmp_path):
    """The derivative of the same dipole gives the same spectrum."""
    from openmm_polarmp.reporters.columns import CURRENT_COLUMNS

    time, omega = INTERVAL * np.arange(6000), 2 * np.pi * 1640 * C * 1e-12
    values = np.zeros((6000, 3))
    values[:, 0] = -0.01 * omega * np.sin(omega * time)
    path = reporter_file(tmp_path / "j.csv", CURRENT_COLUMNS, values)
    areas = []
    for arguments in (["ir", path, "--current"], ["ir", dipoles(tmp_path / "d.csv")]):
        out = str(tmp_path / "ir.csv")
        assert main([*arguments, "--volume", "2", "--output", out]) == 0
        rows = np.loadtxt(out, delimiter=",", skiprows=1)
        areas.append(np.trapezoid(rows[:, 1], rows[:, 0]))
    assert areas[0] == pytest.approx(areas[1], rel=0.01)


def test_raman_line_of_a_known_signal(tmp_path, capsys):
    n = 6000
    values = np.full((n, 6), 1.4)
    values[:, :3] += 0.01 * np.cos(2 * np.pi * 3400 * C * 1e-12 * INTERVAL * np.arange(n))[:, None]
    values[:, 3:] = 0.02 * np.cos(2 * np.pi * 600 * C * 1e-12 * INTERVAL * np.arange(n))[:, None]
    columns = [f"latent polarizability {c} (A^3)" for c in ("xx", "yy", "zz", "xy", "xz", "yz")]
    path = reporter_file(tmp_path / "p.csv", columns, values)
    assert main(["raman", path, "--output", str(tmp_path / "r.csv"), "--plot", str(tmp_path / "r.png")]) == 0
    text = capsys.readouterr().out
    assert "isotropic: highest point at 3400" in text and "anisotropic: highest point at 600" in text
    assert (tmp_path / "r.csv").read_text().startswith("wavenumber (1/cm),isotropic (arbitrary)")


def test_dielectric_constants(tmp_path, capsys):
    path = dipoles(tmp_path / "d.csv")
    columns = [f"latent polarizability {c} (A^3)" for c in ("xx", "yy", "zz", "xy", "xz", "yz")]
    alpha = reporter_file(tmp_path / "p.csv", columns, np.tile([50.0, 50, 50, 0, 0, 0], (10, 1)))
    assert main(["dielectric", path, "--volume", "2", "--polarizability", alpha, "--eps-inf", "1.78"]) == 0
    text = capsys.readouterr().out
    chi = 4 * np.pi * 50 / 2000
    assert f"chi = 4 pi k_e sum tr(alpha)/3 / V = {chi:.4f}" in text
    factor = 1.602176634e-28**2 / (3 * 8.8541878128e-12 * 2e-27 * 1.380649e-23 * 300)
    expected = 1.78 + factor * 1.78 / (1 + chi) * 0.01**2 / 2
    value = float(text.split("static dielectric constant ")[1].split()[0])
    assert value == pytest.approx(expected, rel=2e-3)


def test_eps_inf_is_found_again(tmp_path, capsys):
    """Reference Born charges that are the model's own for eps_inf = 2.1."""
    model = tiny_model((3, 9, 11, 17), "qu").double()
    frames = ionic_frames(3, pairs=3, box=8.0)
    born = compare(model, [Structure.of(f, model.cutoff) for f in frames], eps_inf=2.1).predicted["born_charges"]
    for frame, part in zip(frames, np.split(born, 3), strict=True):
        frame.arrays["born_charges"] = part.reshape(-1, 9)
    ase.io.write(tmp_path / "d.extxyz", frames)
    model.save(tmp_path / "m.polarmp")
    assert main(["eps-inf", str(tmp_path / "m.polarmp"), str(tmp_path / "d.extxyz")]) == 0
    assert "eps_inf = 2.1000, from 3 structures" in capsys.readouterr().out
    for frame in frames:
        del frame.arrays["born_charges"]
    ase.io.write(tmp_path / "d.extxyz", frames)
    assert main(["eps-inf", str(tmp_path / "m.polarmp"), str(tmp_path / "d.extxyz")]) == 1
    assert "without Born charges" in capsys.readouterr().err


def test_a_user_s_mistake_has_no_traceback(tmp_path, capsys):
    path = dipoles(tmp_path / "d.csv", n=100)
    assert main(["ir", path, "--volume", "2"]) == 1
    assert "shorter than one block" in capsys.readouterr().err
    assert main(["raman", path]) == 1
    assert "files with a column" in capsys.readouterr().err

"""The commands on files of known content."""

import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
from support.ionic import ionic_frames
from support.models import tiny_model

from openmm_polarmp.analysis.spectra import C
from openmm_polarmp.cli import main
from openmm_polarmp.training import Structure, compare

INTERVAL = 0.002


def reporter_file(path, columns, values, interval=INTERVAL):
    """As a reporter writes it."""
    lines = [",".join(["step", "time (ps)", *columns])]
    for i, row in enumerate(values):
        lines.append(",".join([str(4 * i), f"{interval * (i + 1):.6g}", *(f"{x:.10g}" for x in row)]))
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
        "highest point 1200 to 2000 1/cm: 1640 1/cm" in text and "6000 rows of 2 fs" in text and "scaling s 1" in text
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


def test_infrared_integrals_beside_the_f_sum(tmp_path, capsys):
    """Two lines in two bands, of charges and of dipoles, and a Born sum that demands twice their area."""
    from openmm_polarmp.analysis import f_sum
    from openmm_polarmp.reporters.columns import BORN_COLUMN, DIPOLE_COLUMNS, POLARIZATION_COLUMNS, VOLUME_COLUMN

    time = INTERVAL * np.arange(6000)
    omegas = [2 * np.pi * nu * C * 1e-12 for nu in (600, 1640)]
    values = np.zeros((6000, 14))
    values[:, 3] = 0.01 * np.cos(omegas[0] * time)  # permanent dipoles
    values[:, 9] = 0.01 * np.cos(omegas[1] * time)  # charges
    values[:, 0] = 7.0 * np.cos(omegas[1] * time)  # those of molecules are not taken
    square = sum((0.01 * w) ** 2 / 2 for w in omegas)  # <J^2>, (e nm/ps)^2 = kT sum Z:Z/m
    values[:, 12] = 2 * square / (0.00831446262 * 300)
    values[:, 13] = 2.0
    path = reporter_file(
        tmp_path / "d.csv", [*DIPOLE_COLUMNS, *POLARIZATION_COLUMNS, BORN_COLUMN, VOLUME_COLUMN], values
    )
    assert main(["ir", path, "--bands", "400-1200,1200-2000"]) == 0
    both = capsys.readouterr()
    assert both.err == "" and "signal: polarization" in both.out and "ratio 0.500" in both.out
    assert f"f-sum of the Born charges {f_sum(values[0, 12], 2.0):.4g} 1/cm^2" in both.out
    share = 100 * 600**2 / (600**2 + 1640**2)
    assert f"400 to 1200 1/cm: {share / 100 * f_sum(values[0, 12], 2.0) / 2:.2g}"[:20] in both.out
    assert f"{share:.0f} %" in both.out and f"{100 - share:.0f} %" in both.out
    assert main(["ir", path, "--signal", "molecules"]) == 0
    assert "charge that moves between them is left out" in capsys.readouterr().out
    assert main(["ir", path, "--bands", "400-x"]) == 1
    assert "LOW-HIGH in 1/cm, separated by commas, is accepted" in capsys.readouterr().err


def test_several_runs_give_an_error(tmp_path, capsys):
    """Lines of amplitudes 1 and 2: intensities 1 and 4, whose mean is 2.5 +- 1.5."""
    from openmm_polarmp.reporters.columns import POLARIZABILITY_COLUMNS

    def areas(*paths):
        assert main(["ir", *paths, "--volume", "2", "--bands", "1200-2000"]) == 0
        text = capsys.readouterr().out.split("1200 to 2000 1/cm: ")[1].split(" 1/cm^2")[0]
        return [float(value) for value in text.split(" +- ")]

    one = dipoles(tmp_path / "1.csv")
    two = reporter_file(tmp_path / "2.csv", *scaled(one, 2.0))
    (single,) = areas(one)
    assert areas(one, two) == pytest.approx([2.5 * single, 1.5 * single], rel=0.01)
    coarse = reporter_file(tmp_path / "3.csv", *scaled(one, 1.0), interval=0.004)
    assert main(["ir", one, coarse, "--volume", "2"]) == 1
    assert "spectra differ in their wavenumbers; runs with rows at equal intervals" in capsys.readouterr().err
    signal = np.cos(2 * np.pi * 3400 * C * 1e-12 * INTERVAL * np.arange(6000))
    paths = []
    for share in (0.1, 0.3):  # trace/3 and xy at one frequency: iso 1, aniso 3 share^2
        values = np.zeros((6000, 6))
        values[:, :3], values[:, 3] = 1.4 + signal[:, None], share * signal
        paths.append(reporter_file(tmp_path / f"p{share}.csv", POLARIZABILITY_COLUMNS, values))
    assert main(["raman", *paths]) == 0
    ratios = [(3 * share**2 / 15) / (1 + 4 / 45 * 3 * share**2) for share in (0.1, 0.3)]
    mean, error = np.mean(ratios), abs(ratios[1] - ratios[0]) / 2
    assert f"depolarization ratio {mean:.3f} +- {error:.2g}" in capsys.readouterr().out


def scaled(path, factor):
    """Columns and values of a reporter's file, its values times a factor."""
    lines = [line.split(",") for line in Path(path).read_text().splitlines()]
    return lines[0][2:], factor * np.array([[float(x) for x in line[2:]] for line in lines[1:]])


def test_old_files_say_what_is_left_out(tmp_path, capsys):
    assert main(["ir", dipoles(tmp_path / "d.csv"), "--volume", "2"]) == 0
    both = capsys.readouterr()
    assert "has no polarization of charges: charge that moves between molecules is left out" in both.err
    assert "no Born charges in the file" in both.out


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
    assert f"high-frequency constant 1 + eps_e chi = {1 + 1.78 / (1 + chi) * chi:.4f}" in text
    # induced moments that do not feel each other
    rows = np.tile([50.0, 50, 50, 0, 0, 0, 1 - chi], (10, 1))
    alpha = reporter_file(tmp_path / "one.csv", [*columns, "eps_e/eps_inf"], rows)
    assert main(["dielectric", path, "--volume", "2", "--polarizability", alpha, "--eps-inf", "1.78"]) == 0
    text = capsys.readouterr().out
    assert f"eps_e = {1.78 * (1 - chi):.4f}" in text
    assert f"high-frequency constant 1 + eps_inf chi = {1 + 1.78 * chi:.4f}" in text


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
    assert (
        "--resolution is 10 1/cm, which needs blocks of 3.34 ps; the series of 0.2 ps allows 167 1/cm"
        in capsys.readouterr().err
    )
    assert main(["raman", path]) == 1
    assert "files with a column" in capsys.readouterr().err


def conditions(path, volume=2.0, charge=0.0, largest=0.05, interval=INTERVAL, n=6000, correlation=1.0):
    """Dipoles of a random walk that returns, with the columns that a DipoleReporter adds."""
    from openmm_polarmp.reporters.columns import CHARGE_COLUMNS, DIPOLE_COLUMNS, VOLUME_COLUMN

    rng, kept = np.random.default_rng(0), np.exp(-interval / correlation)
    values = np.zeros((n, 12))
    for i in range(1, n):
        values[i, :3] = kept * values[i - 1, :3] + np.sqrt(1 - kept**2) * 0.1 * rng.normal(size=3)
    values[:, 9:] = volume, charge, largest
    lines = [",".join(["step", "time (ps)", *DIPOLE_COLUMNS, VOLUME_COLUMN, *CHARGE_COLUMNS])]
    lines += [
        ",".join([f"{i}", f"{interval * (i + 1):.8g}", *(f"{x:.8g}" for x in row)]) for i, row in enumerate(values)
    ]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_the_volume_comes_from_the_file(tmp_path, capsys):
    path = conditions(tmp_path / "d.csv")
    assert main(["ir", path]) == 0
    assert main(["ir", path, "--volume", "2000"]) == 1
    assert "--volume is 2000 nm^3, but the run's box has 2 nm^3, as if it were in A^3" in capsys.readouterr().err
    assert main(["ir", dipoles(tmp_path / "old.csv")]) == 1
    assert "--volume is missing" in capsys.readouterr().err
    assert main(["dielectric", conditions(tmp_path / "cluster.csv", volume=np.nan)]) == 1
    assert "without a periodic box" in capsys.readouterr().err


def test_too_short_a_run_has_no_dielectric_constant(tmp_path, capsys):
    assert main(["dielectric", conditions(tmp_path / "d.csv", correlation=10.0, n=1000)]) == 1  # 2 ps
    error = capsys.readouterr().err
    assert "ps or longer, in a series of 2 ps" in error and "50 are enough" in error
    assert main(["dielectric", conditions(tmp_path / "d.csv", correlation=0.3)]) == 0  # 12 ps
    both = capsys.readouterr()
    assert "warning: only about" in both.err and "static dielectric constant" in both.out
    assert main(["dielectric", conditions(tmp_path / "d.csv", correlation=0.02)]) == 0
    assert capsys.readouterr().err == ""


def test_what_has_no_dielectric_constant(tmp_path, capsys):
    for charges, message in (((1.0, 0.02), "charge of 1 e in the box"), ((0.0, 0.9), "0.9 e on a molecule")):
        path = conditions(tmp_path / "d.csv", charge=charges[0], largest=charges[1], correlation=0.02)
        assert main(["dielectric", path]) == 1
        assert message in capsys.readouterr().err
        assert main(["ir", path]) == 0
        assert "use --signal polarization" in capsys.readouterr().err


def test_coarse_sampling_is_said(tmp_path, capsys):
    path = conditions(tmp_path / "d.csv", interval=0.01)
    assert main(["ir", path]) == 0
    both = capsys.readouterr()
    assert "the spectrum ends at 1668 1/cm, and faster motion is folded into it; report every 4.2 fs" in both.err
    assert "1668 1/cm, n alpha" not in both.out  # the last point is no peak


def test_a_raman_spectrum_that_is_zero(tmp_path, capsys):
    """Scalar polarizabilities: what is left of the anisotropic part is the rounding of the file."""
    n = 6000
    trace = 50 + 0.1 * np.cos(2 * np.pi * 3400 * C * 1e-12 * INTERVAL * np.arange(n))
    values = np.c_[trace, trace, trace, np.zeros((n, 3))] + 1e-8 * np.random.default_rng(0).normal(size=(n, 6))
    columns = [f"latent polarizability {c} (A^3)" for c in ("xx", "yy", "zz", "xy", "xz", "yz")]
    assert main(["raman", reporter_file(tmp_path / "p.csv", columns, values)]) == 0
    text = capsys.readouterr().out
    assert "isotropic: highest point at 3400 1/cm" in text
    assert "anisotropic: zero to rounding" in text and "VH: zero to rounding" in text


def test_titles_twice_are_two_runs(tmp_path, capsys):
    path = tmp_path / "d.csv"
    text = (tmp_path / conditions(path)).read_text()
    path.write_text(text + text)
    assert main(["ir", str(path)]) == 1
    assert "has its titles again after row 6000" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "file", "package", "what"),
    [("--plot", "ir.png", "matplotlib", "--plot"), ("--experiment", "nk.yml", "yaml", "a file of optical constants")],
)
def test_missing_packages_of_options_are_named(tmp_path, capsys, monkeypatch, option, file, package, what):
    for name in [module for module in sys.modules if module.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["ir", dipoles(tmp_path / "d.csv"), "--volume", "2", option, str(tmp_path / file)]) == 1
    expected = f"polarmp ir: {what} needs {package}, not installed here: pip install 'openmm-polarmp[plot]'"
    assert expected in capsys.readouterr().err


def test_what_the_series_cannot_give(tmp_path, capsys):
    """Blocks of too few rows, and nothing left of the series."""
    path = conditions(tmp_path / "d.csv", correlation=0.02)
    for option, message in (
        (["--resolution", "1e9"], "--resolution is 1e+09 1/cm; at most 2085 is accepted, for rows 2 fs apart"),
        (["--skip", "13"], f"--skip is 13 ps; less than the 12 ps of the series in {path!r} is accepted"),
    ):
        assert main(["ir", path, *option]) == 1
        assert message in capsys.readouterr().err
    assert main(["dielectric", path, "--skip", "13"]) == 1
    assert message in capsys.readouterr().err


def test_a_series_that_does_not_move(tmp_path, capsys):
    path = reporter_file(tmp_path / "d.csv", *scaled(dipoles(tmp_path / "moving.csv"), 0.0))
    assert main(["ir", path, "--volume", "2"]) == 1
    assert "has the same dipoles in all rows; a run in which they change is accepted" in capsys.readouterr().err

"""However a script ends, what was reported is in the files."""

import signal

import numpy as np
import pytest
from support.processes import run_python

from openmm_polarmp.reporters import DipoleReporter, MultipoleFile, MultipoleReporter, PolarizabilityReporter
from openmm_polarmp.reporters import multipole as multipole_module
from openmm_polarmp.reporters.base import TextFile

SCRIPT = """
import os, signal, sys
import numpy as np, openmm
from openmm import app
from openmm_polarmp import FixedMultipoles, PolarMPForce
from openmm_polarmp.reporters import DipoleReporter, MultipoleReporter

def simulation():
    topology, system = app.Topology(), openmm.System()
    residue = topology.addResidue("X", topology.addChain())
    for _ in range(2):
        system.addParticle(20.0)
        topology.addAtom("X", app.Element.getBySymbol("Na"), residue)
    system.addForce(PolarMPForce(FixedMultipoles([1.0, -1.0])))
    run = app.Simulation(topology, system, openmm.VerletIntegrator(0.0001), openmm.Platform.getPlatformByName("Reference"))
    run.context.setPositions([(0, 0, 0), (0.4, 0, 0)])
    run.reporters += [MultipoleReporter("moments", 1, chunk=3), DipoleReporter("dipoles.csv", 1)]
    return run

def local():
    run = simulation()
    run.step(8)

if sys.argv[1] == "local":
    local()
else:
    run = simulation()
    run.step(8)
if sys.argv[1] == "exception":
    run.context.setPositions([(0, 0, 0), (np.nan, 0, 0)])
    run.step(1)
if sys.argv[1] == "exit":
    sys.exit(3)
if sys.argv[1] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("ending", "code", "reports"),
    [("normal", 0, 8), ("local", 0, 8), ("exception", 1, 8), ("exit", 3, 8), ("kill", -signal.SIGKILL, 6)],
)
def test_what_a_script_leaves(ending, code, reports, tmp_path):
    done = run_python(SCRIPT, ending, folder=tmp_path)
    assert done.returncode == code
    assert "halted" not in done.stderr and "Exception ignored" not in done.stderr
    assert (done.stderr == "") == (ending != "exception")
    file = MultipoleFile(tmp_path / "moments")
    assert [step for chunk in file.chunks() for step in chunk["step"]] == list(range(1, reports + 1))
    assert len((tmp_path / "dipoles.csv").read_text().splitlines()) == 9  # each line at once


def test_a_slow_run_is_written_before_its_chunk_is_full(tmp_path, monkeypatch):
    reporter = MultipoleReporter(tmp_path, 1, chunk=100)
    monkeypatch.setattr(multipole_module, "LONGEST_WAIT", -1.0)
    for step in range(3):
        reporter._chunks.add({"step": step, "time": 0.1 * step, "charges": np.zeros(2)})
    written = tmp_path / "chunk-000000.npz"
    assert np.load(written)["step"].tolist() == [0, 1, 2]  # one file, which has grown
    monkeypatch.setattr(multipole_module, "LONGEST_WAIT", 60.0)
    del reporter
    assert [path.name for path in tmp_path.glob("*.npz")] == [written.name]


def test_a_file_that_is_continued(tmp_path):
    path = tmp_path / "d.csv"
    for _ in range(2):  # the first finds no file
        file = TextFile(path, append=True)
        last = file.begin(["step", "x"])
        file.write(1, 2)
        del file
    assert last == {"step": "1", "x": "2"}
    with path.open("a") as stream:
        stream.write("2,")  # as a kill leaves it
    file = TextFile(path, append=True)
    file.begin(["step", "x"])
    file.write(3, 4)
    assert path.read_text().splitlines() == ["step,x", "1,2", "1,2", "3,4"]
    with pytest.raises(ValueError, match="with other columns than this reporter writes"):
        TextFile(path, append=True).begin(["step", "y"])
    for reporter in (DipoleReporter, PolarizabilityReporter):  # their columns depend on the System
        path.write_text("step,x\n")
        reporter(path, 1)  # a path as an object; without append it begins anew
        assert path.read_text() == ""

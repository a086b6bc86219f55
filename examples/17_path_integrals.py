"""Path-integral dynamics of water: i-PI moves the beads, the shipped model gives the forces through ASE's socket client.

    pip install ipi
    python examples/17_path_integrals.py --steps 200 --beads 8 --output beads

i-PI runs as a process of its own and asks for the forces of one bead after the other.
"""

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

import ase
import numpy as np
from ase.calculators.socketio import SocketClient
from openmm import unit

from openmm_polarmp.ase import PolarMPCalculator
from openmm_polarmp.demo.run import water_box

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--molecules", type=int, default=16)
parser.add_argument("--steps", type=int, default=200, help="of 0.25 fs")
parser.add_argument("--beads", type=int, default=8, help="32 at 300 K for converged results")
parser.add_argument("--output", type=Path, default=Path("beads"))
parser.add_argument("--address", default="polarmp", help="name of the socket, another one for each run at a time")
options = parser.parse_args()
options.output.mkdir(parents=True, exist_ok=True)
server = shutil.which("i-pi") or shutil.which("i-pi", path=str(Path(sys.executable).parent))
if server is None:
    sys.exit("i-pi was not found; pip install ipi")
topology, positions = water_box(options.molecules)
r = positions.value_in_unit(unit.angstrom)
edge = topology.getPeriodicBoxVectors()[0][0].value_in_unit(unit.angstrom)
symbols = [atom.element.symbol for atom in topology.atoms()]
lines = [f"{s} {x:.8f} {y:.8f} {z:.8f}\n" for s, (x, y, z) in zip(symbols, np.asarray(r), strict=True)]
comment = f"# CELL(abcABC): {edge} {edge} {edge} 90 90 90 positions{{angstrom}} cell{{angstrom}}"
(options.output / "start.xyz").write_text(f"{len(lines)}\n{comment}\n{''.join(lines)}")
(options.output / "input.xml").write_text(f"""<simulation verbosity='low'>
  <output prefix='water'>
    <properties filename='properties'> [step, time{{picosecond}}, kinetic_cv{{electronvolt}}, conserved{{electronvolt}}] </properties>
    <trajectory filename='positions' stride='20' format='xyz'> positions{{angstrom}} </trajectory>
  </output>
  <total_steps> {options.steps} </total_steps>
  <prng> <seed> 1 </seed> </prng>
  <ffsocket name='model' mode='unix' pbc='false'> <address> {options.address} </address> <latency> 1e-3 </latency> </ffsocket>
  <system>
    <initialize nbeads='{options.beads}'>
      <file mode='xyz'> start.xyz </file> <velocities mode='thermal' units='kelvin'> 300 </velocities>
    </initialize>
    <forces> <force forcefield='model'/> </forces>
    <ensemble> <temperature units='kelvin'> 300 </temperature> </ensemble>
    <motion mode='dynamics'>
      <dynamics mode='nvt'>
        <timestep units='femtosecond'> 0.25 </timestep>
        <thermostat mode='pile_g'> <tau units='femtosecond'> 100 </tau> </thermostat>
      </dynamics>
    </motion>
  </system>
</simulation>
""")
with open(options.output / "i-pi.log", "w") as log:
    ipi = subprocess.Popen([server, "input.xml"], cwd=options.output, stdout=log, stderr=log)
    try:
        atoms = ase.Atoms(symbols, r, cell=[edge] * 3, pbc=True)
        atoms.calc = PolarMPCalculator("polarmp-water", precision="single", accuracy=5e-4)
        socket, patience = Path(f"/tmp/ipi_{options.address}"), time.monotonic() + 60
        while not socket.exists() and time.monotonic() < patience:
            time.sleep(0.1)
        SocketClient(unixsocket=options.address, timeout=60).run(atoms, use_stress=False)
        ipi.wait(timeout=60)
    finally:
        ipi.terminate()

table = np.loadtxt(options.output / "water.properties")
kinetic = table[len(table) // 2 :, 2].mean()
print(f"{len(table)} rows; kinetic energy {kinetic / len(atoms):.3f} eV an atom; classical nuclei have 0.039 at 300 K")

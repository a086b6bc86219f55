"""Many runs at once over processes, restartable: replicas of a box of water at several temperatures.

    python examples/12_many_replicas.py --replicas 4 --workers 2 --steps 2000 --output replicas

Dask distributes the runs; on a cluster its Client connects to workers elsewhere (dask-jobqueue) and nothing else changes. Each replica keeps
its state: the same command goes on where the last one stopped, and finished replicas are not run again.
"""

import argparse
from pathlib import Path

from dask.distributed import Client, LocalCluster, as_completed


def run_replica(folder: str, temperature: float, steps: int, molecules: int) -> tuple[float, int]:
    """Mean potential energy (kJ/mol) and steps of one replica. Runs in a worker, so that it imports what it needs."""
    import openmm
    from openmm import app, unit
    from openmmml import MLPotential

    from openmm_polarmp.demo.run import water_box

    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    start, state = place / "start.pdb", place / "state.xml"
    if not start.exists():
        topology, positions = water_box(molecules)
        with start.open("w") as stream:
            app.PDBFile.writeFile(topology, positions, stream)
    pdb = app.PDBFile(str(start))
    system = MLPotential("polarmp").createSystem(pdb.topology)
    integrator = openmm.LangevinMiddleIntegrator(temperature * unit.kelvin, 1 / unit.picosecond, 0.5 * unit.femtosecond)
    platform = openmm.Platform.getPlatformByName("CPU")
    simulation = app.Simulation(pdb.topology, system, integrator, platform, {"Threads": "1"})
    simulation.context.setPositions(pdb.positions)
    if state.exists():
        simulation.loadState(str(state))
    else:
        simulation.minimizeEnergy(maxIterations=20)
        simulation.context.setVelocitiesToTemperature(temperature * unit.kelvin)
    energies = []
    while simulation.currentStep < steps:
        simulation.step(min(50, steps - simulation.currentStep))
        simulation.saveState(str(state))
        energies.append(simulation.context.getState(energy=True).getPotentialEnergy()._value)
    return sum(energies) / len(energies) if energies else float("nan"), simulation.currentStep


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2000, help="of each replica in all, of 0.5 fs")
    parser.add_argument("--molecules", type=int, default=32)
    parser.add_argument("--output", type=Path, default=Path("replicas"))
    options = parser.parse_args()
    temperatures = [300 + 10 * i for i in range(options.replicas)]
    with LocalCluster(n_workers=options.workers, threads_per_worker=1, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            futures = {
                client.submit(run_replica, str(options.output / f"{t}K"), t, options.steps, options.molecules): t
                for t in temperatures
            }
            for future in as_completed(futures):
                energy, done = future.result()
                print(f"{futures[future]} K: {done} steps, mean potential energy {energy:.1f} kJ/mol", flush=True)


if __name__ == "__main__":
    main()

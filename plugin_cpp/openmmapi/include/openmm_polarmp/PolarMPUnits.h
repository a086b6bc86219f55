#pragma once
namespace PolarMPPlugin {

/**
 * Inside the plugin all quantities are in the units of the model: Angstrom, electron charge, eV.
 * OpenMM's units (nm, kJ/mol) appear only where a kernel reads positions and box vectors and where it adds
 * forces and energies, always through these constants (theory.md section 1).
 */
constexpr double COULOMB = 14.3996454784255;       // k_e in eV A / e^2
constexpr double EV_TO_KJ_PER_MOL = 96.48533212331;
constexpr double ANGSTROM_PER_NM = 10.0;
constexpr double VOLT_PER_ANGSTROM_PER_VOLT_PER_NM = 0.1;
constexpr double FORCE_TO_OPENMM = EV_TO_KJ_PER_MOL * ANGSTROM_PER_NM;  // eV/A -> kJ/mol/nm

} // namespace PolarMPPlugin

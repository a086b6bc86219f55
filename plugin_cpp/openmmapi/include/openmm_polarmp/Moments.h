#pragma once

namespace PolarMPPlugin {

/** What a source provides for each particle: multipole moments and response coefficients (theory.md section 1). */
enum Moment { CHARGE, DIPOLE, QUADRUPOLE, SOFTNESS, POLARIZABILITY, NUM_MOMENTS };
constexpr Moment ALL_MOMENTS[NUM_MOMENTS] = {CHARGE, DIPOLE, QUADRUPOLE, SOFTNESS, POLARIZABILITY};

/** Arrays, checks, error messages, XML and names in Python follow from this table; openmm_polarmp/moments.py has units as well. */
struct MomentProperties {
    const char* name;     // of one particle's moment; with "_gradients" Python's name for the derivatives of the energy
    const char* plural;   // of all particles'
    const char* symbol;   // in XML
    int components;       // numbers per particle; a matrix is stored as [3,3]
    bool mayBeNegative;
};
constexpr MomentProperties MOMENTS[NUM_MOMENTS] = {
    {"charge", "charges", "q", 1, true},                         // e
    {"dipole", "dipoles", "mu", 3, true},                        // e A
    {"quadrupole", "quadrupoles", "Q", 9, true},                 // e A^2
    {"softness", "softness", "kappa", 1, false},                 // e^2/eV
    {"polarizability", "polarizability", "alpha", 9, true},      // e^2 A^2/eV
};

} // namespace PolarMPPlugin

#pragma once

namespace PolarMPPlugin {

/** Units of the heads, and bounds that no moment exceeds: models/heads.py explains them. */
struct HeadUnits {
    static constexpr double CHARGE = 0.5, MOMENT = 0.5, SOFTNESS = 0.003, POLARIZABILITY = 0.02;
    static constexpr double LARGEST_CHARGE = 3.0, LARGEST_DIPOLE = 1.0, LARGEST_QUADRUPOLE = 1.5, LOWEST_ENERGY = 30.0;
    static constexpr double LARGEST_RATIO = 1e6;  // of values beyond this many limits only the direction counts
    static constexpr double ELECTRONEGATIVITY = 3.0, HARDNESS = 8.0, LARGEST_ELECTRONEGATIVITY = 30.0;
    // of pairs, models/edge_heads.py
    static constexpr double TRANSFER = 0.2, CONDUCTANCE = 0.003, LARGEST_TRANSFER = 1.0, LARGEST_CONDUCTANCE = 0.1;
    static constexpr double UNIT_SOFTPLUS = 0.54132485461291801;  // softplus(UNIT_SOFTPLUS) = 1
};

} // namespace PolarMPPlugin

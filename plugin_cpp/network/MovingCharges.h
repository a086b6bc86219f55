#pragma once
#include <functional>
#include <vector>

namespace PolarMPPlugin {

/**
 * The force of charges that depend on the positions, in a uniform field in a periodic box (theory.md section 6):
 * F_i = sum_j E.(r_j - r_i) dq_j/dr_i with r_j - r_i between nearest images.
 *
 * The Jacobian dq/dr is never formed: with fractional coordinates s and box vectors a_d,
 * E.(r_j - r_i) = sum_d (E.a_d) wrap(s_jd - s_id), and wrap(s_j - s_i) = wrap(s_j - c) - wrap(s_i - c) for atoms i near
 * c and all j within their reach. The atoms are therefore divided into a few slabs with centres c; each slab needs one
 * product of the vector wrap(s_j - c) with the Jacobian.
 */
class MovingCharges {
public:
    /** vector [N] -> sum_j vector_j dq_j/dr_i [N,3], of the charges before their projection */
    using Product = std::function<void(const double* vector, double* result)>;
    /**
     * @param reach      A, the distance within which a charge depends on other atoms
     * @param projected  whether the charges are shifted to a fixed sum
     */
    MovingCharges(int numAtoms, double reach, bool projected);
    /** Adds the force [N,3] in a field (V/A). */
    void addForces(const double* positions, const double* cell, const double* field, const Product& product, double* forces);

private:
    void bySlabs(const Product& product, const int* numSlabs);
    void atomByAtom(const Product& product);
    void addMean();

    const int n;
    const double reach;
    const bool projected;
    bool warned = false;
    double strengths[3];               // E.a_d
    std::vector<double> fractional;    // [3][N], in [0, 1)
    std::vector<double> centerOffset;  // of each atom: sum_d (E.a_d) wrap(s_i - c), c the centre of its slab
    std::vector<double> force;         // [N,3]
};

} // namespace PolarMPPlugin

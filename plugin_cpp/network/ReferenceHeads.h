#pragma once
#include "ReferenceLayers.h"
#include "openmm_polarmp/Moments.h"

namespace PolarMPPlugin {

/** The heads' results for one atom, or derivatives with respect to them. */
struct AtomOutputs {
    double energy = 0;
    double moments[NUM_MOMENTS][9] = {};  // the first components of each are used
};

/** models/_heads.py for one atom. */
class ReferenceHeads {
public:
    explicit ReferenceHeads(const NetworkParameters& p);
    /**
     * @param invariants  scalars of all layers
     * @param features    of the last layer
     */
    AtomOutputs forward(int kind, const Array& invariants, const Array& features) const;
    /** Adds to the gradients by invariants and features. */
    void backward(int kind, const Array& invariants, const Array& features, const AtomOutputs& gradient, Array& byInvariants,
                  Array& byFeatures) const;

private:
    struct Values {
        Array linear, hidden, out;                      // before and after silu, of the last map
        Array dipole, quadrupole, root;                 // before they are bounded: [3], [9], [9]
        double energy, charge, softness, polarizability;  // the same for scalars
    };
    Values evaluate(int kind, const Array& invariants, const Array& features) const;
    /** Sum of the channels' components, weighted: [2l+1]. */
    Array combine(const Array& features, int l, const double* weights) const;
    void combineBackward(const Array& features, int l, const double* weights, const Array& gradient, Array& byFeatures, double* byWeights) const;
    /** Components of l = 2 as a matrix, and the transposed map. */
    Array matrix(const Array& components) const;
    Array fromMatrix(const double* gradient) const;

    const NetworkParameters& p;
    const Array *species, *trunk, *trunkBias, *final, *finalBias;
    int chargeRow = -1, softnessRow = -1, polarizabilityRow = -1, dipoleRow = -1, quadrupoleRow = -1, anisotropyRow = -1, numRows;
};

} // namespace PolarMPPlugin

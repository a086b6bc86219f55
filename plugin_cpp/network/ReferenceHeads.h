#pragma once
#include "ReferenceLayers.h"
#include "openmm_polarmp/Moments.h"

namespace PolarMPPlugin {

/** The heads' results for one atom, or derivatives with respect to them. */
struct AtomOutputs {
    double energy = 0;        // before it is scaled
    double chargeEnergy = 0;  // eV, of charges that follow from electronegativities
    double moments[NUM_MOMENTS][9] = {};  // the first components of each are used
    Array edge;                           // what its pairs use, NetworkParameters::numEdgeRows()
};

/** The heads (models/heads.py) of one atom. */
class ReferenceHeads {
public:
    explicit ReferenceHeads(const NetworkParameters& p);
    /**
     * @param invariants  scalar features of all layers
     * @param features    of the last layer
     */
    AtomOutputs forward(int kind, const Array& invariants, const Array& features) const;
    /** Adds to byInvariants and byFeatures, the gradients by them. */
    void backward(int kind, const Array& invariants, const Array& features, const AtomOutputs& gradient, Array& byInvariants,
                  Array& byFeatures) const;

private:
    struct Values {
        Array linear, hidden, out;       // hidden layer before and after silu, outputs of the last map
        Array dipole, quadrupole, root;  // [3], [9], [9], before they are bounded
        double energy, charge, electronegativity, softness, polarizability;  // before they are bounded
    };
    Values evaluate(int kind, const Array& invariants, const Array& features) const;
    /** The weighted sum of the channels' components of degree l: [2l+1]. */
    Array combine(const Array& features, int l, const double* weights) const;
    void combineBackward(const Array& features, int l, const double* weights, const Array& gradient, Array& byFeatures, double* byWeights) const;
    /** Components of l = 2 as a matrix; fromMatrix() is the transposed map. */
    Array matrix(const Array& components) const;
    Array fromMatrix(const double* gradient) const;

    const NetworkParameters& p;
    const Array *species, *trunk, *trunkBias, *final, *finalBias;
    int chargeRow = -1, softnessRow = -1, polarizabilityRow = -1, dipoleRow = -1, quadrupoleRow = -1, anisotropyRow = -1, edgeRow, numRows;
};

} // namespace PolarMPPlugin

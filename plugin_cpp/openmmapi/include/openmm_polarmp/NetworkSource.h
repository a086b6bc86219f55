#pragma once
#include "MultipoleSource.h"
#include "internal/HeadUnits.h"
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace PolarMPPlugin {

/**
 * Products of components, y[row] = sum value * a[left] * b[right], stored by their nonzero terms. Rows are ordered by
 * degree, then by path, then by component.
 */
struct SparseCoupling {
    int numRows = 0;
    std::vector<int> paths;  // number of paths to each degree l = 0, 1, ...
    std::vector<int> row, left, right;
    std::vector<double> value;
};

/** One weight array of a model file. */
struct NetworkWeight {
    std::vector<int> shape;
    std::vector<double> values;  // C order
};

/**
 * A PolarMPNet as plain arrays: what openmm_polarmp/models/network.py reads from a model file or derives from it. Lengths
 * in A, energies in eV. Weights have the same names as in the file.
 */
struct NetworkParameters {
    int numSpecies = 0, layers = 1, lMax = 2, lMessage = 1, channels = 0, messageChannels = 0, numRadial = 0, hidden = 0, correlation = 3;
    double cutoff = 0, radialScale = 1;  // the radial functions are multiplied by the scale
    double densityLimit = 0;             // norm of a degree of a channel's density; 0: no limit
    bool charges = false, dipoles = false, quadrupoles = false, softness = false, polarizability = false, tensorPolarizability = false;
    double largestSoftness = 0, largestPolarizability = 0;  // bounds of the responses, e^2/eV and e^2 A^2/eV
    // neighbours have exchanged charge, and it flows between them in response to potentials
    bool transfers = false, conducts = false;
    std::vector<double> formalCharges;     // e, by kind: the charges before the exchange; empty: the network's (`charges`)
    // By kind, in the unit of that head: what is added to its output; empty: charges do not follow from electronegativities. The
    // heads of charges and softness are then those of electronegativities and hardnesses, and softness at zero hardness is
    // largestSoftness.
    std::vector<double> electronegativities;
    bool chargeProjection = false;         // shift the charges so that they sum to the total charge
    std::vector<double> energyScale, energyShift;  // eV, by kind
    // nuclear repulsion (models/zbl.py); empty: none
    std::vector<double> zblNumber, zblRadius;
    std::map<std::string, NetworkWeight> weights;
    // Y_2m of a unit vector u: sum value * u[left] * u[right]
    SparseCoupling secondHarmonics;
    // for each layer and for 2, 3, ... factors: the products of the density with itself (models/_layers.py, Products)
    std::vector<std::vector<SparseCoupling>> products;
    // for each layer after the first: vectors sent by the neighbours with harmonics Y (models/_layers.py, Message); left is
    // the vector's component, right that of Y
    SparseCoupling message;
    std::vector<double> tensorToCartesian;  // [5,3,3]: from components of l = 2 to a symmetric traceless matrix

    /** Highest degree that the heads read. */
    int headDegree() const {
        return quadrupoles || tensorPolarizability ? 2 : dipoles ? 1 : 0;
    }
    /** Highest degree of a layer's features. */
    int featureDegree(int layer) const {
        return layer + 1 == layers ? headDegree() : std::max(lMessage, headDegree());
    }
    /** Number of scalars that the heads compute: energy, charge, softness, polarizability, those that the model has, in this order. */
    int numScalarHeads() const {
        return 1 + charges + softness + polarizability;
    }
    /** Number of heads that weight the channels' vectors or tensors: dipole, quadrupole, anisotropy, in this order. */
    int numTensorHeads() const {
        return dipoles + quadrupoles + tensorPolarizability;
    }
    bool flows() const {
        return transfers || conducts;
    }
    /** Whether the network gives electronegativities chi (theory.md section 9): charges are then -kappa chi without interaction. */
    bool equilibrates() const {
        return !electronegativities.empty();
    }
    /**
     * Numbers of an atom that its pairs use (models/edge_heads.py), from the last rows of the last map: u_n and v_n of transfers, then
     * the one of conductances.
     */
    int numEdgeRows() const {
        return 2 * numRadial * transfers + conducts;
    }
    /** A weight by its name; throws an exception that names it if it is missing or has another shape. */
    const std::vector<double>& weight(const std::string& name, const std::vector<int>& shape) const;
    /** Throws an exception if the parameters contradict each other. */
    void check() const;
};

/**
 * The network evaluated by the plugin itself. Device platforms have kernels for it and read getParameters(); bind() is for
 * platforms in host memory.
 */
class NetworkSource : public MultipoleSource {
public:
    /**
     * @param kinds            for each particle the index of its species in the network
     * @param totalCharge      e, to which the charges are shifted if the model does so
     * @param doublePrecision  whether the CPU platform evaluates the network in double precision. Reference always does, device
     *                         platforms use the precision of their Context. Positions are subtracted and energies added in double
     *                         precision on all of them (in that of `mixed` on devices).
     */
    NetworkSource(std::shared_ptr<const NetworkParameters> parameters, std::vector<int> kinds, double totalCharge, bool doublePrecision = false);
    MomentSet getMomentSet() const override;
    int getNumParticles() const override {
        return kinds.size();
    }
    std::unique_ptr<SourceEvaluation> bind(const SourceBuffers& buffers) override;
    const NetworkParameters& getParameters() const {
        return *parameters;
    }
    const std::vector<int>& getKinds() const {
        return kinds;
    }
    double getTotalCharge() const {
        return totalCharge;
    }
    bool isDoublePrecision() const {
        return doublePrecision;
    }
    /** The same network, evaluated in double precision on the CPU. */
    NetworkSource inDoublePrecision() const {
        return NetworkSource(parameters, kinds, totalCharge, true);
    }

private:
    std::shared_ptr<const NetworkParameters> parameters;
    std::vector<int> kinds;
    double totalCharge;
    bool doublePrecision;
};

} // namespace PolarMPPlugin

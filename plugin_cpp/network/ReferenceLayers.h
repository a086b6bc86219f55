#pragma once
#include "openmm_polarmp/NetworkSource.h"
#include <string>
#include <vector>

namespace PolarMPPlugin {

// The parts of the network for one atom, in double precision and without attention to speed: models/_layers.py and
// models/_radial.py line by line, and their derivatives. Features are [component][channel].

using Array = std::vector<double>;

inline int components(int lMax) {
    return (lMax + 1) * (lMax + 1);
}

/** Harmonics and radial functions of a pair, and their derivatives along x, y, z. */
struct PairFunctions {
    /** @param displacement  from receiver to sender, shorter than the cutoff */
    PairFunctions(const NetworkParameters& p, const double* displacement);
    Array Y, dY[3];  // [component]
    Array B, dB[3];  // [radial function], scaled
    double distance, direction[3];
};

/** Falls smoothly from 1 at x = 0 to 0 at x = 1. */
double smoothCutoff(double x);
double smoothCutoffDerivative(double x);

/** Components of degree l, [2l+1][width], and where their gradient is stored. */
struct Block {
    const double* values;
    double* gradient;
    int width;
};
/** Inputs of a mixing, for each degree: concatenated blocks (torch.cat along the channels). */
using Blocks = std::vector<std::vector<Block>>;

/** One linear map of the channels for each degree. */
class ReferenceMixing {
public:
    /** @param inputs  number of channels of each degree */
    ReferenceMixing(const NetworkParameters& p, const std::string& name, const std::vector<int>& inputs, int outputs);
    ReferenceMixing() = default;
    /** [component][outputs] */
    Array forward(const Blocks& blocks) const;
    /** Adds to the blocks' gradients. */
    void backward(const Blocks& blocks, const Array& gradient) const;

private:
    int outputs = 0;
    std::vector<const Array*> weights;
};

/** Scales each degree of each channel of a density smoothly so that its norm does not exceed a limit. */
class ReferenceLimit {
public:
    explicit ReferenceLimit(const NetworkParameters& p);
    Array forward(const Array& density) const;
    /** From the gradient by the limited density to that by the density. */
    Array backward(const Array& density, const Array& gradient) const;

private:
    /** Adds up products of components: for each degree and channel. */
    Array sums(const Array& a, const Array& b) const;

    int lMax, channels;
    double limit;  // 0: none
};

/** Products of an atom's density with itself. */
class ReferenceProducts {
public:
    ReferenceProducts(const NetworkParameters& p, const std::string& name, int layer);
    Array forward(const Array& density) const;
    /** Returns the gradient by the density. */
    Array backward(const Array& density, const Array& gradient) const;

private:
    struct Steps {
        std::vector<Array> powers, coupled;  // of 1, 2, ... factors; coupled[0] is empty
    };
    Steps multiply(const Array& density) const;
    Blocks between(const Array& coupled, Array* gradient, int factors) const;
    Blocks gathered(const Steps& steps, Steps* gradients) const;

    int lMax, lOut, channels, correlation;
    const std::vector<SparseCoupling>& couplings;
    std::vector<ReferenceMixing> betweens;
    ReferenceMixing mixing;
};

/** Scalars pass through silu, higher degrees are multiplied by sigmoids of linear functions of the scalars. */
class ReferenceGate {
public:
    ReferenceGate(const NetworkParameters& p, const std::string& name, int lMax);
    Array forward(const Array& features) const;
    Array backward(const Array& features, const Array& gradient) const;

private:
    Array linear(const Array& features) const;

    int lMax, channels;
    const Array *weight, *bias;
};

/** y[row][k] = sum value * a[left][k] * b[right][k] for k < width */
Array couple(const SparseCoupling& coupling, const double* a, const double* b, int width);

double sigmoid(double x);
double silu(double x);
double siluDerivative(double x);
double softplus(double x);

} // namespace PolarMPPlugin

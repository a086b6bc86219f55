#pragma once
#include "../NetworkLoops.h"
#include "Lanes.h"

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

/** Divides an array into consecutive pieces; without an array it counts the length that is needed. */
template <class Real>
class Pieces {
public:
    explicit Pieces(V<Real>* memory) : memory(memory) {
    }
    V<Real>* take(long vectors) {
        V<Real>* result = (memory == nullptr ? nullptr : memory + used);
        used += vectors;
        return result;
    }
    size_t numbers() const {
        return used * LANES<Real>;
    }

private:
    V<Real>* memory;
    long used = 0;
};

/** Vectors of pairs whose functions are buffered, in the first-level cache, until they are summed. */
constexpr int PAIR_CHUNK = 16;

inline int components(int lMax) {
    return (lMax + 1) * (lMax + 1);
}

/** The first row of degree l among the products of 2, 3, ... factors (index 0, 1, ...). */
template <class Real>
inline int firstRow(const Products<Real>& products, int index, int l) {
    int row = 0;
    for (int lower = 0; lower < l; lower++)
        row += products.paths[index][lower] * (2 * lower + 1);
    return row;
}

/** Intermediate results of a block that are saved between the passes. */
template <class Real>
struct Kept {
    struct Layer {
        V<Real>*density, *powers[MAX_PRODUCTS];  // the density and its mixed products
        V<Real>* shortening;                     // [degree][channel]: by which the density was multiplied, where it has a limit
        V<Real>*gates, *ungated;                 // before the gate; ungated only of degrees above 0, and not of the last layer
        V<Real>* byFeatures;                     // gradient, of layers before the last
    } layers[3];
    V<Real>*hidden, *outputs;  // of the heads: hidden layer before silu, outputs of the last map
    V<Real>* tensorSums;       // [head][5]: weighted sums of the channels' vectors or tensors
    V<Real>* repulsion;        // energy of the nuclear repulsion
    V<Real>* byDensity;        // gradient by the first layer's density, in networks with more layers

    Kept(const NetworkPlan<Real>& plan, V<Real>* memory, size_t* numbers = nullptr) {
        Pieces<Real> pieces(memory);
        const int c = plan.channels;
        for (int k = 0; k < plan.layers; k++) {
            const Products<Real>& products = plan.products[k];
            Layer& layer = layers[k];
            layer.density = pieces.take(plan.harmonics * c);
            for (int factors = 2; factors < products.factors; factors++)
                layer.powers[factors - 2] = pieces.take(plan.harmonics * c);
            layer.shortening = plan.densityLimit > 0 ? pieces.take((plan.lMax + 1) * c) : nullptr;
            layer.gates = pieces.take((products.lOut + 1) * c);
            const bool last = (k + 1 == plan.layers);
            layer.ungated = last ? nullptr : pieces.take(components(products.lOut) * c);
            layer.byFeatures = last ? nullptr : pieces.take(components(products.lOut) * c);
        }
        hidden = pieces.take(plan.hidden);
        outputs = pieces.take(plan.numOutputs);
        tensorSums = pieces.take(5 * plan.numHeads);
        repulsion = pieces.take(1);
        byDensity = plan.layers > 1 ? pieces.take(plan.harmonics * c) : nullptr;
        if (numbers != nullptr)
            *numbers = pieces.numbers();
    }
};

/** A thread's memory for intermediate results that are not saved. */
template <class Real>
struct Scratch {
    V<Real>* radial;                  // of PAIR_CHUNK pairs, and one more
    V<Real>*sums, *bySums;            // [kind][harmonic][radial function]
    V<Real>* coupled[MAX_PRODUCTS];    // rows of the products of 2, 3, ... factors
    V<Real>* byCoupled[MAX_PRODUCTS];
    V<Real>* byPowers[MAX_PRODUCTS];   // gradients by Kept::Layer::powers
    V<Real>*byDensity, *byGates;
    V<Real>*features, *byFeatures;     // of a layer, before or after its gate
    V<Real>* embedding;                // of the atoms' kinds
    V<Real>*hidden, *byOutputs, *invariants, *byInvariants;
    V<Real>* edges;                    // Edges.h
    V<Real>*headWeights, *byHeadWeights;  // [head][channel], multiplied by the gates
    V<Real>*inputWeights, *byInputs;      // for the heads of one degree, weights of the inputs of its mixing
    // messages
    V<Real>*messageSums, *byMessageSums;  // [part][harmonic][radial function][channel]
    V<Real>*messageRows, *byMessageRows;  // vectors coupled to harmonics
    V<Real>*message, *previous, *sent;
    V<Real>* atomSums;                    // [lane][harmonic][radial function][row of what is sent]
    // with the pairs of one atom in the lanes, padded to whole vectors
    V<Real>*pairs, *functions, *byFunctions;  // displacement; [harmonic][radial function][pair] and the gradient by it
    V<Real>*senders, *sendersByPair;          // what the senders send, [pair][row] and [row][pair]
    V<Real>* byPair;                          // gradient by what they send, [pair][row]

    Scratch(const NetworkPlan<Real>& plan, int maxNeighbors, V<Real>* memory, size_t* numbers = nullptr) {
        Pieces<Real> pieces(memory);
        const int c = plan.channels, all = plan.harmonics * c, numSums = plan.numKinds * plan.harmonics * plan.numRadial;
        radial = pieces.take((PAIR_CHUNK + 1) * plan.numRadial);
        sums = pieces.take(numSums);
        bySums = pieces.take(numSums);
        long inputs = 0;
        for (int index = 0; index < MAX_PRODUCTS; index++) {
            long rows = 0;
            for (int layer = 0; layer < plan.layers; layer++)
                if (index + 2 <= plan.products[layer].factors)
                    rows = larger<long>(rows, firstRow(plan.products[layer], index, MAX_DEGREES));
            coupled[index] = pieces.take(rows * c);
            byCoupled[index] = pieces.take(rows * c);
            byPowers[index] = pieces.take(all);
        }
        for (int l = 0; l < MAX_DEGREES; l++)
            for (int layer = 0; layer < plan.layers; layer++)
                inputs = larger<long>(inputs, plan.products[layer].mixing.inputs[l]);
        byDensity = pieces.take(all);
        byGates = pieces.take(MAX_DEGREES * c);
        features = pieces.take(all);
        byFeatures = pieces.take(all);
        embedding = pieces.take(c);
        hidden = pieces.take(plan.hidden);
        byOutputs = pieces.take(plan.numOutputs);
        invariants = pieces.take(plan.layers * c);
        byInvariants = pieces.take(plan.layers * c);
        edges = pieces.take(plan.edges.transfers || plan.edges.conducts ? 6 * plan.numRadial + plan.edges.rowSize : 0);
        headWeights = pieces.take(plan.numHeads * c);
        byHeadWeights = pieces.take(plan.numHeads * c);
        inputWeights = pieces.take(2 * inputs);
        byInputs = pieces.take(2 * inputs);
        takeForMessages(plan, maxNeighbors, pieces);
        if (numbers != nullptr)
            *numbers = pieces.numbers();
    }

private:
    void takeForMessages(const NetworkPlan<Real>& plan, int maxNeighbors, Pieces<Real>& pieces) {
        if (plan.layers == 1)
            return;
        const Messages<Real>& m = plan.messages[1];
        const int width = plan.numRadial * m.channels, terms = plan.harmonics * plan.numRadial;
        messageSums = pieces.take(m.parts * plan.harmonics * width);
        byMessageSums = pieces.take(m.parts * plan.harmonics * width);
        messageRows = pieces.take(m.numRows * width);
        byMessageRows = pieces.take(m.numRows * width);
        message = pieces.take(plan.harmonics * plan.channels);
        previous = pieces.take(plan.harmonics * plan.channels);
        sent = pieces.take(m.rowSize);
        atomSums = pieces.take((long) terms * m.rowSize);
        const long pairVectors = maxNeighbors / LANES<Real> + 1;
        pairs = pieces.take(5 * pairVectors);
        functions = pieces.take(terms * pairVectors);
        byFunctions = pieces.take(terms * pairVectors);
        senders = pieces.take(m.rowSize * pairVectors);
        sendersByPair = pieces.take(m.rowSize * pairVectors);
        byPair = pieces.take(m.rowSize * pairVectors);
    }
};

} // namespace POLARMP_ARCH
} // namespace PolarMPPlugin

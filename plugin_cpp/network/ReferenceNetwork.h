#pragma once
#include "NetworkPasses.h"
#include "ReferenceEdges.h"
#include "ReferenceHeads.h"
#include <memory>

namespace PolarMPPlugin {

/**
 * The network in double precision, atom by atom, in one thread: the reference for the faster ones, written to be read beside
 * models/network.py.
 */
class ReferenceNetwork : public NetworkPasses {
public:
    ReferenceNetwork(std::shared_ptr<const NetworkParameters> parameters, const std::vector<int>& kinds);
    void forward(const PairList& pairs, bool searched, Outputs& outputs) override;
    void flow(const PairList& pairs, const FlowPotential& from, double* charges, double* energies) override;
    void getPairFlows(const PairList& pairs, PairFlows& flows) const override;
    void backward(const PairList& pairs, const Cotangents& cotangents, double* gradient) override;
    void chargeTransfer(const PairList& pairs, double* gradient, double* transfer) override;

private:
    struct Pair {
        int sender;  // an atom
        double displacement[3];
    };
    /** A layer after the first. */
    struct MessageLayer {
        ReferenceMixing sender, message, join;
        ReferenceProducts products;
        ReferenceGate gate;
        int lPrevious;  // highest degree of the previous layer's features
    };
    /** An atom's intermediate results in a layer. */
    struct AtomState {
        Array unlimited, density;  // of the neighbours, after the first layer joined with their messages
        Array ungated, features;
        Array sent;      // features that its neighbours receive
        Array byFeatures, bySent;
        Array bySentArms[3];  // bySent times the distance, for chargeTransfer()
    };
    void clearGradients();
    /** Adds to the gradient. */
    void runBackward(const Cotangents& cotangents, double* gradient);
    std::vector<Pair> pairsWithin(const PairList& pairs, int atom) const;
    Array embeddingOf(int atom) const;
    double nuclearRepulsion(int atom, const Pair& pair, double* derivative) const;

    void firstForward(int atom);
    void firstBackward(int atom, double* gradient);
    void messageForward(int layer, int atom);
    void messageBackward(int layer, int atom, double* gradient);
    /** [part of what is sent][harmonic][radial function][channel of the part] */
    Array messageSums(int layer, int atom) const;
    Blocks messageBlocks(const Array& sums, const Array& coupled, Array* bySums, Array* byCoupled) const;
    Blocks joinBlocks(int layer, int atom, const Array& message, Array* byMessage, Array* byDensity, Array* byFeatures) const;
    Blocks sendBlocks(const Array& features, Array* byFeatures) const;
    Array invariants(int atom) const;
    ReferenceEdges::Atom edgeAtom(int atom) const;
    void exchange(Outputs& outputs);
    double dropOf(int atom, const Pair& pair, const FlowPotential& from) const;
    Array exchangeBackward(int atom, const Cotangents& cotangents, double* gradient) const;
    /** Adds a pair's contribution to the gradient; byProducts [harmonic][radial function] is the gradient by Y B. */
    void addPairGradient(int atom, const Pair& pair, const PairFunctions& functions, const Array& byProducts, double* gradient) const;

    const std::shared_ptr<const NetworkParameters> parameters;
    const NetworkParameters& p;
    const std::vector<int> kinds;  // of the particles
    const Array& embedding;
    const ReferenceMixing density;
    const ReferenceProducts products;
    const ReferenceGate gate;
    const ReferenceLimit limit;
    std::vector<MessageLayer> layers;
    const ReferenceHeads heads;
    const ReferenceEdges edges;

    std::vector<int> particleOf, kindOf;  // of each atom
    std::vector<std::vector<Pair>> pairsOf;
    std::vector<std::vector<AtomState>> states;  // [layer][atom]
    std::vector<Array> edgeNumbers;              // of each atom, what its pairs use
    std::vector<std::vector<ReferenceEdges::Values>> edgeValues;  // of the pairs
    std::vector<Array> byDensity;                // gradient by the first layer's density, from all layers
    double* transfer = nullptr;                  // [N,3,3] receives the senders' gradients times the distance; null: not wanted
};

} // namespace PolarMPPlugin

// Compiled once for each instruction set, in the namespace POLARMP_ARCH.
#include "../NetworkLoops.h"
#include "Edges.h"
#include "MessageLayers.h"
#include "Outputs.h"

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

namespace {

template <class Real>
void readEmbedding(const NetworkPlan<Real>& plan, const AtomBlock<Real>& block, V<Real>* embedding) {
    for (int c = 0; c < plan.channels; c++)
        for (int k = 0; k < LANES<Real>; k++)
            embedding[c][k] = plan.embedding[block.kinds[k] * plan.channels + c];
}

template <class Real>
void firstDensity(const NetworkPlan<Real>& plan, const AtomBlock<Real>& block, const SharedArrays<Real>& shared, Workspace<Real>& workspace,
                  const Kept<Real>& kept, Scratch<Real>& scratch) {
    const int c = plan.channels, n = plan.numRadial;
    densitySums(plan, block, shared, workspace, scratch.sums, scratch.radial, *kept.repulsion);
    V<Real>* density = kept.layers[0].density;
    for (int l = 0; l <= plan.lMax; l++)
        for (int k = 0; k < (2 * l + 1) * c; k++)
            density[l * l * c + k] = V<Real>{};
    for (int kind = 0; kind < plan.numKinds; kind++) {
        if (block.firstVector[kind] == block.firstVector[kind + 1])
            continue;
        for (int l = 0; l <= plan.lMax; l++) {
            const MixingInput<Real> input = {scratch.sums + (kind * plan.harmonics + l * l) * n, plan.density.weights[l] + kind * n * c};
            mix<Real>(2 * l + 1, &input, 1, n, c, density + l * l * c, c, true);
        }
    }
    for (int lm = 0; lm < plan.harmonics; lm++)
        for (int k = 0; k < c; k++)
            density[lm * c + k] *= Real(1) + Real(0.5) * scratch.embedding[k];
}

template <class Real>
void firstDensityBack(const NetworkPlan<Real>& plan, const AtomBlock<Real>& block, const SharedArrays<Real>& shared, Workspace<Real>& workspace,
                      Scratch<Real>& scratch, Real byEnergy) {
    const int c = plan.channels, n = plan.numRadial;
    for (int lm = 0; lm < plan.harmonics; lm++)
        for (int k = 0; k < c; k++)
            scratch.byDensity[lm * c + k] *= Real(1) + Real(0.5) * scratch.embedding[k];
    for (int kind = 0; kind < plan.numKinds; kind++)
        if (block.firstVector[kind] < block.firstVector[kind + 1])
            for (int l = 0; l <= plan.lMax; l++)
                mixBack<Real>(plan.density, l, 2 * l + 1, scratch.byDensity + l * l * c, kind * n, n,
                              scratch.bySums + (kind * plan.harmonics + l * l) * n, false);
    densitySumsBack(plan, block, shared, workspace, scratch.bySums, byEnergy, scratch.radial);
}

template <class Real>
void forward(const NetworkPlan<Real>& plan, int layer, const AtomBlock<Real>& block, const SharedArrays<Real>& shared, Workspace<Real>& workspace,
             const Outputs& outputs) {
    Kept<Real> kept(plan, (V<Real>*) block.kept);
    Scratch<Real> scratch(plan, shared.maxNeighbors, (V<Real>*) workspace.scratch);
    const Products<Real>& products = plan.products[layer];
    typename Kept<Real>::Layer& saved = kept.layers[layer];
    const bool last = (layer + 1 == plan.layers);
    if (layer == 0) {
        readEmbedding(plan, block, scratch.embedding);
        firstDensity(plan, block, shared, workspace, kept, scratch);
    }
    else
        joinMessages(plan, layer, block, shared, kept, scratch, saved.density);
    if (plan.densityLimit > 0)
        limitDensity(plan, saved);
    multiply(plan, products, saved, scratch, false);
    mixDegree(plan, products, 0, saved, scratch, last, scratch.features);
    if (layer == 0)
        for (int k = 0; k < plan.channels; k++)
            scratch.features[k] += scratch.embedding[k];
    gates(products, scratch.features, saved.gates);
    if (last) {
        lastMap(plan, block, kept, scratch);
        sumTensors(plan, kept, scratch);
        writeOutputs(plan, block, kept, outputs, workspace.energy);
        if (plan.edges.transfers || plan.edges.conducts)
            writeEdgeNumbers(plan, block, kept, shared);
    }
    else {
        for (int l = 1; l <= products.lOut; l++)
            mixDegree(plan, products, l, saved, scratch, false, saved.ungated + l * l * plan.channels);
        openGate(plan, products.lOut, saved, scratch.features);
        send(plan, layer + 1, block, shared, scratch, scratch.features);
    }
}

template <class Real>
void backward(const NetworkPlan<Real>& plan, int layer, const AtomBlock<Real>& block, const SharedArrays<Real>& shared, Workspace<Real>& workspace,
              const Cotangents& cotangents) {
    Kept<Real> kept(plan, (V<Real>*) block.kept);
    Scratch<Real> scratch(plan, shared.maxNeighbors, (V<Real>*) workspace.scratch);
    const Products<Real>& products = plan.products[layer];
    typename Kept<Real>::Layer& saved = kept.layers[layer];
    const int c = plan.channels;
    multiply(plan, products, saved, scratch, true);
    clearGradients(plan, products, scratch);
    if (layer + 1 == plan.layers) {
        if (plan.edges.transfers || plan.edges.conducts)
            exchangeBack(plan, block, shared, workspace, kept, scratch, cotangents);
        outputsBack(plan, block, kept, scratch, cotangents);
        mixDegreeBack(plan, products, 0, scratch, true, scratch.byFeatures);
    }
    else {
        sendBack(plan, layer + 1, block, shared, scratch, saved.byFeatures);
        gateBack(plan, products, saved, saved.byFeatures, scratch.byGates);
        for (int l = 0; l <= products.lOut; l++)
            mixDegreeBack(plan, products, l, scratch, false, saved.byFeatures + l * l * c);
    }
    multiplyBack(plan, products, saved, scratch);
    if (layer == 0 && plan.layers > 1)
        for (int k = 0; k < plan.harmonics * c; k++)
            scratch.byDensity[k] += kept.byDensity[k];
    if (plan.densityLimit > 0)
        limitDensityBack(plan, saved, scratch.byDensity);
    if (layer > 0)
        joinMessagesBack(plan, layer, block, shared, workspace, kept, scratch, scratch.byDensity);
    else {
        readEmbedding(plan, block, scratch.embedding);
        firstDensityBack(plan, block, shared, workspace, scratch, Real(cotangents.energy));
    }
}

template <class Real>
size_t scratchSize(const NetworkPlan<Real>& plan, int maxNeighbors) {
    size_t numbers;
    Scratch<Real>(plan, maxNeighbors, nullptr, &numbers);
    return numbers;
}

template <class Real>
size_t keptSize(const NetworkPlan<Real>& plan) {
    size_t numbers;
    Kept<Real>(plan, nullptr, &numbers);
    return numbers;
}

} // namespace

extern const NetworkLoops<float> singleNetwork = {LANES<float>, scratchSize<float>, keptSize<float>, forward<float>, exchange<float>,
                                                     flow<float>, backward<float>};
extern const NetworkLoops<double> doubleNetwork = {LANES<double>, scratchSize<double>, keptSize<double>, forward<double>, exchange<double>,
                                                      flow<double>, backward<double>};

} // namespace POLARMP_ARCH
} // namespace PolarMPPlugin

#pragma once
#include "MessageSums.h"
#include "ProductLayers.h"

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

// The first part of a layer after the first: messages, joined with the atom's density and features.

/** out[row][k] += sum value * values[left][k] */
template <class Real>
void linear(const BilinearMap<Real>& map, const V<Real>* values, int width, V<Real>* out) {
    for (int row = 0; row < map.outputs; row++)
        for (int t = map.first[row]; t < map.first[row + 1]; t++) {
            const V<Real>* from = values + map.terms[t].left * width;
            for (int k = 0; k < width; k++)
                out[row * width + k] += map.terms[t].value * from[k];
        }
}

/** Writes what the atoms send to a layer, one row for each atom. */
template <class Real>
void send(const NetworkPlan<Real>& plan, int layer, const AtomBlock<Real>& block, const SharedArrays<Real>& shared, Scratch<Real>& scratch,
          const V<Real>* features) {
    const Messages<Real>& m = plan.messages[layer];
    const int rowVectors = m.rowSize / LANES<Real>;
    for (int column = m.parts * m.channels; column < m.rowSize; column++)
        scratch.sent[column] = V<Real>{};
    for (int l = 0; components(l) <= m.parts; l++)
        mixBlock<Real>(m.sender, l, 2 * l + 1, features + l * l * plan.channels, scratch.sent + l * l * m.channels, false);
    lanesToRows<Real>(scratch.sent, scratch.atomSums, rowVectors, rowVectors);
    for (int lane = 0; lane < LANES<Real>; lane++)
        if (block.atoms[lane] >= 0)
            for (int v = 0; v < rowVectors; v++)
                ((V<Real>*) shared.sent[layer])[block.atoms[lane] * (long) rowVectors + v] = scratch.atomSums[lane * rowVectors + v];
}

/** Adds the contributions of the receivers in all threads to the gradient by the features. */
template <class Real>
void sendBack(const NetworkPlan<Real>& plan, int layer, const AtomBlock<Real>& block, const SharedArrays<Real>& shared, Scratch<Real>& scratch,
              V<Real>* byFeatures) {
    const Messages<Real>& m = plan.messages[layer];
    const int rowVectors = m.rowSize / LANES<Real>;
    for (int k = 0; k < LANES<Real> * rowVectors; k++)
        scratch.atomSums[k] = V<Real>{};
    for (int lane = 0; lane < LANES<Real>; lane++) {
        const int atom = block.atoms[lane];
        for (int k = atom < 0 ? 0 : shared.firstSite[atom]; atom >= 0 && k < shared.firstSite[atom + 1]; k++)
            for (int thread = 0; thread < shared.numThreads; thread++) {
                const int site = shared.sites[k];
                if (site < shared.windows[thread].begin || site >= shared.windows[thread].end)
                    continue;
                const V<Real>* row = (const V<Real>*) shared.bySent[layer][thread] + site * (long) rowVectors;
                for (int v = 0; v < rowVectors; v++)
                    scratch.atomSums[lane * rowVectors + v] += row[v];
            }
    }
    rowsToLanes<Real>(scratch.atomSums, rowVectors, rowVectors, scratch.sent);
    for (int l = 0; components(l) <= m.parts; l++)
        mixBack<Real>(m.sender, l, 2 * l + 1, scratch.sent + l * l * m.channels, 0, plan.channels, byFeatures + l * l * plan.channels, true);
}

/** Inputs of a message's mixing of one degree: sums with the senders' scalars, and vectors coupled to harmonics. */
template <class Real>
int gatherMessage(const NetworkPlan<Real>& plan, const Messages<Real>& m, int l, V<Real>* sums, V<Real>* rows, V<Real>** blocks) {
    const int width = plan.numRadial * m.channels;
    int row = 0, count = 0;
    for (int lower = 0; lower < l; lower++)
        row += m.paths[lower] * (2 * lower + 1);
    blocks[count++] = sums + l * l * width;
    for (int path = 0; path < m.paths[l]; path++)
        blocks[count++] = rows + (row + path * (2 * l + 1)) * width;
    return count;
}

/** Computes the joined density, whose products the layer forms. */
template <class Real>
void joinMessages(const NetworkPlan<Real>& plan, int layer, const AtomBlock<Real>& block, const SharedArrays<Real>& shared, const Kept<Real>& kept,
                  Scratch<Real>& scratch, V<Real>* joined) {
    const Messages<Real>& m = plan.messages[layer];
    const int c = plan.channels, width = plan.numRadial * m.channels;
    messageSums(plan, layer, block, shared, scratch, scratch.messageSums);
    for (int k = 0; k < m.numRows * width; k++)
        scratch.messageRows[k] = V<Real>{};
    linear(m.couple, scratch.messageSums, width, scratch.messageRows);
    openGate(plan, m.lPrevious, kept.layers[layer - 1], scratch.previous);
    for (int l = 0; l <= plan.lMax; l++) {
        V<Real>* blocks[MAX_INPUTS];
        MixingInput<Real> inputs[MAX_INPUTS];
        int count = gatherMessage(plan, m, l, scratch.messageSums, scratch.messageRows, blocks);
        for (int k = 0; k < count; k++)
            inputs[k] = {blocks[k], m.mixing.weights[l] + (long) k * width * c};
        const int start = l * l * c;
        mix<Real>(2 * l + 1, inputs, count, width, c, scratch.message + start, c, false);
        count = 2;
        inputs[0] = {scratch.message + start, m.join.weights[l]};
        inputs[1] = {kept.layers[0].density + start, m.join.weights[l] + c * c};
        if (l <= m.lPrevious)
            inputs[count++] = {scratch.previous + start, m.join.weights[l] + 2 * c * c};
        mix<Real>(2 * l + 1, inputs, count, c, c, joined + start, c, false);
    }
}

/** From the gradient by the joined density to the gradients by the first layer's density, the previous features, the sites and what was sent. */
template <class Real>
void joinMessagesBack(const NetworkPlan<Real>& plan, int layer, const AtomBlock<Real>& block, const SharedArrays<Real>& shared,
                      Workspace<Real>& workspace, const Kept<Real>& kept, Scratch<Real>& scratch, const V<Real>* byJoined) {
    const Messages<Real>& m = plan.messages[layer];
    const int c = plan.channels, width = plan.numRadial * m.channels;
    for (int k = 0; k < m.parts * plan.harmonics * width; k++)
        scratch.byMessageSums[k] = V<Real>{};
    for (int l = 0; l <= plan.lMax; l++) {
        const int start = l * l * c, components = 2 * l + 1;
        mixBack<Real>(m.join, l, components, byJoined + start, 0, c, scratch.message + start, false);
        mixBack<Real>(m.join, l, components, byJoined + start, c, c, kept.byDensity + start, true);
        if (l <= m.lPrevious)
            mixBack<Real>(m.join, l, components, byJoined + start, 2 * c, c, kept.layers[layer - 1].byFeatures + start, true);
        V<Real>* blocks[MAX_INPUTS];
        const int count = gatherMessage(plan, m, l, scratch.byMessageSums, scratch.byMessageRows, blocks);
        for (int k = 0; k < count; k++)
            mixBack<Real>(m.mixing, l, components, scratch.message + start, k * width, width, blocks[k], false);
    }
    linear(m.byVectors, scratch.byMessageRows, width, scratch.byMessageSums);
    messageSumsBack(plan, layer, block, shared, workspace, scratch, scratch.byMessageSums);
}

} // namespace POLARMP_ARCH
} // namespace PolarMPPlugin

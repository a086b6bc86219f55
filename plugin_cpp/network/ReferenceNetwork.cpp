#include "ReferenceNetwork.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include <cmath>

using namespace PolarMPPlugin;
using namespace std;

namespace {

vector<int> messageInputs(const NetworkParameters& p) {
    vector<int> inputs;
    for (int l = 0; l <= p.lMax; l++)
        inputs.push_back(p.numRadial * p.messageChannels * (1 + p.message.paths[l]));
    return inputs;
}

vector<int> joinInputs(const NetworkParameters& p, int lPrevious) {
    vector<int> inputs;
    for (int l = 0; l <= p.lMax; l++)
        inputs.push_back(p.channels * (l <= lPrevious ? 3 : 2));
    return inputs;
}

double* pointerTo(Array* array, int index) {
    return array == nullptr ? nullptr : &(*array)[index];
}

} // namespace

ReferenceNetwork::ReferenceNetwork(shared_ptr<const NetworkParameters> parameters, const vector<int>& kinds)
        : parameters(parameters), p(*parameters), kinds(kinds), embedding(p.weight("embedding.weight", {p.numSpecies, p.channels})),
          density(p, "first.density.mixing", vector<int>(p.lMax + 1, p.numSpecies * p.numRadial), p.channels), products(p, "first.products", 0),
          gate(p, "first.gate", p.featureDegree(0)), limit(p), heads(p), edges(p) {
    for (int layer = 1; layer < p.layers; layer++) {
        const string name = "layers." + to_string(layer - 1);
        const int lPrevious = p.featureDegree(layer - 1);
        layers.push_back({ReferenceMixing(p, "senders." + to_string(layer - 1), vector<int>(p.lMessage + 1, p.channels), p.messageChannels),
                          ReferenceMixing(p, name + ".message.mixing", messageInputs(p), p.channels),
                          ReferenceMixing(p, name + ".join", joinInputs(p, lPrevious), p.channels), ReferenceProducts(p, name + ".products", layer),
                          ReferenceGate(p, name + ".gate", p.featureDegree(layer)), lPrevious});
    }
}

void ReferenceNetwork::forward(const PairList& pairs, bool, Outputs& outputs) {
    const int n = pairs.getNumAtoms();
    particleOf.clear();
    kindOf.clear();
    pairsOf.clear();
    for (int atom = 0; atom < n; atom++) {
        particleOf.push_back(pairs.getParticle(atom));
        kindOf.push_back(kinds[particleOf[atom]]);
        pairsOf.push_back(pairsWithin(pairs, atom));
    }
    states.assign(p.layers, vector<AtomState>(n));
    for (int atom = 0; atom < n; atom++)
        firstForward(atom);
    for (int layer = 1; layer < p.layers; layer++) {
        for (AtomState& state : states[layer - 1])
            state.sent = layers[layer - 1].sender.forward(sendBlocks(state.features, nullptr));
        for (int atom = 0; atom < n; atom++)
            messageForward(layer, atom);
    }
    outputs.energy = 0;
    edgeNumbers.resize(n);
    for (int atom = 0; atom < n; atom++) {
        const int kind = kindOf[atom], particle = particleOf[atom];
        AtomOutputs out = heads.forward(kind, invariants(atom), states.back()[atom].features);
        outputs.energy += out.energy * p.energyScale[kind] + p.energyShift[kind] + out.chargeEnergy;
        for (const Pair& pair : pairsOf[atom])
            outputs.energy += nuclearRepulsion(atom, pair, nullptr);
        for (Moment m : ALL_MOMENTS)
            copy_n(out.moments[m], MOMENTS[m].components, outputs.moments[m] + MOMENTS[m].components * particle);
        if (!p.formalCharges.empty())
            outputs.moments[CHARGE][particle] = p.formalCharges[kind];
        edgeNumbers[atom] = out.edge;
    }
    if (p.flows())
        exchange(outputs);
}

void ReferenceNetwork::backward(const PairList& pairs, const Cotangents& cotangents, double* gradient) {
    fill(gradient, gradient + 3 * pairs.getNumAtoms(), 0.0);
    clearGradients();
    runBackward(cotangents, gradient);
}

void ReferenceNetwork::chargeTransfer(const PairList& pairs, double* gradient, double* result) {
    const int n = pairs.getNumAtoms();
    fill(result, result + 9 * n, 0.0);
    const Array ones(n, 1.0);
    Cotangents ofCharges;
    ofCharges.moments[CHARGE] = ones.data();
    for (vector<AtomState>& layer : states)
        for (AtomState& state : layer)
            for (Array& arms : state.bySentArms)
                arms.assign(state.sent.size(), 0.0);
    transfer = result;
    backward(pairs, ofCharges, gradient);
    transfer = nullptr;
    for (int a = 0; a < 3; a++) {
        // What was sent has been multiplied by the arm of its own message; the motion of earlier senders passes through it.
        clearGradients();
        for (vector<AtomState>& layer : states)
            for (AtomState& state : layer)
                state.bySent = state.bySentArms[a];
        Array earlier(3 * n);
        runBackward(Cotangents(), earlier.data());
        for (int i = 0; i < n; i++)
            for (int b = 0; b < 3; b++)
                result[9 * i + 3 * a + b] += earlier[3 * i + b];
    }
}

void ReferenceNetwork::clearGradients() {
    byDensity.assign(states[0].size(), Array(components(p.lMax) * p.channels));
    for (vector<AtomState>& layer : states)
        for (AtomState& state : layer) {
            state.byFeatures.assign(state.features.size(), 0.0);
            state.bySent.assign(state.sent.size(), 0.0);
        }
}

void ReferenceNetwork::runBackward(const Cotangents& cotangents, double* gradient) {
    const int n = states[0].size();
    for (int atom = 0; atom < n; atom++) {
        const int kind = kindOf[atom], particle = particleOf[atom];
        AtomOutputs by;
        by.energy = cotangents.energy * p.energyScale[kind];
        by.chargeEnergy = cotangents.energy;
        for (Moment m : ALL_MOMENTS)
            if (cotangents.moments[m] != nullptr)
                copy_n(cotangents.moments[m] + MOMENTS[m].components * particle, MOMENTS[m].components, by.moments[m]);
        by.edge = exchangeBackward(atom, cotangents, gradient);
        Array scalars = invariants(atom), byScalars(scalars.size());
        heads.backward(kind, scalars, states.back()[atom].features, by, byScalars, states.back()[atom].byFeatures);
        for (int layer = 0; layer < p.layers; layer++)
            for (int c = 0; c < p.channels; c++)
                states[layer][atom].byFeatures[c] += byScalars[layer * p.channels + c];
        for (const Pair& pair : pairsOf[atom]) {
            double derivative[3];
            nuclearRepulsion(atom, pair, derivative);
            for (int a = 0; a < 3; a++) {
                gradient[3 * particleOf[pair.sender] + a] += cotangents.energy * derivative[a];
                gradient[3 * particle + a] -= cotangents.energy * derivative[a];
            }
        }
    }
    for (int layer = p.layers - 1; layer > 0; layer--) {
        for (int atom = 0; atom < n; atom++)
            messageBackward(layer, atom, gradient);
        for (AtomState& state : states[layer - 1])
            layers[layer - 1].sender.backward(sendBlocks(state.features, &state.byFeatures), state.bySent);
    }
    for (int atom = 0; atom < n; atom++)
        firstBackward(atom, gradient);
}

vector<ReferenceNetwork::Pair> ReferenceNetwork::pairsWithin(const PairList& pairs, int atom) const {
    vector<Pair> result;
    const double* receiver = pairs.getPosition(pairs.getSite(atom));
    for (const int* site = pairs.beginNeighbors(atom); site < pairs.endNeighbors(atom); site++) {
        const double* r = pairs.getPosition(*site);
        Pair pair = {pairs.getAtom(*site), {r[0] - receiver[0], r[1] - receiver[1], r[2] - receiver[2]}};
        double square = 0;
        for (double x : pair.displacement)
            square += x * x;
        if (square == 0)
            throw Overlap{pairs.getParticle(atom), pairs.getParticle(pair.sender)};
        if (square < p.cutoff * p.cutoff)
            result.push_back(pair);
    }
    return result;
}

Array ReferenceNetwork::embeddingOf(int atom) const {
    return Array(&embedding[kindOf[atom] * p.channels], &embedding[kindOf[atom] * p.channels] + p.channels);
}

/** The receiver's half of a pair's nuclear repulsion (models/zbl.py), and optionally its derivative by the displacement. */
double ReferenceNetwork::nuclearRepulsion(int atom, const Pair& pair, double* derivative) const {
    if (derivative != nullptr)
        fill(derivative, derivative + 3, 0.0);
    if (p.zblNumber.empty())
        return 0;
    const double BOHR = 0.529177210903, exponents[] = {3.1998, 0.94229, 0.4029, 0.20162}, coefficients[] = {0.18175, 0.50986, 0.28022, 0.02817};
    const int k1 = kindOf[atom], k2 = kindOf[pair.sender];
    const double z1 = p.zblNumber[k1], z2 = p.zblNumber[k2], screening = 0.88534 * BOHR / (pow(z1, 0.23) + pow(z2, 0.23));
    const double reach = p.zblRadius[k1] + p.zblRadius[k2], *r = pair.displacement;
    const double d = sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]), charges = 0.5 * COULOMB * z1 * z2;
    double phi = 0, slope = 0;
    for (int k = 0; k < 4; k++) {
        double term = coefficients[k] * exp(-exponents[k] * d / screening);
        phi += term;
        slope -= term * exponents[k] / screening;
    }
    const double cut = smoothCutoff(d / reach), cutSlope = smoothCutoffDerivative(d / reach) / reach;
    if (derivative != nullptr)
        for (int a = 0; a < 3; a++)
            derivative[a] = charges / d * (slope * cut + phi * cutSlope - phi * cut / d) * r[a] / d;
    return charges / d * phi * cut;
}

void ReferenceNetwork::firstForward(int atom) {
    const int width = p.numRadial * p.numSpecies;
    Array sums(components(p.lMax) * width);
    for (const Pair& pair : pairsOf[atom]) {
        PairFunctions f(p, pair.displacement);
        for (int lm = 0; lm < components(p.lMax); lm++)
            for (int n = 0; n < p.numRadial; n++)
                sums[lm * width + n * p.numSpecies + kindOf[pair.sender]] += f.Y[lm] * f.B[n];
    }
    Blocks blocks;
    for (int l = 0; l <= p.lMax; l++)
        blocks.push_back({{&sums[l * l * width], nullptr, width}});
    AtomState& state = states[0][atom];
    state.unlimited = density.forward(blocks);
    const Array scalars = embeddingOf(atom);
    for (size_t k = 0; k < state.unlimited.size(); k++)
        state.unlimited[k] *= 1 + 0.5 * scalars[k % p.channels];
    state.density = limit.forward(state.unlimited);
    state.ungated = products.forward(state.density);
    for (int c = 0; c < p.channels; c++)
        state.ungated[c] += scalars[c];
    state.features = gate.forward(state.ungated);
}

void ReferenceNetwork::firstBackward(int atom, double* gradient) {
    const AtomState& state = states[0][atom];
    Array byLimited = products.backward(state.density, gate.backward(state.ungated, state.byFeatures));
    for (size_t k = 0; k < byLimited.size(); k++)
        byLimited[k] += byDensity[atom][k];
    Array byUnlimited = limit.backward(state.unlimited, byLimited);
    const Array scalars = embeddingOf(atom);
    for (size_t k = 0; k < byUnlimited.size(); k++)
        byUnlimited[k] *= 1 + 0.5 * scalars[k % p.channels];
    const int width = p.numRadial * p.numSpecies;
    Array bySums(components(p.lMax) * width);
    Blocks blocks;
    for (int l = 0; l <= p.lMax; l++)
        blocks.push_back({{nullptr, &bySums[l * l * width], width}});
    density.backward(blocks, byUnlimited);
    for (const Pair& pair : pairsOf[atom]) {
        Array byPair(components(p.lMax) * p.numRadial);
        for (int lm = 0; lm < components(p.lMax); lm++)
            for (int n = 0; n < p.numRadial; n++)
                byPair[lm * p.numRadial + n] = bySums[lm * width + n * p.numSpecies + kindOf[pair.sender]];
        addPairGradient(atom, pair, PairFunctions(p, pair.displacement), byPair, gradient);
    }
}

Array ReferenceNetwork::messageSums(int layer, int atom) const {
    const int parts = components(p.lMessage), m = p.messageChannels, harmonics = components(p.lMax);
    Array sums(parts * harmonics * p.numRadial * m);
    for (const Pair& pair : pairsOf[atom]) {
        const Array& sent = states[layer - 1][pair.sender].sent;
        PairFunctions f(p, pair.displacement);
        for (int part = 0; part < parts; part++)
            for (int lm = 0; lm < harmonics; lm++)
                for (int n = 0; n < p.numRadial; n++)
                    for (int c = 0; c < m; c++)
                        sums[((part * harmonics + lm) * p.numRadial + n) * m + c] += f.Y[lm] * f.B[n] * sent[part * m + c];
    }
    return sums;
}

/** For each degree: sums with the senders' scalars, and senders' vectors coupled to harmonics. */
Blocks ReferenceNetwork::messageBlocks(const Array& sums, const Array& coupled, Array* bySums, Array* byCoupled) const {
    const int width = p.numRadial * p.messageChannels;
    Blocks blocks(p.lMax + 1);
    int row = 0;
    for (int l = 0; l <= p.lMax; l++) {
        blocks[l].push_back({&sums[l * l * width], pointerTo(bySums, l * l * width), width});
        for (int path = 0; path < p.message.paths[l]; path++, row += 2 * l + 1)
            blocks[l].push_back({&coupled[row * width], pointerTo(byCoupled, row * width), width});
    }
    return blocks;
}

Blocks ReferenceNetwork::joinBlocks(int layer, int atom, const Array& message, Array* byMessage, Array* byDensity, Array* byFeatures) const {
    const Array &firstDensity = states[0][atom].density, &features = states[layer - 1][atom].features;
    Blocks blocks(p.lMax + 1);
    for (int l = 0; l <= p.lMax; l++) {
        const int start = l * l * p.channels;
        blocks[l].push_back({&message[start], pointerTo(byMessage, start), p.channels});
        blocks[l].push_back({&firstDensity[start], pointerTo(byDensity, start), p.channels});
        if (l <= layers[layer - 1].lPrevious)
            blocks[l].push_back({&features[start], pointerTo(byFeatures, start), p.channels});
    }
    return blocks;
}

Blocks ReferenceNetwork::sendBlocks(const Array& features, Array* byFeatures) const {
    Blocks blocks;
    for (int l = 0; l <= p.lMessage; l++)
        blocks.push_back({{&features[l * l * p.channels], pointerTo(byFeatures, l * l * p.channels), p.channels}});
    return blocks;
}

void ReferenceNetwork::messageForward(int layer, int atom) {
    const MessageLayer& l = layers[layer - 1];
    const Array sums = messageSums(layer, atom);
    const int width = p.numRadial * p.messageChannels, harmonics = components(p.lMax);
    Array coupled(p.message.numRows * width);
    for (size_t t = 0; t < p.message.value.size(); t++)
        for (int k = 0; k < width; k++)
            coupled[p.message.row[t] * width + k] +=
                p.message.value[t] * sums[((1 + p.message.left[t]) * harmonics + p.message.right[t]) * width + k];
    const Array message = l.message.forward(messageBlocks(sums, coupled, nullptr, nullptr));
    AtomState& state = states[layer][atom];
    state.unlimited = l.join.forward(joinBlocks(layer, atom, message, nullptr, nullptr, nullptr));
    state.density = limit.forward(state.unlimited);
    state.ungated = l.products.forward(state.density);
    state.features = l.gate.forward(state.ungated);
}

void ReferenceNetwork::messageBackward(int layer, int atom, double* gradient) {
    const MessageLayer& l = layers[layer - 1];
    const AtomState& state = states[layer][atom];
    const Array byLimited = l.products.backward(state.density, l.gate.backward(state.ungated, state.byFeatures));
    const Array byJoined = limit.backward(state.unlimited, byLimited);
    Array byMessage(components(p.lMax) * p.channels);
    l.join.backward(joinBlocks(layer, atom, byMessage, &byMessage, &byDensity[atom], &states[layer - 1][atom].byFeatures), byJoined);
    const int parts = components(p.lMessage), m = p.messageChannels, harmonics = components(p.lMax), width = p.numRadial * m;
    Array bySums(parts * harmonics * width), byCoupled(p.message.numRows * width);
    l.message.backward(messageBlocks(bySums, byCoupled, &bySums, &byCoupled), byMessage);
    for (size_t t = 0; t < p.message.value.size(); t++)
        for (int k = 0; k < width; k++)
            bySums[((1 + p.message.left[t]) * harmonics + p.message.right[t]) * width + k] +=
                p.message.value[t] * byCoupled[p.message.row[t] * width + k];
    for (const Pair& pair : pairsOf[atom]) {
        AtomState& sender = states[layer - 1][pair.sender];
        const PairFunctions f(p, pair.displacement);
        Array byProducts(harmonics * p.numRadial);
        for (int part = 0; part < parts; part++)
            for (int lm = 0; lm < harmonics; lm++)
                for (int n = 0; n < p.numRadial; n++)
                    for (int c = 0; c < m; c++) {
                        const double by = bySums[((part * harmonics + lm) * p.numRadial + n) * m + c];
                        byProducts[lm * p.numRadial + n] += by * sender.sent[part * m + c];
                        const double bySent = by * f.Y[lm] * f.B[n];
                        sender.bySent[part * m + c] += bySent;
                        for (int a = 0; a < 3 && transfer != nullptr; a++)
                            sender.bySentArms[a][part * m + c] -= pair.displacement[a] * bySent;
                    }
        addPairGradient(atom, pair, f, byProducts, gradient);
    }
}

/** The scalar features of all layers. */
Array ReferenceNetwork::invariants(int atom) const {
    Array result;
    for (const vector<AtomState>& layer : states)
        result.insert(result.end(), layer[atom].features.begin(), layer[atom].features.begin() + p.channels);
    return result;
}

void ReferenceNetwork::addPairGradient(int atom, const Pair& pair, const PairFunctions& f, const Array& byProducts, double* gradient) const {
    for (int a = 0; a < 3; a++) {
        double derivative = 0;
        for (int lm = 0; lm < components(p.lMax); lm++)
            for (int n = 0; n < p.numRadial; n++)
                derivative += byProducts[lm * p.numRadial + n] * (f.dY[a][lm] * f.B[n] + f.Y[lm] * f.dB[a][n]);
        gradient[3 * particleOf[pair.sender] + a] += derivative;
        gradient[3 * particleOf[atom] + a] -= derivative;
        for (int d = 0; d < 3 && transfer != nullptr; d++)
            transfer[9 * particleOf[pair.sender] + 3 * d + a] -= pair.displacement[d] * derivative;
    }
}

#include "NetworkPlanBuilder.h"
#include "openmm/OpenMMException.h"
#include <algorithm>
#include <cmath>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

int degreeOf(int component) {
    return component == 0 ? 0 : component < 4 ? 1 : 2;
}

} // namespace

template <class Real>
NetworkPlanBuilder<Real>::NetworkPlanBuilder(const NetworkParameters& parameters, int lanes) : p(parameters) {
    checkHarmonics();
    plan.numKinds = p.numSpecies;
    plan.layers = p.layers;
    plan.lMax = p.lMax;
    plan.harmonics = (p.lMax + 1) * (p.lMax + 1);
    plan.channels = p.channels;
    plan.numRadial = p.numRadial;
    plan.hidden = p.hidden;
    plan.cutoff = p.cutoff;
    plan.radialScale = p.radialScale * p.cutoff * sqrt(2.0 / 3.0);
    plan.densityLimit = p.densityLimit;
    plan.embedding = keep(p.weight("embedding.weight", {p.numSpecies, p.channels}));
    addDensity();
    for (int layer = 0; layer < p.layers; layer++) {
        addProducts(layer);
        if (layer > 0)
            addMessages(layer, lanes);
    }
    addHeads();
    addEdges(lanes);
    energyScale = p.energyScale;
    energyShift = p.energyShift;
    plan.energyScale = energyScale.data();
    plan.energyShift = energyShift.data();
    copy(p.tensorToCartesian.begin(), p.tensorToCartesian.end(), &plan.tensors[0][0]);
    plan.repulsion = !p.zblNumber.empty();
    vector<double> power;
    for (double z : p.zblNumber)
        power.push_back(pow(z, 0.23));
    plan.repulsionNumber = keep(p.zblNumber);
    plan.repulsionPower = keep(power);
    plan.repulsionRadius = keep(p.zblRadius);
}

/** The loops contain the formulas of the harmonics: check that they are those of the parameters. */
template <class Real>
void NetworkPlanBuilder<Real>::checkHarmonics() const {
    double u[3] = {0.36, -0.48, 0.8}, expected[5] = {u[0] * u[2], u[0] * u[1], (2 * u[1] * u[1] - u[0] * u[0] - u[2] * u[2]) / sqrt(12.0),
                                                     u[1] * u[2], (u[2] * u[2] - u[0] * u[0]) / 2};
    for (size_t t = 0; t < p.secondHarmonics.value.size(); t++)
        expected[p.secondHarmonics.row[t]] -= p.secondHarmonics.value[t] / sqrt(15.0) * u[p.secondHarmonics.left[t]] * u[p.secondHarmonics.right[t]];
    for (double rest : expected)
        if (fabs(rest) > 1e-10)
            throw OpenMMException("NetworkParameters: secondHarmonics are not those of e3nn's basis, for which this platform's loops are written");
}

template <class Real>
const Real* NetworkPlanBuilder<Real>::keep(const vector<double>& values) {
    arrays.emplace_back(values.begin(), values.end());
    return arrays.back().data();
}

template <class Real>
void NetworkPlanBuilder<Real>::addDegree(Mixing<Real>& mixing, int l, const string& name, int inputs, int outputs, bool linear) {
    const vector<double>& weight = linear ? p.weight(name, {outputs, inputs}) : p.weight(name, {inputs, outputs});
    vector<double> flipped(weight.size());
    const int rows = linear ? outputs : inputs, columns = linear ? inputs : outputs;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            flipped[j * rows + i] = weight[i * columns + j];
    mixing.inputs[l] = inputs;
    mixing.weights[l] = keep(linear ? flipped : weight);
    mixing.transposed[l] = keep(linear ? weight : flipped);
}

template <class Real>
Mixing<Real> NetworkPlanBuilder<Real>::mixing(const string& name, const vector<int>& inputs, int outputs) {
    Mixing<Real> result = {};
    result.outputs = outputs;
    for (size_t l = 0; l < inputs.size(); l++)
        addDegree(result, l, name + ".weights." + to_string(l), inputs[l], outputs);
    return result;
}

template <class Real>
Mixing<Real> NetworkPlanBuilder<Real>::linear(const string& name, int inputs, int outputs) {
    Mixing<Real> result = {};
    result.outputs = outputs;
    addDegree(result, 0, name + ".weight", inputs, outputs, true);
    result.bias = keep(p.weight(name + ".bias", {outputs}));
    return result;
}

/** From pairs (output, term); the terms of an output keep their order. */
template <class Real>
BilinearMap<Real> NetworkPlanBuilder<Real>::map(int outputs, const vector<pair<int, Term>>& all) {
    indices.emplace_back(1, 0);
    terms.emplace_back();
    for (int k = 0; k < outputs; k++) {
        for (const auto& [output, term] : all)
            if (output == k)
                terms.back().push_back(term);
        indices.back().push_back(terms.back().size());
    }
    return {outputs, indices.back().data(), terms.back().data()};
}

/** Rows sorted by kind and then radial function; in the file it is the other way round. */
template <class Real>
void NetworkPlanBuilder<Real>::addDensity() {
    const int kinds = p.numSpecies, n = p.numRadial, c = p.channels;
    plan.density.outputs = c;
    for (int l = 0; l <= p.lMax; l++) {
        const vector<double>& weight = p.weight("first.density.mixing.weights." + to_string(l), {n * kinds, c});
        vector<double> sorted(weight.size()), transposed(weight.size());
        for (int kind = 0; kind < kinds; kind++)
            for (int k = 0; k < n; k++)
                for (int o = 0; o < c; o++)
                    sorted[(kind * n + k) * c + o] = transposed[o * kinds * n + kind * n + k] = weight[(k * kinds + kind) * c + o];
        plan.density.inputs[l] = n * kinds;
        plan.density.weights[l] = keep(sorted);
        plan.density.transposed[l] = keep(transposed);
    }
}

template <class Real>
void NetworkPlanBuilder<Real>::addProducts(int layer) {
    Products<Real>& products = plan.products[layer];
    const string name = layer == 0 ? "first." : "layers." + to_string(layer - 1) + ".";
    const int c = p.channels;
    products.lOut = p.featureDegree(layer);
    products.factors = p.correlation;
    vector<int> inputs(products.lOut + 1, c);
    for (int index = 0; index + 2 <= p.correlation; index++) {
        const vector<int>& paths = p.products[layer][index].paths;
        vector<int> ofThese;
        for (size_t l = 0; l < paths.size(); l++) {
            ofThese.push_back(paths[l] * c);
            products.paths[index][l] = paths[l];
        }
        const bool last = (index + 2 == p.correlation);
        if (last && layer + 1 == p.layers)
            addLastPaths(p.products[layer][index]);
        addCoupling(products, layer, index);
        for (int l = 0; l <= products.lOut; l++)
            inputs[l] += ofThese[l];
        if (!last)
            products.between[index] = mixing(name + "products.between." + to_string(index), ofThese, c);
    }
    products.mixing = mixing(name + "products.mixing", inputs, c);
    products.gate = linear(name + "gate.linear", c, (products.lOut + 1) * c);
    for (CouplingPath<Real>& path : lastPaths)
        path.input += products.mixing.inputs[path.l];
    products.lastPaths = lastPaths.data();
    products.numLastPaths = lastPaths.size();
}

template <class Real>
void NetworkPlanBuilder<Real>::addCoupling(Products<Real>& products, int layer, int index) {
    const SparseCoupling& coupling = p.products[layer][index];
    const bool onlyScalars = (layer + 1 == p.layers && index + 2 == p.correlation);
    const int rows = onlyScalars ? coupling.paths[0] : coupling.numRows;
    if (onlyScalars)
        fill(products.paths[index] + 1, products.paths[index] + MAX_DEGREES, 0);
    vector<pair<int, Term>> forward, byLeft, byRight;
    for (size_t t = 0; t < coupling.value.size(); t++) {
        const int row = coupling.row[t], left = coupling.left[t], right = coupling.right[t];
        const Real value = coupling.value[t];
        if (row >= rows)
            continue;
        if (index > 0) {
            forward.push_back({row, {left, right, value}});
            byLeft.push_back({left, {row, right, value}});
            byRight.push_back({right, {row, left, value}});
            continue;
        }
        // Both factors are the same density: terms (i, j) and (j, i) are merged, and both gradients are by the density.
        auto same = find_if(forward.begin(), forward.end(), [&](const pair<int, Term>& other) {
            return other.first == row && other.second.left == right && other.second.right == left;
        });
        if (same != forward.end())
            same->second.value += value;
        else
            forward.push_back({row, {left, right, value}});
        for (auto [by, other] : {make_pair(left, right), make_pair(right, left)}) {
            auto merged = find_if(byLeft.begin(), byLeft.end(), [&, by = by, other = other](const pair<int, Term>& term) {
                return term.first == by && term.second.left == row && term.second.right == other;
            });
            if (merged != byLeft.end())
                merged->second.value += value;
            else
                byLeft.push_back({by, {row, other, value}});
        }
    }
    const int components = plan.harmonics;
    products.couple[index] = map(rows, forward);
    products.byLeft[index] = map(components, byLeft);
    products.byRight[index] = map(components, byRight);
}

/** The paths of the longest product to degrees above 0. Inputs are counted from the end of the mixing until its length is known. */
template <class Real>
void NetworkPlanBuilder<Real>::addLastPaths(const SparseCoupling& coupling) {
    int row = coupling.paths[0];
    for (size_t l = 1; l < coupling.paths.size(); l++)
        for (int k = 0; k < coupling.paths[l]; k++, row += 2 * l + 1) {
            CouplingPath<Real> path = {};
            path.l = l;
            path.input = (k - coupling.paths[l]) * p.channels;
            terms.emplace_back();
            for (size_t t = 0; t < coupling.value.size(); t++) {
                const int m = coupling.row[t] - row;
                if (m < 0 || m >= (int) (2 * l + 1))
                    continue;
                path.left = degreeOf(coupling.left[t]);
                path.right = degreeOf(coupling.right[t]);
                const int i = coupling.left[t] - path.left * path.left, j = coupling.right[t] - path.right * path.right;
                terms.back().push_back({i * (2 * path.right + 1) + j, m, (Real) coupling.value[t]});
            }
            path.numTerms = terms.back().size();
            path.terms = terms.back().data();
            lastPaths.push_back(path);
        }
}

template <class Real>
void NetworkPlanBuilder<Real>::addMessages(int layer, int lanes) {
    Messages<Real>& m = plan.messages[layer];
    const string number = to_string(layer - 1);
    m.channels = p.messageChannels;
    m.parts = (p.lMessage + 1) * (p.lMessage + 1);
    m.rowSize = (m.parts * m.channels + lanes - 1) / lanes * lanes;
    m.lPrevious = p.featureDegree(layer - 1);
    m.numRows = p.message.numRows;
    vector<int> inputs, joined;
    for (int l = 0; l <= p.lMax; l++) {
        m.paths[l] = p.message.paths[l];
        inputs.push_back(p.numRadial * m.channels * (1 + m.paths[l]));
        joined.push_back(p.channels * (l <= m.lPrevious ? 3 : 2));
    }
    vector<pair<int, Term>> forward, backward;
    for (size_t t = 0; t < p.message.value.size(); t++) {
        const int from = (1 + p.message.left[t]) * plan.harmonics + p.message.right[t];
        forward.push_back({p.message.row[t], {from, 0, (Real) p.message.value[t]}});
        backward.push_back({from, {p.message.row[t], 0, (Real) p.message.value[t]}});
    }
    m.couple = map(m.numRows, forward);
    m.byVectors = map(m.parts * plan.harmonics, backward);
    m.sender = mixing("senders." + number, vector<int>(p.lMessage + 1, p.channels), m.channels);
    m.mixing = mixing("layers." + number + ".message.mixing", inputs, p.channels);
    m.join = mixing("layers." + number + ".join", joined, p.channels);
}

template <class Real>
void NetworkPlanBuilder<Real>::addHeads() {
    const int c = p.channels;
    plan.perChannel = 1 / sqrt((double) c);
    int row = 1;  // the energy is the first
    plan.charge = p.charges ? row++ : -1;
    plan.softness = p.softness ? row++ : -1;
    plan.polarizability = p.polarizability ? row++ : -1;
    plan.tensorPolarizability = p.tensorPolarizability;
    plan.largestSoftness = p.largestSoftness;
    plan.largestPolarizability = p.largestPolarizability;
    electronegativities = p.electronegativities;
    plan.electronegativities = p.equilibrates() ? electronegativities.data() : nullptr;
    auto head = [&](bool present, TensorHead::Moment moment, int l) {
        if (!present)
            return;
        plan.heads[plan.numHeads++] = {moment, l, row};
        row += c;
    };
    head(p.dipoles, TensorHead::Dipole, 1);
    head(p.quadrupoles, TensorHead::Quadrupole, 2);
    head(p.tensorPolarizability, TensorHead::Anisotropy, 2);
    plan.edges.row = row;
    row += p.numEdgeRows();
    plan.numOutputs = row;
    plan.trunk = linear("heads.trunk", p.layers * c, p.hidden);
    plan.final = linear("heads.final", p.hidden, row);
    const vector<double>&species = p.weight("heads.species.weight", {p.numSpecies, p.hidden}), &bias = p.weight("heads.trunk.bias", {p.hidden});
    vector<double> sum;
    for (size_t k = 0; k < species.size(); k++)
        sum.push_back(species[k] + bias[k % p.hidden]);
    plan.speciesHidden = keep(sum);
}

template <class Real>
void NetworkPlanBuilder<Real>::addEdges(int lanes) {
    formalCharges = p.formalCharges;
    plan.formalCharges = formalCharges.empty() ? nullptr : formalCharges.data();
    EdgePlan<Real>& edges = plan.edges;
    edges.transfers = p.transfers;
    edges.conducts = p.conducts;
    edges.rowSize = (2 * p.numRadial * p.transfers + lanes - 1) / lanes * lanes;
    edges.transferUnit = HeadUnits::TRANSFER / p.radialScale;
    edges.conductanceUnit = HeadUnits::CONDUCTANCE / (p.radialScale * p.radialScale);
    const vector<int> shape = {p.numSpecies, p.numSpecies, p.numRadial};
    if (p.transfers)
        edges.transferTable = keep(p.weight("edge_heads.transfer", shape));
    if (p.conducts)
        edges.conductanceTable = keep(p.weight("edge_heads.conductance", shape));
}

template class PolarMPPlugin::NetworkPlanBuilder<float>;
template class PolarMPPlugin::NetworkPlanBuilder<double>;

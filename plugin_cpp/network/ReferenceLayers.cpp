#include "ReferenceLayers.h"
#include <cmath>

using namespace PolarMPPlugin;
using namespace std;

double PolarMPPlugin::sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

double PolarMPPlugin::silu(double x) {
    return x * sigmoid(x);
}

double PolarMPPlugin::siluDerivative(double x) {
    double s = sigmoid(x);
    return s * (1 + x * (1 - s));
}

double PolarMPPlugin::softplus(double x) {
    return max(x, 0.0) + log1p(exp(-fabs(x)));
}

double PolarMPPlugin::smoothCutoff(double x) {
    double x2 = x * x, x6 = x2 * x2 * x2;
    return x < 1 ? 1 - 28 * x6 + 48 * x6 * x - 21 * x6 * x2 : 0;
}

double PolarMPPlugin::smoothCutoffDerivative(double x) {
    double x2 = x * x, x5 = x2 * x2 * x;
    return x < 1 ? -168 * x5 * (1 - x) * (1 - x) : 0;
}

PairFunctions::PairFunctions(const NetworkParameters& p, const double* r) {
    distance = sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]);
    const int n = p.numRadial;
    for (int a = 0; a < 3; a++)
        direction[a] = r[a] / distance;
    // radial functions: sin(n pi d / cutoff) / d
    const double norm = p.radialScale * p.cutoff * sqrt(2.0 / 3.0), x = distance / p.cutoff;
    const double envelope = norm * smoothCutoff(x) / distance;
    const double slope = norm * smoothCutoffDerivative(x) / (p.cutoff * distance) - envelope / distance;
    B.resize(n);
    for (Array& d : dB)
        d.resize(n);
    for (int k = 0; k < n; k++) {
        double frequency = (k + 1) * M_PI / p.cutoff, s = sin(frequency * distance), c = cos(frequency * distance);
        B[k] = s * envelope;
        for (int a = 0; a < 3; a++)
            dB[a][k] = (frequency * c * envelope + s * slope) * direction[a];
    }
    // harmonics of the direction u, and their derivatives du_b/dr_a = (delta_ab - u_a u_b) / d
    Array byDirection[3];
    Y.assign(components(p.lMax), 0.0);
    for (int a = 0; a < 3; a++) {
        byDirection[a].assign(components(p.lMax), 0.0);
        dY[a].assign(components(p.lMax), 0.0);
    }
    Y[0] = 1;
    for (int a = 0; a < 3; a++) {
        Y[1 + a] = sqrt(3.0) * direction[a];
        byDirection[a][1 + a] = sqrt(3.0);
    }
    const SparseCoupling& second = p.secondHarmonics;
    for (size_t t = 0; t < second.value.size() && p.lMax == 2; t++) {
        int row = 4 + second.row[t], left = second.left[t], right = second.right[t];
        Y[row] += second.value[t] * direction[left] * direction[right];
        byDirection[left][row] += second.value[t] * direction[right];
        byDirection[right][row] += second.value[t] * direction[left];
    }
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            for (size_t lm = 0; lm < Y.size(); lm++)
                dY[a][lm] += byDirection[b][lm] * ((a == b) - direction[a] * direction[b]) / distance;
}

ReferenceMixing::ReferenceMixing(const NetworkParameters& p, const string& name, const vector<int>& inputs, int outputs) : outputs(outputs) {
    for (size_t l = 0; l < inputs.size(); l++)
        weights.push_back(&p.weight(name + ".weights." + to_string(l), {inputs[l], outputs}));
}

Array ReferenceMixing::forward(const Blocks& blocks) const {
    const int lMax = weights.size() - 1;
    Array result(components(lMax) * outputs);
    for (int l = 0; l <= lMax; l++) {
        const double* row = weights[l]->data();
        for (const Block& block : blocks[l])
            for (int k = 0; k < block.width; k++, row += outputs)
                for (int m = 0; m < 2 * l + 1; m++)
                    for (int o = 0; o < outputs; o++)
                        result[(l * l + m) * outputs + o] += row[o] * block.values[m * block.width + k];
    }
    return result;
}

void ReferenceMixing::backward(const Blocks& blocks, const Array& gradient) const {
    for (size_t l = 0; l < weights.size(); l++) {
        const double* row = weights[l]->data();
        for (const Block& block : blocks[l])
            for (int k = 0; k < block.width; k++, row += outputs)
                for (size_t m = 0; m < 2 * l + 1; m++)
                    for (int o = 0; o < outputs; o++)
                        block.gradient[m * block.width + k] += row[o] * gradient[(l * l + m) * outputs + o];
    }
}

Array PolarMPPlugin::couple(const SparseCoupling& coupling, const double* a, const double* b, int width) {
    Array result(coupling.numRows * width);
    for (size_t t = 0; t < coupling.value.size(); t++)
        for (int k = 0; k < width; k++)
            result[coupling.row[t] * width + k] += coupling.value[t] * a[coupling.left[t] * width + k] * b[coupling.right[t] * width + k];
    return result;
}

ReferenceLimit::ReferenceLimit(const NetworkParameters& p) : lMax(p.lMax), channels(p.channels), limit(p.densityLimit) {
}

Array ReferenceLimit::sums(const Array& a, const Array& b) const {
    Array result((lMax + 1) * channels);
    for (int l = 0; l <= lMax; l++)
        for (int lm = l * l; lm < (l + 1) * (l + 1); lm++)
            for (int c = 0; c < channels; c++)
                result[l * channels + c] += a[lm * channels + c] * b[lm * channels + c];
    return result;
}

Array ReferenceLimit::forward(const Array& density) const {
    if (limit == 0)
        return density;
    const Array squares = sums(density, density);
    Array result = density;
    for (int l = 0; l <= lMax; l++)
        for (int lm = l * l; lm < (l + 1) * (l + 1); lm++)
            for (int c = 0; c < channels; c++)
                result[lm * channels + c] /= sqrt(1 + squares[l * channels + c] / (limit * limit));
    return result;
}

Array ReferenceLimit::backward(const Array& density, const Array& gradient) const {
    if (limit == 0)
        return gradient;
    const Array squares = sums(density, density), along = sums(density, gradient);
    Array result = gradient;
    for (int l = 0; l <= lMax; l++)
        for (int lm = l * l; lm < (l + 1) * (l + 1); lm++)
            for (int c = 0; c < channels; c++) {
                const double stretch = 1 + squares[l * channels + c] / (limit * limit);
                const double radial = density[lm * channels + c] * along[l * channels + c] / (limit * limit * stretch);
                result[lm * channels + c] = (gradient[lm * channels + c] - radial) / sqrt(stretch);
            }
    return result;
}

ReferenceProducts::ReferenceProducts(const NetworkParameters& p, const string& name, int layer)
        : lMax(p.lMax), lOut(p.featureDegree(layer)), channels(p.channels), correlation(p.correlation), couplings(p.products[layer]) {
    vector<int> inputs(lOut + 1, channels);
    for (int factors = 2; factors <= correlation; factors++) {
        vector<int> ofThese;
        for (int paths : couplings[factors - 2].paths)
            ofThese.push_back(paths * channels);
        for (int l = 0; l <= lOut; l++)
            inputs[l] += ofThese[l];
        if (factors < correlation)
            betweens.emplace_back(p, name + ".between." + to_string(factors - 2), ofThese, channels);
    }
    mixing = ReferenceMixing(p, name + ".mixing", inputs, channels);
}

ReferenceProducts::Steps ReferenceProducts::multiply(const Array& density) const {
    Steps steps;
    steps.powers.push_back(density);
    steps.coupled.emplace_back();
    for (int factors = 2; factors <= correlation; factors++) {
        steps.coupled.push_back(couple(couplings[factors - 2], steps.powers.back().data(), density.data(), channels));
        if (factors < correlation)
            steps.powers.push_back(betweens[factors - 2].forward(between(steps.coupled.back(), nullptr, factors)));
    }
    return steps;
}

/** The paths of a product, degree by degree. */
Blocks ReferenceProducts::between(const Array& coupled, Array* gradient, int factors) const {
    const vector<int>& paths = couplings[factors - 2].paths;
    Blocks blocks(paths.size());
    size_t start = 0;
    for (size_t l = 0; l < paths.size(); l++)
        for (int path = 0; path < paths[l]; path++) {
            blocks[l].push_back({&coupled[start], gradient == nullptr ? nullptr : &(*gradient)[start], channels});
            start += (2 * l + 1) * channels;
        }
    return blocks;
}

/** The density and all its products: the inputs of the last mixing. */
Blocks ReferenceProducts::gathered(const Steps& steps, Steps* gradients) const {
    Blocks blocks(lOut + 1);
    for (int l = 0; l <= lOut; l++) {
        int start = l * l * channels;
        blocks[l].push_back({&steps.powers[0][start], gradients == nullptr ? nullptr : &gradients->powers[0][start], channels});
    }
    for (int factors = 2; factors <= correlation; factors++) {
        Blocks more = between(steps.coupled[factors - 1], gradients == nullptr ? nullptr : &gradients->coupled[factors - 1], factors);
        for (int l = 0; l <= lOut; l++)
            blocks[l].insert(blocks[l].end(), more[l].begin(), more[l].end());
    }
    return blocks;
}

Array ReferenceProducts::forward(const Array& density) const {
    return mixing.forward(gathered(multiply(density), nullptr));
}

Array ReferenceProducts::backward(const Array& density, const Array& gradient) const {
    Steps steps = multiply(density), gradients = steps;
    for (vector<Array>* arrays : {&gradients.powers, &gradients.coupled})
        for (Array& array : *arrays)
            array.assign(array.size(), 0.0);
    mixing.backward(gathered(steps, &gradients), gradient);
    for (int factors = correlation; factors >= 2; factors--) {
        const SparseCoupling& c = couplings[factors - 2];
        if (factors < correlation)
            betweens[factors - 2].backward(between(steps.coupled[factors - 1], &gradients.coupled[factors - 1], factors),
                                           gradients.powers[factors - 1]);
        const Array &power = steps.powers[factors - 2], &g = gradients.coupled[factors - 1];
        for (size_t t = 0; t < c.value.size(); t++)
            for (int k = 0; k < channels; k++) {
                double common = c.value[t] * g[c.row[t] * channels + k];
                gradients.powers[factors - 2][c.left[t] * channels + k] += common * density[c.right[t] * channels + k];
                gradients.powers[0][c.right[t] * channels + k] += common * power[c.left[t] * channels + k];
            }
    }
    return gradients.powers[0];
}

ReferenceGate::ReferenceGate(const NetworkParameters& p, const string& name, int lMax) : lMax(lMax), channels(p.channels) {
    weight = &p.weight(name + ".linear.weight", {(lMax + 1) * channels, channels});
    bias = &p.weight(name + ".linear.bias", {(lMax + 1) * channels});
}

Array ReferenceGate::linear(const Array& features) const {
    Array gates = *bias;
    for (size_t o = 0; o < gates.size(); o++)
        for (int c = 0; c < channels; c++)
            gates[o] += (*weight)[o * channels + c] * features[c];
    return gates;
}

Array ReferenceGate::forward(const Array& features) const {
    Array gates = linear(features), result(components(lMax) * channels);
    for (int c = 0; c < channels; c++) {
        result[c] = silu(gates[c]);
        for (int l = 1; l <= lMax; l++)
            for (int lm = l * l; lm < (l + 1) * (l + 1); lm++)
                result[lm * channels + c] = features[lm * channels + c] * sigmoid(gates[l * channels + c]);
    }
    return result;
}

Array ReferenceGate::backward(const Array& features, const Array& gradient) const {
    Array gates = linear(features), byGates(gates.size()), result(features.size());
    for (int c = 0; c < channels; c++) {
        byGates[c] = gradient[c] * siluDerivative(gates[c]);
        for (int l = 1; l <= lMax; l++) {
            double s = sigmoid(gates[l * channels + c]);
            for (int lm = l * l; lm < (l + 1) * (l + 1); lm++) {
                byGates[l * channels + c] += gradient[lm * channels + c] * features[lm * channels + c] * s * (1 - s);
                result[lm * channels + c] = gradient[lm * channels + c] * s;
            }
        }
    }
    for (size_t o = 0; o < gates.size(); o++)
        for (int c = 0; c < channels; c++)
            result[c] += (*weight)[o * channels + c] * byGates[o];
    return result;
}

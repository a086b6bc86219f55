#include "NetworkCode.h"
#include "openmm/OpenMMException.h"
#include <algorithm>
#include <cmath>
#include <sstream>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

int components(int l) {
    return (l + 1) * (l + 1);
}

/** The next multiple of four: what is loaded in packs. */
int padded(int n) {
    return (n + 3) / 4 * 4;
}

string text(int value) {
    return to_string(value);
}

string mix(int l) {
    return l == 0 ? "mix1" : l == 1 ? "mix3" : "mix5";
}

/** The terms of a coupling that make the components of degree l, with rows counted from its first one. */
struct Term {
    int row, left, right;
    double value;
};

vector<Term> termsOfDegree(const SparseCoupling& coupling, int l) {
    int first = 0;
    for (int lower = 0; lower < l; lower++)
        first += coupling.paths[lower] * (2 * lower + 1);
    int last = first + coupling.paths[l] * (2 * l + 1);
    vector<Term> terms;
    for (size_t i = 0; i < coupling.value.size(); i++)
        if (coupling.row[i] >= first && coupling.row[i] < last)
            terms.push_back({coupling.row[i] - first, coupling.left[i], coupling.right[i], coupling.value[i]});
    return terms;
}

string at(const char* name, int i) {
    return string(name) + "[" + text(i) + "]";
}

string coupleName(int layer, int factors, int l) {
    return "couple" + text(layer) + "_" + text(factors) + "_" + text(l);
}

/** y[row] = sum value a[left] b[right], and its reverse, term by term. */
string coupleFunctions(const ComputeContext& cc, const string& name, const vector<Term>& terms, int rows) {
    stringstream code;
    code << "DEVICE void " << name << "(const real* a, const real* b, real* y) {\n";
    for (int row = 0; row < rows; row++) {
        code << "    y[" << row << "] = ";
        string plus;
        for (const Term& t : terms)
            if (t.row == row) {
                code << plus << cc.doubleToString(t.value) << "*" << at("a", t.left) << "*" << at("b", t.right);
                plus = "+";
            }
        code << ";\n";
    }
    code << "}\n";
    code << "DEVICE void " << name << "Backward(const real* a, const real* b, const real* g, real* aGradient, real* bGradient) {\n";
    for (const Term& t : terms) {
        code << "    aGradient[" << t.left << "] += " << cc.doubleToString(t.value) << "*" << at("g", t.row) << "*" << at("b", t.right) << ";\n";
        code << "    bGradient[" << t.right << "] += " << cc.doubleToString(t.value) << "*" << at("g", t.row) << "*" << at("a", t.left) << ";\n";
    }
    code << "}\n";
    return code.str();
}

} // namespace

int PackedWeights::add(const vector<double>& matrix, int rows, int columns) {
    int begin = packs.size() / 4;
    for (int k = 0; k < padded(rows); k += 4)
        for (int column = 0; column < columns; column++)
            for (int i = k; i < k + 4; i++)
                packs.push_back(i < rows ? matrix[i * columns + column] : 0.0);
    return begin;
}

int PackedWeights::addTransposed(const vector<double>& matrix, int rows, int columns) {
    vector<double> transposed;
    for (int column = 0; column < columns; column++)
        for (int row = 0; row < rows; row++)
            transposed.push_back(matrix[row * columns + column]);
    return add(transposed, columns, rows);
}

int PackedWeights::addPlain(const vector<double>& values) {
    int begin = plain.size();
    plain.insert(plain.end(), values.begin(), values.end());
    return begin;
}

NetworkCode::NetworkCode(const ComputeContext& cc, const NetworkParameters& parameters, int lanes) : cc(cc), p(parameters), c(parameters.channels) {
    auto define = [&](const char* name, int value) { defines[name] = text(value); };
    define("CHANNELS", c);
    define("PADDED_CHANNELS", padded(c));
    define("LANES", lanes);
    int power = 1;
    while (power < lanes)
        power *= 2;
    define("LANES_POWER_OF_TWO", power);
    define("NUM_SPECIES", p.numSpecies);
    define("NUM_RADIAL", p.numRadial);
    define("NUM_COMPONENTS", components(p.lMax));
    define("LAYERS", p.layers);
    harmonics();
    radialAndKinds();
    for (int i = 0; i < p.layers; i++)
        layer(i);
    heads();
    replacements["GENERATED_FUNCTIONS"] = functions;
    define("STAGE_SIZE", stageSize);
}

void NetworkCode::needStage(int numbers) {
    stageSize = max(stageSize, padded(numbers));
}

void NetworkCode::harmonics() {
    stringstream code;
    code << "/** Y_lm of a unit vector. */\nDEVICE void harmonics(const real* u, real* Y) {\n    Y[0] = 1;\n";
    for (int a = 0; a < 3; a++)
        code << "    Y[" << 1 + a << "] = " << cc.doubleToString(sqrt(3.0)) << "*" << at("u", a) << ";\n";
    const SparseCoupling& h = p.secondHarmonics;
    if (p.lMax > 1)
        for (int row = 0; row < 5; row++) {
            code << "    Y[" << 4 + row << "] = 0";
            for (size_t i = 0; i < h.value.size(); i++)
                if (h.row[i] == row)
                    code << "+" << cc.doubleToString(h.value[i]) << "*" << at("u", h.left[i]) << "*" << at("u", h.right[i]);
            code << ";\n";
        }
    code << "}\n/** From derivatives by Y_lm to those by the unit vector's components. */\n";
    code << "DEVICE void harmonicsBackward(const real* u, const real* g, real* gradient) {\n";
    for (int a = 0; a < 3; a++)
        code << "    gradient[" << a << "] = " << cc.doubleToString(sqrt(3.0)) << "*" << at("g", 1 + a) << ";\n";
    if (p.lMax > 1)
        for (size_t i = 0; i < h.value.size(); i++) {
            string factor = cc.doubleToString(h.value[i]) + "*" + at("g", 4 + h.row[i]);
            code << "    gradient[" << h.left[i] << "] += " << factor << "*" << at("u", h.right[i]) << ";\n";
            code << "    gradient[" << h.right[i] << "] += " << factor << "*" << at("u", h.left[i]) << ";\n";
        }
    code << "}\n";
    functions += code.str();
}

void NetworkCode::radialAndKinds() {
    defines["CUTOFF"] = cc.doubleToString(p.cutoff);
    defines["FREQUENCY"] = cc.doubleToString(M_PI / p.cutoff);
    // The average of (sin/d)^2 over the sphere of the cutoff is 3/(2 cutoff^2): models/_radial.py.
    defines["RADIAL_SCALE"] = cc.doubleToString(p.radialScale * p.cutoff * sqrt(2.0 / 3.0));
    vector<double> table;
    bool zbl = !p.zblNumber.empty();
    for (int kind = 0; kind < p.numSpecies; kind++) {
        table.push_back(p.energyScale[kind]);
        if (zbl)
            table.insert(table.end(), {p.zblNumber[kind], p.zblRadius[kind], pow(p.zblNumber[kind], 0.23)});
    }
    defines["KIND_TABLE"] = text(weights.addPlain(table));
    defines["KIND_ENTRIES"] = text(zbl ? 4 : 1);
    defines["KIND_ENERGY_SCALE"] = "0";
    if (zbl) {
        defines["ZBL"] = "1";
        defines["KIND_NUMBER"] = "1";
        defines["KIND_RADIUS"] = "2";
        defines["KIND_ZBL_POWER"] = "3";
        defines["ZBL_LENGTH"] = cc.doubleToString(0.88534 * 0.529177210903);
    }
}

void NetworkCode::layer(int index) {
    int lOut = p.featureDegree(index), gates = (lOut + 1) * c;
    string number = text(index), prefix = index == 0 ? "first." : "layers." + text(index - 1) + ".";
    defines["FEATURE_DEGREE" + number] = text(lOut);
    if (index == 0) {
        defines["EMBEDDING"] = text(weights.addPlain(p.weight("embedding.weight", {p.numSpecies, c})));
        for (int l = 0; l <= p.lMax; l++) {
            int rows = p.numRadial * p.numSpecies;
            const vector<double>& matrix = p.weight("first.density.mixing.weights." + text(l), {rows, c});
            defines["DENSITY" + text(l)] = text(weights.add(matrix, rows, c));
            defines["DENSITY_TRANSPOSED" + text(l)] = text(weights.addTransposed(matrix, rows, c));
        }
    }
    // The gate's matrix is [outputs, inputs], as torch.nn.Linear has it.
    const vector<double>& gate = p.weight(prefix + "gate.linear.weight", {gates, c});
    defines["GATE" + number] = text(weights.addTransposed(gate, gates, c));
    defines["GATE_TRANSPOSED" + number] = text(weights.add(gate, gates, c));
    defines["GATE_BIAS" + number] = text(weights.addPlain(p.weight(prefix + "gate.linear.bias", {gates})));
    needStage(padded(gates));
    needStage(components(p.lMax) * padded(c));

    const vector<SparseCoupling>& couplings = p.products[index];
    for (int factors = 2; factors <= p.correlation; factors++) {
        const SparseCoupling& coupling = couplings[factors - 2];
        for (int l = 0; l < (int) coupling.paths.size(); l++)
            if (coupling.paths[l] > 0)
                functions += coupleFunctions(cc, coupleName(index, factors, l), termsOfDegree(coupling, l), coupling.paths[l] * (2 * l + 1));
    }
    betweenPack.assign(p.correlation, {});
    betweenTransposed.assign(p.correlation, {});
    for (int factors = 2; factors < p.correlation; factors++)
        for (int l = 0; l <= p.lMax; l++) {
            int rows = couplings[factors - 2].paths[l] * c;
            const vector<double>& matrix = p.weight(prefix + "products.between." + text(factors - 2) + ".weights." + text(l), {rows, c});
            betweenPack[factors].push_back(weights.add(matrix, rows, c));
            betweenTransposed[factors].push_back(weights.addTransposed(matrix, rows, c));
        }
    functions += productsForward(index);
    functions += productsBackward(index);
}

/** Features (before the gate, without the atom's own scalars) and powers of a density; all lanes come here. */
string NetworkCode::productsForward(int layer) {
    stringstream code;
    int lOut = p.featureDegree(layer);
    const vector<SparseCoupling>& couplings = p.products[layer];
    string prefix = layer == 0 ? "first." : "layers." + text(layer - 1) + ".";
    code << "DEVICE void productsForward" << layer << "(const real* A, real* powers, real* f, int lane, int channel,\n"
         << "        GLOBAL const real4* RESTRICT W, LOCAL_ARG real4* stage4) {\n"
         << "    LOCAL_ARG real* stage = (LOCAL_ARG real*) stage4;\n";
    auto power = [&](int factors) { return factors == 2 ? string("A") : "&powers[" + text((factors - 3) * components(p.lMax)) + "]"; };
    auto write = [&](const string& source, int l, int paths, int first, int row) {
        // y[path (2l+1)+m] of this lane's channel, into row m
        for (int path = 0; path < paths; path++)
            for (int m = 0; m <= 2 * l; m++)
                code << "            stage[" << m * row + first + path * c << "+lane] = " << source << "[" << path * (2 * l + 1) + m << "];\n";
    };
    auto fillUp = [&](int used, int row, int l) {
        if (row > used)
            for (int m = 0; m <= 2 * l; m++)
                code << "        if (lane < " << row - used << ") stage[" << m * row + used << "+lane] = 0;\n";
    };
    for (int factors = 2; factors < p.correlation; factors++)
        for (int l = 0; l <= p.lMax; l++) {
            int paths = couplings[factors - 2].paths[l], row = padded(paths * c);
            needStage(row * (2 * l + 1));
            code << "    {\n        real y[" << paths * (2 * l + 1) << "];\n"
                 << "        " << coupleName(layer, factors, l) << "(" << power(factors) << ", A, y);\n        if (lane < CHANNELS) {\n";
            write("y", l, paths, 0, row);
            code << "        }\n";
            fillUp(paths * c, row, l);
            code << "        SYNC_ATOM;\n        real sum[" << 2 * l + 1 << "] = {0};\n        " << mix(l) << "(&W[" << betweenPack[factors][l]
                 << "], CHANNELS, channel, stage4, " << row / 4 << ", sum);\n";
            for (int m = 0; m <= 2 * l; m++)
                code << "        powers[" << (factors - 2) * components(p.lMax) + l * l + m << "] = sum[" << m << "];\n";
            code << "        SYNC_ATOM;\n    }\n";
        }
    for (int l = 0; l <= lOut; l++) {
        int paths = 1;
        for (const SparseCoupling& coupling : couplings)
            paths += coupling.paths[l];
        int row = padded(paths * c), first = c;
        needStage(row * (2 * l + 1));
        const vector<double>& matrix = p.weight(prefix + "products.mixing.weights." + text(l), {paths * c, c});
        defines["MIXING_TRANSPOSED" + text(layer) + "_" + text(l)] = text(weights.addTransposed(matrix, paths * c, c));
        code << "    {\n        if (lane < CHANNELS) {\n";
        for (int m = 0; m <= 2 * l; m++)
            code << "            stage[" << m * row << "+lane] = A[" << l * l + m << "];\n";
        code << "        }\n";
        for (int factors = 2; factors <= p.correlation; factors++) {
            int count = couplings[factors - 2].paths[l];
            if (count == 0)
                continue;
            code << "        {\n        real y[" << count * (2 * l + 1) << "];\n        " << coupleName(layer, factors, l) << "("
                 << power(factors) << ", A, y);\n        if (lane < CHANNELS) {\n";
            write("y", l, count, first, row);
            code << "        }\n        }\n";
            first += count * c;
        }
        fillUp(paths * c, row, l);
        code << "        SYNC_ATOM;\n        real sum[" << 2 * l + 1 << "] = {0};\n        " << mix(l) << "(&W["
             << weights.add(matrix, paths * c, c) << "], CHANNELS, channel, stage4, " << row / 4 << ", sum);\n";
        for (int m = 0; m <= 2 * l; m++)
            code << "        f[" << l * l + m << "] = sum[" << m << "];\n";
        code << "        SYNC_ATOM;\n    }\n";
    }
    code << "}\n";
    return code.str();
}

/** From derivatives by the features to those by the density, which are added to AGradient; all lanes come here. */
string NetworkCode::productsBackward(int layer) {
    stringstream code;
    int lOut = p.featureDegree(layer), row = padded(c);
    const vector<SparseCoupling>& couplings = p.products[layer];
    code << "DEVICE void productsBackward" << layer << "(const real* A, const real* powers, const real* fGradient, real* AGradient,\n"
         << "        int lane, int channel, GLOBAL const real4* RESTRICT W, LOCAL_ARG real4* stage4) {\n"
         << "    LOCAL_ARG real* stage = (LOCAL_ARG real*) stage4;\n";
    if (p.correlation > 2)
        code << "    real powerGradients[" << (p.correlation - 2) * components(p.lMax) << "] = {0};\n";
    auto power = [&](int factors) { return factors == 2 ? string("A") : "&powers[" + text((factors - 3) * components(p.lMax)) + "]"; };
    auto powerGradient = [&](int factors) {
        return factors == 2 ? string("AGradient") : "&powerGradients[" + text((factors - 3) * components(p.lMax)) + "]";
    };
    auto writeRows = [&](const string& source, int first, int l) {
        code << "        if (lane < PADDED_CHANNELS) {\n";
        for (int m = 0; m <= 2 * l; m++)
            code << "            stage[" << m * row << "+lane] = (lane < CHANNELS ? " << source << "[" << first + m << "] : 0);\n";
        code << "        }\n        SYNC_ATOM;\n";
    };
    auto rowsAndCouple = [&](int factors, int l, const string& pack, int columns, int first) {
        int count = couplings[factors - 2].paths[l];
        if (count == 0)
            return;
        code << "        {\n        real g[" << count * (2 * l + 1) << "] = {0};\n";
        for (int path = 0; path < count; path++)
            code << "        " << mix(l) << "(&W[" << pack << "], " << columns << ", " << first + path * c << "+channel, stage4, " << row / 4
                 << ", &g[" << path * (2 * l + 1) << "]);\n";
        code << "        " << coupleName(layer, factors, l) << "Backward(" << power(factors) << ", A, g, " << powerGradient(factors)
             << ", AGradient);\n        }\n";
    };
    for (int l = 0; l <= lOut; l++) {
        int paths = 1;
        for (const SparseCoupling& coupling : couplings)
            paths += coupling.paths[l];
        string pack = "MIXING_TRANSPOSED" + text(layer) + "_" + text(l);
        code << "    {\n";
        writeRows("fGradient", l * l, l);
        code << "        " << mix(l) << "(&W[" << pack << "], " << paths * c << ", channel, stage4, " << row / 4 << ", &AGradient[" << l * l << "]);\n";
        int first = c;
        for (int factors = 2; factors <= p.correlation; factors++) {
            rowsAndCouple(factors, l, pack, paths * c, first);
            first += couplings[factors - 2].paths[l] * c;
        }
        code << "        SYNC_ATOM;\n    }\n";
    }
    for (int factors = p.correlation - 1; factors >= 2; factors--)
        for (int l = 0; l <= p.lMax; l++) {
            code << "    {\n";
            writeRows("powerGradients", (factors - 2) * components(p.lMax) + l * l, l);
            rowsAndCouple(factors, l, text(betweenTransposed[factors][l]), couplings[factors - 2].paths[l] * c, 0);
            code << "        SYNC_ATOM;\n    }\n";
        }
    code << "}\n";
    return code.str();
}

void NetworkCode::heads() {
    int h = p.hidden, scalars = p.numScalarHeads(), tensors = p.numTensorHeads(), outputs = scalars + tensors * c, inputs = p.layers * c;
    auto define = [&](const char* name, int value) { defines[name] = text(value); };
    define("HIDDEN", h);
    define("PADDED_HIDDEN", padded(h));
    define("OUTPUTS", outputs);
    define("PADDED_OUTPUTS", padded(outputs));
    define("NUM_SCALARS", scalars);
    define("NUM_TENSORS", tensors);
    define("PADDED_INVARIANTS", padded(inputs));
    // torch.nn.Linear: [outputs, inputs]
    const vector<double>& trunk = p.weight("heads.trunk.weight", {h, inputs});
    define("TRUNK", weights.addTransposed(trunk, h, inputs));
    define("TRUNK_TRANSPOSED", weights.add(trunk, h, inputs));
    define("TRUNK_BIAS", weights.addPlain(p.weight("heads.trunk.bias", {h})));
    define("HEAD_SPECIES", weights.addPlain(p.weight("heads.species.weight", {p.numSpecies, h})));
    const vector<double>& final = p.weight("heads.final.weight", {outputs, h});
    define("FINAL", weights.addTransposed(final, outputs, h));
    define("FINAL_TRANSPOSED", weights.add(final, outputs, h));
    define("FINAL_BIAS", weights.addPlain(p.weight("heads.final.bias", {outputs})));

    int scalar = 1, tensor = 0, row = 0;
    stringstream degrees;
    if (p.charges) {
        defines["HAS_CHARGES"] = "1";
        define("CHARGE_SCALAR", scalar++);
    }
    if (p.softness) {
        defines["HAS_SOFTNESS"] = "1";
        define("SOFTNESS_SCALAR", scalar++);
    }
    if (p.polarizability) {
        defines["HAS_POLARIZABILITY"] = "1";
        define("POLARIZABILITY_SCALAR", scalar++);
    }
    // For each tensor: its degree and its first row among the tensors' components.
    stringstream forward, backward;
    auto addTensor = [&](const char* rowName, int l) {
        define(rowName, row);
        for (int m = 0; m <= 2 * l; m++) {
            forward << "        if (lane < CHANNELS) stage[" << (row + m) * (c + 1) << "+lane] = F[" << l * l + m << "]*w[" << tensor << "];\n";
            backward << "    wGradient[" << tensor << "] += tensorGradients[" << row + m << "]*F[" << l * l + m << "]*CHANNEL_SCALE;\n";
            backward << "    FGradient[" << l * l + m << "] += tensorGradients[" << row + m << "]*w[" << tensor << "]*CHANNEL_SCALE;\n";
        }
        row += 2 * l + 1;
        tensor++;
    };
    if (p.dipoles) {
        defines["HAS_DIPOLES"] = "1";
        addTensor("DIPOLE_ROW", 1);
    }
    if (p.quadrupoles) {
        defines["HAS_QUADRUPOLES"] = "1";
        addTensor("QUADRUPOLE_ROW", 2);
    }
    if (p.tensorPolarizability) {
        defines["TENSOR_POLARIZABILITY"] = "1";
        addTensor("ANISOTROPY_ROW", 2);
    }
    define("TENSOR_ROWS", row);
    needStage(row * (c + 1));
    needStage(padded(inputs));
    needStage(padded(outputs));
    replacements["WRITE_TENSOR_PRODUCTS"] = forward.str();
    replacements["TENSOR_PRODUCTS_BACKWARD"] = backward.str();
    defines["CHANNEL_SCALE"] = cc.doubleToString(1 / sqrt((double) c));
    defines["CHARGE_UNIT"] = cc.doubleToString(HeadUnits::CHARGE);
    defines["MOMENT_UNIT"] = cc.doubleToString(HeadUnits::MOMENT);
    defines["SOFTNESS_UNIT"] = cc.doubleToString(HeadUnits::SOFTNESS);
    defines["POLARIZABILITY_UNIT"] = cc.doubleToString(HeadUnits::POLARIZABILITY);
    defines["LARGEST_CHARGE"] = cc.doubleToString(HeadUnits::LARGEST_CHARGE);
    defines["LARGEST_DIPOLE"] = cc.doubleToString(HeadUnits::LARGEST_DIPOLE);
    defines["LARGEST_QUADRUPOLE"] = cc.doubleToString(HeadUnits::LARGEST_QUADRUPOLE);
    defines["LARGEST_SOFTNESS"] = cc.doubleToString(HeadUnits::LARGEST_SOFTNESS);
    defines["LARGEST_POLARIZABILITY"] = cc.doubleToString(HeadUnits::LARGEST_POLARIZABILITY);
    defines["LOWEST_ENERGY"] = cc.doubleToString(HeadUnits::LOWEST_ENERGY);
    defines["UNIT_SOFTPLUS"] = cc.doubleToString(log(M_E - 1));
    string values;
    for (double value : p.tensorToCartesian)
        values += (values.empty() ? "" : ", ") + cc.doubleToString(value);
    defines["TENSOR_TO_CARTESIAN"] = values;
}

#include "NetworkCode.h"
#include "NetworkText.h"
#include "openmm/OpenMMException.h"
#include <algorithm>
#include <cmath>
#include <sstream>

using namespace PolarMPPlugin;
using namespace NetworkText;
using namespace OpenMM;
using namespace std;

namespace {

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

NetworkCode::NetworkCode(const ComputeContext& cc, const NetworkParameters& parameters) : cc(cc), p(parameters), c(parameters.channels) {
    auto define = [&](const char* name, int value) { defines[name] = text(value); };
    define("CHANNELS", c);
    define("PADDED_CHANNELS", padded(c));
    define("NUM_SPECIES", p.numSpecies);
    define("NUM_RADIAL", p.numRadial);
    define("NUM_COMPONENTS", components(p.lMax));
    define("NUM_POWERS", max(0, p.correlation - 2));
    define("LAYERS", p.layers);
    define("SAVED_F", components(p.lMax) * (1 + max(0, p.correlation - 2)));
    int parts = components(p.lMessage), sent = parts * p.messageChannels;
    define("PARTS", parts);
    define("MESSAGE_CHANNELS", p.messageChannels);
    define("SENT", sent);
    define("SENT_ROW", padded(sent));
    for (int i = 0; i < p.layers; i++) {
        int degree = p.featureDegree(i);
        saved.push_back(components(p.lMax) * (1 + max(0, p.correlation - 2)) + components(degree) + degree + 1);
        mostFeatures = max(mostFeatures, components(degree));
    }
    define("MOST_FEATURES", mostFeatures);
    harmonics();
    radialAndKinds();
    messageReplacements.resize(p.layers);
    for (int i = 0; i < p.layers; i++)
        layer(i);
    heads();
    replacements["GENERATED_FUNCTIONS"] = functions;
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
        auto list = [&](initializer_list<double> values) {
            string result;
            for (double value : values)
                result += (result.empty() ? "" : ", ") + cc.doubleToString(value);
            return result;
        };
        defines["ZBL"] = "1";
        defines["ZBL_EXPONENTS"] = list({3.1998, 0.94229, 0.4029, 0.20162});
        defines["ZBL_COEFFICIENTS"] = list({0.18175, 0.50986, 0.28022, 0.02817});
        defines["KIND_NUMBER"] = "1";
        defines["KIND_RADIUS"] = "2";
        defines["KIND_ZBL_POWER"] = "3";
        defines["ZBL_LENGTH"] = cc.doubleToString(0.88534 * 0.529177210903);
    }
}

void NetworkCode::layer(int index) {
    int lOut = p.featureDegree(index), gates = (lOut + 1) * c;
    string number = text(index), prefix = index == 0 ? "first." : "layers." + text(index - 1) + ".";
    map<string, string> names;
    names["LAYER"] = number;
    names["LAYER_FORWARD"] = "networkLayer" + number;
    names["LAYER_BACKWARD"] = "networkLayerBackward" + number;
    names["DEGREE"] = text(lOut);
    names["FEATURES"] = text(components(lOut));
    names["SAVED"] = text(saved[index]);
    names["PRODUCTS_FORWARD"] = "productsForward" + number;
    names["PRODUCTS_BACKWARD"] = "productsBackward" + number;
    names["JOIN_FORWARD"] = "joinForward" + number;
    names["JOIN_BACKWARD"] = "joinBackward" + number;
    names["SEND_FORWARD"] = "sendForward" + number;
    names["SEND_BACKWARD"] = "sendBackward" + number;
    names["PREVIOUS_SAVED"] = text(saved[max(0, index - 1)]);
    names["PREVIOUS_FEATURES"] = text(components(p.featureDegree(max(0, index - 1))));
    if (index == 0) {
        defines["EMBEDDING"] = text(weights.addPlain(p.weight("embedding.weight", {p.numSpecies, c})));
        for (int l = 0; l <= p.lMax; l++) {
            int rows = p.numRadial * p.numSpecies;
            const vector<double>& matrix = p.weight("first.density.mixing.weights." + text(l), {rows, c});
            defines["DENSITY" + text(l)] = text(weights.add(matrix, rows, c));
            defines["DENSITY_TRANSPOSED" + text(l)] = text(weights.addTransposed(matrix, rows, c));
            defines["DENSITY_TRANSPOSED_LAST"] = defines["DENSITY_TRANSPOSED" + text(l)];
        }
    }
    // The gate's matrix is [outputs, inputs], as torch.nn.Linear has it.
    const vector<double>& gate = p.weight(prefix + "gate.linear.weight", {gates, c});
    names["GATE"] = text(weights.addTransposed(gate, gates, c));
    names["GATE_TRANSPOSED"] = text(weights.add(gate, gates, c));
    names["GATE_BIAS"] = text(weights.addPlain(p.weight(prefix + "gate.linear.bias", {gates})));
    layerReplacements.push_back(names);
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
    if (index > 0) {
        functions += join(index);
        message(index);
    }
    if (index + 1 < p.layers)
        functions += send(index);
}

/** The density of a later layer from its messages M, the first layer's density D and the features F of the layer before. */
string NetworkCode::join(int layer) {
    stringstream forward, backward;
    string number = text(layer);
    int before = p.featureDegree(layer - 1);
    forward << "DEVICE void joinForward" << number << "(const real* M, const real* D, const real* F, real* joined, int lane, int channel,\n"
            << "        GLOBAL const real4* RESTRICT W, LOCAL_ARG real4* stage4) {\n    LOCAL_ARG real* stage = (LOCAL_ARG real*) stage4;\n";
    backward << "DEVICE void joinBackward" << number << "(const real* gradient, real* M, real* D, real* F, int lane, int channel,\n"
             << "        GLOBAL const real4* RESTRICT W, LOCAL_ARG real4* stage4) {\n    LOCAL_ARG real* stage = (LOCAL_ARG real*) stage4;\n";
    for (int l = 0; l <= p.lMax; l++) {
        vector<string> parts = {"M", "D"};
        if (l <= before)
            parts.push_back("F");
        int rows = parts.size() * c, row = padded(rows);
        needStage(row * (2 * l + 1));
        const vector<double>& matrix = p.weight("layers." + text(layer - 1) + ".join.weights." + text(l), {rows, c});
        for (int m = 0; m <= 2 * l; m++) {
            forward << "    if (lane < CHANNELS) {\n";
            for (size_t i = 0; i < parts.size(); i++)
                forward << "        stage[" << m * row + i * c << "+lane] = " << parts[i] << "[" << l * l + m << "];\n";
            forward << "    }\n";
            if (row > rows)
                forward << "    if (lane < " << row - rows << ") stage[" << m * row + rows << "+lane] = 0;\n";
            backward << "    if (lane < PADDED_CHANNELS) stage[" << m * padded(c) << "+lane] = (lane < CHANNELS ? gradient[" << l * l + m << "] : 0);\n";
        }
        forward << "    SYNC_ATOM;\n    real sum" << l << "[" << 2 * l + 1 << "] = {0};\n    " << mix(l) << "(&W[" << weights.add(matrix, rows, c)
                << "], CHANNELS, channel, stage4, " << row / 4 << ", sum" << l << ");\n";
        for (int m = 0; m <= 2 * l; m++)
            forward << "    joined[" << l * l + m << "] = sum" << l << "[" << m << "];\n";
        forward << "    SYNC_ATOM;\n";
        int transposed = weights.addTransposed(matrix, rows, c);
        backward << "    SYNC_ATOM;\n";
        for (size_t i = 0; i < parts.size(); i++) {
            string sum = "sum" + text(l) + parts[i];
            backward << "    real " << sum << "[" << 2 * l + 1 << "] = {0};\n    " << mix(l) << "(&W[" << transposed << "], " << rows << ", " << i * c
                     << "+channel, stage4, PADDED_CHANNELS/4, " << sum << ");\n";
            for (int m = 0; m <= 2 * l; m++)
                backward << "    " << parts[i] << "[" << l * l + m << "] = " << sum << "[" << m << "];\n";
        }
        backward << "    SYNC_ATOM;\n";
    }
    return forward.str() + "}\n" + backward.str() + "}\n";
}

/** What an atom sends to its neighbours: scalars and vectors of fewer channels. */
string NetworkCode::send(int layer) {
    stringstream code;
    int row = padded(p.messageChannels), parts = components(p.lMessage);
    vector<int> packs, transposed;
    for (int l = 0; l <= p.lMessage; l++) {
        const vector<double>& matrix = p.weight("senders." + text(layer) + ".weights." + text(l), {c, p.messageChannels});
        packs.push_back(weights.add(matrix, c, p.messageChannels));
        transposed.push_back(weights.addTransposed(matrix, c, p.messageChannels));
    }
    needStage(parts * padded(c));
    needStage(parts * row);
    code << "DEVICE void sendForward" << layer << "(const real* F, int lane, GLOBAL const real4* RESTRICT W, LOCAL_ARG real4* stage4, GLOBAL real* sent) {\n"
         << "    LOCAL_ARG real* stage = (LOCAL_ARG real*) stage4;\n    if (lane < PADDED_CHANNELS)\n        for (int part = 0; part < PARTS; part++)\n"
         << "            stage[part*PADDED_CHANNELS+lane] = (lane < CHANNELS ? F[part] : 0);\n    SYNC_ATOM;\n    FOR_LANES(n, SENT) {\n"
         << "        int item = min(n, SENT-1), part = item/MESSAGE_CHANNELS;\n        real value[1] = {0};\n        mix1(&W[part == 0 ? " << packs.front()
         << " : " << packs.back() << "], MESSAGE_CHANNELS, item%MESSAGE_CHANNELS, stage4+part*PADDED_CHANNELS/4, PADDED_CHANNELS/4, value);\n"
         << "        if (n < SENT)\n            sent[n] = value[0];\n    }\n    SYNC_ATOM;\n}\n";
    code << "/** Adds the derivatives by F; the sum of those by what was sent is left empty for the next time. */\n"
         << "DEVICE void sendBackward" << layer << "(real* F, int lane, int channel, GLOBAL const real4* RESTRICT W, LOCAL_ARG real4* stage4, GLOBAL mm_long* sent) {\n"
         << "    LOCAL_ARG real* stage = (LOCAL_ARG real*) stage4;\n    FOR_LANES(n, " << parts * row << ") {\n        int part = n/" << row << ", m = n%" << row << ";\n"
         << "        if (n < " << parts * row << ") {\n            real value = 0;\n            if (m < MESSAGE_CHANNELS) {\n"
         << "                value = (real) (((mixed) sent[part*MESSAGE_CHANNELS+m])*(1/GRADIENT_SCALE));\n                sent[part*MESSAGE_CHANNELS+m] = 0;\n            }\n"
         << "            stage[n] = value;\n        }\n    }\n    SYNC_ATOM;\n";
    for (int part = 0; part < parts; part++)
        code << "    real sum" << part << "[1] = {0};\n    mix1(&W[" << (part == 0 ? transposed.front() : transposed.back()) << "], CHANNELS, channel, stage4+"
             << part * row / 4 << ", " << row / 4 << ", sum" << part << ");\n    F[" << part << "] += sum" << part << "[0];\n";
    code << "    SYNC_ATOM;\n}\n";
    return code.str();
}

/** Mixing of the channels of messages: from the sums X of kernels/networkMessage.cc to messages, and back. */
void NetworkCode::message(int layer) {
    stringstream forward, backward;
    int width = p.numRadial * p.messageChannels;
    for (int l = 0; l <= p.lMax; l++) {
        // Each path's block of rows is filled up to whole packs.
        int paths = p.message.paths[l], rows = width * (1 + paths), block = padded(width), row = block * (1 + paths);
        messageStageSize = max(messageStageSize, row * (2 * l + 1));
        const vector<double>& matrix = p.weight("layers." + text(layer - 1) + ".message.mixing.weights." + text(l), {rows, c});
        string transposed = text(weights.addTransposed(matrix, rows, c));
        vector<double> filled;
        for (int path = 0; path <= paths; path++) {
            filled.insert(filled.end(), matrix.begin() + path * width * c, matrix.begin() + (path + 1) * width * c);
            filled.resize((path + 1) * block * c, 0.0);
        }
        vector<Term> terms = termsOfDegree(p.message, l);
        forward << "        {\n        FOR_LANES(k, " << block << ") {\n            int item = min(k, MIXED_ROW-1);\n"
                << "            real inside = (k < MIXED_ROW ? 1 : 0);\n            GLOBAL const real* x = &X[item/MESSAGE_CHANNELS*SENT+item%MESSAGE_CHANNELS];\n"
                << "            if (k < " << block << ") {\n";
        for (int m = 0; m <= 2 * l; m++) {
            forward << "                stage[" << m * row << "+k] = inside*x[" << l * l + m << "*NUM_RADIAL*SENT];\n";
            for (int path = 0; path < paths; path++) {
                forward << "                stage[" << m * row + (1 + path) * block << "+k] = inside*(0";
                for (const Term& t : terms)
                    if (t.row == path * (2 * l + 1) + m)
                        forward << "+" << cc.doubleToString(t.value) << "*x[" << t.right << "*NUM_RADIAL*SENT+" << 1 + t.left << "*MESSAGE_CHANNELS]";
                forward << ");\n";
            }
        }
        forward << "            }\n        }\n        SYNC_ATOM;\n        real mixedSum[" << 2 * l + 1 << "] = {0};\n"
                << "        mixInTeams" << 2 * l + 1 << "(&W[" << weights.add(filled, row, c) << "], lane, stage4, " << row / 4 << ", mixedSum, partial, message+"
                << l * l << "*CHANNELS);\n        }\n";
        auto mixBack = [&](int path) {
            backward << "            {\n            real g[" << 2 * l + 1 << "] = {0};\n            " << mix(l) << "(&W[" << transposed << "], " << rows << ", "
                     << path * width << "+item, stage4+" << l * l << "*PADDED_CHANNELS/4, PADDED_CHANNELS/4, g);\n";
        };
        mixBack(0);
        for (int m = 0; m <= 2 * l; m++)
            backward << "            d[" << l * l + m << "] += g[" << m << "];\n";
        backward << "            }\n";
        for (int path = 0; path < paths; path++) {
            mixBack(1 + path);
            for (const Term& t : terms)
                if (t.row / (2 * l + 1) == path)
                    backward << "            d[" << 1 + t.left << "*NUM_COMPONENTS+" << t.right << "] += " << cc.doubleToString(t.value) << "*g["
                             << t.row % (2 * l + 1) << "];\n";
            backward << "            }\n";
        }
    }
    map<string, string>& names = messageReplacements[layer];
    names["MESSAGE_FORWARD"] = "networkMessage" + text(layer);
    names["MESSAGE_BACKWARD"] = "networkMessageBackward" + text(layer);
    names["MESSAGE_MIXING"] = forward.str();
    names["MESSAGE_MIXING_BACKWARD"] = backward.str();
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

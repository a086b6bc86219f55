#include "NetworkCode.h"
#include "NetworkText.h"
#include <algorithm>
#include <cmath>
#include <sstream>

using namespace PolarMPPlugin;
using namespace NetworkText;
using namespace OpenMM;
using namespace std;

namespace {

/** Functions for y[row] = sum value a[left] b[right] and its derivatives, term by term. */
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
    define("MOST_DEGREES", p.lMax + 1);
    if (p.densityLimit > 0)
        defines["PER_SQUARED_LIMIT"] = cc.doubleToString(1 / (p.densityLimit * p.densityLimit));
    int parts = components(p.lMessage), sent = parts * p.messageChannels;
    define("PARTS", parts);
    define("MESSAGE_CHANNELS", p.messageChannels);
    define("SENT", sent);
    define("SENT_ROW", padded(sent));
    for (int i = 0; i < p.layers; i++) {
        int degree = p.featureDegree(i);
        int shortening = p.densityLimit > 0 ? p.lMax + 1 : 0;
        saved.push_back(components(p.lMax) * (1 + max(0, p.correlation - 2)) + components(degree) + degree + 1 + shortening);
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
        // No network has formal charges and electronegativities.
        const vector<double>& second = p.equilibrates() ? p.electronegativities : p.formalCharges;
        table.insert(table.end(), {p.energyScale[kind], second.empty() ? 0 : second[kind]});
        if (zbl)
            table.insert(table.end(), {p.zblNumber[kind], p.zblRadius[kind], pow(p.zblNumber[kind], 0.23)});
    }
    defines["KIND_TABLE"] = text(weights.addPlain(table));
    defines["KIND_ENTRIES"] = text(zbl ? 5 : 2);
    defines["KIND_ENERGY_SCALE"] = "0";
    defines["KIND_FORMAL_CHARGE"] = defines["KIND_ELECTRONEGATIVITY"] = "1";
    if (!p.formalCharges.empty())
        defines["FORMAL_CHARGES"] = "1";
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
        defines["KIND_NUMBER"] = "2";
        defines["KIND_RADIUS"] = "3";
        defines["KIND_ZBL_POWER"] = "4";
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
    // The gate's matrix is [outputs, inputs], as in torch.nn.Linear.
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

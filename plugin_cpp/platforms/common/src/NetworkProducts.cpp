#include "NetworkCode.h"
#include "NetworkText.h"
#include <sstream>

using namespace PolarMPPlugin;
using namespace NetworkText;
using namespace OpenMM;
using namespace std;

// The generated text of the products of a density with itself (models/_layers.py, Products).

/** Features (before the gate, without the embedding of the atom's kind) and powers of a density; called by all lanes. */
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
    auto pad = [&](int used, int row, int l) {
        if (row > used)
            for (int m = 0; m <= 2 * l; m++)
                code << "        stage[" << m * row + used << "+min(lane, " << row - used - 1 << ")] = 0;\n";  // without a branch: PoCL compiles one wrong
    };
    for (int factors = 2; factors < p.correlation; factors++)
        for (int l = 0; l <= p.lMax; l++) {
            int paths = couplings[factors - 2].paths[l], row = padded(paths * c);
            needStage(row * (2 * l + 1));
            code << "    {\n        real y[" << paths * (2 * l + 1) << "];\n"
                 << "        " << coupleName(layer, factors, l) << "(" << power(factors) << ", A, y);\n        if (lane < CHANNELS) {\n";
            write("y", l, paths, 0, row);
            code << "        }\n";
            pad(paths * c, row, l);
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
            code << "        {\n        real y[" << count * (2 * l + 1) << "];\n        " << coupleName(layer, factors, l) << "(" << power(factors)
                 << ", A, y);\n        if (lane < CHANNELS) {\n";
            write("y", l, count, first, row);
            code << "        }\n        }\n";
            first += count * c;
        }
        pad(paths * c, row, l);
        code << "        SYNC_ATOM;\n        real sum[" << 2 * l + 1 << "] = {0};\n        " << mix(l) << "(&W[" << weights.add(matrix, paths * c, c)
             << "], CHANNELS, channel, stage4, " << row / 4 << ", sum);\n";
        for (int m = 0; m <= 2 * l; m++)
            code << "        f[" << l * l + m << "] = sum[" << m << "];\n";
        code << "        SYNC_ATOM;\n    }\n";
    }
    code << "}\n";
    return code.str();
}

/** Adds to AGradient, the derivatives by the density, from the derivatives by the features; called by all lanes. */
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
        code << "        {\n        real g[" << count * (2 * l + 1) << "];\n";
        for (int path = 0; path < count; path++) {
            code << "        {\n        real sum[" << 2 * l + 1 << "] = {0};\n        " << mix(l) << "(&W[" << pack << "], " << columns << ", "
                 << first + path * c << "+channel, stage4, " << row / 4 << ", sum);\n";
            for (int m = 0; m <= 2 * l; m++)
                code << "        g[" << path * (2 * l + 1) + m << "] = sum[" << m << "];\n";
            code << "        }\n";
        }
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
        code << "        real sum[" << 2 * l + 1 << "] = {0};\n        " << mix(l) << "(&W[" << pack << "], " << paths * c << ", channel, stage4, "
             << row / 4 << ", sum);\n";
        for (int m = 0; m <= 2 * l; m++)
            code << "        AGradient[" << l * l + m << "] += sum[" << m << "];\n";
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

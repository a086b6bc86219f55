#include "NetworkCode.h"
#include "NetworkText.h"
#include <cmath>
#include <sstream>

using namespace PolarMPPlugin;
using namespace NetworkText;
using namespace OpenMM;
using namespace std;

// The generated text and the sizes of the heads (models/heads.py).

void NetworkCode::heads() {
    int h = p.hidden, scalars = p.numScalarHeads(), tensors = p.numTensorHeads(), outputs = scalars + tensors * c + p.numEdgeRows(), inputs = p.layers * c;
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

    edges();
    int scalar = 1, tensor = 0, row = 0;
    if (p.charges) {
        defines["HAS_CHARGES"] = "1";
        define("CHARGE_SCALAR", scalar++);
    }
    if (p.softness) {
        defines["HAS_SOFTNESS"] = "1";
        define("SOFTNESS_SCALAR", scalar++);
    }
    if (p.equilibrates())
        defines["EQUILIBRATES"] = "1";
    if (p.polarizability) {
        defines["HAS_POLARIZABILITY"] = "1";
        define("POLARIZABILITY_SCALAR", scalar++);
    }
    // Each tensor has 2l+1 rows among the tensors' components.
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
    defines["LARGEST_SOFTNESS"] = cc.doubleToString(p.largestSoftness);
    defines["LARGEST_POLARIZABILITY"] = cc.doubleToString(p.largestPolarizability);
    defines["ELECTRONEGATIVITY_UNIT"] = cc.doubleToString(HeadUnits::ELECTRONEGATIVITY);
    defines["HARDNESS_UNIT"] = cc.doubleToString(HeadUnits::HARDNESS);
    defines["LARGEST_ELECTRONEGATIVITY"] = cc.doubleToString(HeadUnits::LARGEST_ELECTRONEGATIVITY);
    defines["LOWEST_ENERGY"] = cc.doubleToString(HeadUnits::LOWEST_ENERGY);
    defines["LARGEST_RATIO"] = cc.doubleToString(HeadUnits::LARGEST_RATIO);
    defines["UNIT_SOFTPLUS"] = cc.doubleToString(HeadUnits::UNIT_SOFTPLUS);
    string values;
    for (double value : p.tensorToCartesian)
        values += (values.empty() ? "" : ", ") + cc.doubleToString(value);
    defines["TENSOR_TO_CARTESIAN"] = values;
}

void NetworkCode::edges() {
    defines["EDGE_ROWS"] = text(p.numEdgeRows());
    const vector<int> shape = {p.numSpecies, p.numSpecies, p.numRadial};
    if (p.transfers) {
        defines["TRANSFERS"] = "1";
        defines["TRANSFER_TABLE"] = text(weights.addPlain(p.weight("edge_heads.transfer", shape)));
        // of radial functions with their scale
        defines["TRANSFER_UNIT"] = cc.doubleToString(HeadUnits::TRANSFER / p.radialScale);
        defines["LARGEST_TRANSFER"] = cc.doubleToString(HeadUnits::LARGEST_TRANSFER);
    }
    if (p.conducts) {
        defines["CONDUCTS"] = "1";
        defines["CONDUCTANCE_TABLE"] = text(weights.addPlain(p.weight("edge_heads.conductance", shape)));
        defines["CONDUCTANCE_UNIT"] = cc.doubleToString(HeadUnits::CONDUCTANCE / pow(p.radialScale, 2));
        defines["LARGEST_CONDUCTANCE"] = cc.doubleToString(HeadUnits::LARGEST_CONDUCTANCE);
    }
}

#pragma once
#include "Heads.h"

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

/** From the scalar features of all layers to the outputs of the last map. */
template <class Real>
void lastMap(const NetworkPlan<Real>& plan, const AtomBlock<Real>& block, const Kept<Real>& kept, Scratch<Real>& scratch) {
    const int c = plan.channels;
    for (int layer = 0; layer < plan.layers; layer++)
        for (int k = 0; k < c; k++)
            scratch.invariants[layer * c + k] = silu<Real>(kept.layers[layer].gates[k]);
    for (int h = 0; h < plan.hidden; h++)
        for (int k = 0; k < LANES<Real>; k++)
            kept.hidden[h][k] = plan.speciesHidden[block.kinds[k] * plan.hidden + h];
    mixBlock<Real>(plan.trunk, 0, 1, scratch.invariants, kept.hidden, true);
    for (int h = 0; h < plan.hidden; h++)
        scratch.hidden[h] = silu<Real>(kept.hidden[h]);
    for (int k = 0; k < plan.numOutputs; k++)
        kept.outputs[k] = all<Real>(plan.final.bias[k]);
    mixBlock<Real>(plan.final, 0, 1, scratch.hidden, kept.outputs, true);
}

/** The weighted sums of the channels' vectors and tensors, before they are bounded. */
template <class Real>
void sumTensors(const NetworkPlan<Real>& plan, const Kept<Real>& kept, Scratch<Real>& scratch) {
    for (int l = 1; l <= plan.lMax; l++) {
        const HeadsOfDegree<Real> heads(plan, l);
        if (heads.count == 0)
            continue;
        weightInputs(plan, heads, kept, scratch);
        sumChannels(plan, heads, kept, scratch, (V<Real>(*)[5])(kept.tensorSums + 5 * heads.first));
    }
}

/** 1 + s + A, whose square is the polarizability, shortened so that its square does not overflow; returns the factor. */
template <class Real>
inline V<Real> polarizabilityRoot(const NetworkPlan<Real>& plan, const V<Real>* sums, V<Real> isotropic, V<Real>* root) {
    V<Real> scaled[5];
    for (int m = 0; m < 5; m++)
        scaled[m] = sums[m] * plan.perChannel;
    toMatrix(plan, scaled, root);
    for (int k : {0, 3, 5})
        root[k] += Real(1) + isotropic;
    const V<Real> factor = shortening<Real>(root, 6);
    for (int k = 0; k < 6; k++)
        root[k] *= factor;
    return factor;
}

/** POLARIZABILITY times the square of the root: nine elements, of which the last three repeat the off-diagonal ones. */
template <class Real>
inline void squareOfRoot(const V<Real>* root, V<Real>* matrix) {
    symmetricProduct<Real>(root, root, matrix);
    for (int k = 0; k < 6; k++)
        matrix[k] *= Real(Units::POLARIZABILITY / 2);
    matrix[6] = matrix[1];
    matrix[7] = matrix[2];
    matrix[8] = matrix[4];
}

template <class Real>
inline V<Real> boundedEnergy(V<Real> energy) {
    V<Real> bounded = energy;
    bound<Real>(&bounded, 1, Units::LOWEST_ENERGY);
    return energy < 0 ? bounded : energy;
}

/** A positive scalar, the softplus of an output of the last map in this unit, and its upper bound. */
struct PositiveScalar {
    double unit, largest;
};

template <class Real>
inline PositiveScalar softnessOf(const NetworkPlan<Real>& plan) {
    return {Units::SOFTNESS, plan.largestSoftness};
}

template <class Real>
inline PositiveScalar polarizabilityOf(const NetworkPlan<Real>& plan) {
    return {Units::POLARIZABILITY, plan.largestPolarizability};
}

template <class Real>
inline V<Real> positiveScalar(PositiveScalar scalar, V<Real> output) {
    V<Real> value = Real(scalar.unit) * softplus<Real>(output + Real(Units::UNIT_SOFTPLUS));
    bound<Real>(&value, 1, scalar.largest);
    return value;
}

template <class Real>
inline V<Real> positiveScalarBack(PositiveScalar scalar, V<Real> output, V<Real> gradient) {
    const V<Real> shifted = output + Real(Units::UNIT_SOFTPLUS), value = Real(scalar.unit) * softplus<Real>(shifted);
    boundBack<Real>(&value, 1, scalar.largest, &gradient);
    return gradient * sigmoid<Real>(shifted) * Real(scalar.unit);
}

/** What an atom's electronegativity and hardness amount to (theory.md section 9). */
template <class Real>
struct Equilibrated {
    V<Real> unbounded, electronegativity, shifted, softness;

    Equilibrated(const NetworkPlan<Real>& plan, const AtomBlock<Real>& block, const V<Real>* outputs) {
        V<Real> ofKind;
        for (int k = 0; k < LANES<Real>; k++)
            ofKind[k] = plan.electronegativities[block.kinds[k]];
        unbounded = (outputs[plan.charge] + ofKind) * Real(Units::ELECTRONEGATIVITY);
        electronegativity = unbounded;
        bound<Real>(&electronegativity, 1, Units::LARGEST_ELECTRONEGATIVITY);
        shifted = outputs[plan.softness] + Real(Units::UNIT_SOFTPLUS);
        softness = Real(1) / (Real(1 / plan.largestSoftness) + softplus<Real>(shifted) * Real(Units::HARDNESS));
    }
    V<Real> charge() const {
        return -softness * electronegativity;
    }
    V<Real> energy() const {
        return charge() * electronegativity * Real(0.5);
    }
    /** From the derivatives by charge, softness and energy to those by the outputs. */
    void back(const NetworkPlan<Real>& plan, V<Real> byCharge, V<Real> bySoftness, double byEnergy, V<Real>* byOutputs) const {
        V<Real> byElectronegativity = -softness * (byCharge + electronegativity * Real(byEnergy));
        bySoftness -= electronegativity * (byCharge + electronegativity * Real(0.5 * byEnergy));
        boundBack<Real>(&unbounded, 1, Units::LARGEST_ELECTRONEGATIVITY, &byElectronegativity);
        byOutputs[plan.charge] = byElectronegativity * Real(Units::ELECTRONEGATIVITY);
        byOutputs[plan.softness] = -bySoftness * softness * softness * sigmoid<Real>(shifted) * Real(Units::HARDNESS);
    }
};

/** Writes the moments of the particles, and sums their energies. */
template <class Real>
void writeOutputs(const NetworkPlan<Real>& plan, const AtomBlock<Real>& block, const Kept<Real>& kept, const Outputs& outputs, double& total) {
    const V<Real> energy = boundedEnergy<Real>(kept.outputs[0]), repulsion = *kept.repulsion;
    total = 0;
    for (int k = 0; k < LANES<Real>; k++)
        if (block.particles[k] >= 0)
            total += energy[k] * plan.energyScale[block.kinds[k]] + plan.energyShift[block.kinds[k]] + repulsion[k];
    if (plan.electronegativities != nullptr) {
        const Equilibrated<Real> atoms(plan, block, kept.outputs);
        const V<Real> energies = atoms.energy();
        for (int k = 0; k < LANES<Real>; k++)
            if (block.particles[k] >= 0)
                total += energies[k];
        store<Real>(block, atoms.charge(), outputs.moments[CHARGE], 1, 0);
        store<Real>(block, atoms.softness, outputs.moments[SOFTNESS], 1, 0);
    }
    else if (plan.charge >= 0) {
        V<Real> charge = kept.outputs[plan.charge] * Real(Units::CHARGE);
        bound<Real>(&charge, 1, Units::LARGEST_CHARGE);
        store<Real>(block, charge, outputs.moments[CHARGE], 1, 0);
        if (plan.edges.transfers || plan.edges.conducts)
            store<Real>(block, charge, outputs.localCharges, 1, 0);
    }
    if (plan.formalCharges != nullptr)
        for (int k = 0; k < LANES<Real>; k++)
            if (block.particles[k] >= 0)
                outputs.localCharges[block.particles[k]] = plan.formalCharges[block.kinds[k]];
    if (plan.softness >= 0 && plan.electronegativities == nullptr)
        store<Real>(block, positiveScalar<Real>(softnessOf(plan), kept.outputs[plan.softness]), outputs.moments[SOFTNESS], 1, 0);
    if (plan.polarizability >= 0 && !plan.tensorPolarizability)
        for (int a = 0; a < 3; a++)
            store<Real>(block, positiveScalar<Real>(polarizabilityOf(plan), kept.outputs[plan.polarizability]), outputs.moments[POLARIZABILITY], 9, 4 * a);
    auto storeMatrix = [&](const V<Real>* matrix, double* target) {
        for (int k = 0; k < 6; k++) {
            store<Real>(block, matrix[k], target, 9, 3 * ROW[k] + COLUMN[k]);
            if (ROW[k] != COLUMN[k])
                store<Real>(block, matrix[k], target, 9, 3 * COLUMN[k] + ROW[k]);
        }
    };
    for (int h = 0; h < plan.numHeads; h++) {
        V<Real> values[5], matrix[9];
        for (int m = 0; m < 5; m++)
            values[m] = kept.tensorSums[5 * h + m] * (Real(Units::MOMENT) * plan.perChannel);
        if (plan.heads[h].moment == TensorHead::Dipole) {
            bound<Real>(values, 3, Units::LARGEST_DIPOLE);
            for (int a = 0; a < 3; a++)
                store<Real>(block, values[a], outputs.moments[DIPOLE], 3, a);
        }
        else if (plan.heads[h].moment == TensorHead::Quadrupole) {
            bound<Real>(values, 5, Units::LARGEST_QUADRUPOLE);  // the matrix of each component has norm 1
            toMatrix(plan, values, matrix);
            storeMatrix(matrix, outputs.moments[QUADRUPOLE]);
        }
        else {
            V<Real> root[6];
            polarizabilityRoot(plan, kept.tensorSums + 5 * h, kept.outputs[plan.polarizability], root);
            squareOfRoot<Real>(root, matrix);
            bound<Real>(matrix, 9, plan.largestPolarizability);
            storeMatrix(matrix, outputs.moments[POLARIZABILITY]);
        }
    }
}

/** From the derivatives by the moments to those by the last map's outputs and by the weighted sums. */
template <class Real>
void writeOutputsBack(const NetworkPlan<Real>& plan, const AtomBlock<Real>& block, const Kept<Real>& kept, const Cotangents& cotangents,
                      V<Real>* byOutputs, V<Real> (*bySums)[5]) {
    V<Real> byEnergy;
    for (int k = 0; k < LANES<Real>; k++)
        byEnergy[k] = (block.particles[k] >= 0 ? cotangents.energy * plan.energyScale[block.kinds[k]] : 0.0);
    V<Real> bounded = byEnergy;
    boundBack<Real>(&kept.outputs[0], 1, Units::LOWEST_ENERGY, &bounded);
    byOutputs[0] = kept.outputs[0] < 0 ? bounded : byEnergy;
    if (plan.electronegativities != nullptr) {
        const V<Real> byCharge = fetch(block, cotangents.moments[CHARGE], 1, 0), bySoftness = fetch(block, cotangents.moments[SOFTNESS], 1, 0);
        Equilibrated<Real>(plan, block, kept.outputs).back(plan, byCharge, bySoftness, cotangents.energy, byOutputs);
    }
    else if (plan.charge >= 0) {
        const V<Real> charge = kept.outputs[plan.charge] * Real(Units::CHARGE);
        V<Real> by = fetch(block, cotangents.moments[CHARGE], 1, 0);
        boundBack<Real>(&charge, 1, Units::LARGEST_CHARGE, &by);
        byOutputs[plan.charge] = by * Real(Units::CHARGE);
    }
    if (plan.softness >= 0 && plan.electronegativities == nullptr)
        byOutputs[plan.softness] = positiveScalarBack<Real>(softnessOf(plan), kept.outputs[plan.softness], fetch(block, cotangents.moments[SOFTNESS], 1, 0));
    auto fetchMatrix = [&](const double* source, V<Real>* matrix) {
        for (int k = 0; k < 6; k++)
            matrix[k] = Real(0.5) * (fetch(block, source, 9, 3 * ROW[k] + COLUMN[k]) + fetch(block, source, 9, 3 * COLUMN[k] + ROW[k]));
    };
    V<Real> byMatrix[9];
    if (plan.polarizability >= 0) {
        fetchMatrix(cotangents.moments[POLARIZABILITY], byMatrix);
        if (!plan.tensorPolarizability)
            byOutputs[plan.polarizability] =
                positiveScalarBack<Real>(polarizabilityOf(plan), kept.outputs[plan.polarizability], byMatrix[0] + byMatrix[3] + byMatrix[5]);
    }
    for (int h = 0; h < plan.numHeads; h++) {
        const Real unit = Real(Units::MOMENT) * plan.perChannel;
        V<Real> values[5];
        for (int m = 0; m < 5; m++)
            values[m] = kept.tensorSums[5 * h + m] * unit;
        if (plan.heads[h].moment == TensorHead::Dipole) {
            for (int a = 0; a < 3; a++)
                bySums[h][a] = fetch(block, cotangents.moments[DIPOLE], 3, a);
            boundBack<Real>(values, 3, Units::LARGEST_DIPOLE, bySums[h]);
            for (int a = 0; a < 3; a++)
                bySums[h][a] *= unit;
        }
        else if (plan.heads[h].moment == TensorHead::Quadrupole) {
            V<Real> byQuadrupole[6];
            fetchMatrix(cotangents.moments[QUADRUPOLE], byQuadrupole);
            fromMatrix(plan, byQuadrupole, bySums[h]);
            boundBack<Real>(values, 5, Units::LARGEST_QUADRUPOLE, bySums[h]);
            for (int m = 0; m < 5; m++)
                bySums[h][m] *= unit;
        }
        else {
            V<Real> root[6], alpha[9], byRoot[6];
            const V<Real> shortened = polarizabilityRoot(plan, kept.tensorSums + 5 * h, kept.outputs[plan.polarizability], root);
            squareOfRoot<Real>(root, alpha);
            byMatrix[6] = byMatrix[1];
            byMatrix[7] = byMatrix[2];
            byMatrix[8] = byMatrix[4];
            boundBack<Real>(alpha, 9, plan.largestPolarizability, byMatrix);
            symmetricProduct<Real>(byMatrix, root, byRoot);
            for (V<Real>& by : byRoot)
                by *= Real(Units::POLARIZABILITY) * shortened;
            byOutputs[plan.polarizability] = byRoot[0] + byRoot[3] + byRoot[5];
            fromMatrix(plan, byRoot, bySums[h]);
            for (int m = 0; m < 5; m++)
                bySums[h][m] *= plan.perChannel;
        }
    }
}

/**
 * The backward pass of the heads: sets the gradients by the scalars before the gate (scratch.byFeatures), by the products of
 * higher degree and by the features of earlier layers, and adds to those by the density and the shorter products.
 */
template <class Real>
void outputsBack(const NetworkPlan<Real>& plan, const AtomBlock<Real>& block, const Kept<Real>& kept, Scratch<Real>& scratch,
                 const Cotangents& cotangents) {
    const int c = plan.channels, last = plan.layers - 1;
    V<Real> bySums[3][5];
    writeOutputsBack(plan, block, kept, cotangents, scratch.byOutputs, bySums);
    for (int l = 1; l <= plan.products[last].lOut; l++) {
        const HeadsOfDegree<Real> heads(plan, l);
        if (heads.count > 0)
            weightInputs(plan, heads, kept, scratch);
        else
            for (int k = 0; k < c; k++)
                scratch.byGates[l * c + k] = V<Real>{};
        sumChannelsBack(plan, heads, kept, scratch, bySums + heads.first);
    }
    mixBack<Real>(plan.final, 0, 1, scratch.byOutputs, 0, plan.hidden, scratch.hidden, false);
    for (int h = 0; h < plan.hidden; h++)
        scratch.hidden[h] *= siluSlope<Real>(kept.hidden[h]);
    mixBack<Real>(plan.trunk, 0, 1, scratch.hidden, 0, plan.layers * c, scratch.byInvariants, false);
    for (int k = 0; k < c; k++)
        scratch.byGates[k] = scratch.byInvariants[last * c + k] * siluSlope<Real>(kept.layers[last].gates[k]);
    mixBack<Real>(plan.products[last].gate, 0, 1, scratch.byGates, 0, c, scratch.byFeatures, false);
    for (int layer = 0; layer < last; layer++) {
        const int size = components(plan.products[layer].lOut) * c;
        for (int k = 0; k < size; k++)
            kept.layers[layer].byFeatures[k] = k < c ? scratch.byInvariants[layer * c + k] : V<Real>{};
    }
    if (last > 0)
        for (int k = 0; k < plan.harmonics * c; k++)
            kept.byDensity[k] = V<Real>{};
}

} // namespace POLARMP_ARCH
} // namespace PolarMPPlugin

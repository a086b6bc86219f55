#pragma once
#include "DensitySums.h"
#include "Outputs.h"

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

// The heads of pairs (models/edge_heads.py) and the charge that flows (theory.md section 8). The lanes are the receivers, each with
// its k-th neighbour of a kind, as in DensitySums.h. Every pair is visited from both of its atoms, so that each visit has what the
// receiver gets, and all gradients by the receiver's numbers and position: nothing is added to arrays of other atoms.

/** x / sqrt(1 + x^2 / limit^2), and its slope. */
template <class Real>
inline V<Real> bounded(V<Real> x, double limit, V<Real>& slope) {
    V<Real> ratio;
    const V<Real> shortened = ratiosTo<Real>(limit, &x, 1, &ratio);
    const V<Real> square = Real(1) / (Real(1) + ratio * ratio), factor = squareRoot<Real>(square);
    slope = shortened * factor * square;
    return Real(limit) * ratio * factor;
}

/** One number of each sender: of the sites in the lanes. */
template <class Real>
inline V<Real> ofSenders(const Real* values, const SharedArrays<Real>& shared, const int* sites) {
    V<Real> result;
#pragma GCC unroll 16
    for (int k = 0; k < LANES<Real>; k++)
        result[k] = values[shared.rowOf[sites[k]]];
    return result;
}

/** The atoms' numbers that their pairs use: rows of u_n and v_n with one atom each, and softplus(s). */
template <class Real>
void writeEdgeNumbers(const NetworkPlan<Real>& plan, const AtomBlock<Real>& block, const Kept<Real>& kept, const SharedArrays<Real>& shared) {
    const EdgePlan<Real>& edges = plan.edges;
    const V<Real>* numbers = kept.outputs + edges.row;
    const int count = edges.transfers ? 2 * plan.numRadial : 0;
    const V<Real> soft = edges.conducts ? softplus<Real>(numbers[count] + Real(Units::UNIT_SOFTPLUS)) : V<Real>{};
    for (int k = 0; k < LANES<Real>; k++)
        if (block.atoms[k] >= 0) {
            Real* row = shared.edgeRows + (long) edges.rowSize * block.atoms[k];
            for (int n = 0; n < count; n++)
                row[n] = numbers[n][k];
            shared.edgeSoftness[block.atoms[k]] = soft[k];
        }
}

/**
 * What a block's pairs with senders of one kind have in common.
 *
 * @tparam N  number of radial functions; 0: any
 */
template <class Real, int N>
struct EdgePairs {
    const NetworkPlan<Real>& plan;
    const SharedArrays<Real>& shared;
    const int n;              // number of radial functions
    const V<Real>*u, *v;      // of the receivers
    V<Real> soft;
    V<Real>*transferTable, *conductanceTable;  // of the receivers with this kind
    V<Real>*sines, *cosines, *B, *senders;     // of the last pair; senders: u_n and v_n

    EdgePairs(const NetworkPlan<Real>& plan, const Kept<Real>& kept, const SharedArrays<Real>& shared, V<Real>* memory)
            : plan(plan), shared(shared), n(N > 0 ? N : plan.numRadial), u(kept.outputs + plan.edges.row), v(u + n) {
        transferTable = memory;
        conductanceTable = transferTable + n;
        sines = conductanceTable + n;
        cosines = sines + n;
        B = cosines + n;
        senders = B + n;
        if (plan.edges.conducts)
            soft = softplus<Real>(kept.outputs[plan.edges.row + (plan.edges.transfers ? 2 * n : 0)] + Real(Units::UNIT_SOFTPLUS));
    }
    void setKind(const int* kinds, int kind) {
        const EdgePlan<Real>& edges = plan.edges;
        for (int m = 0; m < n; m++)
            for (int k = 0; k < LANES<Real>; k++) {
                const int entry = (kinds[k] * plan.numKinds + kind) * n + m;
                transferTable[m][k] = edges.transfers ? edges.transferTable[entry] : Real(0);
                conductanceTable[m][k] = edges.conducts ? edges.conductanceTable[entry] : Real(0);
            }
    }
    void readSenders(const int* sites) {
        const int vectors = plan.edges.rowSize / LANES<Real>;
        for (int w = 0; w < vectors; w++) {
            V<Real> square[LANES<Real>];
#pragma GCC unroll 16
            for (int k = 0; k < LANES<Real>; k++)
                square[k] = *(const V<Real>*) (shared.edgeRows + (long) plan.edges.rowSize * shared.rowOf[sites[k]] + w * LANES<Real>);
            transpose<Real>(square);
#pragma GCC unroll 16
            for (int k = 0; k < LANES<Real>; k++)
                senders[w * LANES<Real> + k] = square[k];
        }
    }
    /** sum_n B_n of this is the transfer in its unit. */
    V<Real> mixed(int m) const {
        return u[m] * senders[n + m] - senders[m] * v[m] + transferTable[m];
    }
    V<Real> transfer() const {
        V<Real> sum = V<Real>{};
#pragma GCC unroll 8
        for (int m = 0; m < n; m++)
            sum += B[m] * mixed(m);
        return sum * plan.edges.transferUnit;
    }
    V<Real> conductanceRoot() const {
        V<Real> sum = V<Real>{};
#pragma GCC unroll 8
        for (int m = 0; m < n; m++)
            sum += B[m] * conductanceTable[m];
        return sum;
    }
};

/** Calls work(vector, sites, displacements, kind) for all vectors of a block that have pairs within the cutoff, skip(vector) for the others. */
template <class Real, class Work, class Skip>
inline void forEdges(const NetworkPlan<Real>& plan, const AtomBlock<Real>& block, const SharedArrays<Real>& shared, const Work& work,
                     const Skip& skip) {
    const Receivers<Real> receivers(block, shared);
    const V<Real> limit = all<Real>(plan.cutoff * plan.cutoff);
    for (int kind = 0; kind < plan.numKinds; kind++)
        for (int vector = block.firstVector[kind]; vector < block.firstVector[kind + 1]; vector++) {
            Displacements<Real> r;
            const int* sites = block.neighbors + (long) vector * LANES<Real>;
            r.load(shared.positions, receivers.positions, sites);
            if (anyLess<Real>(r.square, limit))
                work(vector, sites, r, kind);
            else
                skip(vector);
        }
}

/** Adds what the atoms have exchanged to their charges, and keeps the values of the pairs. */
template <class Real, int N>
void exchangeOf(const NetworkPlan<Real>& plan, const AtomBlock<Real>& block, const SharedArrays<Real>& shared, const Kept<Real>& kept,
                V<Real>* memory, const Outputs& outputs) {
    EdgePairs<Real, N> pairs(plan, kept, shared, memory);
    const EdgePlan<Real>& edges = plan.edges;
    V<Real> received = V<Real>{}, response = V<Real>{};
    V<Real>*transfers = (V<Real>*) shared.transfers, *conductances = (V<Real>*) shared.conductances;
    int lastKind = -1;
    auto work = [&](int vector, const int* sites, const Displacements<Real>& r, int kind) {
        if (kind != lastKind)
            pairs.setKind(block.kinds, kind);
        lastKind = kind;
        const PairFunctions<Real> functions(plan, r);
        functions.radial(pairs.n, pairs.sines, pairs.cosines, pairs.B);
        V<Real> slope;
        if (edges.transfers) {
            pairs.readSenders(sites);
            const V<Real> transfer = bounded<Real>(pairs.transfer(), Units::LARGEST_TRANSFER, slope);
            transfers[vector] = transfer;
            received += transfer;
        }
        if (edges.conducts) {
            const V<Real> root = pairs.conductanceRoot(), soft = pairs.soft * ofSenders<Real>(shared.edgeSoftness, shared, sites);
            const V<Real> conductance = bounded<Real>(edges.conductanceUnit * root * root * soft, Units::LARGEST_CONDUCTANCE, slope);
            conductances[vector] = conductance;
            response += conductance * (r.square < all<Real>(plan.cutoff * plan.cutoff) ? r.square : V<Real>{});  // padding is far away
        }
    };
    forEdges<Real>(plan, block, shared, work, [&](int vector) {
        if (edges.transfers)
            transfers[vector] = V<Real>{};
        if (edges.conducts)
            conductances[vector] = V<Real>{};
    });
    for (int k = 0; k < LANES<Real>; k++)
        if (block.particles[k] >= 0)
            outputs.moments[CHARGE][block.particles[k]] = outputs.localCharges[block.particles[k]] + received[k];
    store<Real>(block, response * Real(1.0 / 6), outputs.flowPolarizability, 1, 0);
}

/** Phi'_i - Phi'_j - E.d_ij, where d_ij is minus the displacement. */
template <class Real>
inline V<Real> dropOf(V<Real> potential, const SharedArrays<Real>& shared, const FlowPotential& from, const int* sites,
                      const Displacements<Real>& r) {
    return potential - ofSenders<Real>(shared.potential, shared, sites) + Real(from.field[0]) * r.x + Real(from.field[1]) * r.y
           + Real(from.field[2]) * r.z;
}

/** The potential at the receivers. */
template <class Real>
inline V<Real> potentialAt(const AtomBlock<Real>& block, const SharedArrays<Real>& shared) {
    V<Real> result = V<Real>{};
    for (int k = 0; k < LANES<Real>; k++)
        if (block.atoms[k] >= 0)
            result[k] = shared.potential[block.atoms[k]];
    return result;
}

template <class Real>
void flow(const NetworkPlan<Real>& plan, const AtomBlock<Real>& block, const SharedArrays<Real>& shared, const FlowPotential& from, double* charges,
          double* energies) {
    const V<Real> potential = potentialAt(block, shared);
    V<Real> charge = V<Real>{}, energy = V<Real>{};
    const V<Real>*transfers = (const V<Real>*) shared.transfers, *conductances = (const V<Real>*) shared.conductances;
    const bool responds = plan.edges.conducts && from.responds;
    if (from.field[0] == 0 && from.field[1] == 0 && from.field[2] == 0) {
        for (int vector = block.firstVector[0]; vector < block.firstVector[plan.numKinds]; vector++) {
            const V<Real> drop = potential - ofSenders<Real>(shared.potential, shared, block.neighbors + (long) vector * LANES<Real>);
            const V<Real> flowed = -conductances[vector] * drop;
            charge += flowed;
            energy += flowed * drop;
        }
        energy *= Real(0.25);
    }
    else
        forEdges<Real>(
            plan, block, shared,
            [&](int vector, const int* sites, const Displacements<Real>& r, int) {
                // Padding is far away, where its transfers and conductances are zero.
                const V<Real> inside = r.square < all<Real>(plan.cutoff * plan.cutoff) ? all<Real>(1) : V<Real>{};
                Displacements<Real> near = {r.x * inside, r.y * inside, r.z * inside, r.square};
                if (responds) {
                    const V<Real> drop = dropOf<Real>(potential, shared, from, sites, near), flowed = -conductances[vector] * drop;
                    charge += flowed;
                    energy += Real(0.25) * flowed * drop;
                }
                if (plan.edges.transfers)
                    energy += Real(0.5) * transfers[vector]
                              * (Real(from.field[0]) * near.x + Real(from.field[1]) * near.y + Real(from.field[2]) * near.z);
            },
            [](int) {});
    store<Real>(block, charge, charges, 1, 0);
    store<Real>(block, energy, energies, 1, 0);
}

/** Sets the gradients by the atoms' numbers that pairs use, and adds to those by the receivers' positions. */
template <class Real, int N>
void exchangeBackOf(const NetworkPlan<Real>& plan, const AtomBlock<Real>& block, const SharedArrays<Real>& shared, const Kept<Real>& kept,
                    V<Real>* memory, Real* bySites, const Cotangents& cotangents, V<Real>* byNumbers) {
    EdgePairs<Real, N> pairs(plan, kept, shared, memory);
    const EdgePlan<Real>& edges = plan.edges;
    const int n = pairs.n, count = (edges.transfers ? 2 * n : 0) + edges.conducts;
    for (int m = 0; m < count; m++)
        byNumbers[m] = V<Real>{};
    if (cotangents.flows == nullptr)
        return;
    const FlowPotential& from = cotangents.flows->flow;
    const double* transferField = cotangents.flows->transferField;
    const bool responds = edges.conducts && from.responds;
    const V<Real> potential = responds ? potentialAt(block, shared) : V<Real>{};
    const V<Real> byCharge = fetch(block, cotangents.moments[CHARGE], 1, 0);
    V<Real> total[3] = {}, bySoft = V<Real>{};
    V<Real>* byB = pairs.senders + edges.rowSize;
    int lastKind = -1;
    auto work = [&](int, const int* sites, const Displacements<Real>& far, int kind) {
        if (kind != lastKind)
            pairs.setKind(block.kinds, kind);
        lastKind = kind;
        const PairFunctions<Real> functions(plan, far);
        const V<Real> inside = far.square < all<Real>(plan.cutoff * plan.cutoff) ? all<Real>(1) : V<Real>{};
        const Displacements<Real> r = {far.x * inside, far.y * inside, far.z * inside, far.square};
        functions.radial(n, pairs.sines, pairs.cosines, pairs.B);
        V<Real> slope, bySines = V<Real>{}, byCosines = V<Real>{}, byRoot = V<Real>{}, byTransfer = V<Real>{};
        if (edges.transfers) {
            pairs.readSenders(sites);
            bounded<Real>(pairs.transfer(), Units::LARGEST_TRANSFER, slope);
            byTransfer = byCharge - ofSenders<Real>(shared.byCharges, shared, sites) + Real(transferField[0]) * r.x
                         + Real(transferField[1]) * r.y + Real(transferField[2]) * r.z;
            byTransfer *= slope * edges.transferUnit;
#pragma GCC unroll 8
            for (int m = 0; m < n; m++) {
                const V<Real> by = byTransfer * pairs.B[m];
                byNumbers[m] += by * pairs.senders[n + m];
                byNumbers[n + m] -= by * pairs.senders[m];
            }
        }
        if (responds) {
            const V<Real> root = pairs.conductanceRoot(), soft = ofSenders<Real>(shared.edgeSoftness, shared, sites);
            const V<Real> square = edges.conductanceUnit * root * root, both = pairs.soft * soft;
            bounded<Real>(square * both, Units::LARGEST_CONDUCTANCE, slope);
            const V<Real> drop = dropOf<Real>(potential, shared, from, sites, r);
            const V<Real> byConductance = Real(-0.5) * drop * drop * slope;
            bySoft += byConductance * square * soft;
            byRoot = byConductance * Real(2) * edges.conductanceUnit * root * both;
        }
#pragma GCC unroll 8
        for (int m = 0; m < n; m++) {
            V<Real> by = byRoot * pairs.conductanceTable[m];
            if (edges.transfers)
                by += byTransfer * pairs.mixed(m);
            byB[m] = by;
        }
        V<Real> none[9] = {}, gradient[3];
        functions.gradient(plan, 4, n, pairs.sines, pairs.cosines, none, byB, V<Real>{}, gradient);
        for (int a = 0; a < 3; a++)
            total[a] += gradient[a];
    };
    forEdges<Real>(plan, block, shared, work, [](int) {});
    if (responds)
        byNumbers[count - 1] = bySoft * sigmoid<Real>(kept.outputs[edges.row + count - 1] + Real(Units::UNIT_SOFTPLUS));
    addToSites<Real>(total, -1, block.sites, bySites);
}

template <class Real>
void exchange(const NetworkPlan<Real>& plan, const AtomBlock<Real>& block, const SharedArrays<Real>& shared, const Workspace<Real>& workspace,
              const Outputs& outputs) {
    const Kept<Real> kept(plan, (V<Real>*) block.kept);
    const Scratch<Real> scratch(plan, shared.maxNeighbors, (V<Real>*) workspace.scratch);
    if (plan.numRadial == 8)
        exchangeOf<Real, 8>(plan, block, shared, kept, scratch.edges, outputs);
    else
        exchangeOf<Real, 0>(plan, block, shared, kept, scratch.edges, outputs);
}

template <class Real>
void exchangeBack(const NetworkPlan<Real>& plan, const AtomBlock<Real>& block, const SharedArrays<Real>& shared, const Workspace<Real>& workspace,
                  const Kept<Real>& kept, const Scratch<Real>& scratch, const Cotangents& cotangents) {
    V<Real>* byNumbers = scratch.byOutputs + plan.edges.row;
    if (plan.numRadial == 8)
        exchangeBackOf<Real, 8>(plan, block, shared, kept, scratch.edges, workspace.bySites, cotangents, byNumbers);
    else
        exchangeBackOf<Real, 0>(plan, block, shared, kept, scratch.edges, workspace.bySites, cotangents, byNumbers);
}

} // namespace POLARMP_ARCH
} // namespace PolarMPPlugin

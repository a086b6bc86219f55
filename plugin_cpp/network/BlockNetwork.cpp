#include "BlockNetwork.h"
#include <algorithm>
#include <numeric>

using namespace PolarMPPlugin;
using namespace std;

template <class Real>
BlockNetwork<Real>::BlockNetwork(shared_ptr<const NetworkParameters> parameters, const vector<int>& kinds, WorkerThreads& threads)
        : parameters(parameters), kinds(kinds), threads(threads), loops(networkLoops<Real>()), builder(*parameters, loops.lanes),
          plan(builder.getPlan()), table(loops.lanes, parameters->numSpecies), keptSize(loops.keptSize(plan)) {
    scratch.resize(threads.getNumThreads());
}

template <class Real>
void BlockNetwork<Real>::arrange(const PairList& pairs) {
    table.build(pairs, kinds);
    kept.resize(keptSize * table.getNumBlocks());
    energies.resize(table.getNumBlocks());
    const size_t size = loops.scratchSize(plan, table.getMaxVectors());
    for (LargeArray<Real>& memory : scratch)
        memory.resize(size);
    for (int layer = 1; layer < plan.layers; layer++) {
        const size_t rowSize = plan.messages[layer].rowSize;
        sent[layer].assign((pairs.getNumAtoms() + 1) * rowSize, Real(0));
    }
    if (exchanges())
        arrangeEdges(pairs);
    allocate(pairs, gradients);
    for (Gradients& target : armGradients)
        target.isAllocated = false;
    windows.assign(threads.getNumThreads(), {0, 0});
    pairs.share(table.getNumBlocks(), [&](long first, long last, int thread) { windows[thread] = windowOf(pairs, first, last); });
}

/** In arrays of the atoms the last row is that of padding, and stays zero. */
template <class Real>
void BlockNetwork<Real>::arrangeEdges(const PairList& pairs) {
    const size_t n = pairs.getNumAtoms();
    rowOf.assign(pairs.getAtoms(), pairs.getAtoms() + pairs.getNumSites());
    rowOf.resize(pairs.getNumSites() + 2, n);
    edgeRows.assign((n + 1) * plan.edges.rowSize, Real(0));
    for (LargeArray<Real>* values : {&edgeSoftness, &potential, &byCharges})
        values->assign(n + 1, Real(0));
    const size_t numPairs = (size_t) table.getNumVectors() * loops.lanes;
    transfers.resize(plan.edges.transfers ? numPairs : 0);
    conductances.resize(plan.edges.conducts ? numPairs : 0);
}

template <class Real>
void BlockNetwork<Real>::toAtoms(const PairList& pairs, const double* values, LargeArray<Real>& target) const {
    for (int atom = 0; atom < pairs.getNumAtoms(); atom++)
        target[atom] = values[pairs.getParticle(atom)];
}

template <class Real>
void BlockNetwork<Real>::allocate(const PairList& pairs, Gradients& target) {
    const int n = threads.getNumThreads();
    target.bySites.resize(n);
    for (UntouchedArray<Real>& memory : target.bySites)
        memory.allocate(4 * (size_t) (pairs.getNumSites() + 2));
    for (int layer = 1; layer < plan.layers; layer++) {
        target.bySent[layer].resize(n);
        target.bySentPointers[layer].resize(n);
        for (int thread = 0; thread < n; thread++) {
            target.bySent[layer][thread].allocate(pairs.getNumSites() * (size_t) plan.messages[layer].rowSize);
            target.bySentPointers[layer][thread] = target.bySent[layer][thread].data();
        }
    }
    target.isAllocated = true;
}

/** The range of sites of the atoms in some blocks and of their neighbours. Sites are sorted in space, so that the ranges of threads overlap little. */
template <class Real>
SiteWindow BlockNetwork<Real>::windowOf(const PairList& pairs, int firstBlock, int lastBlock) const {
    SiteWindow window = {pairs.getNumSites(), 0};
    auto include = [&](int site) { window = {min(window.begin, site), max(window.end, site + 1)}; };
    for (int block = firstBlock; block < lastBlock; block++)
        for (int lane = 0; lane < loops.lanes; lane++) {
            const int atom = table.getAtoms(block)[lane];
            if (atom < 0)
                continue;
            include(pairs.getSite(atom));
            for (const int* site = pairs.beginNeighbors(atom); site < pairs.endNeighbors(atom); site++)
                include(*site);
        }
    return window;
}

template <class Real>
AtomBlock<Real> BlockNetwork<Real>::blockOf(int block) {
    AtomBlock<Real> result;
    result.atoms = table.getAtoms(block);
    result.particles = table.getParticles(block);
    result.kinds = table.getKinds(block);
    result.sites = table.getSites(block);
    result.firstVector = table.getFirstVector(block);
    result.neighbors = table.getNeighbors();
    result.kept = &kept[keptSize * block];
    return result;
}

template <class Real>
SharedArrays<Real> BlockNetwork<Real>::sharedOf(const PairList& pairs, Gradients& target) {
    SharedArrays<Real> shared = {};
    shared.positions = pairs.getPositions();
    shared.atomOf = pairs.getAtoms();
    shared.numSites = pairs.getNumSites();
    shared.numAtoms = pairs.getNumAtoms();
    shared.maxNeighbors = table.getMaxVectors();
    shared.firstSite = pairs.getFirstSites();
    shared.sites = pairs.getSitesOfAtoms();
    shared.numThreads = threads.getNumThreads();
    shared.windows = windows.data();
    for (int layer = 1; layer < plan.layers; layer++) {
        shared.sent[layer] = sent[layer].data();
        shared.bySent[layer] = target.bySentPointers[layer].data();
    }
    shared.rowOf = rowOf.data();
    shared.edgeRows = edgeRows.data();
    shared.edgeSoftness = edgeSoftness.data();
    shared.transfers = transfers.data();
    shared.conductances = conductances.data();
    shared.potential = potential.data();
    shared.byCharges = byCharges.data();
    return shared;
}

template <class Real>
Workspace<Real> BlockNetwork<Real>::workspaceOf(int thread, Gradients& target) {
    return {scratch[thread].data(), target.bySites[thread].data(), thread, 0.0};
}

template <class Real>
void BlockNetwork<Real>::forward(const PairList& pairs, bool searched, Outputs& outputs) {
    if (searched)
        arrange(pairs);
    const SharedArrays<Real> shared = sharedOf(pairs, gradients);
    vector<pair<int, int>> overlaps(threads.getNumThreads(), {-1, -1});
    for (int layer = 0; layer < plan.layers; layer++)
        pairs.share(table.getNumBlocks(), [&](long first, long last, int thread) {
            Workspace<Real> workspace = workspaceOf(thread, gradients);
            for (long block = first; block < last; block++) {
                loops.forward(plan, layer, blockOf(block), shared, workspace, outputs);
                energies[block] = workspace.energy;
            }
            if (workspace.overlap[0] >= 0)
                overlaps[thread] = {workspace.overlap[0], workspace.overlap[1]};
        });
    for (auto [atom, site] : overlaps)
        if (atom >= 0)
            throw Overlap{pairs.getParticle(atom), pairs.getParticle(pairs.getAtom(site))};
    outputs.energy = accumulate(energies.begin(), energies.end(), 0.0);
    if (exchanges())
        pairs.share(table.getNumBlocks(), [&](long first, long last, int thread) {
            const Workspace<Real> workspace = workspaceOf(thread, gradients);
            for (long block = first; block < last; block++)
                loops.exchange(plan, blockOf(block), shared, workspace, outputs);
        });
}

template <class Real>
void BlockNetwork<Real>::flow(const PairList& pairs, const FlowPotential& from, double* charges, double* flowEnergies) {
    toAtoms(pairs, from.potential, potential);
    const SharedArrays<Real> shared = sharedOf(pairs, gradients);
    pairs.share(table.getNumBlocks(), [&](long first, long last, int) {
        for (long block = first; block < last; block++)
            loops.flow(plan, blockOf(block), shared, from, charges, flowEnergies);
    });
}

template <class Real>
void BlockNetwork<Real>::getPairFlows(const PairList& pairs, PairFlows& flows) const {
    for (int block = 0; block < table.getNumBlocks(); block++)
        for (int vector = table.getFirstVector(block)[0]; vector < table.getFirstVector(block)[plan.numKinds]; vector++)
            for (int lane = 0; lane < loops.lanes; lane++) {
                const size_t k = (size_t) vector * loops.lanes + lane;
                const double transfer = plan.edges.transfers ? 0.5 * transfers[k] : 0, conductance = plan.edges.conducts ? 0.5 * conductances[k] : 0;
                if (transfer == 0 && conductance == 0)
                    continue;
                const int atom = table.getAtoms(block)[lane], site = table.getNeighbors()[k];
                const double *r = pairs.getPosition(pairs.getSite(atom)), *s = pairs.getPosition(site);
                const double vectorOfPair[3] = {r[0] - s[0], r[1] - s[1], r[2] - s[2]};
                flows.add(pairs.getParticle(atom), pairs.getParticle(pairs.getAtom(site)), vectorOfPair, transfer, conductance);
            }
}

template <class Real>
void BlockNetwork<Real>::backward(const PairList& pairs, const Cotangents& cotangents, double* gradient) {
    runBackward(pairs, cotangents, gradients, nullptr);
    sumGradients(pairs, gradients, gradient, 3);
}

template <class Real>
void BlockNetwork<Real>::chargeTransfer(const PairList& pairs, double* gradient, double* transfer) {
    for (Gradients& target : armGradients)
        if (!target.isAllocated)
            allocate(pairs, target);
    const vector<double> ones(kinds.size(), 1.0);
    Cotangents ofCharges;
    ofCharges.moments[CHARGE] = ones.data();
    runBackward(pairs, ofCharges, gradients, armGradients);
    sumGradients(pairs, gradients, gradient, 3);
    for (int a = 0; a < 3; a++) {
        // What was sent has been multiplied by the arm of its own message; the motion of earlier senders passes through it.
        if (plan.layers > 1)
            runBackward(pairs, Cotangents(), armGradients[a], nullptr);
        sumGradients(pairs, armGradients[a], transfer + 3 * a, 9);
    }
}

template <class Real>
void BlockNetwork<Real>::runBackward(const PairList& pairs, const Cotangents& cotangents, Gradients& target, Gradients* arms) {
    if (exchanges() && cotangents.flows != nullptr)
        toAtoms(pairs, cotangents.moments[CHARGE], byCharges);
    const SharedArrays<Real> shared = sharedOf(pairs, target);
    const bool isArms = (&target != &gradients);  // these continue from what is there
    for (int layer = plan.layers - 1; layer >= 0; layer--)
        pairs.share(table.getNumBlocks(), [&](long first, long last, int thread) {
            Workspace<Real> workspace = workspaceOf(thread, target);
            if (layer + 1 == plan.layers && !isArms)
                clear(pairs, target, thread);
            for (int a = 0; a < 3 && arms != nullptr; a++) {
                if (layer + 1 == plan.layers)
                    clear(pairs, arms[a], thread);
                workspace.arms[a] = {arms[a].bySites[thread].data(), layer > 0 ? arms[a].bySentPointers[layer][thread] : nullptr};
            }
            for (long block = first; block < last; block++)
                loops.backward(plan, layer, blockOf(block), shared, workspace, cotangents);
        });
}

template <class Real>
void BlockNetwork<Real>::clear(const PairList& pairs, Gradients& target, int thread) {
    const size_t begin = windows[thread].begin, end = max(windows[thread].begin, windows[thread].end), n = pairs.getNumSites();
    Real* gradient = target.bySites[thread].data();
    fill(gradient + 4 * begin, gradient + 4 * end, Real(0));
    fill(gradient + 4 * n, gradient + 4 * (n + 2), Real(0));  // of the padding sites
    for (int layer = 1; layer < plan.layers; layer++) {
        const size_t rowSize = plan.messages[layer].rowSize;
        Real* bySent = target.bySent[layer][thread].data();
        fill(bySent + begin * rowSize, bySent + end * rowSize, Real(0));
    }
}

template <class Real>
void BlockNetwork<Real>::sumGradients(const PairList& pairs, const Gradients& target, double* result, int stride) const {
    pairs.share(pairs.getNumAtoms(), [&](long first, long last, int) {
        for (int atom = first; atom < last; atom++) {
            double sum[3] = {0, 0, 0};
            for (const int* site = pairs.beginSites(atom); site < pairs.endSites(atom); site++)
                for (size_t thread = 0; thread < windows.size(); thread++)
                    if (*site >= windows[thread].begin && *site < windows[thread].end)
                        for (int a = 0; a < 3; a++)
                            sum[a] += target.bySites[thread].data()[4 * (size_t) *site + a];
            copy(sum, sum + 3, result + (size_t) stride * pairs.getParticle(atom));
        }
    });
}

template class PolarMPPlugin::BlockNetwork<float>;
template class PolarMPPlugin::BlockNetwork<double>;

#include "DeviceNetwork.h"
#include "DevicePotential.h"
#include "KernelSources.h"
#include "openmm/OpenMMException.h"
#include "openmm_polarmp/internal/BoxDensity.h"
#include <algorithm>
#include <cmath>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {
// Upper bounds per atom of sums over all atoms, for which the fixed-point scale is chosen.
const double LARGEST_CHARGE = HeadUnits::LARGEST_CHARGE, LARGEST_POTENTIAL = 1e5;  // e, V
const double GRADIENT_SCALE = 1099511627776.0;     // 2^40, for sums of derivatives by what atoms have sent
// Available on every device, and on CUDA.
const int LOCAL_MEMORY = 32 * 1024, LOCAL_MEMORY_OF_CUDA = 48 * 1024;
const int SUM_THREADS = 4096;
const int MOST_ATOMS_IN_GROUP = 4;
const int MESSAGE_LANES = 128;

int components(int l) {
    return (l + 1) * (l + 1);
}

int roundUp(int n, int unit) {
    return (n + unit - 1) / unit * unit;
}

/** The largest power of two with which numbers up to `largest` fit into 64 bits. */
double fixedPointScale(double largest) {
    return exp2(floor(log2(exp2(62) / largest)));
}

/** A part of kernels/networkPairs.cc, by its title. */
string pairsPart(const string& title) {
    const string& text = KernelSources::networkPairs;
    string mark = "// ---- " + title + "\n";
    size_t begin = text.find(mark) + mark.size();
    return text.substr(begin, text.find("// ---- ", begin) - begin);
}

string search(ComputeContext& cc, const string& part) {
    return cc.replaceStrings(KernelSources::networkSearch, {{"PROCESS_NEIGHBORS", pairsPart(part)}});
}

/** Number of integers in LOCAL memory that the search for neighbours uses: kernels/networkSearch.cc. */
int searchIntegers(int lanes) {
    return 7 * lanes + 1;
}

/** The macros of kernels/networkSearch.cc. */
void defineSearch(ComputeContext& cc, int lanes, map<string, string>& defines) {
    int power = 1;
    while (power < lanes)
        power *= 2;
    defines["LANES"] = cc.intToString(lanes);
    defines["LANES_POWER_OF_TWO"] = cc.intToString(power);
    defines["SEARCH_SIZE"] = cc.intToString(searchIntegers(lanes));
}
} // namespace

DeviceNetwork::DeviceNetwork(ComputeContext& cc, const NetworkSource& source, const SourceBuffers& description, SourceArrays& arrays,
                             ComputeArray& atomOf, bool hasWarps)
        : cc(cc), source(source), arrays(arrays), atomOf(atomOf), parameters(source.getParameters()), numParticles(source.getNumParticles()),
          realSize(elementSize(cc, false)), periodic(description.periodic), projects(parameters.chargeProjection),
          localMemory(hasWarps ? LOCAL_MEMORY_OF_CUDA : LOCAL_MEMORY), cells(cc, numParticles, parameters.cutoff, periodic, arrays.positions), particles(description.particles) {
    NetworkCode code(cc, parameters);
    allocate(source, code);
    map<string, string> common = commonDefines(cc, numParticles);
    common.insert(code.defines.begin(), code.defines.end());
    common["CHARGE_SUM_SCALE"] = cc.doubleToString(fixedPointScale(LARGEST_CHARGE * numParticles));
    common["POTENTIAL_SUM_SCALE"] = cc.doubleToString(fixedPointScale(LARGEST_POTENTIAL * numParticles));
    common["GRADIENT_SCALE"] = cc.doubleToString(GRADIENT_SCALE);
    common["TOTAL_CHARGE"] = cc.doubleToString(source.getTotalCharge());
    if (projects)
        common["PROJECT_CHARGES"] = "1";
    fieldDefines = common;
    createAtomKernels(code, common, hasWarps);
    if (parameters.layers > 1)
        createMessageKernels(code, common);
    for (int kind : source.getKinds())
        constantEnergy += parameters.energyShift[kind];
}

void DeviceNetwork::allocate(const NetworkSource& source, const NetworkCode& code) {
    const NetworkParameters& p = parameters;
    size_t n = numParticles, c = p.channels, later = (p.layers > 1 ? 1 : 0);
    int sent = components(p.lMessage) * p.messageChannels, all = components(p.lMax);
    kinds.initialize<int>(cc, n, "polarmpKinds");
    kinds.upload(source.getKinds());
    weights.initialize(cc, code.weights.packs.size() / 4, 4 * realSize, "polarmpNetworkWeights");
    if (realSize == sizeof(double))
        weights.upload(code.weights.packs.data());
    else
        weights.upload(vector<float>(code.weights.packs.begin(), code.weights.packs.end()).data());
    plain.initialize(cc, code.weights.plain.size(), realSize, "polarmpNetworkTable");
    plain.upload(code.weights.plain, true);
    densities.initialize(cc, n * all * c, realSize, "polarmpDensities");
    densityGradients.initialize(cc, n * all * c, realSize, "polarmpDensityGradients");
    repulsions.initialize(cc, n, realSize, "polarmpRepulsions");
    int rows = 3 * p.dipoles + 5 * p.quadrupoles + 5 * p.tensorPolarizability;
    savedHeads.initialize(cc, n * (p.numScalarHeads() + rows + p.hidden + p.numTensorHeads() * c), realSize, "polarmpHeadsSaved");
    sums.initialize<long long>(cc, 2, "polarmpNetworkSums");
    // Only networks of several layers need these.
    messages.initialize(cc, max<size_t>(1, later * n * all * c), realSize, "polarmpMessages");
    messageGradients.initialize(cc, messages.getSize(), realSize, "polarmpMessageGradients");
    featureGradients.initialize(cc, max<size_t>(1, later * n * code.mostFeatures * c), realSize, "polarmpFeatureGradients");
    invariants.initialize(cc, max<size_t>(1, n * (p.layers - 1) * c), realSize, "polarmpInvariants");
    invariantGradients.initialize(cc, invariants.getSize(), realSize, "polarmpInvariantGradients");
    sentGradients.initialize<long long>(cc, max<size_t>(1, later * n * sent), "polarmpSentGradients");
    cc.clearBuffer(sentGradients);
    layers.resize(p.layers);
    for (int i = 0; i < p.layers; i++) {
        layers[i].saved.initialize(cc, n * code.saved[i] * c, realSize, "polarmpLayerSaved");
        layers[i].sent.initialize(cc, i + 1 < p.layers ? n * sent : 1, realSize, "polarmpSent");
    }
    edgeNumbers.initialize(cc, p.flows() ? n * (p.numEdgeRows() + 1) : 1, realSize, "polarmpEdgeNumbers");
    edgeGradients.initialize(cc, p.flows() ? n * p.numEdgeRows() : 1, realSize, "polarmpEdgeGradients");
    pairCounts.initialize<int>(cc, p.flows() ? n : 1, "polarmpPairCounts");
    arrays.energy.resize(n);
}

DeviceNetwork::Launch DeviceNetwork::launchFor(int lanes, int reals, int integers, bool inWarp) const {
    int bytes = roundUp(reals, 4) * realSize + integers * sizeof(int);
    if (bytes > localMemory || lanes > cc.getMaxThreadBlockSize())
        throw OpenMMException("PolarMPForce: the network is too large for the device: an atom would need " + to_string(lanes) + " threads and "
                              + to_string(bytes) + " bytes of local memory; the device has " + to_string(cc.getMaxThreadBlockSize()) + " and "
                              + to_string(localMemory) + "; use evaluator='torch'");
    Launch launch;
    launch.lanes = lanes;
    launch.atomsInGroup = inWarp ? max(1, min(MOST_ATOMS_IN_GROUP, localMemory / bytes)) : 1;
    launch.blockSize = launch.atomsInGroup * lanes;
    int groups = (numParticles + launch.atomsInGroup - 1) / launch.atomsInGroup;
    launch.threads = min(groups, cc.getNumThreadBlocks()) * launch.blockSize;
    return launch;
}

void DeviceNetwork::createAtomKernels(const NetworkCode& code, const map<string, string>& common, bool hasWarps) {
    const NetworkParameters& p = parameters;
    int lanes = roundUp(p.channels, 32), all = components(p.lMax);
    bool inWarp = (hasWarps && lanes == 32);
    int density = all * roundUp(p.numRadial * p.numSpecies, 4);
    int pairs = max(6 * lanes + (p.numRadial + all) * (lanes + 1), all * roundUp(p.channels, 4));
    int layer = max(code.stageSize, lanes) + roundUp(p.hidden, 4) + 20;  // at most 4 scalars and 13 components of tensors
    int edges = p.flows() ? 6 * lanes + (p.numEdgeRows() + 3) * (lanes + 1) : 0;
    int reals = roundUp(max({density + pairs, layer, edges}), 4);
    atomLaunch = launchFor(lanes, reals, searchIntegers(lanes), inWarp);
    map<string, string> defines = common;
    defineSearch(cc, lanes, defines);
    defines["ATOMS_IN_GROUP"] = cc.intToString(atomLaunch.atomsInGroup);
    defines["DENSITY_PACKS"] = cc.intToString(roundUp(density + pairs, 4) / 4);
    defines["EDGE_PACKS"] = cc.intToString(roundUp(edges, 4) / 4);
    defines["LAYER_PACKS"] = cc.intToString(roundUp(layer, 4) / 4);
    defines["STAGE_SIZE"] = cc.intToString(roundUp(max(code.stageSize, lanes), 4));
    defines["SYNC_ATOM"] = inWarp ? "SYNC_WARPS" : "SYNC_THREADS";
    if (inWarp)
        defines["HAS_WARPS"] = "1";

    map<string, string> replacements = code.replacements;
    replacements["SEARCH_AND_ADD_TO_DENSITY"] = search(cc, "density");
    replacements["SEARCH_AND_ADD_FORCES"] = search(cc, "forces");
    string text = KernelSources::network + KernelSources::networkHeads + KernelSources::networkDensity;
    if (p.flows()) {
        text += KernelSources::networkEdges;
        replacements["SEARCH_AND_EXCHANGE_BACKWARD"] = search(cc, "derivatives of exchange");
        replacements["SEARCH_AND_EXCHANGE"] = search(cc, "exchange");
        replacements["SEARCH_AND_FLOW"] = search(cc, "flow");
        replacements["SEARCH_AND_LIST"] = search(cc, "list");
    }
    for (const map<string, string>& names : code.layerReplacements)
        text += cc.replaceStrings(KernelSources::networkLayer, names);
    ComputeProgram program = cc.compileProgram(cc.replaceStrings(text, replacements), defines);

    ArrayInterface* later = nullptr;
    SourceArrays& a = arrays;
    densityKernel = createKernel(program, "networkDensity",
                                 {&cells.particles, &cells.cellOf, &cells.start, &cells.positions, &cells.box, later, later, later, later, later,
                                  later, &kinds, &weights, &plain, &densities, &repulsions});
    forcesKernel = createKernel(program, "networkForces",
                                {&cells.particles, &cells.cellOf, &cells.start, &cells.positions, &cells.box, later, later, later, later, later,
                                 later, &kinds, &weights, &plain, &densityGradients, later, &atomOf, later});
    searching = {densityKernel, forcesKernel};
    for (int i = 0; i < p.layers; i++) {
        Layer& l = layers[i];
        ComputeArray& before = layers[max(0, i - 1)].saved;
        l.forward = createKernel(program, code.layerReplacements[i].at("LAYER_FORWARD").c_str(),
                                 {&cells.particles, &kinds, &weights, &plain, &densities, &before, &messages, &l.saved, &invariants, &l.sent,
                                  &savedHeads, &repulsions, &a.energy, &a.moments[CHARGE], &a.moments[DIPOLE], &a.moments[QUADRUPOLE],
                                  &a.moments[SOFTNESS], &a.moments[POLARIZABILITY], &sums, &edgeNumbers});
        l.backward =
            createKernel(program, code.layerReplacements[i].at("LAYER_BACKWARD").c_str(),
                         {&cells.particles, &kinds, &weights, &plain, &before, &l.saved, &invariantGradients, &sentGradients, &featureGradients,
                          &densityGradients, &messageGradients, &savedHeads, later, later, later, later, later, later, later,
                          &edgeGradients});
    }
    if (p.flows())
        createEdgeKernels(program);
    projectKernel = createKernel(program, "projectCharges", {&a.moments[CHARGE], &a.flows[LOCAL_CHARGE], &sums});
    sumKernel = createKernel(program, "sumChargeGradients", {&a.gradients[CHARGE], &sums});
}

void DeviceNetwork::createMessageKernels(const NetworkCode& code, const map<string, string>& common) {
    const NetworkParameters& p = parameters;
    int sent = components(p.lMessage) * p.messageChannels, all = components(p.lMax), functions = all * p.numRadial;
    int lanes = max({MESSAGE_LANES, roundUp(sent, 32), roundUp(p.channels, 32)});
    int chunks = max(1, lanes / sent), functionsRow = chunks * roundUp((functions + chunks - 1) / chunks, 4), sentRow = roundUp(sent, 4);
    int team = roundUp(p.channels, 32), teams = lanes / team;
    // As many pairs at once as fit into LOCAL memory
    auto realsFor = [&](int pairs) {
        int search = 6 * lanes + (p.numRadial + all) * (pairs + 1);
        int forward = max(pairs * functionsRow + search, code.messageStageSize + teams * 5 * team);
        int backward = max({pairs * (functionsRow + sentRow + functions + 1) + search, all * roundUp(p.channels, 4), lanes});
        return roundUp(max(forward, backward), 4);
    };
    int pairs = 32;
    while (pairs > 1 && realsFor(pairs) * realSize + searchIntegers(lanes) * (int) sizeof(int) > localMemory)
        pairs /= 2;
    messageLaunch = launchFor(lanes, realsFor(pairs), searchIntegers(lanes), false);
    messageSums.initialize(cc, (size_t) messageLaunch.threads / lanes * functions * sent, realSize, "polarmpMessageSums");
    map<string, string> defines = common;
    defineSearch(cc, lanes, defines);
    defines["STAGE_SIZE"] = cc.intToString(roundUp(code.messageStageSize, 4));
    defines["MESSAGE_PACKS"] = cc.intToString(realsFor(pairs) / 4);
    defines["PAIRS_AT_ONCE"] = cc.intToString(pairs);
    defines["SYNC_ATOM"] = "SYNC_THREADS";

    map<string, string> replacements = code.replacements;
    replacements["SEARCH_AND_SUM_MESSAGES"] = search(cc, "messages");
    replacements["SEARCH_AND_SPLIT_GRADIENTS"] = search(cc, "gradients of messages");
    for (int i = 1; i < p.layers; i++) {
        const map<string, string>& names = code.messageReplacements[i];
        map<string, string> all = replacements;
        all.insert(names.begin(), names.end());
        ComputeProgram program = cc.compileProgram(cc.replaceStrings(KernelSources::network + KernelSources::networkMessage, all), defines);
        ArrayInterface* later = nullptr;
        ComputeArray& sentBefore = layers[i - 1].sent;
        layers[i].message = createKernel(program, names.at("MESSAGE_FORWARD").c_str(),
                                         {&cells.particles, &cells.cellOf, &cells.start, &cells.positions, &cells.box, later, later, later, later,
                                          later, later, &weights, &sentBefore, &messageSums, &messages});
        layers[i].messageBackward =
            createKernel(program, names.at("MESSAGE_BACKWARD").c_str(),
                         {&cells.particles, &cells.cellOf, &cells.start, &cells.positions, &cells.box, later, later, later, later, later, later,
                          &weights, &sentBefore, &messageSums, &messageGradients, &sentGradients, &atomOf, later});
        searching.push_back(layers[i].message);
        searching.push_back(layers[i].messageBackward);
    }
}

void DeviceNetwork::updateBox() {
    Vec3 present[3];
    for (int i = 0; i < 3; i++)
        for (int d = 0; d < 3; d++)
            present[i][d] = arrays.cell[3 * i + d];
    if (periodic && !equal(present, present + 3, box)) {
        checkDensity(numParticles, parameters.cutoff, present);
        cells.setBox(present);
        copy(present, present + 3, box);
    }
    for (ComputeKernel& kernel : searching) {
        kernel->setArg(2, cells.start);
        for (int d = 0; d < 3; d++) {
            kernel->setArg(5 + d, cells.size[d]);
            kernel->setArg(8 + d, cells.reach[d]);
        }
    }
}

void DeviceNetwork::forward(bool, const function<void()>& meanwhile) {
    updateBox();
    cells.sort();
    cc.clearBuffer(sums);
    densityKernel->execute(atomLaunch.threads, atomLaunch.blockSize);
    for (size_t i = 0; i < layers.size(); i++) {
        if (i > 0)
            layers[i].message->execute(messageLaunch.threads, messageLaunch.blockSize);
        layers[i].forward->execute(atomLaunch.threads, atomLaunch.blockSize);
    }
    if (parameters.flows())
        exchangeKernel->execute(atomLaunch.threads, atomLaunch.blockSize);
    responds = false;
    if (projects)
        projectKernel->execute(numParticles);
    meanwhile();
}

void DeviceNetwork::setReal(ComputeKernel& kernel, int index, double value) const {
    if (realSize == sizeof(double))
        kernel->setArg(index, value);
    else
        kernel->setArg(index, (float) value);
}

void DeviceNetwork::runBackward(const Cotangents& from) {
    for (int i = layers.size() - 1; i >= 0; i--) {
        ComputeKernel& kernel = layers[i].backward;
        setReal(kernel, 12, from.energy);
        for (Moment m : ALL_MOMENTS)
            kernel->setArg(13 + m, *from.moments[m]);
        kernel->setArg(13 + NUM_MOMENTS, from.sums);
        kernel->execute(atomLaunch.threads, atomLaunch.blockSize);
        if (i > 0) {
            layers[i].messageBackward->setArg(17, from.forces);
            layers[i].messageBackward->execute(messageLaunch.threads, messageLaunch.blockSize);
        }
    }
    setReal(forcesKernel, 15, from.energy);
    forcesKernel->setArg(17, from.forces);
    forcesKernel->execute(atomLaunch.threads, atomLaunch.blockSize);
}

void DeviceNetwork::backward(const double field[3]) {
    if (projects)
        sumKernel->execute(min(numParticles, SUM_THREADS));
    if (parameters.flows())
        exchangeBackward(field);
    Cotangents cotangents = {1, {}, sums, cc.getLongForceBuffer()};
    for (Moment m : ALL_MOMENTS)
        cotangents.moments[m] = &arrays.gradients[m];
    runBackward(cotangents);
    if (hasHostForces)
        cc.clearBuffer(arrays.forces);
    hasHostForces = false;
    Vec3 latentField(field[0], field[1], field[2]);
    if (!periodic || latentField == Vec3() || !parameters.charges)
        return;
    if (movingCharges == nullptr)
        movingCharges = make_unique<DeviceMovingCharges>(cc, numParticles, parameters.layers * parameters.cutoff, fieldDefines, arrays.positions,
                                                         cells.box, atomOf);
    if (parameters.flows())
        cc.clearBuffer(edgeGradients);  // only the charges before the exchange are left to nearest images
    Cotangents ofCharges = {0, {}, movingCharges->zeroSums, movingCharges->getForces()};
    for (Moment m : ALL_MOMENTS)
        ofCharges.moments[m] = (m == CHARGE ? &movingCharges->getOffsets() : &movingCharges->zeros);
    if (!movingCharges->addForces(latentField, box, [&]() { runBackward(ofCharges); }))
        addFieldFromHost(latentField);
}

/** A box too thin for slabs has few atoms. */
void DeviceNetwork::addFieldFromHost(const Vec3& field) {
    vector<double> transfer, forces(3 * numParticles);
    chargeTransfer(transfer);
    for (int i = 0; i < numParticles; i++)
        for (int b = 0; b < 3; b++)
            for (int a = 0; a < 3; a++)
                forces[3 * i + b] += field[a] * transfer[9 * i + 3 * a + b];
    arrays.forces.upload(forces, true);
    hasHostForces = true;
}

bool DeviceNetwork::chargeTransfer(vector<double>& transfer) {
    if (hostTransfer == nullptr)
        hostTransfer = make_unique<HostTransfer>(cc, source, periodic, particles);
    hostTransfer->compute(arrays.positions, arrays.cell, transfer);
    return true;
}

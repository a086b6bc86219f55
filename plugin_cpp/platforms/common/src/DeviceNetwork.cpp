#include "DeviceNetwork.h"
#include "DevicePotential.h"
#include "KernelSources.h"
#include "NetworkCode.h"
#include "openmm/OpenMMException.h"
#include <algorithm>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {
const double SUM_SCALE = 68719476736.0;  // 2^36: sums of charges in fixed point
const int LARGEST_LOCAL_MEMORY = 48 * 1024;
const int SUM_THREADS = 4096;

/** The parts of kernels/networkPairs.cc, by their titles. */
string pairsPart(const string& title) {
    const string& text = KernelSources::networkPairs;
    string mark = "// ---- " + title + "\n";
    size_t begin = text.find(mark) + mark.size();
    return text.substr(begin, text.find("// ---- ", begin) - begin);
}
} // namespace

DeviceNetwork::DeviceNetwork(ComputeContext& cc, const NetworkSource& source, const SourceBuffers& description, SourceArrays& arrays,
                             ComputeArray& atomOf, bool hasWarps)
        : cc(cc), arrays(arrays), numParticles(source.getNumParticles()), periodic(description.periodic),
          projects(source.getParameters().chargeProjection),
          cells(cc, source.getNumParticles(), source.getParameters().cutoff, description.periodic, arrays.positions) {
    const NetworkParameters& p = source.getParameters();
    if (p.layers > 1)
        throw OpenMMException("PolarMPForce: the device evaluates networks of one layer; use evaluator='torch'");
    int n = numParticles, lanes = (p.channels + 31) / 32 * 32;
    bool inWarp = (hasWarps && lanes == 32);
    NetworkCode code(cc, p, lanes);
    int realSize = cc.getUseDoublePrecision() ? sizeof(double) : sizeof(float);

    // LOCAL memory of one atom: the density, then what is exchanged or, at other times, the pairs
    int components = (p.lMax + 1) * (p.lMax + 1), densityRow = (p.numRadial * p.numSpecies + 3) / 4 * 4;
    int exchanged = code.stageSize + (p.hidden + 3) / 4 * 4 + 48;
    int pairs = 6 * lanes + (p.numRadial + components) * (lanes + 1);
    int packs = (components * densityRow + max({exchanged, pairs, lanes}) + 3) / 4;
    int integers = 7 * lanes + 1;
    int bytes = 4 * packs * realSize + integers * sizeof(int);
    int atomsInGroup = inWarp ? max(1, min(4, LARGEST_LOCAL_MEMORY / bytes)) : 1;
    if (bytes > LARGEST_LOCAL_MEMORY)
        throw OpenMMException("PolarMPForce: the network is too large for the device: an atom would need " + to_string(bytes)
                              + " bytes of local memory, " + to_string(LARGEST_LOCAL_MEMORY) + " are there; use evaluator='torch'");
    map<string, string> defines = commonDefines(cc, n);
    defines.insert(code.defines.begin(), code.defines.end());
    defines["ATOMS_IN_GROUP"] = cc.intToString(atomsInGroup);
    defines["LOCAL_PACKS"] = cc.intToString(packs);
    defines["SEARCH_SIZE"] = cc.intToString(integers);
    defines["NUM_POWERS"] = cc.intToString(max(0, p.correlation - 2));
    defines["SYNC_ATOM"] = inWarp ? "SYNC_WARPS" : "SYNC_THREADS";
    defines["SUM_SCALE"] = cc.doubleToString(SUM_SCALE);
    defines["TOTAL_CHARGE"] = cc.doubleToString(source.getTotalCharge());
    if (inWarp)
        defines["HAS_WARPS"] = "1";
    if (projects)
        defines["PROJECT_CHARGES"] = "1";

    map<string, string> replacements = code.replacements;
    replacements["SEARCH_AND_ADD_TO_DENSITY"] = cc.replaceStrings(KernelSources::networkSearch, {{"PROCESS_NEIGHBORS", pairsPart("density")}});
    replacements["SEARCH_AND_ADD_FORCES"] = cc.replaceStrings(KernelSources::networkSearch, {{"PROCESS_NEIGHBORS", pairsPart("forces")}});
    ComputeProgram program = cc.compileProgram(cc.replaceStrings(KernelSources::network + KernelSources::networkFirst, replacements), defines);

    kinds.initialize<int>(cc, n, "polarmpKinds");
    kinds.upload(source.getKinds());
    weights.initialize(cc, code.weights.packs.size() / 4, 4 * realSize, "polarmpNetworkWeights");
    if (realSize == sizeof(double))
        weights.upload(code.weights.packs.data());
    else
        weights.upload(vector<float>(code.weights.packs.begin(), code.weights.packs.end()).data());
    plain.initialize(cc, code.weights.plain.size(), realSize, "polarmpNetworkTable");
    plain.upload(code.weights.plain, true);
    int degree = p.featureDegree(0), features = (degree + 1) * (degree + 1);
    saved.initialize(cc, (size_t) n * p.channels * (components * (1 + max(0, p.correlation - 2)) + features + degree + 1), realSize, "polarmpNetworkSaved");
    int rows = 3 * p.dipoles + 5 * p.quadrupoles + 5 * p.tensorPolarizability;
    savedHeads.initialize(cc, (size_t) n * (p.numScalarHeads() + rows + p.hidden + p.numTensorHeads() * p.channels), realSize, "polarmpHeadsSaved");
    sums.initialize<long long>(cc, 2, "polarmpNetworkSums");
    arrays.energy.resize(n);
    for (int kind : source.getKinds())
        constantEnergy += p.energyShift[kind];

    ArrayInterface* later = nullptr;
    SourceArrays& a = arrays;
    firstKernel = createKernel(program, "networkFirst", {&cells.particles, &cells.cellOf, &cells.start, &cells.positions, &cells.box, later, later, later,
                                                         later, later, later, &kinds, &weights, &plain, &saved, &savedHeads, &a.energy, &a.charges,
                                                         &a.dipoles, &a.quadrupoles, &a.softness, &a.polarizability, &sums});
    firstBackwardKernel = createKernel(program, "networkFirstBackward",
                                       {&cells.particles, &cells.cellOf, &cells.start, &cells.positions, &cells.box, later, later, later, later, later,
                                        later, &kinds, &weights, &plain, &saved, &savedHeads, later, &a.chargeGradients, &a.dipoleGradients,
                                        &a.quadrupoleGradients, &a.softnessGradients, &a.polarizabilityGradients, &sums, &atomOf,
                                        &cc.getLongForceBuffer()});
    if (cc.getUseDoublePrecision())
        firstBackwardKernel->setArg(16, 1.0);
    else
        firstBackwardKernel->setArg(16, 1.0f);
    projectKernel = createKernel(program, "projectCharges", {&a.charges, &sums});
    sumKernel = createKernel(program, "sumChargeGradients", {&a.chargeGradients, &sums});
    blockSize = atomsInGroup * lanes;
    threads = (n + atomsInGroup - 1) / atomsInGroup * blockSize;
}

void DeviceNetwork::updateBox() {
    Vec3 present[3];
    for (int i = 0; i < 3; i++)
        for (int d = 0; d < 3; d++)
            present[i][d] = arrays.cell[3 * i + d];
    if (periodic && !equal(present, present + 3, box)) {
        copy(present, present + 3, box);
        cells.setBox(box);
    }
    for (ComputeKernel& kernel : {ref(firstKernel), ref(firstBackwardKernel)}) {
        kernel->setArg(2, cells.start);
        for (int d = 0; d < 3; d++) {
            kernel->setArg(5 + d, cells.size[d]);
            kernel->setArg(8 + d, cells.reach[d]);
        }
    }
}

void DeviceNetwork::forward(bool includeGradients, const function<void()>& meanwhile) {
    updateBox();
    cells.sort();
    cc.clearBuffer(sums);
    firstKernel->execute(threads, blockSize);
    if (projects)
        projectKernel->execute(numParticles);
    meanwhile();
}

void DeviceNetwork::backward(const double field[3]) {
    if (projects)
        sumKernel->execute(min(numParticles, SUM_THREADS));
    firstBackwardKernel->execute(threads, blockSize);
}

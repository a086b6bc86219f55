#include "DeviceNetwork.h"
#include "DevicePotential.h"
#include <algorithm>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

// Charge that flows between neighbours: kernels/networkEdges.cc.

void DeviceNetwork::createEdgeKernels(ComputeProgram& program) {
    ComputeArray *flows = arrays.flows, &potential = flows[FLOW_POTENTIAL];
    auto create = [&](const char* name, vector<ArrayInterface*> others) {
        vector<ArrayInterface*> arguments = {&cells.particles, &cells.cellOf, &cells.start, &cells.positions, &cells.box};
        arguments.insert(arguments.end(), 6, nullptr);
        arguments.insert(arguments.end(), {&kinds, &plain, &edgeNumbers});
        arguments.insert(arguments.end(), others.begin(), others.end());
        ComputeKernel kernel = createKernel(program, name, arguments);
        searching.push_back(kernel);
        return kernel;
    };
    ArrayInterface* later = nullptr;
    exchangeKernel = create("networkExchange", {&arrays.moments[CHARGE], &flows[LOCAL_CHARGE], &flows[FLOW_POLARIZABILITY]});
    flowKernel = create("networkFlow", {&potential, later, later, later, later, &flows[FLOW_CHARGE], &flows[FLOW_ENERGY]});
    exchangeBackKernel = create("networkExchangeBackward", {&potential, later, later, later, later, later, later, later, &arrays.gradients[CHARGE],
                                                            &edgeGradients, &atomOf, &cc.getLongForceBuffer()});
    listKernel = create("networkListPairs", {later, later, &pairCounts, later, later});
}

void DeviceNetwork::flow(const double field[3], bool nowResponds) {
    flowField = Vec3(field[0], field[1], field[2]);
    responds = nowResponds;
    for (int a = 0; a < 3; a++)
        setReal(flowKernel, 15 + a, field[a]);
    flowKernel->setArg(18, (int) responds);
    flowKernel->execute(atomLaunch.threads, atomLaunch.blockSize);
}

void DeviceNetwork::getPairFlows(PairFlows& flows) {
    ComputeArray rowStart, pairs, values;
    rowStart.initialize<int>(cc, numParticles, "polarmpPairStart");
    pairs.initialize<int>(cc, 1, "polarmpPairs");
    values.initialize(cc, 1, realSize, "polarmpPairValues");
    auto list = [&](bool writes) {
        listKernel->setArg(14, (int) writes);
        listKernel->setArg(15, rowStart);
        listKernel->setArg(17, pairs);
        listKernel->setArg(18, values);
        listKernel->execute(atomLaunch.threads, atomLaunch.blockSize);
    };
    list(false);
    vector<int> counts, starts, atoms;
    pairCounts.download(counts);
    int total = 0;
    for (int count : counts) {
        starts.push_back(total);
        total += count;
    }
    if (total == 0)
        return;
    rowStart.upload(starts);
    pairs.resize(2 * total);
    values.resize(5 * total);
    list(true);
    vector<double> numbers;
    pairs.download(atoms);
    values.download(numbers, true);
    for (int k = 0; k < total; k++)
        flows.add(atoms[2 * k], atoms[2 * k + 1], &numbers[5 * k], numbers[5 * k + 3], numbers[5 * k + 4]);
}

void DeviceNetwork::exchangeBackward(const double transferField[3]) {
    for (int a = 0; a < 3; a++) {
        setReal(exchangeBackKernel, 15 + a, flowField[a]);
        setReal(exchangeBackKernel, 19 + a, transferField[a]);
    }
    exchangeBackKernel->setArg(18, (int) responds);
    exchangeBackKernel->execute(atomLaunch.threads, atomLaunch.blockSize);
}

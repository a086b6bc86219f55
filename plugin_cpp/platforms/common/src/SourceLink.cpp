#include "SourceLink.h"
#include "openmm_polarmp/internal/TestSwitches.h"
#include "openmm_polarmp/internal/UnusableNumber.h"
#include <algorithm>
#include <cmath>
#include <string>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

void SourceArrays::initialize(ComputeContext& cc, int n) {
    bool isDouble = cc.getUseDoublePrecision();
    int real = isDouble ? sizeof(double) : sizeof(float);
    int mixed = (isDouble || cc.getUseMixedPrecision()) ? sizeof(double) : sizeof(float);
    positions.initialize(cc, 3 * n, mixed, "polarmpPositions");
    energy.initialize(cc, 1, mixed, "polarmpSourceEnergy");
    forces.initialize(cc, 3 * n, real, "polarmpSourceForces");
    cc.clearBuffer(energy);
    cc.clearBuffer(forces);
    for (Moment m : ALL_MOMENTS) {
        const string name = string("polarmp_") + MOMENTS[m].name;
        moments[m].initialize(cc, MOMENTS[m].components * n, real, name);
        gradients[m].initialize(cc, MOMENTS[m].components * n, real, name + "_gradients");
        cc.clearBuffer(moments[m]);
        cc.clearBuffer(gradients[m]);
    }
    for (int value = 0; value < NUM_FLOW_VALUES; value++) {
        flows[value].initialize(cc, n, real, string("polarmp_") + FLOW_VALUES[value].plural);
        cc.clearBuffer(flows[value]);
    }
}

void HostLink::Copy::initialize(ComputeArray& newArray) {
    array = &newArray;
    memory.resize(newArray.getSize() * newArray.getElementSize());
    isDouble = (newArray.getElementSize() == sizeof(double));
}

void HostLink::Copy::download() {
    array->download(memory.data());
}

void HostLink::Copy::upload() {
    array->upload(memory.data());
}

double HostLink::Copy::operator[](size_t i) const {
    return isDouble ? reinterpret_cast<const double*>(memory.data())[i] : reinterpret_cast<const float*>(memory.data())[i];
}

HostLink::HostLink(MultipoleSource& source, const SourceBuffers& description, SourceArrays& arrays)
        : particles(description.particles), present(source.getMomentSet()), checking(testSwitches().hostChecks) {
    auto buffer = [](Copy& copy, ComputeArray& array) {
        copy.initialize(array);
        return copy.data();
    };
    SourceBuffers buffers = description;
    buffers.device = SourceBuffers::Host;
    buffers.positions = buffer(positions, arrays.positions);
    buffers.cell = arrays.cell;
    buffers.energy = buffer(energy, arrays.energy);
    for (Moment m : ALL_MOMENTS) {
        buffers.moments[m] = buffer(moments[m], arrays.moments[m]);
        buffers.gradients[m] = buffer(gradients[m], arrays.gradients[m]);
    }
    buffers.forces = buffer(forces, arrays.forces);
    for (int value = 0; value < NUM_FLOW_VALUES; value++)
        buffers.flows[value] = buffer(flows[value], arrays.flows[value]);
    evaluation = source.bind(buffers);
}

void HostLink::check(const char* quantity, const Copy& copy, bool mayBeNegative) const {
    if (!checking)
        return;
    const size_t components = copy.size() / particles.size();
    for (size_t i = 0; i < copy.size(); i++)
        if (!isfinite(copy[i]) || (!mayBeNegative && copy[i] < 0))
            throwUnusable(quantity, particles[i / components], copy[i]);
}

void HostLink::forward(bool includeGradients, const function<void()>& meanwhile) {
    if (isConstant() && uploaded) {
        meanwhile();
        return;
    }
    positions.download();
    check("position", positions);
    meanwhile();
    evaluation->forward(includeGradients);
    if (checking && !isfinite(energy[0]))
        throwUnusableEnergy();
    energy.upload();
    for (Moment m : ALL_MOMENTS)
        if (present[m]) {
            check(MOMENTS[m].name, moments[m], MOMENTS[m].mayBeNegative);
            moments[m].upload();
        }
    if (present.flows) {
        uploadFlows(LOCAL_CHARGE);
        uploadFlows(FLOW_POLARIZABILITY);
    }
    uploaded = true;
}

void HostLink::uploadFlows(FlowValue value) {
    check(FLOW_VALUES[value].name, flows[value], FLOW_VALUES[value].mayBeNegative);
    flows[value].upload();
}

void HostLink::flow(const double field[3], bool responds) {
    flows[FLOW_POTENTIAL].download();
    evaluation->flow(field, responds);
    uploadFlows(FLOW_CHARGE);
    uploadFlows(FLOW_ENERGY);
}

bool HostLink::chargeTransfer(vector<double>& transfer) {
    transfer.resize(9 * particles.size());
    return evaluation->chargeTransfer(transfer.data());
}

void HostLink::backward(const double field[3]) {
    if (isConstant())
        return;  // the array of its forces was cleared when it was created
    for (Moment m : ALL_MOMENTS)
        if (present[m])
            gradients[m].download();
    evaluation->backward(field);
    check("force from the source of moments", forces);
    forces.upload();
}

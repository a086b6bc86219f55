#include "CudaLink.h"

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

CudaLink::CudaLink(CudaContext& cu, MultipoleSource& source, SourceBuffers buffers, SourceArrays& arrays) {
    auto pointer = [&](ComputeArray& array) { return reinterpret_cast<void*>(cu.unwrap(array).getDevicePointer()); };
    buffers.device = SourceBuffers::CUDA;
    buffers.deviceIndex = cu.getDeviceIndex();
    buffers.positions = pointer(arrays.positions);
    buffers.cell = arrays.cell;
    buffers.energy = pointer(arrays.energy);
    for (Moment m : ALL_MOMENTS) {
        buffers.moments[m] = pointer(arrays.moments[m]);
        buffers.gradients[m] = pointer(arrays.gradients[m]);
    }
    buffers.forces = pointer(arrays.forces);
    for (int value = 0; value < NUM_FLOW_VALUES; value++)
        buffers.flows[value] = pointer(arrays.flows[value]);
    evaluation = source.bind(buffers);
    handover = make_unique<StreamHandover>(cu, static_cast<CUstream>(evaluation->getStream()));
}

void CudaLink::forward(bool includeGradients, const function<void()>& meanwhile) {
    handover->toSource();
    meanwhile();
    handover->letWork([&]() { evaluation->forward(includeGradients); });
}

void CudaLink::backward(const double field[3]) {
    handover->toSource();
    handover->letWork([&]() { evaluation->backward(field); });
}

void CudaLink::flow(const double field[3], bool responds) {
    handover->toSource();
    handover->letWork([&]() { evaluation->flow(field, responds); });
}

void CudaLink::getPairFlows(PairFlows& flows) {
    handover->toSource();
    handover->letWork([&]() { evaluation->getPairFlows(flows); });
}

#include "openmm_polarmp/internal/MeshTransform.h"
#include "openmm/OpenMMException.h"

using namespace PolarMPPlugin;
using namespace std;

namespace {
unique_ptr<MeshTransformFactory>& factory() {
    static unique_ptr<MeshTransformFactory> instance;
    return instance;
}
} // namespace

void MeshTransformFactory::setFactory(unique_ptr<MeshTransformFactory> newFactory) {
    factory() = move(newFactory);
}

MeshTransformFactory& MeshTransformFactory::getFactory() {
    if (factory() == nullptr)
        throw OpenMM::OpenMMException("PolarMPForce: the CPU platform takes its Fourier transforms from torch: use it from Python");
    return *factory();
}

#include "DenseSum.h"
#include "HostKernel.h"
#include "openmm/KernelFactory.h"
#include "openmm/OpenMMException.h"
#include "openmm/reference/ReferencePlatform.h"
#include "openmm_polarmp/PolarMPUnits.h"

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

class ReferenceCalcPolarMPForceKernel : public HostKernel {
public:
    using HostKernel::HostKernel;

protected:
    unique_ptr<PotentialSolver> createSolver(const PolarMPForce& force) override {
        double sigma = force.getSigma() * ANGSTROM_PER_NM;
        if (force.usesPeriodicBoundaryConditions())
            return make_unique<ReciprocalSum>(sigma, force.getKMax() / ANGSTROM_PER_NM);
        return make_unique<PairSum>(sigma);
    }
};

class ReferencePolarMPKernelFactory : public KernelFactory {
public:
    KernelImpl* createKernelImpl(string name, const Platform& platform, ContextImpl& context) const override {
        if (name == CalcPolarMPForceKernel::Name())
            return new ReferenceCalcPolarMPForceKernel(name, platform);
        throw OpenMMException("Tried to create kernel with illegal kernel name '" + name + "'");
    }
};

} // namespace

extern "C" void registerPlatforms() {
}

extern "C" void registerKernelFactories() {
    for (int i = 0; i < Platform::getNumPlatforms(); i++) {
        Platform& platform = Platform::getPlatform(i);
        if (platform.getName() == "Reference")
            platform.registerKernelFactory(CalcPolarMPForceKernel::Name(), new ReferencePolarMPKernelFactory());
    }
}

#include "HostKernel.h"
#include "PairSum.h"
#include "ReciprocalSum.h"
#include "openmm/reference/ReferencePlatform.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include "openmm_polarmp/internal/KernelFactoryFor.h"

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
        return make_unique<PairSum>(sigma, chargeWidth(force), [](size_t n, const function<void(size_t, size_t)>& work) { work(0, n); });
    }
};

} // namespace

extern "C" void registerPlatforms() {
}

extern "C" void registerKernelFactories() {
    KernelFactoryFor::registerWith("Reference", [](const string& name, const Platform& platform, ContextImpl&) -> KernelImpl* {
        return new ReferenceCalcPolarMPForceKernel(name, platform);
    });
}

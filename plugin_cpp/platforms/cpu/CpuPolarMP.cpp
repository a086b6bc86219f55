#include "HostKernel.h"
#include "MeshSum.h"
#include "PairSum.h"
#include "ThreadTeam.h"
#include "openmm/cpu/CpuPlatform.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include "openmm_polarmp/internal/KernelFactoryFor.h"

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

// Looser tolerances are met on a mesh in single precision (test_tolerance_is_met of tests/force/test_platforms.py).
const double SINGLE_PRECISION_ACCURACY = 5e-5;

class CpuCalcPolarMPForceKernel : public HostKernel {
public:
    CpuCalcPolarMPForceKernel(const string& name, const Platform& platform, CpuPlatform::PlatformData& data)
            : HostKernel(name, platform), threads(data.threads) {
    }

protected:
    unique_ptr<PotentialSolver> createSolver(const PolarMPForce& force) override {
        if (!force.usesPeriodicBoundaryConditions())
            return make_unique<PairSum>(force.getSigma() * ANGSTROM_PER_NM, chargeWidth(force),
                                        [this](size_t n, const function<void(size_t, size_t)>& work) { threads.forAll(n, work); });
        const MeshRule& rule = chooseMeshRule(force.getEwaldErrorTolerance());
        if (rule.accuracy < SINGLE_PRECISION_ACCURACY)
            return make_unique<MeshSum<double>>(force, rule, threads);
        return make_unique<MeshSum<float>>(force, rule, threads);
    }

    WorkerThreads* workerThreads() override {
        return &threads;
    }

    void together(const function<void()>& work) override {
        threads.together(work);
    }

    void forAtoms(size_t n, const function<void(size_t, size_t)>& work) override {
        threads.forAll(n, work);
    }

private:
    ThreadTeam threads;
};

} // namespace

extern "C" void registerPlatforms() {
}

extern "C" void registerKernelFactories() {
    KernelFactoryFor::registerWith("CPU", [](const string& name, const Platform& platform, ContextImpl& context) -> KernelImpl* {
        return new CpuCalcPolarMPForceKernel(name, platform, CpuPlatform::getPlatformData(context));
    });
}

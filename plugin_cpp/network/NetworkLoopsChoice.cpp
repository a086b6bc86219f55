#include "NetworkLoops.h"
#include "openmm_polarmp/internal/InstructionSet.h"

namespace PolarMPPlugin {

#define DECLARE(ARCH) \
    namespace ARCH { \
    extern const NetworkLoops<float> singleNetwork; \
    extern const NetworkLoops<double> doubleNetwork; \
    }
DECLARE(baseline)
#ifdef POLARMP_X86
DECLARE(avx2)
DECLARE(avx512)
#define CHOOSE(LOOPS) chooseLoops(baseline::LOOPS, avx2::LOOPS, avx512::LOOPS)
#else
#define CHOOSE(LOOPS) baseline::LOOPS
#endif

template <>
const NetworkLoops<float>& networkLoops<float>() {
    static const NetworkLoops<float>& loops = CHOOSE(singleNetwork);
    return loops;
}

template <>
const NetworkLoops<double>& networkLoops<double>() {
    static const NetworkLoops<double>& loops = CHOOSE(doubleNetwork);
    return loops;
}

} // namespace PolarMPPlugin

#include "MeshLoops.h"
#include "MeshSpectrum.h"
#include "openmm/OpenMMException.h"
#include <algorithm>
#include <cstdlib>
#include <string>

using namespace std;

namespace PolarMPPlugin {

#define DECLARE(ARCH) \
    namespace ARCH { \
    extern const MeshLoops<float> singleLoops; \
    extern const MeshLoops<double> doubleLoops; \
    extern const MeshFourier<float> singleFourier; \
    extern const MeshFourier<double> doubleFourier; \
    }
DECLARE(baseline)
#ifdef POLARMP_X86
DECLARE(avx2)
DECLARE(avx512)
#endif

namespace {
const char* NAMES[] = {"baseline", "avx2", "avx512"};
enum Level { Baseline, Avx2, Avx512 };

Level supported() {
#ifdef POLARMP_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        return Avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return Avx2;
#endif
    return Baseline;
}

/** POLARMP_SIMD can ask for less than there is, to test it. */
Level level() {
    const char* asked = getenv("POLARMP_SIMD");
    if (asked == nullptr)
        return supported();
    for (Level known : {Baseline, Avx2, Avx512})
        if (string(asked) == NAMES[known])
            return min(known, supported());
    throw OpenMM::OpenMMException("POLARMP_SIMD is '" + string(asked) + "'; baseline, avx2 and avx512 are accepted");
}
} // namespace

#ifdef POLARMP_X86
#define CHOOSE(LOOPS) (level() == Avx512 ? avx512::LOOPS : level() == Avx2 ? avx2::LOOPS : baseline::LOOPS)
#else
#define CHOOSE(LOOPS) baseline::LOOPS
#endif

#define ACCESS(TYPE, FUNCTION, LOOPS) \
    template <> \
    const TYPE& FUNCTION() { \
        static const TYPE& loops = CHOOSE(LOOPS); \
        return loops; \
    }
ACCESS(MeshLoops<float>, meshLoops<float>, singleLoops)
ACCESS(MeshLoops<double>, meshLoops<double>, doubleLoops)
ACCESS(MeshFourier<float>, meshFourier<float>, singleFourier)
ACCESS(MeshFourier<double>, meshFourier<double>, doubleFourier)

} // namespace PolarMPPlugin

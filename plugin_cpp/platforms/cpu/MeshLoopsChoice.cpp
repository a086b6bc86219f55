#include "MeshLoops.h"
#include "MeshSpectrum.h"
#include "openmm_polarmp/internal/InstructionSet.h"

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

#ifdef POLARMP_X86
#define CHOOSE(LOOPS) chooseLoops(baseline::LOOPS, avx2::LOOPS, avx512::LOOPS)
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

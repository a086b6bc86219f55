#include "TorchLoops.h"
#include "openmm_polarmp/internal/InstructionSet.h"

namespace PolarMPPlugin {

#define DECLARE(ARCH) \
    namespace ARCH { \
    extern const TorchLoops<float> singleTorchLoops; \
    extern const TorchLoops<double> doubleTorchLoops; \
    extern const TorchPairLoops pairLoops; \
    extern const TorchMeshLoops<float> singleTorchMeshLoops; \
    extern const TorchMeshLoops<double> doubleTorchMeshLoops; \
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
const TorchLoops<float>& torchLoops<float>() {
    static const TorchLoops<float>& loops = CHOOSE(singleTorchLoops);
    return loops;
}

template <>
const TorchLoops<double>& torchLoops<double>() {
    static const TorchLoops<double>& loops = CHOOSE(doubleTorchLoops);
    return loops;
}

template <>
const TorchMeshLoops<float>& torchMeshLoops<float>() {
    static const TorchMeshLoops<float>& loops = CHOOSE(singleTorchMeshLoops);
    return loops;
}

template <>
const TorchMeshLoops<double>& torchMeshLoops<double>() {
    static const TorchMeshLoops<double>& loops = CHOOSE(doubleTorchMeshLoops);
    return loops;
}

const TorchPairLoops& torchPairLoops() {
    static const TorchPairLoops& loops = CHOOSE(pairLoops);
    return loops;
}

} // namespace PolarMPPlugin

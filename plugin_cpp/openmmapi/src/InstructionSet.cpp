#include "openmm_polarmp/internal/InstructionSet.h"
#include "openmm/OpenMMException.h"
#include <algorithm>
#include <cstdlib>
#include <string>

using namespace PolarMPPlugin;
using namespace std;

namespace {

const char* NAMES[] = {"baseline", "avx2", "avx512"};

InstructionSet supported() {
#if defined(__x86_64__) || defined(_M_X64)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        return InstructionSet::avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return InstructionSet::avx2;
#endif
    return InstructionSet::baseline;
}

} // namespace

InstructionSet PolarMPPlugin::chosenInstructionSet() {
    const char* asked = getenv("POLARMP_SIMD");
    if (asked == nullptr)
        return supported();
    for (InstructionSet known : {InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512})
        if (string(asked) == NAMES[(int) known])
            return min(known, supported());
    throw OpenMM::OpenMMException("POLARMP_SIMD is '" + string(asked) + "'; baseline, avx2 and avx512 are accepted");
}

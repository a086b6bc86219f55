#pragma once

namespace PolarMPPlugin {

/** Instruction sets for which inner loops are compiled, each in a namespace of the same name. */
enum class InstructionSet { baseline, avx2, avx512 };

/** The best one that this processor supports, or a lesser one that the environment variable POLARMP_SIMD names, for tests. */
InstructionSet chosenInstructionSet();

/** Chooses among three versions of the same loops by the instruction set. */
template <class Loops>
const Loops& chooseLoops(const Loops& baseline, const Loops& avx2, const Loops& avx512) {
    switch (chosenInstructionSet()) {
    case InstructionSet::avx512:
        return avx512;
    case InstructionSet::avx2:
        return avx2;
    default:
        return baseline;
    }
}

} // namespace PolarMPPlugin

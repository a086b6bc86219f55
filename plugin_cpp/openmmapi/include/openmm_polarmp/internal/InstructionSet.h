#pragma once

namespace PolarMPPlugin {

/** Instruction sets for which inner loops are compiled, each in the namespace of its name. */
enum class InstructionSet { baseline, avx2, avx512 };

/** The best one that this processor has; POLARMP_SIMD can ask for less, to test it. */
InstructionSet chosenInstructionSet();

/** Of three versions of the same loops that for the chosen instruction set. */
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

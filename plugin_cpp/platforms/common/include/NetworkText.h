#pragma once
#include "openmm_polarmp/NetworkSource.h"
#include <string>
#include <vector>

// Helpers with which NetworkCode generates the text of kernels.

namespace PolarMPPlugin {
namespace NetworkText {

inline int components(int l) {
    return (l + 1) * (l + 1);
}

/** The next multiple of four, for what is loaded in packs. */
inline int padded(int n) {
    return (n + 3) / 4 * 4;
}

inline std::string text(int value) {
    return std::to_string(value);
}

inline std::string mix(int l) {
    return l == 0 ? "mix1" : l == 1 ? "mix3" : "mix5";
}

/** A term of a coupling; rows are counted from the first one of its degree. */
struct Term {
    int row, left, right;
    double value;
};

inline std::vector<Term> termsOfDegree(const SparseCoupling& coupling, int l) {
    int first = 0;
    for (int lower = 0; lower < l; lower++)
        first += coupling.paths[lower] * (2 * lower + 1);
    int last = first + coupling.paths[l] * (2 * l + 1);
    std::vector<Term> terms;
    for (size_t i = 0; i < coupling.value.size(); i++)
        if (coupling.row[i] >= first && coupling.row[i] < last)
            terms.push_back({coupling.row[i] - first, coupling.left[i], coupling.right[i], coupling.value[i]});
    return terms;
}

inline std::string at(const char* name, int i) {
    return std::string(name) + "[" + text(i) + "]";
}

inline std::string coupleName(int layer, int factors, int l) {
    return "couple" + text(layer) + "_" + text(factors) + "_" + text(l);
}

} // namespace NetworkText
} // namespace PolarMPPlugin

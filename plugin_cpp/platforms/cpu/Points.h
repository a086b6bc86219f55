#pragma once
#include <algorithm>

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

/** Size of this instruction set's vectors in bytes. */
#if defined(__AVX512F__)
constexpr int VECTOR_BYTES = 64;
#elif defined(__AVX__)
constexpr int VECTOR_BYTES = 32;
#else
constexpr int VECTOR_BYTES = 16;
#endif

/** P numbers in as few vectors as possible, loaded from any address. */
template <class Real, int P>
struct Points {
    static constexpr int N = std::min<int>(P, VECTOR_BYTES / sizeof(Real)), VECTORS = P / N;
    typedef Real Vector __attribute__((vector_size(N * sizeof(Real)), aligned(sizeof(Real)), may_alias));

    static Points load(const Real* from) {
        Points result;
        for (int v = 0; v < VECTORS; v++)
            result.vectors[v] = *(const Vector*) (from + v * N);
        return result;
    }
    void store(Real* to) const {
        for (int v = 0; v < VECTORS; v++)
            *(Vector*) (to + v * N) = vectors[v];
    }
    /** this += number * other */
    void add(Real number, const Points& other) {
        for (int v = 0; v < VECTORS; v++)
            vectors[v] += number * other.vectors[v];
    }
    Points times(Real number) const {
        Points result;
        for (int v = 0; v < VECTORS; v++)
            result.vectors[v] = number * vectors[v];
        return result;
    }
    Real dot(const Points& other) const {
        Vector products = vectors[0] * other.vectors[0];
        for (int v = 1; v < VECTORS; v++)
            products += vectors[v] * other.vectors[v];
        Real sum = 0;
        for (int k = 0; k < N; k++)
            sum += products[k];
        return sum;
    }

    Vector vectors[VECTORS] = {};
};

} // namespace POLARMP_ARCH
} // namespace PolarMPPlugin

#pragma once
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

// Vectors whose lanes are atoms (or pairs): written once with the compiler's vector types, compiled for each instruction set.

#if defined(__AVX512F__)
constexpr int VECTOR_BYTES = 64, REGISTERS = 32;
#elif defined(__AVX2__)
constexpr int VECTOR_BYTES = 32, REGISTERS = 16;
#elif defined(__aarch64__)
constexpr int VECTOR_BYTES = 16, REGISTERS = 32;
#else
constexpr int VECTOR_BYTES = 16, REGISTERS = 16;
#endif

template <class Real>
struct VectorOf;
template <>
struct VectorOf<float> {
    typedef float Type __attribute__((vector_size(VECTOR_BYTES)));
    typedef int Integers __attribute__((vector_size(VECTOR_BYTES)));
    static constexpr int EXPONENT_BIAS = 127, MANTISSA_BITS = 23;
    static constexpr int SINE_TERMS = 7, EXPONENTIAL_TERMS = 7, LOGARITHM_TERMS = 8;
};
template <>
struct VectorOf<double> {
    typedef double Type __attribute__((vector_size(VECTOR_BYTES)));
    typedef long long Integers __attribute__((vector_size(VECTOR_BYTES)));
    static constexpr int EXPONENT_BIAS = 1023, MANTISSA_BITS = 52;
    static constexpr int SINE_TERMS = 12, EXPONENTIAL_TERMS = 13, LOGARITHM_TERMS = 18;
};

template <class Real>
using V = typename VectorOf<Real>::Type;
/** Number of lanes of a vector. */
template <class Real>
constexpr int LANES = VECTOR_BYTES / sizeof(Real);

template <class Real>
inline V<Real> all(Real value) {
    return value - V<Real>{};
}

/** Lanes from, or to, memory that is aligned as single numbers are. */
template <class Real>
inline V<Real> loaded(const Real* from) {
    V<Real> result;
    __builtin_memcpy(&result, from, sizeof(result));
    return result;
}
template <class Real>
inline void store(V<Real> lanes, Real* to) {
    __builtin_memcpy(to, &lanes, sizeof(lanes));
}

template <class T>
inline T smaller(T a, T b) {
    return a < b ? a : b;
}
template <class T>
inline T larger(T a, T b) {
    return a > b ? a : b;
}

/** Whether a < b in any lane. */
template <class Real>
inline bool anyLess(V<Real> a, V<Real> b) {
#if defined(__AVX512F__)
    if constexpr (sizeof(Real) == 4)
        return _mm512_cmp_ps_mask((__m512) a, (__m512) b, _CMP_LT_OQ) != 0;
    else
        return _mm512_cmp_pd_mask((__m512d) a, (__m512d) b, _CMP_LT_OQ) != 0;
#elif defined(__AVX2__)
    if constexpr (sizeof(Real) == 4)
        return _mm256_movemask_ps(_mm256_cmp_ps((__m256) a, (__m256) b, _CMP_LT_OQ)) != 0;
    else
        return _mm256_movemask_pd(_mm256_cmp_pd((__m256d) a, (__m256d) b, _CMP_LT_OQ)) != 0;
#else
    bool any = false;
    for (int k = 0; k < LANES<Real>; k++)
        any |= (a[k] < b[k]);
    return any;
#endif
}

template <class Real>
inline V<Real> squareRoot(V<Real> x) {
#if defined(__AVX512F__)
    if constexpr (sizeof(Real) == 4)
        return (V<Real>) _mm512_sqrt_ps((__m512) x);
    else
        return (V<Real>) _mm512_sqrt_pd((__m512d) x);
#elif defined(__AVX2__)
    if constexpr (sizeof(Real) == 4)
        return (V<Real>) _mm256_sqrt_ps((__m256) x);
    else
        return (V<Real>) _mm256_sqrt_pd((__m256d) x);
#else
    for (int k = 0; k < LANES<Real>; k++)
        x[k] = (sizeof(Real) == 4 ? __builtin_sqrtf(x[k]) : __builtin_sqrt(x[k]));
    return x;
#endif
}

/** sum_k t^k / k! = 1 + t (1 + t/2 (1 + t/3 (...))), k <= terms */
template <class Real>
inline V<Real> exponential(V<Real> x) {
    using T = VectorOf<Real>;
    using Integers = typename T::Integers;
    // Arguments are limited to where the result can be represented; networks do not reach these limits.
    const Real limit = sizeof(Real) == 4 ? 87 : 700, ln2 = 0.693147180559945309;
    x = smaller(larger(x, all<Real>(-limit)), all<Real>(limit));
    // The nearest integer, by truncating a positive number; in 32 bits, to which every instruction set can convert.
    typedef int Shorts __attribute__((vector_size(LANES<Real> * 4)));
    const Shorts shorts = __builtin_convertvector(x * (1 / ln2) + Real(2048.5), Shorts) - 2048;
    const Integers n = __builtin_convertvector(shorts, Integers);
    const V<Real> t = x - __builtin_convertvector(shorts, V<Real>) * ln2;
    V<Real> sum = all<Real>(1);
#pragma GCC unroll 16
    for (int k = T::EXPONENTIAL_TERMS; k > 0; k--)
        sum = sum * t * (Real(1) / k) + Real(1);
    return sum * (V<Real>) ((n + T::EXPONENT_BIAS) << T::MANTISSA_BITS);
}

template <class Real>
inline V<Real> sigmoid(V<Real> x) {
    return Real(1) / (Real(1) + exponential<Real>(-x));
}

/** log(1 + exp(x)) */
template <class Real>
inline V<Real> softplus(V<Real> x) {
    const V<Real> e = exponential<Real>(x > 0 ? -x : x);
    // log(1 + e) = 2 artanh(e / (2 + e)), whose argument is at most 1/3
    const V<Real> z = e / (Real(2) + e), square = z * z;
    V<Real> sum = V<Real>{};
#pragma GCC unroll 20
    for (int k = VectorOf<Real>::LOGARITHM_TERMS; k >= 0; k--)
        sum = sum * square + Real(2) / (2 * k + 1);
    return larger(x, V<Real>{}) + sum * z;
}

/** sin(pi x) and cos(pi x) for 0 <= x <= 1: Taylor series around 1/2. */
template <class Real>
inline void sineAndCosine(V<Real> x, V<Real>& sine, V<Real>& cosine) {
    const V<Real> y = (x - Real(0.5)) * Real(3.14159265358979323846), square = -y * y;
    V<Real> even = all<Real>(1), odd = all<Real>(1);
#pragma GCC unroll 16
    for (int k = VectorOf<Real>::SINE_TERMS - 1; k > 0; k--) {
        even = even * square * (Real(1) / ((2 * k - 1) * (2 * k))) + Real(1);
        odd = odd * square * (Real(1) / ((2 * k) * (2 * k + 1))) + Real(1);
    }
    sine = even;
    cosine = -odd * y;
}

} // namespace POLARMP_ARCH
} // namespace PolarMPPlugin

#pragma once
#include <cmath>

namespace PolarMPPlugin {

// Matrices [3,3] whose rows are box vectors, and row vectors.

inline double determinant(const double* m) {
    return m[0] * (m[4] * m[8] - m[5] * m[7]) + m[1] * (m[5] * m[6] - m[3] * m[8]) + m[2] * (m[3] * m[7] - m[4] * m[6]);
}

/** Columns of the inverse give fractional coordinates. */
inline void invert(const double* m, double* result) {
    const double d = determinant(m);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            const int a = (j + 1) % 3, b = (j + 2) % 3, c = (i + 1) % 3, e = (i + 2) % 3;
            result[3 * i + j] = (m[3 * a + c] * m[3 * b + e] - m[3 * a + e] * m[3 * b + c]) / d;
        }
}

/** row * matrix */
inline void times(const double* row, const double* matrix, double* result) {
    for (int b = 0; b < 3; b++)
        result[b] = row[0] * matrix[b] + row[1] * matrix[3 + b] + row[2] * matrix[6 + b];
}

/** Distance between the two faces that box vector d connects, from the inverse box. */
inline double height(const double* inverse, int d) {
    return 1 / std::sqrt(inverse[d] * inverse[d] + inverse[3 + d] * inverse[3 + d] + inverse[6 + d] * inverse[6 + d]);
}

} // namespace PolarMPPlugin

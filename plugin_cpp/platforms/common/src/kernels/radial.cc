// The radial functions of a pair of smeared multipoles (theory.md section 2).

/** B_0 = k_e erf(a r)/r, B_{n+1} = -(1/r) dB_n/dr. The scale is 2 a k_e / sqrt(pi). */
DEVICE void radialFunctions(real r2, real aSquared, real scale, real* B) {
    real x2 = aSquared*r2, twoASquared = 2*aSquared;
    if (x2 < SERIES_LIMIT) {
        // The upward recursion would lose digits: the series of B_5, whose terms are all positive, then downwards.
        real term = (real) 1/(real) 11, sum = 0;
        for (int k = 1; term > SERIES_END*sum; k++) {
            sum += term;
            term *= 2*x2/(2*k+11);
        }
        real power = scale*EXP(-x2)*twoASquared*twoASquared*twoASquared*twoASquared*twoASquared;
        B[5] = power*sum;
        for (int n = 4; n >= 0; n--) {
            power *= (1/twoASquared);
            B[n] = (r2*B[n+1]+power)/(2*n+1);
        }
    }
    else {
        real r = SQRT(r2);
        real power = scale*EXP(-x2);
        B[0] = COULOMB*ERF(SQRT(x2))/r;
        for (int n = 0; n < 5; n++) {
            B[n+1] = ((2*n+1)*B[n]-power)/r2;
            power *= twoASquared;
        }
    }
}

/** C_n with grad C_n = -r C_{n+1} + v_{n+1}, where C_0 is the potential, and Q r. */
DEVICE void contract(const real* r, GLOBAL const real* RESTRICT m, const real* B, real* C, real* Qr) {
    real muR = 0, rQr = 0;
    for (int i = 0; i < 3; i++) {
        Qr[i] = 0;
        for (int j = 0; j < 3; j++)
            Qr[i] += m[4+second(i, j)]*r[j];
        muR += m[1+i]*r[i];
        rQr += r[i]*Qr[i];
    }
    for (int n = 0; n < 4; n++)
        C[n] = m[0]*B[n]+muR*B[n+1]+0.5f*rQr*B[n+2];
}

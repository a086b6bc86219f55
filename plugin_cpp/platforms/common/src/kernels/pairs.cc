// A cluster: the sum over all pairs with the kernel g(r) = k_e erf(a r)/r, a = 1/(sqrt(2) sigma) (theory.md section 2).

/** B_0 = g, B_{n+1} = -(1/r) dB_n/dr. */
DEVICE void radialFunctions(real r2, real* B) {
    real x2 = A_SQUARED*r2;
    if (x2 < SERIES_LIMIT) {
        // The upward recursion would lose digits: the series of B_5, whose terms are all positive, then downwards.
        real term = (real) 1/(real) 11, sum = 0;
        for (int k = 1; term > SERIES_END*sum; k++) {
            sum += term;
            term *= 2*x2/(2*k+11);
        }
        real power = B_SCALE*EXP(-x2)*TWO_A_SQUARED*TWO_A_SQUARED*TWO_A_SQUARED*TWO_A_SQUARED*TWO_A_SQUARED;
        B[5] = power*sum;
        for (int n = 4; n >= 0; n--) {
            power *= (1/TWO_A_SQUARED);
            B[n] = (r2*B[n+1]+power)/(2*n+1);
        }
    }
    else {
        real r = SQRT(r2);
        real power = B_SCALE*EXP(-x2);
        B[0] = COULOMB*ERF(SQRT(x2))/r;
        for (int n = 0; n < 5; n++) {
            B[n+1] = ((2*n+1)*B[n]-power)/r2;
            power *= TWO_A_SQUARED;
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

KERNEL void sumPairs(GLOBAL const mixed* RESTRICT positions, GLOBAL const real* RESTRICT sources, GLOBAL real* RESTRICT phi) {
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE) {
        real result[20];
        for (int n = 0; n < 20; n++)
            result[n] = 0;
        for (int j = 0; j < NUM_PARTICLES; j++) {
            if (i == j)
                continue;
            real r[3], B[6], C[4], Qr[3];
            real r2 = 0;
            for (int a = 0; a < 3; a++) {
                r[a] = (real) (positions[3*i+a]-positions[3*j+a]);
                r2 += r[a]*r[a];
            }
            GLOBAL const real* m = &sources[10*j];
            radialFunctions(r2, B);
            contract(r, m, B, C, Qr);
            result[0] += C[0];
            real v1[3], v2[3], v3[3];
            for (int a = 0; a < 3; a++) {
                v1[a] = m[1+a]*B[1]+Qr[a]*B[2];
                v2[a] = m[1+a]*B[2]+Qr[a]*B[3];
                v3[a] = m[1+a]*B[3]+Qr[a]*B[4];
            }
            for (int a = 0; a < 3; a++) {
                result[1+a] += v1[a]-r[a]*C[1];
                for (int b = a; b < 3; b++) {
                    real Qab = m[4+second(a, b)];
                    result[4+second(a, b)] += r[a]*r[b]*C[2]-r[a]*v2[b]-r[b]*v2[a]+Qab*B[2]-(a == b ? C[1] : 0);
                    for (int c = b; c < 3; c++) {
                        real sum = r[a]*r[b]*v3[c]+r[a]*r[c]*v3[b]+r[b]*r[c]*v3[a]-r[a]*r[b]*r[c]*C[3];
                        sum -= (r[a]*m[4+second(b, c)]+r[b]*m[4+second(a, c)]+r[c]*Qab)*B[3];
                        sum += (a == b ? r[c]*C[2]-v2[c] : 0)+(a == c ? r[b]*C[2]-v2[b] : 0)+(b == c ? r[a]*C[2]-v2[a] : 0);
                        result[10+third(a, b, c)] += sum;
                    }
                }
            }
        }
        for (int n = 0; n < 20; n++)
            phi[20*i+n] = result[n];
    }
}

KERNEL void sumPotential(int numPoints, GLOBAL const mixed* RESTRICT points, GLOBAL const mixed* RESTRICT positions,
        GLOBAL const real* RESTRICT sources, GLOBAL real* RESTRICT potential) {
    for (int i = GLOBAL_ID; i < numPoints; i += GLOBAL_SIZE) {
        real sum = 0;
        for (int j = 0; j < NUM_PARTICLES; j++) {
            real r[3], B[6], C[4], Qr[3];
            real r2 = 0;
            for (int a = 0; a < 3; a++) {
                r[a] = (real) (points[3*i+a]-positions[3*j+a]);
                r2 += r[a]*r[a];
            }
            radialFunctions(r2, B);
            contract(r, &sources[10*j], B, C, Qr);
            sum += C[0];
        }
        potential[i] = sum;
    }
}

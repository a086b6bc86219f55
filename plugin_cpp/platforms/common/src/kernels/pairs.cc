// A cluster: the sum over all pairs with the kernel g(r) = k_e erf(a r)/r, a = 1/(sqrt(2) sigma) (theory.md section 2).

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
            radialFunctions(r2, A_SQUARED, B_SCALE, B);
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
            radialFunctions(r2, A_SQUARED, B_SCALE, B);
            contract(r, &sources[10*j], B, C, Qr);
            sum += C[0];
        }
        potential[i] = sum;
    }
}

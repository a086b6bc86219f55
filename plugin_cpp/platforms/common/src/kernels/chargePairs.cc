// Pairs of an atom and a point charge (theory.md section 11): all of them in a cluster; in a periodic box, where the mesh has
// smeared charges, the short-ranged difference between charges that are points and smeared ones.

DEVICE void chargeRadialFunctions(real r2, real* B) {
    radialFunctions(r2, CHARGE_A_SQUARED, CHARGE_B_SCALE, B);
#ifdef PERIODIC
    real smeared[6];
    radialFunctions(r2, A_SQUARED, B_SCALE, smeared);
    for (int n = 0; n < 6; n++)
        B[n] -= smeared[n];
#endif
}

/**
 * The images of a displacement that can be within range. box[0..8]: the vectors, box[9..17]: the inverse (see cells.cc),
 * box[18..20]: the range in units of the box's heights.
 */
DEVICE void imagesInRange(const mixed* displacement, GLOBAL const mixed* box, int* first, int* last) {
    for (int d = 0; d < 3; d++) {
        mixed fraction = displacement[0]*box[9+d]+displacement[1]*box[12+d]+displacement[2]*box[15+d];
        first[d] = (int) ceil(-box[18+d]-fraction);
        last[d] = (int) floor(box[18+d]-fraction);
    }
}

/** Adds the potential of a charge at the displacement r from it, and its derivatives up to the third. */
DEVICE void addPotentialOfCharge(const real* r, real q, real* result) {
    real r2 = r[0]*r[0]+r[1]*r[1]+r[2]*r[2], B[6];
    chargeRadialFunctions(r2, B);
    result[0] += q*B[0];
    for (int a = 0; a < 3; a++) {
        result[1+a] -= q*r[a]*B[1];
        for (int b = a; b < 3; b++) {
            result[4+second(a, b)] += q*(r[a]*r[b]*B[2]-(a == b ? B[1] : 0));
            for (int c = b; c < 3; c++) {
                real sum = (a == b ? r[c] : 0)+(a == c ? r[b] : 0)+(b == c ? r[a] : 0);
                result[10+third(a, b, c)] += q*(sum*B[2]-r[a]*r[b]*r[c]*B[3]);
            }
        }
    }
}

/** Adds the gradient of a multipole's potential at the displacement r from it. */
DEVICE void addGradientOfMultipole(const real* r, GLOBAL const real* m, real* gradient) {
    real r2 = r[0]*r[0]+r[1]*r[1]+r[2]*r[2], B[6], C[4], Qr[3];
    chargeRadialFunctions(r2, B);
    contract(r, m, B, C, Qr);
    for (int a = 0; a < 3; a++)
        gradient[a] += m[1+a]*B[1]+Qr[a]*B[2]-r[a]*C[1];
}

/** Sums over parts of the charges: part p of atom i has those with index p, p+PARTS, ...; parts[PARTS][20 N] */
KERNEL void sumCharges(int numCharges, GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT places,
        GLOBAL const real* RESTRICT charges, GLOBAL const mixed* RESTRICT box, GLOBAL real* RESTRICT parts) {
    for (int index = GLOBAL_ID; index < PARTS*NUM_PARTICLES; index += GLOBAL_SIZE) {
        int part = index/NUM_PARTICLES, i = index-part*NUM_PARTICLES;
        real result[20];
        for (int n = 0; n < 20; n++)
            result[n] = 0;
        for (int m = part; m < numCharges; m += PARTS) {
            mixed d[3];
            for (int a = 0; a < 3; a++)
                d[a] = positions[3*i+a]-places[3*m+a];
#ifdef PERIODIC
            int first[3], last[3];
            imagesInRange(d, box, first, last);
            for (int x = first[0]; x <= last[0]; x++)
                for (int y = first[1]; y <= last[1]; y++)
                    for (int z = first[2]; z <= last[2]; z++) {
                        real r[3];
                        for (int a = 0; a < 3; a++)
                            r[a] = (real) (d[a]+x*box[a]+y*box[3+a]+z*box[6+a]);
                        if (r[0]*r[0]+r[1]*r[1]+r[2]*r[2] < RANGE*RANGE)
                            addPotentialOfCharge(r, charges[m], result);
                    }
#else
            real r[3] = {(real) d[0], (real) d[1], (real) d[2]};
            addPotentialOfCharge(r, charges[m], result);
#endif
        }
        for (int n = 0; n < 20; n++)
            parts[20*index+n] = result[n];
    }
}

/** In a box the sum is added to the mesh's potential, less the mean over the box: both kernels lack the term k = 0. */
KERNEL void addParts(GLOBAL const real* RESTRICT parts, mixed mean, GLOBAL real* RESTRICT potential) {
    for (int index = GLOBAL_ID; index < 20*NUM_PARTICLES; index += GLOBAL_SIZE) {
        real sum = 0;
        for (int part = 0; part < PARTS; part++)
            sum += parts[20*NUM_PARTICLES*part+index];
#ifdef PERIODIC
        potential[index] += sum-(index%20 == 0 ? (real) mean : 0);
#else
        potential[index] = sum;
#endif
    }
}

KERNEL void sumForcesOnCharges(int numCharges, GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT places,
        GLOBAL const real* RESTRICT charges, GLOBAL const mixed* RESTRICT box, GLOBAL const real* RESTRICT permanent,
        GLOBAL const real* RESTRICT induced, GLOBAL real* RESTRICT forces) {
    for (int m = GLOBAL_ID; m < numCharges; m += GLOBAL_SIZE) {
        real gradient[3] = {0, 0, 0};
        for (int i = 0; i < NUM_PARTICLES; i++) {
            mixed d[3];
            for (int a = 0; a < 3; a++)
                d[a] = places[3*m+a]-positions[3*i+a];
#ifdef PERIODIC
            int first[3], last[3];
            imagesInRange(d, box, first, last);
            for (int x = first[0]; x <= last[0]; x++)
                for (int y = first[1]; y <= last[1]; y++)
                    for (int z = first[2]; z <= last[2]; z++) {
                        real r[3];
                        for (int a = 0; a < 3; a++)
                            r[a] = (real) (d[a]+x*box[a]+y*box[3+a]+z*box[6+a]);
                        if (r[0]*r[0]+r[1]*r[1]+r[2]*r[2] < RANGE*RANGE) {
                            addGradientOfMultipole(r, &permanent[10*i], gradient);
                            addGradientOfMultipole(r, &induced[10*i], gradient);
                        }
                    }
#else
            real r[3] = {(real) d[0], (real) d[1], (real) d[2]};
            addGradientOfMultipole(r, &permanent[10*i], gradient);
            addGradientOfMultipole(r, &induced[10*i], gradient);
#endif
        }
        for (int a = 0; a < 3; a++) {
#ifdef PERIODIC
            forces[3*m+a] -= charges[m]*gradient[a];
#else
            forces[3*m+a] = -charges[m]*gradient[a];
#endif
        }
    }
}

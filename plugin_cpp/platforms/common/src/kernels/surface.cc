// What other surroundings than conducting ones add to potentials in a box (theory.md section 10): a polynomial of second order with
// coefficients from sums over its sources. Sums: charge, M_x, M_y, M_z, S_zz. Box: 1/V and L_z^2/6 + sigma^2.

/** Multipoles of ten numbers; `others`: more moments of the same atoms, or the same array with `both` 0. */
KERNEL void sumSources(int both, GLOBAL const real* RESTRICT sources, GLOBAL const real* RESTRICT others, GLOBAL const mixed* RESTRICT positions,
        GLOBAL mixed* RESTRICT sums) {
    LOCAL mixed buffer[REDUCTION_SIZE];
    mixed charge = 0, x = 0, y = 0, z = 0, spread = 0;
    for (int i = LOCAL_ID; i < NUM_PARTICLES; i += LOCAL_SIZE) {
        mixed m[10];
        for (int n = 0; n < 10; n++)
            m[n] = sources[10*i+n]+(both ? others[10*i+n] : 0);
        mixed height = positions[3*i+2];
        charge += m[0];
        x += m[0]*positions[3*i]+m[1];
        y += m[0]*positions[3*i+1]+m[2];
        z += m[0]*height+m[3];
        spread += m[0]*height*height+2*m[3]*height+m[9];
    }
    reduceSum(charge, buffer, &sums[0]);
    reduceSum(x, buffer, &sums[1]);
    reduceSum(y, buffer, &sums[2]);
    reduceSum(z, buffer, &sums[3]);
    reduceSum(spread, buffer, &sums[4]);
}

KERNEL void sumCharges(int numCharges, GLOBAL const real* RESTRICT charges, GLOBAL const mixed* RESTRICT positions, GLOBAL mixed* RESTRICT sums) {
    LOCAL mixed buffer[REDUCTION_SIZE];
    mixed charge = 0, x = 0, y = 0, z = 0, spread = 0;
    for (int i = LOCAL_ID; i < numCharges; i += LOCAL_SIZE) {
        mixed height = positions[3*i+2];
        charge += charges[i];
        x += charges[i]*positions[3*i];
        y += charges[i]*positions[3*i+1];
        z += charges[i]*height;
        spread += charges[i]*height*height;
    }
    reduceSum(charge, buffer, &sums[0]);
    reduceSum(x, buffer, &sums[1]);
    reduceSum(y, buffer, &sums[2]);
    reduceSum(z, buffer, &sums[3]);
    reduceSum(spread, buffer, &sums[4]);
}

/** Value, three derivatives, and the second derivative along z at r. */
DEVICE void surfacePotential(GLOBAL const mixed* r, GLOBAL const mixed* sums, mixed inverseVolume, mixed rest, mixed* phi) {
#ifdef SLAB
    mixed factor = 0.5f*FOUR_PI*COULOMB*inverseVolume, z = r[2];
    phi[0] = factor*(2*z*sums[3]-sums[0]*z*z-sums[4]-sums[0]*rest);
    phi[1] = 0;
    phi[2] = 0;
    phi[3] = 2*factor*(sums[3]-sums[0]*z);
    phi[4] = -2*factor*sums[0];
#else
    mixed factor = FOUR_PI*COULOMB*inverseVolume/3;
    phi[0] = 0;
    for (int a = 0; a < 3; a++) {
        phi[1+a] = factor*sums[1+a];
        phi[0] += phi[1+a]*r[a];
    }
    phi[4] = 0;
#endif
}

KERNEL void addAtAtoms(GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT sums, mixed inverseVolume, mixed rest,
        GLOBAL real* RESTRICT potential) {
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE) {
        mixed phi[5];
        surfacePotential(&positions[3*i], sums, inverseVolume, rest, phi);
        for (int n = 0; n < 4; n++)
            potential[20*i+n] += (real) phi[n];
        potential[20*i+9] += (real) phi[4];
    }
}

KERNEL void addAtPoints(int numPoints, GLOBAL const mixed* RESTRICT points, GLOBAL const mixed* RESTRICT sums, mixed inverseVolume, mixed rest,
        GLOBAL real* RESTRICT potential) {
    for (int i = GLOBAL_ID; i < numPoints; i += GLOBAL_SIZE) {
        mixed phi[5];
        surfacePotential(&points[3*i], sums, inverseVolume, rest, phi);
        potential[i] += (real) phi[0];
    }
}

KERNEL void addForcesOnCharges(int numCharges, GLOBAL const mixed* RESTRICT positions, GLOBAL const real* RESTRICT charges,
        GLOBAL const mixed* RESTRICT sums, mixed inverseVolume, mixed rest, GLOBAL real* RESTRICT forces) {
    for (int i = GLOBAL_ID; i < numCharges; i += GLOBAL_SIZE) {
        mixed phi[5];
        surfacePotential(&positions[3*i], sums, inverseVolume, rest, phi);
        for (int a = 0; a < 3; a++)
            forces[3*i+a] -= charges[i]*(real) phi[1+a];
    }
}

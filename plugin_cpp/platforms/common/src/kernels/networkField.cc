// The force of charges that depend on the positions, in a uniform field in a periodic box (openmm_polarmp/electrostatics/moving_charges.py):
//     F_i = sum_j E.(r_j - r_i) dq_j/dr_i        r_j - r_i between nearest images
// With fractional coordinates s it is a sum over directions d of strengths (E.a_d) times wrap(s_j - s_i) = wrap(s_j - c) - wrap(s_i - c)
// for atoms i near c. The box is therefore divided into slabs, for each of which the network's backward pass is run once, with
// wrap(s_j - c) in place of the derivatives by the charges. box: see cells.cc.

DEVICE mixed fractionalCoordinate(GLOBAL const mixed* r, GLOBAL const mixed* box, int d) {
    mixed s = r[0]*box[9+d]+r[1]*box[12+d]+r[2]*box[15+d];
    return s-floor(s);
}

/** The fractional displacement of the nearest image, in [-1/2, 1/2). */
DEVICE mixed wrapped(mixed s) {
    return s-floor(s+(mixed) 0.5f);
}

DEVICE int slabOf(mixed s, int slabs) {
    return max(0, min((int) (s*slabs), slabs-1));
}

/** Adds the result of a backward pass: minus its derivatives are in `passForces`, which is cleared. */
DEVICE void addPass(int atom, mixed factor, GLOBAL mm_long* passForces, GLOBAL mm_ulong* forces) {
    for (int a = 0; a < 3; a++) {
        int index = atom+a*PADDED_NUM_ATOMS;
        mixed force = -factor*(passForces[index]/(mixed) 4294967296.0f);
        ATOMIC_ADD(&forces[index], (mm_ulong) realToFixedPoint((real) force));
        passForces[index] = 0;
    }
}

KERNEL void slabOffsets(GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT box, int d, int slab, int slabs,
        GLOBAL real* RESTRICT offsets) {
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE)
        offsets[i] = (real) wrapped(fractionalCoordinate(&positions[3*i], box, d)-(slab+(mixed) 0.5f)/slabs);
}

KERNEL void fillOffsets(GLOBAL real* RESTRICT offsets) {
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE)
        offsets[i] = 1;
}

KERNEL void addSlab(GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT box, int d, int slab, int slabs, mixed strength,
        GLOBAL const int* RESTRICT atomOf, GLOBAL mm_long* RESTRICT passForces, GLOBAL mm_ulong* RESTRICT forces) {
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE) {
        bool inside = (slabOf(fractionalCoordinate(&positions[3*i], box, d), slabs) == slab);
        addPass(atomOf[i], inside ? strength : 0, passForces, forces);
    }
}

/** The terms -wrap(s_i - c), after a pass in which all derivatives by charges are 1. */
KERNEL void addCenterOffsets(GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT box, int slabsX, int slabsY, int slabsZ,
        mixed strengthX, mixed strengthY, mixed strengthZ, GLOBAL const int* RESTRICT atomOf, GLOBAL mm_long* RESTRICT passForces,
        GLOBAL mm_ulong* RESTRICT forces) {
    const int slabs[3] = {slabsX, slabsY, slabsZ};
    const mixed strengths[3] = {strengthX, strengthY, strengthZ};
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE) {
        mixed offset = 0;
        for (int d = 0; d < 3; d++) {
            mixed s = fractionalCoordinate(&positions[3*i], box, d);
            offset += strengths[d]*wrapped(s-(slabOf(s, slabs[d])+(mixed) 0.5f)/slabs[d]);
#ifdef PROJECT_CHARGES
            // Charges are shifted to a fixed sum, which adds the mean over all atoms.
            if (strengths[d] != 0) {
                mixed sum = 0;
                for (int j = 0; j < NUM_PARTICLES; j++)
                    sum += wrapped(fractionalCoordinate(&positions[3*j], box, d)-s);
                offset += strengths[d]*sum/NUM_PARTICLES;
            }
#endif
        }
        addPass(atomOf[i], -offset, passForces, forces);
    }
}

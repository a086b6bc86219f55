// Between OpenMM's atoms (its own order, nm) and our particles (the force's order, A).

KERNEL void readPositions(GLOBAL const real4* RESTRICT posq,
#ifdef USE_MIXED_PRECISION
        GLOBAL const real4* RESTRICT posqCorrection,
#endif
        GLOBAL const int* RESTRICT atomIndex, GLOBAL const int* RESTRICT particleOf, GLOBAL mixed* RESTRICT positions,
        GLOBAL int* RESTRICT atomOf) {
    for (int atom = GLOBAL_ID; atom < NUM_ATOMS; atom += GLOBAL_SIZE) {
        int particle = particleOf[atomIndex[atom]];
        if (particle < 0)
            continue;
        atomOf[particle] = atom;
        real4 pos = posq[atom];
#ifdef USE_MIXED_PRECISION
        real4 correction = posqCorrection[atom];
        positions[3*particle] = ANGSTROM_PER_NM*(pos.x+(mixed) correction.x);
        positions[3*particle+1] = ANGSTROM_PER_NM*(pos.y+(mixed) correction.y);
        positions[3*particle+2] = ANGSTROM_PER_NM*(pos.z+(mixed) correction.z);
#else
        positions[3*particle] = ANGSTROM_PER_NM*pos.x;
        positions[3*particle+1] = ANGSTROM_PER_NM*pos.y;
        positions[3*particle+2] = ANGSTROM_PER_NM*pos.z;
#endif
    }
}

/** Whether any coordinate differs from an earlier copy. */
KERNEL void comparePositions(GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT earlier, GLOBAL int* RESTRICT differ) {
    for (int i = GLOBAL_ID; i < 3*NUM_PARTICLES; i += GLOBAL_SIZE)
        if (positions[i] != earlier[i])
            differ[0] = 1;
}

/** The source's energy and forces, and the electrostatic ones, into OpenMM's buffers. */
KERNEL void addResults(GLOBAL const mixed* RESTRICT atomEnergies, GLOBAL const mixed* RESTRICT sourceEnergy,
        GLOBAL const real* RESTRICT electrostaticForces, GLOBAL const real* RESTRICT sourceForces, GLOBAL const int* RESTRICT atomOf,
        GLOBAL mm_ulong* RESTRICT forceBuffers, GLOBAL mixed* RESTRICT energyBuffer, int includeForces, int numSourceEnergies) {
    mixed energy = 0;
    for (int i = GLOBAL_ID; i < numSourceEnergies; i += GLOBAL_SIZE)
        energy += sourceEnergy[i];
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE) {
        energy += atomEnergies[i];
        if (includeForces) {
            int atom = atomOf[i];
            for (int a = 0; a < 3; a++) {
                real force = FORCE_TO_OPENMM*(electrostaticForces[3*i+a]+sourceForces[3*i+a]);
                ATOMIC_ADD(&forceBuffers[atom+a*PADDED_NUM_ATOMS], (mm_ulong) realToFixedPoint(force));
            }
        }
    }
    energyBuffer[GLOBAL_ID] += ENERGY_TO_OPENMM*energy;
}

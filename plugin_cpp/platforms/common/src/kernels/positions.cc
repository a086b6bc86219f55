// Conversions between OpenMM's atoms (its internal order, nm) and the force's particles, or the particles with point charges
// around them (their order in the force, A). In notes the latter follow the former.

KERNEL void readPositions(GLOBAL const real4* RESTRICT posq,
#ifdef USE_MIXED_PRECISION
        GLOBAL const real4* RESTRICT posqCorrection,
#endif
        GLOBAL const int* RESTRICT atomIndex, GLOBAL const int* RESTRICT particleOf, GLOBAL mixed* RESTRICT positions,
        GLOBAL int* RESTRICT atomOf, GLOBAL unsigned int* RESTRICT notes, int firstInNotes) {
    for (int atom = GLOBAL_ID; atom < NUM_ATOMS; atom += GLOBAL_SIZE) {
        int particle = particleOf[atomIndex[atom]];
        if (particle < 0)
            continue;
        atomOf[particle] = atom;
        real4 pos = posq[atom];
#ifdef USE_MIXED_PRECISION
        real4 correction = posqCorrection[atom];
        mixed r[3] = {pos.x+(mixed) correction.x, pos.y+(mixed) correction.y, pos.z+(mixed) correction.z};
#else
        mixed r[3] = {pos.x, pos.y, pos.z};
#endif
        for (int a = 0; a < 3; a++)
            positions[3*particle+a] = ANGSTROM_PER_NM*r[a];
        for (int a = 0; a < 3; a++)
            if (!isfinite(r[a])) {
                writeNote(&notes[OF_INPUT], POSITION, firstInNotes+particle, r[a]);
                break;
            }
    }
}

/** Sets differ[0] to 1 if any coordinate differs from an earlier copy. */
KERNEL void comparePositions(GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT earlier, GLOBAL int* RESTRICT differ,
        int size) {
    for (int i = GLOBAL_ID; i < size; i += GLOBAL_SIZE)
        if (positions[i] != earlier[i])
            differ[0] = 1;
}

/**
 * Adds the source's and the electrostatic energy and forces to OpenMM's buffers. A force that is not finite has no fixed-point
 * representation: it is left out, and a note is written.
 */
KERNEL void addResults(GLOBAL const mixed* RESTRICT atomEnergies, GLOBAL const mixed* RESTRICT sourceEnergy,
        GLOBAL const real* RESTRICT electrostaticForces, GLOBAL const real* RESTRICT sourceForces, GLOBAL const int* RESTRICT atomOf,
        GLOBAL mm_ulong* RESTRICT forceBuffers, GLOBAL mixed* RESTRICT energyBuffer, int includeForces, int numSourceEnergies,
        GLOBAL unsigned int* RESTRICT notes) {
    mixed energy = 0;
    for (int i = GLOBAL_ID; i < numSourceEnergies; i += GLOBAL_SIZE)
        energy += sourceEnergy[i];
    // With unusable input no force is added until the host has read the note.
    int useForces = (includeForces && notes[OF_INPUT] == 0);
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE) {
        energy += atomEnergies[i];
        if (useForces) {
            int atom = atomOf[i];
            for (int a = 0; a < 3; a++) {
                real force = FORCE_TO_OPENMM*(electrostaticForces[3*i+a]+sourceForces[3*i+a]);
                if (isfinite(force))
                    ATOMIC_ADD(&forceBuffers[atom+a*PADDED_NUM_ATOMS], (mm_ulong) realToFixedPoint(force));
                else if (!isfinite(sourceForces[3*i+a]))
                    writeNote(&notes[OF_FORCES], SOURCE_FORCE, i, sourceForces[3*i+a]);
                else
                    writeNote(&notes[OF_FORCES], ELECTROSTATIC_FORCE, i, force);
            }
        }
    }
    energyBuffer[GLOBAL_ID] += ENERGY_TO_OPENMM*energy;
}

/** Adds the forces on the point charges to OpenMM's buffer. */
KERNEL void addForcesOnCharges(int numCharges, GLOBAL const real* RESTRICT forces, GLOBAL const int* RESTRICT atomOf,
        GLOBAL mm_ulong* RESTRICT forceBuffers, GLOBAL unsigned int* RESTRICT notes) {
    int useForces = (notes[OF_INPUT] == 0);
    for (int m = GLOBAL_ID; m < numCharges; m += GLOBAL_SIZE)
        if (useForces) {
            int atom = atomOf[m];
            for (int a = 0; a < 3; a++) {
                real force = FORCE_TO_OPENMM*forces[3*m+a];
                if (isfinite(force))
                    ATOMIC_ADD(&forceBuffers[atom+a*PADDED_NUM_ATOMS], (mm_ulong) realToFixedPoint(force));
                else
                    writeNote(&notes[OF_FORCES], ELECTROSTATIC_FORCE, NUM_PARTICLES+m, force);
            }
        }
}

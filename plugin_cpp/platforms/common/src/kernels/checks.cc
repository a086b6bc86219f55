// Unusable numbers are recorded in notes, which the host reads while the step continues: see DeviceChecks.h.

#ifdef __OPENCL_VERSION__
#define ATOMIC_MAX(target, value) atomic_max(target, value)
#else
#define ATOMIC_MAX(target, value) atomicMax(target, value)
#endif

/** Of several notes the largest number remains: that of the first quantity, and in it of the first particle. 0: no note. */
DEVICE void writeNote(GLOBAL unsigned int* note, int quantity, int particle, mixed value) {
    int fault = IS_NEGATIVE;
    if (!isfinite(value))
        fault = (value > 0 ? IS_POSITIVE_INFINITY : value < 0 ? IS_NEGATIVE_INFINITY : IS_NAN);
    unsigned int code = NUM_FAULTS*((unsigned int) quantity*NUM_CHECKED+particle)+fault;
    ATOMIC_MAX(note, 0xFFFFFFFFu-code);
}

/** Checks all components of a quantity of one particle. */
DEVICE void checkRow(GLOBAL const real* row, int size, int quantity, int particle, GLOBAL unsigned int* note) {
    for (int i = 0; i < size; i++)
        if (!isfinite(row[i])) {
            writeNote(note, quantity, particle, row[i]);
            return;
        }
}

/** Checks the energy and moments from a source. Moments that it does not provide are zero. */
KERNEL void checkMoments(GLOBAL const mixed* RESTRICT energy, GLOBAL const real* RESTRICT charges, GLOBAL const real* RESTRICT dipoles,
        GLOBAL const real* RESTRICT quadrupoles, GLOBAL const real* RESTRICT softness, GLOBAL const real* RESTRICT polarizability,
        GLOBAL unsigned int* RESTRICT notes, int numEnergies) {
    GLOBAL unsigned int* note = &notes[OF_INPUT];
    for (int i = GLOBAL_ID; i < numEnergies; i += GLOBAL_SIZE)
        if (!isfinite(energy[i]))
            writeNote(note, SOURCE_ENERGY, i, energy[i]);
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE) {
        checkRow(&charges[i], 1, CHARGE, i, note);
        checkRow(&dipoles[3*i], 3, DIPOLE, i, note);
        checkRow(&quadrupoles[9*i], 9, QUADRUPOLE, i, note);
        checkRow(&softness[i], 1, SOFTNESS, i, note);
        if (softness[i] < 0)
            writeNote(note, SOFTNESS, i, softness[i]);
        checkRow(&polarizability[9*i], 9, POLARIZABILITY, i, note);
    }
}

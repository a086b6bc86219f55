// The first layer of the network: density of the neighbours, products, gate; and, where it is the only one, the heads.

#define SAVED_F (NUM_COMPONENTS*(1+NUM_POWERS))
#define SAVED_G (SAVED_F+(FEATURE_DEGREE0+1)*(FEATURE_DEGREE0+1))
#define SAVED0 (SAVED_G+FEATURE_DEGREE0+1)
#define FEATURES0 ((FEATURE_DEGREE0+1)*(FEATURE_DEGREE0+1))
// X[component][n*NUM_SPECIES+kind]
#define DENSITY_ROW ((NUM_RADIAL*NUM_SPECIES+3)/4*4)

/** Features after the gate, from those before it and the gate's scalars. */
DEVICE void openGate0(const real* f, const real* g, real* F) {
    F[0] = silu(g[0]);
    for (int n = 1; n < FEATURES0; n++)
        F[n] = f[n]*sigmoid(g[n < 4 ? 1 : 2]);
}

KERNEL void networkFirst(GLOBAL const int* RESTRICT particles, GLOBAL const int* RESTRICT cellOf, GLOBAL const int* RESTRICT cellStart,
        GLOBAL const mixed* RESTRICT sortedPositions, GLOBAL const mixed* RESTRICT box, int sizeX, int sizeY, int sizeZ, int reachX, int reachY, int reachZ,
        GLOBAL const int* RESTRICT kinds, GLOBAL const real4* RESTRICT W, GLOBAL const real* RESTRICT plain, GLOBAL real* RESTRICT saved,
        GLOBAL real* RESTRICT savedHeads, GLOBAL mixed* RESTRICT energies, GLOBAL real* RESTRICT charges, GLOBAL real* RESTRICT dipoles,
        GLOBAL real* RESTRICT quadrupoles, GLOBAL real* RESTRICT softness, GLOBAL real* RESTRICT polarizability, GLOBAL mm_ulong* RESTRICT sums) {
    LOCAL real4 numbers4[ATOMS_IN_GROUP*LOCAL_PACKS];
    LOCAL int integers[ATOMS_IN_GROUP*SEARCH_SIZE];
    const int slot = LOCAL_ID/LANES, lane = LOCAL_ID%LANES, channel = min(lane, CHANNELS-1);
    LOCAL_ARG real4* density4 = &numbers4[slot*LOCAL_PACKS];
    LOCAL_ARG real* density = (LOCAL_ARG real*) density4;
    LOCAL_ARG real4* stage4 = density4+NUM_COMPONENTS*DENSITY_ROW/4;
    LOCAL_ARG real* foundVector = (LOCAL_ARG real*) stage4;
    LOCAL_ARG real* pairRadial = foundVector+6*LANES;
    LOCAL_ARG real* pairHarmonics = pairRadial+NUM_RADIAL*(LANES+1);
    LOCAL_ARG int* search = &integers[slot*SEARCH_SIZE];
    LOCAL_ARG int* pairKind = search+SEARCH_INTS;
    for (int place = GROUP_ID*ATOMS_IN_GROUP+slot; place < NUM_PARTICLES; place += NUM_GROUPS*ATOMS_IN_GROUP) {
        int atom = particles[place], kind = kinds[atom];
        FOR_LANES(n, NUM_COMPONENTS*DENSITY_ROW)
            if (n < NUM_COMPONENTS*DENSITY_ROW)
                density[n] = 0;
        real repulsion = 0;
        SYNC_ATOM;
        SEARCH_AND_ADD_TO_DENSITY
        SYNC_ATOM;

        // The density of the atom's channels, resolved by what the atom is
        real A[NUM_COMPONENTS] = {0};
        mix1(&W[DENSITY0], CHANNELS, channel, density4, DENSITY_ROW/4, A);
        mix3(&W[DENSITY1], CHANNELS, channel, density4+DENSITY_ROW/4, DENSITY_ROW/4, A+1);
#if NUM_COMPONENTS > 4
        mix5(&W[DENSITY2], CHANNELS, channel, density4+DENSITY_ROW, DENSITY_ROW/4, A+4);
#endif
        real embedding = plain[EMBEDDING+kind*CHANNELS+channel];
        for (int n = 0; n < NUM_COMPONENTS; n++)
            A[n] *= 1+0.5f*embedding;

        real powers[NUM_POWERS*NUM_COMPONENTS+1], f[FEATURES0], g[FEATURE_DEGREE0+1], F[FEATURES0];
        productsForward0(A, powers, f, lane, channel, W, stage4);
        f[0] += embedding;
        gateForward(f[0], FEATURE_DEGREE0, &W[GATE0], &plain[GATE_BIAS0], lane, channel, stage4, g);
        openGate0(f, g, F);
        if (lane < CHANNELS) {
            GLOBAL real* mine = &saved[(mm_long) place*SAVED0*CHANNELS+lane];
            for (int n = 0; n < NUM_COMPONENTS; n++)
                mine[n*CHANNELS] = A[n];
            for (int n = 0; n < NUM_POWERS*NUM_COMPONENTS; n++)
                mine[(NUM_COMPONENTS+n)*CHANNELS] = powers[n];
            for (int n = 0; n < FEATURES0; n++)
                mine[(SAVED_F+n)*CHANNELS] = f[n];
            for (int l = 0; l <= FEATURE_DEGREE0; l++)
                mine[(SAVED_G+l)*CHANNELS] = g[l];
        }
        headsForward(F, kind, atom, lane, channel, sumOverLanes(repulsion, lane, (LOCAL_ARG real*) stage4), W, plain, stage4, &savedHeads[(mm_long) place*SAVED_HEADS],
                energies, charges, dipoles, quadrupoles, softness, polarizability, sums);
    }
}

KERNEL void networkFirstBackward(GLOBAL const int* RESTRICT particles, GLOBAL const int* RESTRICT cellOf, GLOBAL const int* RESTRICT cellStart,
        GLOBAL const mixed* RESTRICT sortedPositions, GLOBAL const mixed* RESTRICT box, int sizeX, int sizeY, int sizeZ, int reachX, int reachY, int reachZ,
        GLOBAL const int* RESTRICT kinds, GLOBAL const real4* RESTRICT W, GLOBAL const real* RESTRICT plain, GLOBAL const real* RESTRICT saved,
        GLOBAL const real* RESTRICT savedHeads, real energyGradient, GLOBAL const real* RESTRICT chargeGradients,
        GLOBAL const real* RESTRICT dipoleGradients, GLOBAL const real* RESTRICT quadrupoleGradients, GLOBAL const real* RESTRICT softnessGradients,
        GLOBAL const real* RESTRICT polarizabilityGradients, GLOBAL const mm_long* RESTRICT sums, GLOBAL const int* RESTRICT atomOf, GLOBAL mm_ulong* RESTRICT forces) {
    LOCAL real4 numbers4[ATOMS_IN_GROUP*LOCAL_PACKS];
    LOCAL int integers[ATOMS_IN_GROUP*SEARCH_SIZE];
    const int slot = LOCAL_ID/LANES, lane = LOCAL_ID%LANES, channel = min(lane, CHANNELS-1);
    LOCAL_ARG real4* density4 = &numbers4[slot*LOCAL_PACKS];
    LOCAL_ARG real* density = (LOCAL_ARG real*) density4;
    LOCAL_ARG real4* stage4 = density4+NUM_COMPONENTS*DENSITY_ROW/4;
    LOCAL_ARG real* stage = (LOCAL_ARG real*) stage4;
    LOCAL_ARG real* foundVector = stage;
    LOCAL_ARG int* search = &integers[slot*SEARCH_SIZE];
    for (int place = GROUP_ID*ATOMS_IN_GROUP+slot; place < NUM_PARTICLES; place += NUM_GROUPS*ATOMS_IN_GROUP) {
        int atom = particles[place], kind = kinds[atom];
        real A[NUM_COMPONENTS], powers[NUM_POWERS*NUM_COMPONENTS+1], f[FEATURES0], g[FEATURE_DEGREE0+1], F[FEATURES0], FGradient[FEATURES0] = {0};
        GLOBAL const real* mine = &saved[(mm_long) place*SAVED0*CHANNELS+channel];
        for (int n = 0; n < NUM_COMPONENTS; n++)
            A[n] = mine[n*CHANNELS];
        for (int n = 0; n < NUM_POWERS*NUM_COMPONENTS; n++)
            powers[n] = mine[(NUM_COMPONENTS+n)*CHANNELS];
        for (int n = 0; n < FEATURES0; n++)
            f[n] = mine[(SAVED_F+n)*CHANNELS];
        for (int l = 0; l <= FEATURE_DEGREE0; l++)
            g[l] = mine[(SAVED_G+l)*CHANNELS];
        openGate0(f, g, F);
        headsBackward(F, kind, atom, lane, channel, energyGradient, W, plain, stage4, &savedHeads[(mm_long) place*SAVED_HEADS], chargeGradients,
                dipoleGradients, quadrupoleGradients, softnessGradients, polarizabilityGradients, sums, FGradient);

        // Through the gate: FGradient becomes the derivative by f
        real gateGradient[FEATURE_DEGREE0+1] = {0};
        gateGradient[0] = FGradient[0]*siluDerivative(g[0]);
        for (int n = 1; n < FEATURES0; n++) {
            int l = (n < 4 ? 1 : 2);
            real s = sigmoid(g[l]);
            gateGradient[l] += FGradient[n]*f[n]*s*(1-s);
            FGradient[n] *= s;
        }
        FGradient[0] = gateBackward(gateGradient, FEATURE_DEGREE0, &W[GATE_TRANSPOSED0], lane, channel, stage4);

        real AGradient[NUM_COMPONENTS] = {0};
        productsBackward0(A, powers, FGradient, AGradient, lane, channel, W, stage4);
        real embedding = plain[EMBEDDING+kind*CHANNELS+channel];
        if (lane < PADDED_CHANNELS)
            for (int n = 0; n < NUM_COMPONENTS; n++)
                stage[n*PADDED_CHANNELS+lane] = (lane < CHANNELS ? AGradient[n]*(1+0.5f*embedding) : 0);
        SYNC_ATOM;
        FOR_LANES(item, NUM_COMPONENTS*NUM_RADIAL*NUM_SPECIES) {
            int component = min(item/(NUM_RADIAL*NUM_SPECIES), NUM_COMPONENTS-1), row = item%(NUM_RADIAL*NUM_SPECIES);
            int pack = (component == 0 ? DENSITY_TRANSPOSED0 : component < 4 ? DENSITY_TRANSPOSED1 : DENSITY_TRANSPOSED2);
            real sum[1] = {0};
            mix1(&W[pack], NUM_RADIAL*NUM_SPECIES, row, stage4+component*PADDED_CHANNELS/4, PADDED_CHANNELS/4, sum);
            if (item < NUM_COMPONENTS*NUM_RADIAL*NUM_SPECIES)
                density[component*DENSITY_ROW+row] = sum[0];
        }
        SYNC_ATOM;

        // The force on this atom is the sum over its neighbours; each neighbour gets the opposite of its part.
        real total[3] = {0, 0, 0};
        SEARCH_AND_ADD_FORCES
        SYNC_ATOM;
        for (int a = 0; a < 3; a++) {
            real sum = sumOverLanes(total[a], lane, stage);
            if (lane == 0)
                ATOMIC_ADD(&forces[atomOf[atom]+a*PADDED_NUM_ATOMS], (mm_ulong) realToFixedPoint(FORCE_TO_OPENMM*sum));
        }
    }
}

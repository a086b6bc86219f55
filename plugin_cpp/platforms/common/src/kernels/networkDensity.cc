// The density of each atom's neighbours (models/_layers.py, Density), and the forces from the derivatives by the densities.

// X[component][n*NUM_SPECIES+kind]: the sum over the neighbours before channels are mixed
#define DENSITY_ROW ((NUM_RADIAL*NUM_SPECIES+3)/4*4)
// Each lane sums some of the pair functions: in registers for few species, in LOCAL memory for many.
#define DENSITY_ITEMS ((NUM_COMPONENTS*NUM_RADIAL+LANES-1)/LANES)
#if NUM_SPECIES*DENSITY_ITEMS <= 16
#define SUMS_IN_REGISTERS
#endif

KERNEL void networkDensity(GLOBAL const int* RESTRICT particles, GLOBAL const int* RESTRICT cellOf, GLOBAL const int* RESTRICT cellStart,
        GLOBAL const mixed* RESTRICT sortedPositions, GLOBAL const mixed* RESTRICT box, int sizeX, int sizeY, int sizeZ, int reachX, int reachY, int reachZ,
        GLOBAL const int* RESTRICT kinds, GLOBAL const real4* RESTRICT W, GLOBAL const real* RESTRICT plain, GLOBAL real* RESTRICT densities,
        GLOBAL real* RESTRICT repulsions) {
    LOCAL real4 numbers4[ATOMS_IN_GROUP*DENSITY_PACKS];
    LOCAL int integers[ATOMS_IN_GROUP*SEARCH_SIZE];
    const int slot = LOCAL_ID/LANES, lane = LOCAL_ID%LANES, channel = min(lane, CHANNELS-1);
    LOCAL_ARG real4* density4 = &numbers4[slot*DENSITY_PACKS];
    LOCAL_ARG real* density = (LOCAL_ARG real*) density4;
    LOCAL_ARG real* neighborVector = density+NUM_COMPONENTS*DENSITY_ROW;
    LOCAL_ARG real* pairRadial = neighborVector+6*LANES;
    LOCAL_ARG real* pairHarmonics = pairRadial+NUM_RADIAL*(LANES+1);
    LOCAL_ARG int* search = &integers[slot*SEARCH_SIZE];
    LOCAL_ARG int* pairKind = search+SEARCH_INTS;
    for (int place = GROUP_ID*ATOMS_IN_GROUP+slot; place < NUM_PARTICLES; place += NUM_GROUPS*ATOMS_IN_GROUP) {
        int atom = particles[place], kind = kinds[atom];
        FOR_LANES(n, NUM_COMPONENTS*DENSITY_ROW)
            if (n < NUM_COMPONENTS*DENSITY_ROW)
                density[n] = 0;
        real repulsion = 0;
#ifdef SUMS_IN_REGISTERS
        real densitySums[NUM_SPECIES*DENSITY_ITEMS];
        for (int n = 0; n < NUM_SPECIES*DENSITY_ITEMS; n++)
            densitySums[n] = 0;
#endif
        SYNC_ATOM;
        SEARCH_AND_ADD_TO_DENSITY
        SYNC_ATOM;
#ifdef SUMS_IN_REGISTERS
        for (int item = 0; item < DENSITY_ITEMS; item++)
            for (int k = 0; k < NUM_SPECIES; k++) {
                int n = lane+item*LANES;
                if (n < NUM_COMPONENTS*NUM_RADIAL)
                    density[n/NUM_RADIAL*DENSITY_ROW+n%NUM_RADIAL*NUM_SPECIES+k] = densitySums[k*DENSITY_ITEMS+item];
            }
        SYNC_ATOM;
#endif
        real A[NUM_COMPONENTS] = {0};
        mix1(&W[DENSITY0], CHANNELS, channel, density4, DENSITY_ROW/4, A);
        mix3(&W[DENSITY1], CHANNELS, channel, density4+DENSITY_ROW/4, DENSITY_ROW/4, A+1);
#if NUM_COMPONENTS > 4
        mix5(&W[DENSITY2], CHANNELS, channel, density4+DENSITY_ROW, DENSITY_ROW/4, A+4);
#endif
        // The density is scaled by the embedding of the atom's kind.
        real scale = 1+0.5f*plain[EMBEDDING+kind*CHANNELS+channel];
        if (lane < CHANNELS)
            for (int n = 0; n < NUM_COMPONENTS; n++)
                densities[((mm_long) place*NUM_COMPONENTS+n)*CHANNELS+lane] = scale*A[n];
        repulsion = sumOverLanes(repulsion, lane, neighborVector);
        if (lane == 0)
            repulsions[place] = repulsion;
    }
}

KERNEL void networkForces(GLOBAL const int* RESTRICT particles, GLOBAL const int* RESTRICT cellOf, GLOBAL const int* RESTRICT cellStart,
        GLOBAL const mixed* RESTRICT sortedPositions, GLOBAL const mixed* RESTRICT box, int sizeX, int sizeY, int sizeZ, int reachX, int reachY, int reachZ,
        GLOBAL const int* RESTRICT kinds, GLOBAL const real4* RESTRICT W, GLOBAL const real* RESTRICT plain, GLOBAL const real* RESTRICT densityGradients,
        real energyGradient, GLOBAL const int* RESTRICT atomOf, GLOBAL mm_ulong* RESTRICT forces) {
    LOCAL real4 numbers4[ATOMS_IN_GROUP*DENSITY_PACKS];
    LOCAL int integers[ATOMS_IN_GROUP*SEARCH_SIZE];
    const int slot = LOCAL_ID/LANES, lane = LOCAL_ID%LANES;
    LOCAL_ARG real* density = (LOCAL_ARG real*) &numbers4[slot*DENSITY_PACKS];
    LOCAL_ARG real* stage = density+NUM_COMPONENTS*DENSITY_ROW;
    LOCAL_ARG real4* stage4 = (LOCAL_ARG real4*) stage;
    LOCAL_ARG real* neighborVector = stage;
    LOCAL_ARG int* search = &integers[slot*SEARCH_SIZE];
    for (int place = GROUP_ID*ATOMS_IN_GROUP+slot; place < NUM_PARTICLES; place += NUM_GROUPS*ATOMS_IN_GROUP) {
        int atom = particles[place], kind = kinds[atom];
        // From derivatives by the channels to those by the sums over neighbours
        if (lane < PADDED_CHANNELS) {
            real scale = (lane < CHANNELS ? 1+0.5f*plain[EMBEDDING+kind*CHANNELS+lane] : 0);
            for (int n = 0; n < NUM_COMPONENTS; n++)
                stage[n*PADDED_CHANNELS+lane] = (lane < CHANNELS ? scale*densityGradients[((mm_long) place*NUM_COMPONENTS+n)*CHANNELS+lane] : 0);
        }
        SYNC_ATOM;
        FOR_LANES(item, NUM_COMPONENTS*NUM_RADIAL*NUM_SPECIES) {
            int component = min(item/(NUM_RADIAL*NUM_SPECIES), NUM_COMPONENTS-1), row = item%(NUM_RADIAL*NUM_SPECIES);
            int pack = (component == 0 ? DENSITY_TRANSPOSED0 : component < 4 ? DENSITY_TRANSPOSED1 : DENSITY_TRANSPOSED_LAST);
            real sum[1] = {0};
            mix1(&W[pack], NUM_RADIAL*NUM_SPECIES, row, stage4+component*PADDED_CHANNELS/4, PADDED_CHANNELS/4, sum);
            if (item < NUM_COMPONENTS*NUM_RADIAL*NUM_SPECIES)
                density[component*DENSITY_ROW+row] = sum[0];
        }
        SYNC_ATOM;
        // The force on this atom is a sum over its neighbours; the opposite of each term acts on the neighbour.
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

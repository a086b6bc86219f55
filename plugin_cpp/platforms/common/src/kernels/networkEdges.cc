// The heads of pairs (models/edge_heads.py) and the charge that flows between neighbours (theory.md section 8). Every pair is visited
// from both of its atoms: a visit has what the receiver gets, and all derivatives by the receiver's numbers and position.
//
// edgeNumbers: for each atom in the order of the cells u_n, v_n and s as the last map gives them, EDGE_ROWS in all, and softplus(s).
#define EDGE_STRIDE (EDGE_ROWS+1)
#ifdef TRANSFERS
#define EDGE_SOFT (2*NUM_RADIAL)
#else
#define EDGE_SOFT 0
#endif

/** x/sqrt(1+x^2/limit^2), and its slope. */
DEVICE real boundedScalar(real x, real limit, real* slope) {
    real shortened = shortening(1, &x, limit), ratio = shortened*x/limit, factor = RSQRT(1+ratio*ratio);
    *slope = shortened*factor*factor*factor;
    return limit*ratio*factor;
}

#ifdef TRANSFERS
/** sum_n B_n of this is the transfer in its unit. */
DEVICE real mixedNumbers(const real* own, GLOBAL const real* other, GLOBAL const real* table, int n) {
    return own[n]*other[NUM_RADIAL+n]-other[n]*own[NUM_RADIAL+n]+table[n];
}

DEVICE real transferOf(const real* own, GLOBAL const real* other, GLOBAL const real* table, const real* B, real* slope) {
    real sum = 0;
    for (int n = 0; n < NUM_RADIAL; n++)
        sum += B[n]*mixedNumbers(own, other, table, n);
    return boundedScalar(TRANSFER_UNIT*sum, LARGEST_TRANSFER, slope);
}
#endif

#ifdef CONDUCTS
/** @param root  its square in CONDUCTANCE_UNIT times both softnesses is the conductance before it is bounded */
DEVICE real conductanceOf(real softOwn, real softOther, GLOBAL const real* table, const real* B, real* root, real* slope) {
    real sum = 0;
    for (int n = 0; n < NUM_RADIAL; n++)
        sum += B[n]*table[n];
    *root = sum;
    return boundedScalar(CONDUCTANCE_UNIT*sum*sum*softOwn*softOther, LARGEST_CONDUCTANCE, slope);
}
#endif

#define EDGE_TRANSFER_TABLE &plain[TRANSFER_TABLE+(kind*NUM_SPECIES+otherKind)*NUM_RADIAL]
#define EDGE_CONDUCTANCE_TABLE &plain[CONDUCTANCE_TABLE+(kind*NUM_SPECIES+otherKind)*NUM_RADIAL]

#define EDGE_SEARCH_ARGUMENTS                                                                                                    \
    GLOBAL const int* RESTRICT particles, GLOBAL const int* RESTRICT cellOf, GLOBAL const int* RESTRICT cellStart,               \
    GLOBAL const mixed* RESTRICT sortedPositions, GLOBAL const mixed* RESTRICT box, int sizeX, int sizeY, int sizeZ, int reachX, int reachY, \
    int reachZ, GLOBAL const int* RESTRICT kinds, GLOBAL const real* RESTRICT plain, GLOBAL const real* RESTRICT edgeNumbers

/** Adds what the atoms have exchanged to their charges. */
KERNEL void networkExchange(EDGE_SEARCH_ARGUMENTS, GLOBAL real* RESTRICT charges, GLOBAL real* RESTRICT localCharges,
        GLOBAL real* RESTRICT flowPolarizability) {
    LOCAL real4 numbers4[ATOMS_IN_GROUP*EDGE_PACKS];
    LOCAL int integers[ATOMS_IN_GROUP*SEARCH_SIZE];
    const int slot = LOCAL_ID/LANES, lane = LOCAL_ID%LANES;
    LOCAL_ARG real* neighborVector = (LOCAL_ARG real*) &numbers4[slot*EDGE_PACKS];
    LOCAL_ARG real* stage = neighborVector+6*LANES;
    LOCAL_ARG int* search = &integers[slot*SEARCH_SIZE];
    for (int place = GROUP_ID*ATOMS_IN_GROUP+slot; place < NUM_PARTICLES; place += NUM_GROUPS*ATOMS_IN_GROUP) {
        int atom = particles[place], kind = kinds[atom];
        real own[EDGE_STRIDE], received = 0, response = 0;
        for (int n = 0; n < EDGE_STRIDE; n++)
            own[n] = edgeNumbers[(mm_long) place*EDGE_STRIDE+n];
        SYNC_ATOM;
        SEARCH_AND_EXCHANGE
        SYNC_ATOM;
        received = sumOverLanes(received, lane, stage);
        response = sumOverLanes(response, lane, stage);
        if (lane == 0) {
            real before = charges[atom];
            localCharges[atom] = before;
            charges[atom] = before+received;
            flowPolarizability[atom] = response/6;
        }
    }
}

/** Charges and energies of SourceBuffers, from the potential at the particles. */
KERNEL void networkFlow(EDGE_SEARCH_ARGUMENTS, GLOBAL const real* RESTRICT potential, real fieldX, real fieldY, real fieldZ, int responds,
        GLOBAL real* RESTRICT flowCharges, GLOBAL real* RESTRICT flowEnergies) {
    LOCAL real4 numbers4[ATOMS_IN_GROUP*EDGE_PACKS];
    LOCAL int integers[ATOMS_IN_GROUP*SEARCH_SIZE];
    const int slot = LOCAL_ID/LANES, lane = LOCAL_ID%LANES;
    LOCAL_ARG real* neighborVector = (LOCAL_ARG real*) &numbers4[slot*EDGE_PACKS];
    LOCAL_ARG real* stage = neighborVector+6*LANES;
    LOCAL_ARG int* search = &integers[slot*SEARCH_SIZE];
    for (int place = GROUP_ID*ATOMS_IN_GROUP+slot; place < NUM_PARTICLES; place += NUM_GROUPS*ATOMS_IN_GROUP) {
        int atom = particles[place], kind = kinds[atom];
        real own[EDGE_STRIDE], charge = 0, energy = 0, potentialHere = potential[atom];
        for (int n = 0; n < EDGE_STRIDE; n++)
            own[n] = edgeNumbers[(mm_long) place*EDGE_STRIDE+n];
        SYNC_ATOM;
        SEARCH_AND_FLOW
        SYNC_ATOM;
        charge = sumOverLanes(charge, lane, stage);
        energy = sumOverLanes(energy, lane, stage);
        if (lane == 0) {
            flowCharges[atom] = charge;
            flowEnergies[atom] = energy;
        }
    }
}

/** Derivatives by the atoms' numbers that pairs use, and the forces of the pairs on the receivers. */
KERNEL void networkExchangeBackward(EDGE_SEARCH_ARGUMENTS, GLOBAL const real* RESTRICT potential, real fieldX, real fieldY, real fieldZ,
        int responds, real transferFieldX, real transferFieldY, real transferFieldZ, GLOBAL const real* RESTRICT chargeGradients,
        GLOBAL real* RESTRICT edgeGradients, GLOBAL const int* RESTRICT atomOf, GLOBAL mm_ulong* RESTRICT forces) {
    LOCAL real4 numbers4[ATOMS_IN_GROUP*EDGE_PACKS];
    LOCAL int integers[ATOMS_IN_GROUP*SEARCH_SIZE];
    const int slot = LOCAL_ID/LANES, lane = LOCAL_ID%LANES;
    LOCAL_ARG real* neighborVector = (LOCAL_ARG real*) &numbers4[slot*EDGE_PACKS];
    LOCAL_ARG real* stage = neighborVector+6*LANES;
    LOCAL_ARG int* search = &integers[slot*SEARCH_SIZE];
    for (int place = GROUP_ID*ATOMS_IN_GROUP+slot; place < NUM_PARTICLES; place += NUM_GROUPS*ATOMS_IN_GROUP) {
        int atom = particles[place], kind = kinds[atom];
        real own[EDGE_STRIDE], byOwn[EDGE_STRIDE], total[3] = {0, 0, 0}, potentialHere = potential[atom], gradientHere = chargeGradients[atom];
        for (int n = 0; n < EDGE_STRIDE; n++) {
            own[n] = edgeNumbers[(mm_long) place*EDGE_STRIDE+n];
            byOwn[n] = 0;
        }
        SYNC_ATOM;
        SEARCH_AND_EXCHANGE_BACKWARD
        SYNC_ATOM;
#ifdef CONDUCTS
        byOwn[EDGE_SOFT] *= sigmoid(own[EDGE_SOFT]+UNIT_SOFTPLUS);
#endif
        for (int n = 0; n < EDGE_ROWS; n++)
            stage[n*(LANES+1)+lane] = byOwn[n];
        for (int a = 0; a < 3; a++)
            stage[(EDGE_ROWS+a)*(LANES+1)+lane] = total[a];
        SYNC_ATOM;
        FOR_LANES(n, EDGE_ROWS+3) {
            int row = min(n, EDGE_ROWS+2);
            real sum = 0;
            for (int other = 0; other < LANES; other++)
                sum += stage[row*(LANES+1)+other];
            if (n < EDGE_ROWS)
                edgeGradients[(mm_long) place*EDGE_ROWS+n] = sum;
            else if (n < EDGE_ROWS+3)
                ATOMIC_ADD(&forces[atomOf[atom]+(n-EDGE_ROWS)*PADDED_NUM_ATOMS], (mm_ulong) realToFixedPoint(FORCE_TO_OPENMM*sum));
        }
        SYNC_ATOM;
    }
}

/** Writes the pairs of each atom from rowStart on, or without `writes` only counts them. */
KERNEL void networkListPairs(EDGE_SEARCH_ARGUMENTS, int writes, GLOBAL const int* RESTRICT rowStart, GLOBAL int* RESTRICT counts,
        GLOBAL int* RESTRICT pairs, GLOBAL real* RESTRICT values) {
    LOCAL real4 numbers4[ATOMS_IN_GROUP*EDGE_PACKS];
    LOCAL int integers[ATOMS_IN_GROUP*SEARCH_SIZE];
    const int slot = LOCAL_ID/LANES, lane = LOCAL_ID%LANES;
    LOCAL_ARG real* neighborVector = (LOCAL_ARG real*) &numbers4[slot*EDGE_PACKS];
    LOCAL_ARG int* search = &integers[slot*SEARCH_SIZE];
    for (int place = GROUP_ID*ATOMS_IN_GROUP+slot; place < NUM_PARTICLES; place += NUM_GROUPS*ATOMS_IN_GROUP) {
        int atom = particles[place], kind = kinds[atom], numListed = 0, first = (writes ? rowStart[place] : 0);
        real own[EDGE_STRIDE];
        for (int n = 0; n < EDGE_STRIDE; n++)
            own[n] = edgeNumbers[(mm_long) place*EDGE_STRIDE+n];
        SYNC_ATOM;
        SEARCH_AND_LIST
        SYNC_ATOM;
        if (lane == 0)
            counts[place] = numListed;
    }
}

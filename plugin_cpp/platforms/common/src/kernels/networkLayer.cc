// A layer of the network after its sums over neighbours: products, gate, and then what is sent to the neighbours or, in the last
// layer, the heads. The first layer uses the density of the neighbours; later ones join it with the messages and with the features
// of the previous layer. This text is compiled once for each layer, with replacements of the names in capitals.

KERNEL void LAYER_FORWARD(GLOBAL const int* RESTRICT particles, GLOBAL const int* RESTRICT kinds, GLOBAL const real4* RESTRICT W,
        GLOBAL const real* RESTRICT plain, GLOBAL const real* RESTRICT densities, GLOBAL const real* RESTRICT previous,
        GLOBAL const real* RESTRICT messages, GLOBAL real* RESTRICT saved, GLOBAL real* RESTRICT invariants, GLOBAL real* RESTRICT sent,
        GLOBAL real* RESTRICT savedHeads, GLOBAL const real* RESTRICT repulsions, GLOBAL mixed* RESTRICT energies, GLOBAL real* RESTRICT charges,
        GLOBAL real* RESTRICT dipoles, GLOBAL real* RESTRICT quadrupoles, GLOBAL real* RESTRICT softness, GLOBAL real* RESTRICT polarizability,
        GLOBAL mm_ulong* RESTRICT sums, GLOBAL real* RESTRICT edgeNumbers) {
    LOCAL real4 numbers4[ATOMS_IN_GROUP*LAYER_PACKS];
    const int slot = LOCAL_ID/LANES, lane = LOCAL_ID%LANES, channel = min(lane, CHANNELS-1);
    LOCAL_ARG real4* stage4 = &numbers4[slot*LAYER_PACKS];
    for (int place = GROUP_ID*ATOMS_IN_GROUP+slot; place < NUM_PARTICLES; place += NUM_GROUPS*ATOMS_IN_GROUP) {
        int atom = particles[place], kind = kinds[atom];
        real A[NUM_COMPONENTS], powers[NUM_POWERS*NUM_COMPONENTS+1], f[FEATURES], g[DEGREE+1], F[FEATURES];
        readChannel(&densities[(mm_long) place*NUM_COMPONENTS*CHANNELS], NUM_COMPONENTS, channel, A);
#ifdef PER_SQUARED_LIMIT
        real factors[MOST_DEGREES];
        limitDensity(A, factors);
#endif
#if LAYER > 0
        real M[NUM_COMPONENTS], before[PREVIOUS_SAVED], FBefore[PREVIOUS_FEATURES], joined[NUM_COMPONENTS] = {0};
        readChannel(&messages[(mm_long) place*NUM_COMPONENTS*CHANNELS], NUM_COMPONENTS, channel, M);
        readChannel(&previous[(mm_long) place*PREVIOUS_SAVED*CHANNELS], PREVIOUS_SAVED, channel, before);
        openGate(&before[SAVED_F], &before[SAVED_F+PREVIOUS_FEATURES], PREVIOUS_FEATURES, FBefore);
        JOIN_FORWARD(M, A, FBefore, joined, lane, channel, W, stage4);
        for (int n = 0; n < NUM_COMPONENTS; n++)
            A[n] = joined[n];
#ifdef PER_SQUARED_LIMIT
        limitDensity(A, factors);
#endif
#endif
        PRODUCTS_FORWARD(A, powers, f, lane, channel, W, stage4);
#if LAYER == 0
        f[0] += plain[EMBEDDING+kind*CHANNELS+channel];
#endif
        gateForward(f[0], DEGREE, &W[GATE], &plain[GATE_BIAS], lane, channel, stage4, g);
        openGate(f, g, FEATURES, F);
        GLOBAL real* target = &saved[(mm_long) place*SAVED*CHANNELS];
        writeChannel(A, NUM_COMPONENTS, lane, target);
        writeChannel(powers, NUM_POWERS*NUM_COMPONENTS, lane, target+NUM_COMPONENTS*CHANNELS);
        writeChannel(f, FEATURES, lane, target+SAVED_F*CHANNELS);
        writeChannel(g, DEGREE+1, lane, target+(SAVED_F+FEATURES)*CHANNELS);
#ifdef PER_SQUARED_LIMIT
        writeChannel(factors, MOST_DEGREES, lane, target+(SAVED_F+FEATURES+DEGREE+1)*CHANNELS);
#endif
#if LAYER+1 < LAYERS
        writeChannel(F, 1, lane, &invariants[((mm_long) place*(LAYERS-1)+LAYER)*CHANNELS]);
        SEND_FORWARD(F, lane, W, stage4, &sent[(mm_long) place*SENT]);
#else
        headsForward(F, kind, atom, lane, channel, repulsions[place], &invariants[(mm_long) place*(LAYERS-1)*CHANNELS], W, plain, stage4,
                &savedHeads[(mm_long) place*SAVED_HEADS], energies, charges, dipoles, quadrupoles, softness, polarizability, sums,
                &edgeNumbers[(mm_long) place*(EDGE_ROWS+1)]);
#endif
    }
}

KERNEL void LAYER_BACKWARD(GLOBAL const int* RESTRICT particles, GLOBAL const int* RESTRICT kinds, GLOBAL const real4* RESTRICT W,
        GLOBAL const real* RESTRICT plain, GLOBAL const real* RESTRICT previous, GLOBAL const real* RESTRICT saved,
        GLOBAL real* RESTRICT invariantGradients, GLOBAL mm_long* RESTRICT sentGradients, GLOBAL real* RESTRICT featureGradients,
        GLOBAL real* RESTRICT densityGradients, GLOBAL real* RESTRICT messageGradients, GLOBAL const real* RESTRICT savedHeads, real energyGradient,
        GLOBAL const real* RESTRICT chargeGradients, GLOBAL const real* RESTRICT dipoleGradients, GLOBAL const real* RESTRICT quadrupoleGradients,
        GLOBAL const real* RESTRICT softnessGradients, GLOBAL const real* RESTRICT polarizabilityGradients, GLOBAL const mm_long* RESTRICT sums,
        GLOBAL const real* RESTRICT edgeGradients) {
    LOCAL real4 numbers4[ATOMS_IN_GROUP*LAYER_PACKS];
    const int slot = LOCAL_ID/LANES, lane = LOCAL_ID%LANES, channel = min(lane, CHANNELS-1);
    LOCAL_ARG real4* stage4 = &numbers4[slot*LAYER_PACKS];
    for (int place = GROUP_ID*ATOMS_IN_GROUP+slot; place < NUM_PARTICLES; place += NUM_GROUPS*ATOMS_IN_GROUP) {
        int atom = particles[place], kind = kinds[atom];
        real kept[SAVED], F[FEATURES], FGradient[FEATURES] = {0}, gateGradient[DEGREE+1], AGradient[NUM_COMPONENTS] = {0};
        readChannel(&saved[(mm_long) place*SAVED*CHANNELS], SAVED, channel, kept);
        const real* f = kept+SAVED_F;
        const real* g = f+FEATURES;
        openGate(f, g, FEATURES, F);
#if LAYER+1 < LAYERS
        readChannel(&featureGradients[(mm_long) place*MOST_FEATURES*CHANNELS], FEATURES, channel, FGradient);
        FGradient[0] += invariantGradients[((mm_long) place*(LAYERS-1)+LAYER)*CHANNELS+channel];
        SEND_BACKWARD(FGradient, lane, channel, W, stage4, &sentGradients[(mm_long) place*SENT]);
#else
        headsBackward(F, kind, atom, lane, channel, energyGradient, W, plain, stage4, &savedHeads[(mm_long) place*SAVED_HEADS], chargeGradients,
                dipoleGradients, quadrupoleGradients, softnessGradients, polarizabilityGradients, sums, &edgeGradients[(mm_long) place*EDGE_ROWS],
                &invariantGradients[(mm_long) place*(LAYERS-1)*CHANNELS], FGradient);
#endif
        closeGate(f, g, FEATURES, DEGREE, FGradient, gateGradient);
        FGradient[0] = gateBackward(gateGradient, DEGREE, &W[GATE_TRANSPOSED], lane, channel, stage4);
        PRODUCTS_BACKWARD(kept, kept+NUM_COMPONENTS, FGradient, AGradient, lane, channel, W, stage4);
        GLOBAL real* densityGradient = &densityGradients[(mm_long) place*NUM_COMPONENTS*CHANNELS];
#if LAYER > 0
#ifdef PER_SQUARED_LIMIT
        limitDensityBackward(kept, g+DEGREE+1, AGradient);
#endif
        real MGradient[NUM_COMPONENTS] = {0}, DGradient[NUM_COMPONENTS] = {0}, FBeforeGradient[PREVIOUS_FEATURES] = {0};
        JOIN_BACKWARD(AGradient, MGradient, DGradient, FBeforeGradient, lane, channel, W, stage4);
        writeChannel(MGradient, NUM_COMPONENTS, lane, &messageGradients[(mm_long) place*NUM_COMPONENTS*CHANNELS]);
        writeChannel(FBeforeGradient, PREVIOUS_FEATURES, lane, &featureGradients[(mm_long) place*MOST_FEATURES*CHANNELS]);
        for (int n = 0; n < NUM_COMPONENTS; n++)
            AGradient[n] = DGradient[n];
#endif
#if LAYER+1 < LAYERS
        // Derivatives from later layers
        for (int n = 0; n < NUM_COMPONENTS; n++)
            AGradient[n] += densityGradient[n*CHANNELS+channel];
        SYNC_ATOM;
#endif
#if LAYER == 0 && defined(PER_SQUARED_LIMIT)
        limitDensityBackward(kept, g+DEGREE+1, AGradient);
#endif
        writeChannel(AGradient, NUM_COMPONENTS, lane, densityGradient);
    }
}

// The network's heads (models/heads.py): from an atom's features to its energy, moments and response coefficients, and derivatives.

/** The factor that leaves no component above LARGEST_RATIO limits, whose squares would overflow in single precision; 1 as a rule. */
DEVICE real shortening(int n, const real* v, real limit) {
    real most = LARGEST_RATIO*limit, largest = most;
    for (int i = 0; i < n; i++)
        largest = max(largest, fabs(v[i]));
    return most/largest;
}

/** Shortens a moment or an energy to v/sqrt(1+|v|^2/limit^2). */
DEVICE void bound(int n, real* v, real limit) {
    real toRatio = shortening(n, v, limit)/limit, squared = 0;
    for (int i = 0; i < n; i++)
        squared += toRatio*v[i]*(toRatio*v[i]);
    real factor = limit*toRatio*RSQRT(1+squared);
    for (int i = 0; i < n; i++)
        v[i] *= factor;
}

/** Replaces the derivatives by the result of bound(), `gradient`, with those by v. */
DEVICE void boundBackward(int n, const real* v, real limit, real* gradient) {
    real shortened = shortening(n, v, limit), toRatio = shortened/limit, squared = 0, dot = 0;
    for (int i = 0; i < n; i++) {
        real ratio = toRatio*v[i];
        squared += ratio*ratio;
        dot += ratio*gradient[i];
    }
    real factor = RSQRT(1+squared), along = dot*factor*factor;
    for (int i = 0; i < n; i++)
        gradient[i] = shortened*factor*(gradient[i]-along*toRatio*v[i]);
}

/** Components of l = 2 as a symmetric traceless matrix. */
DEVICE void toMatrix(const real* components, real scale, real* matrix) {
    const real T[45] = {TENSOR_TO_CARTESIAN};
    for (int n = 0; n < 9; n++) {
        matrix[n] = 0;
        for (int m = 0; m < 5; m++)
            matrix[n] += scale*T[9*m+n]*components[m];
    }
}

/** From the derivative by a matrix to that by its components of l = 2. */
DEVICE void fromMatrix(const real* gradient, real scale, real* components) {
    const real T[45] = {TENSOR_TO_CARTESIAN};
    for (int m = 0; m < 5; m++) {
        real sum = 0;
        for (int n = 0; n < 9; n++)
            sum += T[9*m+n]*gradient[n];
        components[m] = scale*sum;
    }
}

DEVICE void multiply3(const real* a, const real* b, real scale, real* product) {
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            real sum = 0;
            for (int k = 0; k < 3; k++)
                sum += a[3*i+k]*b[3*k+j];
            product[3*i+j] = scale*sum;
        }
}

/** The polarizability matrix before it is bounded, the square of the matrix `root`; returns by which factor that was shortened. */
DEVICE real polarizabilityOf(const real* scalars, const real* tensors, real* root, real* alpha) {
    real shortened = 1;
#ifdef TENSOR_POLARIZABILITY
    toMatrix(&tensors[ANISOTROPY_ROW], 1, root);
    for (int a = 0; a < 3; a++)
        root[4*a] += 1+scalars[POLARIZABILITY_SCALAR];
    shortened = shortening(9, root, 1);
    for (int n = 0; n < 9; n++)
        root[n] *= shortened;
    multiply3(root, root, POLARIZABILITY_UNIT, alpha);
#endif
    return shortened;
}

#ifdef EQUILIBRATES
/** The electronegativity before it is bounded. */
DEVICE real electronegativityOf(const real* scalars, GLOBAL const real* kindTable) {
    return ELECTRONEGATIVITY_UNIT*(kindTable[KIND_ELECTRONEGATIVITY]+scalars[CHARGE_SCALAR]);
}

/** The reciprocal of the hardness. */
DEVICE real softnessOf(const real* scalars) {
    return 1/(1/(real) LARGEST_SOFTNESS+HARDNESS_UNIT*softplus(scalars[SOFTNESS_SCALAR]+UNIT_SOFTPLUS));
}
#endif

/**
 * An atom's energy and moments from the outputs of its heads (models/heads.py). All lanes compute the same and one of them writes:
 * PoCL miscompiles loops before a barrier that only one thread executes.
 *
 * @param scalars  energy, charge, softness, polarizability, those that the model has
 * @param tensors  components of the dipole, the quadrupole and the anisotropy, those that the model has
 */
DEVICE void writeMoments(const real* scalars, const real* tensors, GLOBAL const real* kindTable, real repulsion,
        int atom, int writes, GLOBAL mixed* RESTRICT energies, GLOBAL real* RESTRICT charges, GLOBAL real* RESTRICT dipoles,
        GLOBAL real* RESTRICT quadrupoles, GLOBAL real* RESTRICT softness, GLOBAL real* RESTRICT polarizability,
        GLOBAL mm_ulong* RESTRICT sums) {
    real energy = scalars[0];
    if (energy < 0)
        bound(1, &energy, LOWEST_ENERGY);
    mixed atomEnergy = (mixed) energy*kindTable[KIND_ENERGY_SCALE]+repulsion;
#ifdef EQUILIBRATES
    real chi = electronegativityOf(scalars, kindTable), kappa = softnessOf(scalars);
    bound(1, &chi, LARGEST_ELECTRONEGATIVITY);
    atomEnergy -= 0.5f*kappa*chi*chi;
    if (writes) {
        charges[atom] = -kappa*chi;
        softness[atom] = kappa;
    }
#endif
    if (writes)
        energies[atom] = atomEnergy;
#if defined(HAS_CHARGES) && !defined(EQUILIBRATES)
    real q = CHARGE_UNIT*scalars[CHARGE_SCALAR];
    bound(1, &q, LARGEST_CHARGE);
    if (writes)
        charges[atom] = q;
#ifdef PROJECT_CHARGES
    if (writes)
        ATOMIC_ADD(&sums[0], (mm_ulong) (mm_long) (q*CHARGE_SUM_SCALE));
#endif
#endif
#ifdef FORMAL_CHARGES
    if (writes)
        charges[atom] = kindTable[KIND_FORMAL_CHARGE];
#endif
#ifdef HAS_DIPOLES
    real mu[3];
    for (int a = 0; a < 3; a++)
        mu[a] = MOMENT_UNIT*tensors[DIPOLE_ROW+a];
    bound(3, mu, LARGEST_DIPOLE);
    for (int a = 0; a < 3 && writes; a++)
        dipoles[3*atom+a] = mu[a];
#endif
#ifdef HAS_QUADRUPOLES
    real Q[9];
    toMatrix(&tensors[QUADRUPOLE_ROW], MOMENT_UNIT, Q);
    bound(9, Q, LARGEST_QUADRUPOLE);
    for (int n = 0; n < 9 && writes; n++)
        quadrupoles[9*atom+n] = Q[n];
#endif
#if defined(HAS_SOFTNESS) && !defined(EQUILIBRATES)
    real kappa = SOFTNESS_UNIT*softplus(scalars[SOFTNESS_SCALAR]+UNIT_SOFTPLUS);
    bound(1, &kappa, LARGEST_SOFTNESS);
    if (writes)
        softness[atom] = kappa;
#endif
#ifdef TENSOR_POLARIZABILITY
    real root[9], alpha[9];
    polarizabilityOf(scalars, tensors, root, alpha);
    bound(9, alpha, LARGEST_POLARIZABILITY);
    for (int n = 0; n < 9 && writes; n++)
        polarizability[9*atom+n] = alpha[n];
#elif defined(HAS_POLARIZABILITY)
    real alpha = POLARIZABILITY_UNIT*softplus(scalars[POLARIZABILITY_SCALAR]+UNIT_SOFTPLUS);
    bound(1, &alpha, LARGEST_POLARIZABILITY);
    for (int n = 0; n < 9 && writes; n++)
        polarizability[9*atom+n] = (n%4 == 0 ? alpha : 0);
#endif
}

/** The backward pass of writeMoments(): from the derivatives by the moments to those by scalars and tensors. */
DEVICE void readGradients(const real* scalars, const real* tensors, GLOBAL const real* kindTable, real energyGradient,
        int atom, GLOBAL const real* RESTRICT chargeGradients, GLOBAL const real* RESTRICT dipoleGradients,
        GLOBAL const real* RESTRICT quadrupoleGradients, GLOBAL const real* RESTRICT softnessGradients,
        GLOBAL const real* RESTRICT polarizabilityGradients, GLOBAL const mm_long* RESTRICT sums, real* scalarGradients,
        real* tensorGradients) {
    real v[9], g[9];
    v[0] = scalars[0];
    g[0] = energyGradient*kindTable[KIND_ENERGY_SCALE];
    if (v[0] < 0)
        boundBackward(1, v, LOWEST_ENERGY, g);
    scalarGradients[0] = g[0];
#ifdef EQUILIBRATES
    real chi = electronegativityOf(scalars, kindTable), kappa = softnessOf(scalars), byCharge = chargeGradients[atom];
    v[0] = chi;
    bound(1, &chi, LARGEST_ELECTRONEGATIVITY);
    g[0] = -kappa*(byCharge+chi*energyGradient);
    boundBackward(1, v, LARGEST_ELECTRONEGATIVITY, g);
    scalarGradients[CHARGE_SCALAR] = ELECTRONEGATIVITY_UNIT*g[0];
    real bySoftness = softnessGradients[atom]-chi*(byCharge+0.5f*chi*energyGradient);
    scalarGradients[SOFTNESS_SCALAR] = -bySoftness*kappa*kappa*HARDNESS_UNIT*sigmoid(scalars[SOFTNESS_SCALAR]+UNIT_SOFTPLUS);
#elif defined(HAS_CHARGES)
    v[0] = CHARGE_UNIT*scalars[CHARGE_SCALAR];
    g[0] = chargeGradients[atom];
#ifdef PROJECT_CHARGES
    g[0] -= (real) (((mixed) sums[1])*(1/POTENTIAL_SUM_SCALE)/NUM_PARTICLES);
#endif
    boundBackward(1, v, LARGEST_CHARGE, g);
    scalarGradients[CHARGE_SCALAR] = CHARGE_UNIT*g[0];
#endif
#ifdef HAS_DIPOLES
    for (int a = 0; a < 3; a++) {
        v[a] = MOMENT_UNIT*tensors[DIPOLE_ROW+a];
        g[a] = dipoleGradients[3*atom+a];
    }
    boundBackward(3, v, LARGEST_DIPOLE, g);
    for (int a = 0; a < 3; a++)
        tensorGradients[DIPOLE_ROW+a] = MOMENT_UNIT*g[a];
#endif
#ifdef HAS_QUADRUPOLES
    toMatrix(&tensors[QUADRUPOLE_ROW], MOMENT_UNIT, v);
    for (int n = 0; n < 9; n++)
        g[n] = quadrupoleGradients[9*atom+n];
    boundBackward(9, v, LARGEST_QUADRUPOLE, g);
    fromMatrix(g, MOMENT_UNIT, &tensorGradients[QUADRUPOLE_ROW]);
#endif
#if defined(HAS_SOFTNESS) && !defined(EQUILIBRATES)
    v[0] = SOFTNESS_UNIT*softplus(scalars[SOFTNESS_SCALAR]+UNIT_SOFTPLUS);
    g[0] = softnessGradients[atom];
    boundBackward(1, v, LARGEST_SOFTNESS, g);
    scalarGradients[SOFTNESS_SCALAR] = SOFTNESS_UNIT*g[0]*sigmoid(scalars[SOFTNESS_SCALAR]+UNIT_SOFTPLUS);
#endif
#ifdef TENSOR_POLARIZABILITY
    real root[9], product[9];
    real shortened = polarizabilityOf(scalars, tensors, root, v);
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            g[3*a+b] = 0.5f*(polarizabilityGradients[9*atom+3*a+b]+polarizabilityGradients[9*atom+3*b+a]);
    boundBackward(9, v, LARGEST_POLARIZABILITY, g);
    multiply3(g, root, 2*POLARIZABILITY_UNIT, product);
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            g[3*a+b] = 0.5f*shortened*(product[3*a+b]+product[3*b+a]);
    scalarGradients[POLARIZABILITY_SCALAR] = g[0]+g[4]+g[8];
    fromMatrix(g, 1, &tensorGradients[ANISOTROPY_ROW]);
#elif defined(HAS_POLARIZABILITY)
    v[0] = POLARIZABILITY_UNIT*softplus(scalars[POLARIZABILITY_SCALAR]+UNIT_SOFTPLUS);
    g[0] = polarizabilityGradients[9*atom]+polarizabilityGradients[9*atom+4]+polarizabilityGradients[9*atom+8];
    boundBackward(1, v, LARGEST_POLARIZABILITY, g);
    scalarGradients[POLARIZABILITY_SCALAR] = POLARIZABILITY_UNIT*g[0]*sigmoid(scalars[POLARIZABILITY_SCALAR]+UNIT_SOFTPLUS);
#endif
}

// Numbers that the heads save for each atom for the backward pass: scalars, components of tensors, the hidden layer before its
// nonlinearity, and the weights of the channels' tensors.
#define SAVED_TENSORS NUM_SCALARS
#define SAVED_HIDDEN (SAVED_TENSORS+TENSOR_ROWS)
#define SAVED_WEIGHTS (SAVED_HIDDEN+HIDDEN)
#define SAVED_HEADS (SAVED_WEIGHTS+NUM_TENSORS*CHANNELS)
// In LOCAL memory the stage is followed by the hidden layer, then scalars and components of tensors.

/** @param invariants  [LAYERS-1][channels], scalar features of the earlier layers */
DEVICE void headsForward(const real* F, int kind, int atom, int lane, int channel, real repulsion, GLOBAL const real* invariants,
        GLOBAL const real4* RESTRICT W,
        GLOBAL const real* RESTRICT plain, LOCAL_ARG real4* stage4, GLOBAL real* RESTRICT saved, GLOBAL mixed* RESTRICT energies,
        GLOBAL real* RESTRICT charges, GLOBAL real* RESTRICT dipoles, GLOBAL real* RESTRICT quadrupoles, GLOBAL real* RESTRICT softness,
        GLOBAL real* RESTRICT polarizability, GLOBAL mm_ulong* RESTRICT sums, GLOBAL real* RESTRICT edgeNumbers) {
    LOCAL_ARG real* stage = (LOCAL_ARG real*) stage4;
    LOCAL_ARG real4* hidden4 = stage4+STAGE_SIZE/4;
    LOCAL_ARG real* hidden = (LOCAL_ARG real*) hidden4;
    LOCAL_ARG real* scalars = hidden+PADDED_HIDDEN;
    LOCAL_ARG real* tensors = scalars+NUM_SCALARS;
    if (lane < CHANNELS) {
        for (int layer = 0; layer < LAYERS-1; layer++)
            stage[layer*CHANNELS+lane] = invariants[layer*CHANNELS+lane];
        stage[(LAYERS-1)*CHANNELS+lane] = F[0];
    }
    if (PADDED_INVARIANTS > LAYERS*CHANNELS)
        stage[min(LAYERS*CHANNELS+lane, PADDED_INVARIANTS-1)] = 0;
    SYNC_ATOM;
    FOR_LANES(n, PADDED_HIDDEN) {
        int row = min(n, HIDDEN-1);
        real value[1] = {plain[TRUNK_BIAS+row]+plain[HEAD_SPECIES+kind*HIDDEN+row]};
        mix1(&W[TRUNK], HIDDEN, row, stage4, PADDED_INVARIANTS/4, value);
        if (n < HIDDEN)
            saved[SAVED_HIDDEN+n] = value[0];
        if (n < PADDED_HIDDEN)
            hidden[n] = (n < HIDDEN ? silu(value[0]) : 0);
    }
    SYNC_ATOM;
    FOR_LANES(n, NUM_SCALARS) {
        int row = min(n, NUM_SCALARS-1);
        real value[1] = {plain[FINAL_BIAS+row]};
        mix1(&W[FINAL], OUTPUTS, row, hidden4, PADDED_HIDDEN/4, value);
        if (n < NUM_SCALARS) {
            saved[n] = value[0];
            scalars[n] = value[0];
        }
    }
#if EDGE_ROWS > 0
    // What the atom's pairs use: kernels/networkEdges.cc
    FOR_LANES(n, EDGE_ROWS) {
        int row = OUTPUTS-EDGE_ROWS+min(n, EDGE_ROWS-1);
        real value[1] = {plain[FINAL_BIAS+row]};
        mix1(&W[FINAL], OUTPUTS, row, hidden4, PADDED_HIDDEN/4, value);
        if (n < EDGE_ROWS)
            edgeNumbers[n] = value[0];
        if (n == EDGE_ROWS-1)
            edgeNumbers[EDGE_ROWS] = softplus(value[0]+UNIT_SOFTPLUS);
    }
#endif
#if NUM_TENSORS > 0
    real w[NUM_TENSORS];
    for (int t = 0; t < NUM_TENSORS; t++) {
        int row = NUM_SCALARS+t*CHANNELS+channel;
        real sum[1] = {plain[FINAL_BIAS+row]};
        mix1(&W[FINAL], OUTPUTS, row, hidden4, PADDED_HIDDEN/4, sum);
        w[t] = sum[0];
        if (lane < CHANNELS)
            saved[SAVED_WEIGHTS+t*CHANNELS+lane] = w[t];
    }
WRITE_TENSOR_PRODUCTS
    SYNC_ATOM;
    FOR_LANES(n, TENSOR_ROWS) {
        real sum = 0;
        for (int other = 0; other < CHANNELS; other++)
            sum += stage[min(n, TENSOR_ROWS-1)*(CHANNELS+1)+other];
        if (n < TENSOR_ROWS) {
            tensors[n] = CHANNEL_SCALE*sum;
            saved[SAVED_TENSORS+n] = CHANNEL_SCALE*sum;
        }
    }
#endif
    SYNC_ATOM;
    real values[NUM_SCALARS+TENSOR_ROWS];
    for (int n = 0; n < NUM_SCALARS+TENSOR_ROWS; n++)
        values[n] = scalars[n];
    writeMoments(values, values+NUM_SCALARS, &plain[KIND_TABLE+kind*KIND_ENTRIES], repulsion, atom, lane == 0, energies, charges, dipoles,
            quadrupoles, softness, polarizability, sums);
    SYNC_ATOM;
}

/** Adds the derivatives by the last layer's features to FGradient. */
DEVICE void headsBackward(const real* F, int kind, int atom, int lane, int channel, real energyGradient, GLOBAL const real4* RESTRICT W,
        GLOBAL const real* RESTRICT plain, LOCAL_ARG real4* stage4, GLOBAL const real* RESTRICT saved, GLOBAL const real* RESTRICT chargeGradients,
        GLOBAL const real* RESTRICT dipoleGradients, GLOBAL const real* RESTRICT quadrupoleGradients, GLOBAL const real* RESTRICT softnessGradients,
        GLOBAL const real* RESTRICT polarizabilityGradients, GLOBAL const mm_long* RESTRICT sums, GLOBAL const real* edgeGradients,
        GLOBAL real* invariantGradients, real* FGradient) {
    LOCAL_ARG real* stage = (LOCAL_ARG real*) stage4;
    LOCAL_ARG real4* hidden4 = stage4+STAGE_SIZE/4;
    LOCAL_ARG real* hidden = (LOCAL_ARG real*) hidden4;
    real values[NUM_SCALARS+TENSOR_ROWS], scalarGradients[NUM_SCALARS], tensorGradients[TENSOR_ROWS+1];
    for (int n = 0; n < NUM_SCALARS+TENSOR_ROWS; n++)
        values[n] = saved[n];
    readGradients(values, values+NUM_SCALARS, &plain[KIND_TABLE+kind*KIND_ENTRIES], energyGradient, atom, chargeGradients, dipoleGradients,
            quadrupoleGradients, softnessGradients, polarizabilityGradients, sums, scalarGradients, tensorGradients);
    for (int n = 0; n < NUM_SCALARS; n++)
        if (lane == 0)
            stage[n] = scalarGradients[n];
    if (lane < PADDED_OUTPUTS-OUTPUTS)
        stage[OUTPUTS+lane] = 0;
#if EDGE_ROWS > 0
    FOR_LANES(n, EDGE_ROWS)
        if (n < EDGE_ROWS)
            stage[OUTPUTS-EDGE_ROWS+n] = edgeGradients[n];
#endif
#if NUM_TENSORS > 0
    real w[NUM_TENSORS], wGradient[NUM_TENSORS] = {0};
    for (int t = 0; t < NUM_TENSORS; t++)
        w[t] = saved[SAVED_WEIGHTS+t*CHANNELS+channel];
TENSOR_PRODUCTS_BACKWARD
    if (lane < CHANNELS)
        for (int t = 0; t < NUM_TENSORS; t++)
            stage[NUM_SCALARS+t*CHANNELS+lane] = wGradient[t];
#endif
    SYNC_ATOM;
    FOR_LANES(n, PADDED_HIDDEN) {
        int row = min(n, HIDDEN-1);
        real value[1] = {0};
        mix1(&W[FINAL_TRANSPOSED], HIDDEN, row, stage4, PADDED_OUTPUTS/4, value);
        if (n < PADDED_HIDDEN)
            hidden[n] = (n < HIDDEN ? value[0]*siluDerivative(saved[SAVED_HIDDEN+row]) : 0);
    }
    SYNC_ATOM;
    real last[1] = {0};
    mix1(&W[TRUNK_TRANSPOSED], LAYERS*CHANNELS, (LAYERS-1)*CHANNELS+channel, hidden4, PADDED_HIDDEN/4, last);
    FGradient[0] += last[0];
    for (int layer = 0; layer < LAYERS-1; layer++) {
        real value[1] = {0};
        mix1(&W[TRUNK_TRANSPOSED], LAYERS*CHANNELS, layer*CHANNELS+channel, hidden4, PADDED_HIDDEN/4, value);
        writeChannel(value, 1, lane, &invariantGradients[layer*CHANNELS]);
    }
    SYNC_ATOM;
}

/** Shifts the charges to the total charge. */
KERNEL void projectCharges(GLOBAL real* RESTRICT charges, GLOBAL real* RESTRICT localCharges, GLOBAL const mm_long* RESTRICT sums) {
    real shift = (real) ((((mixed) sums[0])*(1/CHARGE_SUM_SCALE)-TOTAL_CHARGE)/NUM_PARTICLES);
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE) {
        charges[i] -= shift;
#if EDGE_ROWS > 0
        localCharges[i] -= shift;
#endif
    }
}

/** Sums the derivatives by the charges, in fixed point so that the result does not depend on the order. */
KERNEL void sumChargeGradients(GLOBAL const real* RESTRICT chargeGradients, GLOBAL mm_ulong* RESTRICT sums) {
    mm_long sum = 0;
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE)
        sum += (mm_long) (chargeGradients[i]*POTENTIAL_SUM_SCALE);
    ATOMIC_ADD(&sums[1], (mm_ulong) sum);
}

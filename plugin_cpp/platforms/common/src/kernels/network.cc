// PolarMPNet (openmm_polarmp/models/network.py) on a device. Each atom has LANES threads, one for each channel (those that are
// left over compute what the last channel does and write nothing); they exchange numbers through LOCAL memory, where SYNC_ATOM
// waits for an atom's threads. A step's atoms come in the order of the cells (cells.cc), and so does everything that is kept
// from the forward to the backward pass.
//
// Weights are packed so that one load brings four of them: pack[k*columns+column] holds the rows 4k ... 4k+3.

/**
 * y[m] += sum_k W[k, column] x[m, k] for ROWS rows m at once; x has `packs` groups of four numbers in a row. Give an array of
 * its own for y, not a part of a longer one: PoCL 3.1 gets that wrong. The compiler unrolls the loops of
 * the layers and loads far ahead, with all registers that there are: measured on an H200, that is faster than more groups at a
 * time with fewer registers (0.80 and 1.24 ms for the layers of 24,000 atoms of water, both passes).
 */
#define DEFINE_MIX(NAME, ROWS)                                                                                                  \
    DEVICE void NAME(GLOBAL const real4* RESTRICT W, int columns, int column, LOCAL_ARG const real4* x, int packs, real* y) {   \
        for (int k = 0; k < packs; k++) {                                                                                       \
            real4 w = W[k*columns+column];                                                                                      \
            for (int m = 0; m < ROWS; m++) {                                                                                    \
                real4 v = x[m*packs+k];                                                                                         \
                y[m] += v.x*w.x+v.y*w.y+v.z*w.z+v.w*w.w;                                                                        \
            }                                                                                                                   \
        }                                                                                                                       \
    }
DEFINE_MIX(mix1, 1)
DEFINE_MIX(mix3, 3)
DEFINE_MIX(mix5, 5)

// A loop that an atom's lanes share. All of them go through it equally often and do the same in it, `n` may lie beyond the
// end, and only what is written depends on it: PoCL gets loops before a barrier wrong that some threads leave earlier.
#define FOR_LANES(n, count) for (int n = lane, n##Turn = 0; n##Turn < ((count)+LANES-1)/LANES; n##Turn++, n += LANES)

DEVICE real sigmoid(real x) {
    return 1/(1+EXP(-x));
}

DEVICE real silu(real x) {
    return x*sigmoid(x);
}

DEVICE real siluDerivative(real x) {
    real s = sigmoid(x);
    return s*(1+x*(1-s));
}

DEVICE real softplus(real x) {
    return x > 20 ? x : log1p(EXP(x));
}

/** 1-28x^6+48x^7-21x^8, from 1 at x = 0 to 0 with its first two derivatives at x = 1: in factors, which lose no digits there. */
DEVICE real smoothCutoff(real x) {
    real y = 1-x;
    return x < 1 ? y*y*y*(1+x*(3+x*(6+x*(10+x*(15+x*21))))) : 0;
}

DEVICE real smoothCutoffDerivative(real x) {
    real x2 = x*x;
    return x < 1 ? -168*x2*x2*x*(1-x)*(1-x) : 0;
}

/** B_n(d) = sin((n+1) pi d/cutoff) envelope(d), with the derivatives where they are asked for. */
DEVICE void radialFunctions(real d, real* B, real* derivative, int derivatives) {
    real x = d*(1/CUTOFF), cut = smoothCutoff(x), scale = RADIAL_SCALE/d;
    real envelope = scale*cut, slope = scale*(smoothCutoffDerivative(x)*(1/CUTOFF)-cut/d);
    real s1 = SIN(d*FREQUENCY), c1 = COS(d*FREQUENCY), s = s1, c = c1;
    for (int n = 0; n < NUM_RADIAL; n++) {
        B[n] = s*envelope;
        if (derivatives)
            derivative[n] = (n+1)*FREQUENCY*c*envelope+s*slope;
        real next = s*c1+c*s1;
        c = c*c1-s*s1;
        s = next;
    }
}

#ifdef ZBL
/** Nuclear repulsion of a pair, half of it: energy and derivative by the distance. */
DEVICE real zblEnergy(real d, GLOBAL const real* own, GLOBAL const real* other, real* derivative) {
    real reach = own[KIND_RADIUS]+other[KIND_RADIUS];
    *derivative = 0;
    if (d >= reach)
        return 0;
    const real exponents[4] = {ZBL_EXPONENTS}, coefficients[4] = {ZBL_COEFFICIENTS};
    real scale = (own[KIND_ZBL_POWER]+other[KIND_ZBL_POWER])/ZBL_LENGTH, phi = 0, slope = 0;
    for (int i = 0; i < 4; i++) {
        real term = coefficients[i]*EXP(-exponents[i]*scale*d);
        phi += term;
        slope -= exponents[i]*scale*term;
    }
    real charge = 0.5f*COULOMB*own[KIND_NUMBER]*other[KIND_NUMBER]/d, x = d/reach, cut = smoothCutoff(x);
    *derivative = charge*(slope*cut+phi*smoothCutoffDerivative(x)/reach-phi*cut/d);
    return charge*phi*cut;
}
#endif

/**
 * Which of an atom's lanes have found a neighbour: the place of this lane among them, and their number. All lanes have to
 * come here.
 */
DEVICE int rankAmongLanes(int lane, int isNeighbor, LOCAL_ARG int* flags, int* count) {
#ifdef HAS_WARPS
    unsigned int lanes = BALLOT(isNeighbor)
    *count = __popc(lanes);
    return __popc(lanes&((1u<<lane)-1));
#else
    flags[lane] = isNeighbor;
    SYNC_ATOM;
    int rank = 0, sum = 0;
    for (int other = 0; other < LANES; other++) {
        rank += (other < lane ? flags[other] : 0);
        sum += flags[other];
    }
    *count = sum;
    SYNC_ATOM;
    return rank;
#endif
}

/** An image's number of whole cells along each axis, in one integer. */
DEVICE int packImage(int x, int y, int z) {
    return (x+512)|((y+512)<<10)|((z+512)<<20);
}

DEVICE int floorDivide(int a, int b) {
    return a >= 0 ? a/b : -((b-1-a)/b);
}

/** The part of LOCAL memory in which an atom's lanes look for its neighbours. */
// Of LANES cells: the first place, the number of particles before it, the image; flags; the places of found neighbours.
#define SEARCH_INTS (6*LANES+1)

/** How a moment or an energy is kept below a limit: v/sqrt(1+|v|^2/limit^2). */
DEVICE real boundFactor(real squared, real limit) {
    return RSQRT(1+squared/(limit*limit));
}

/** The derivative by v of v/sqrt(1+|v|^2/limit^2), applied to `gradient`; the result replaces it. */
DEVICE void boundBackward(int n, const real* v, real limit, real* gradient) {
    real squared = 0, dot = 0;
    for (int i = 0; i < n; i++) {
        squared += v[i]*v[i];
        dot += v[i]*gradient[i];
    }
    real factor = boundFactor(squared, limit), along = dot*factor*factor*factor/(limit*limit);
    for (int i = 0; i < n; i++)
        gradient[i] = factor*gradient[i]-along*v[i];
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

DEVICE real squaredNorm(int n, const real* v) {
    real sum = 0;
    for (int i = 0; i < n; i++)
        sum += v[i]*v[i];
    return sum;
}

/** The polarizability before its limit, as a matrix; `root` is the matrix whose square it is. */
DEVICE void polarizabilityOf(const real* scalars, const real* tensors, real* root, real* alpha) {
#ifdef TENSOR_POLARIZABILITY
    toMatrix(&tensors[ANISOTROPY_ROW], 1, root);
    for (int a = 0; a < 3; a++)
        root[4*a] += 1+scalars[POLARIZABILITY_SCALAR];
    multiply3(root, root, POLARIZABILITY_UNIT, alpha);
#endif
}

/**
 * Turns the numbers of an atom's heads into its energy and moments (models/_heads.py). All of its lanes compute the same, one
 * of them writes: PoCL gets loops wrong through which only one thread goes, before a barrier.
 *
 * @param scalars  energy, charge, softness, polarizability, those that are there
 * @param tensors  components of the dipole, the quadrupole, the anisotropy, those that are there
 */
DEVICE void writeMoments(const real* scalars, const real* tensors, GLOBAL const real* kindTable, real repulsion,
        int atom, int writes, GLOBAL mixed* RESTRICT energies, GLOBAL real* RESTRICT charges, GLOBAL real* RESTRICT dipoles,
        GLOBAL real* RESTRICT quadrupoles, GLOBAL real* RESTRICT softness, GLOBAL real* RESTRICT polarizability,
        GLOBAL mm_ulong* RESTRICT sums) {
    real energy = scalars[0];
    if (energy < 0)
        energy *= boundFactor(energy*energy, LOWEST_ENERGY);
    if (writes)
        energies[atom] = (mixed) energy*kindTable[KIND_ENERGY_SCALE]+repulsion;
#ifdef HAS_CHARGES
    real q = CHARGE_UNIT*scalars[CHARGE_SCALAR];
    q *= boundFactor(q*q, LARGEST_CHARGE);
    if (writes)
        charges[atom] = q;
#ifdef PROJECT_CHARGES
    if (writes)
        ATOMIC_ADD(&sums[0], (mm_ulong) (mm_long) (q*CHARGE_SUM_SCALE));
#endif
#endif
#ifdef HAS_DIPOLES
    real mu[3];
    for (int a = 0; a < 3; a++)
        mu[a] = MOMENT_UNIT*tensors[DIPOLE_ROW+a];
    real shorter = boundFactor(squaredNorm(3, mu), LARGEST_DIPOLE);
    for (int a = 0; a < 3 && writes; a++)
        dipoles[3*atom+a] = shorter*mu[a];
#endif
#ifdef HAS_QUADRUPOLES
    real Q[9];
    toMatrix(&tensors[QUADRUPOLE_ROW], MOMENT_UNIT, Q);
    real smaller = boundFactor(squaredNorm(9, Q), LARGEST_QUADRUPOLE);
    for (int n = 0; n < 9 && writes; n++)
        quadrupoles[9*atom+n] = smaller*Q[n];
#endif
#ifdef HAS_SOFTNESS
    real kappa = SOFTNESS_UNIT*softplus(scalars[SOFTNESS_SCALAR]+UNIT_SOFTPLUS);
    if (writes)
        softness[atom] = kappa*boundFactor(kappa*kappa, LARGEST_SOFTNESS);
#endif
#ifdef TENSOR_POLARIZABILITY
    real root[9], alpha[9];
    polarizabilityOf(scalars, tensors, root, alpha);
    real less = boundFactor(squaredNorm(9, alpha), LARGEST_POLARIZABILITY);
    for (int n = 0; n < 9 && writes; n++)
        polarizability[9*atom+n] = less*alpha[n];
#elif defined(HAS_POLARIZABILITY)
    real alpha = POLARIZABILITY_UNIT*softplus(scalars[POLARIZABILITY_SCALAR]+UNIT_SOFTPLUS);
    alpha *= boundFactor(alpha*alpha, LARGEST_POLARIZABILITY);
    for (int n = 0; n < 9 && writes; n++)
        polarizability[9*atom+n] = (n%4 == 0 ? alpha : 0);
#endif
}

/** The reverse of writeMoments(): from the derivatives by the moments to those by scalars and tensors. */
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
#ifdef HAS_CHARGES
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
#ifdef HAS_SOFTNESS
    v[0] = SOFTNESS_UNIT*softplus(scalars[SOFTNESS_SCALAR]+UNIT_SOFTPLUS);
    g[0] = softnessGradients[atom];
    boundBackward(1, v, LARGEST_SOFTNESS, g);
    scalarGradients[SOFTNESS_SCALAR] = SOFTNESS_UNIT*g[0]*sigmoid(scalars[SOFTNESS_SCALAR]+UNIT_SOFTPLUS);
#endif
#ifdef TENSOR_POLARIZABILITY
    real root[9], product[9];
    polarizabilityOf(scalars, tensors, root, v);
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            g[3*a+b] = 0.5f*(polarizabilityGradients[9*atom+3*a+b]+polarizabilityGradients[9*atom+3*b+a]);
    boundBackward(9, v, LARGEST_POLARIZABILITY, g);
    multiply3(g, root, 2*POLARIZABILITY_UNIT, product);
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            g[3*a+b] = 0.5f*(product[3*a+b]+product[3*b+a]);
    scalarGradients[POLARIZABILITY_SCALAR] = g[0]+g[4]+g[8];
    fromMatrix(g, 1, &tensorGradients[ANISOTROPY_ROW]);
#elif defined(HAS_POLARIZABILITY)
    v[0] = POLARIZABILITY_UNIT*softplus(scalars[POLARIZABILITY_SCALAR]+UNIT_SOFTPLUS);
    g[0] = polarizabilityGradients[9*atom]+polarizabilityGradients[9*atom+4]+polarizabilityGradients[9*atom+8];
    boundBackward(1, v, LARGEST_POLARIZABILITY, g);
    scalarGradients[POLARIZABILITY_SCALAR] = POLARIZABILITY_UNIT*g[0]*sigmoid(scalars[POLARIZABILITY_SCALAR]+UNIT_SOFTPLUS);
#endif
}

GENERATED_FUNCTIONS

/** Unit vector and distance of a found pair. */
DEVICE real directionOf(LOCAL_ARG const real* foundVector, int pair, real* u) {
    for (int a = 0; a < 3; a++)
        u[a] = foundVector[a*2*LANES+pair];
    real d = SQRT(u[0]*u[0]+u[1]*u[1]+u[2]*u[2]);
    for (int a = 0; a < 3; a++)
        u[a] /= d;
    return d;
}

/**
 * The derivative of an energy by a neighbour's position, from those by the pair functions Y_lm B_n.
 *
 * @param u          unit vector to the neighbour, at the distance d
 * @param gradients  by Y_lm B_n, at lm*componentStride+n*radialStride
 * @param along      what else depends on the distance: its derivative
 */
DEVICE void pairGradient(const real* u, real d, LOCAL_ARG const real* gradients, int componentStride, int radialStride, real along, real* result) {
    real B[NUM_RADIAL], slopes[NUM_RADIAL], Y[NUM_COMPONENTS], YGradient[NUM_COMPONENTS], uGradient[3];
    radialFunctions(d, B, slopes, 1);
    harmonics(u, Y);
    for (int component = 0; component < NUM_COMPONENTS; component++) {
        real value = 0, slope = 0;
        for (int n = 0; n < NUM_RADIAL; n++) {
            real gradient = gradients[component*componentStride+n*radialStride];
            value += gradient*B[n];
            slope += gradient*slopes[n];
        }
        YGradient[component] = value;
        along += slope*Y[component];
    }
    harmonicsBackward(u, YGradient, uGradient);
    real radialPart = uGradient[0]*u[0]+uGradient[1]*u[1]+uGradient[2]*u[2];
    for (int a = 0; a < 3; a++)
        result[a] = u[a]*along+(uGradient[a]-radialPart*u[a])/d;
}

/** The sum of one number of each of the atom's lanes, in every lane. */
DEVICE real sumOverLanes(real value, int lane, LOCAL_ARG real* stage) {
    SYNC_ATOM;
    stage[lane] = value;
    SYNC_ATOM;
    real sum = 0;
    for (int other = 0; other < LANES; other++)
        sum += stage[other];
    SYNC_ATOM;
    return sum;
}

/** Numbers of one channel, from arrays [n][channels]. */
DEVICE void readChannel(GLOBAL const real* array, int count, int channel, real* values) {
    for (int n = 0; n < count; n++)
        values[n] = array[n*CHANNELS+channel];
}

DEVICE void writeChannel(const real* values, int count, int lane, GLOBAL real* array) {
    if (lane < CHANNELS)
        for (int n = 0; n < count; n++)
            array[n*CHANNELS+lane] = values[n];
}

/** Features F after the gate, from those before it and the gate's scalars. */
DEVICE void openGate(const real* f, const real* g, int features, real* F) {
    F[0] = silu(g[0]);
    for (int n = 1; n < features; n++)
        F[n] = f[n]*sigmoid(g[n < 4 ? 1 : 2]);
}

/** From derivatives by F to those by f, in the same place (but for the scalar), and to those by g. */
DEVICE void closeGate(const real* f, const real* g, int features, int degree, real* gradient, real* gateGradient) {
    gateGradient[0] = gradient[0]*siluDerivative(g[0]);
    for (int l = 1; l <= degree; l++)
        gateGradient[l] = 0;
    for (int n = 1; n < features; n++) {
        int l = (n < 4 ? 1 : 2);
        real s = sigmoid(g[l]);
        gateGradient[l] += gradient[n]*f[n]*s*(1-s);
        gradient[n] *= s;
    }
}

/** The gate's scalars g_l = linear(scalars), of each degree. */
DEVICE void gateForward(real scalar, int degree, GLOBAL const real4* RESTRICT W, GLOBAL const real* RESTRICT bias, int lane, int channel,
        LOCAL_ARG real4* stage4, real* g) {
    LOCAL_ARG real* stage = (LOCAL_ARG real*) stage4;
    if (lane < PADDED_CHANNELS)
        stage[lane] = (lane < CHANNELS ? scalar : 0);
    SYNC_ATOM;
    for (int l = 0; l <= degree; l++) {
        real sum[1] = {bias[l*CHANNELS+channel]};
        mix1(W, (degree+1)*CHANNELS, l*CHANNELS+channel, stage4, PADDED_CHANNELS/4, sum);
        g[l] = sum[0];
    }
    SYNC_ATOM;
}

/** From the derivatives by g_l to that by this channel's scalar. */
DEVICE real gateBackward(const real* gradient, int degree, GLOBAL const real4* RESTRICT W, int lane, int channel, LOCAL_ARG real4* stage4) {
    LOCAL_ARG real* stage = (LOCAL_ARG real*) stage4;
    const int rows = (degree+1)*CHANNELS, paddedRows = (rows+3)/4*4;
    if (lane < CHANNELS)
        for (int l = 0; l <= degree; l++)
            stage[l*CHANNELS+lane] = gradient[l];
    if (lane < paddedRows-rows)
        stage[rows+lane] = 0;
    SYNC_ATOM;
    real sum[1] = {0};
    mix1(W, CHANNELS, channel, stage4, paddedRows/4, sum);
    SYNC_ATOM;
    return sum[0];
}

// What the heads keep for the backward pass, for each atom: scalars, components of tensors, the hidden layer before its
// nonlinearity, and the weights of the channels' tensors.
#define SAVED_TENSORS NUM_SCALARS
#define SAVED_HIDDEN (SAVED_TENSORS+TENSOR_ROWS)
#define SAVED_WEIGHTS (SAVED_HIDDEN+HIDDEN)
#define SAVED_HEADS (SAVED_WEIGHTS+NUM_TENSORS*CHANNELS)
// The heads' part of LOCAL memory lies behind the stage: the hidden layer, then scalars and components of tensors.

/** @param invariants  [LAYERS-1][channels], scalars of the layers before */
DEVICE void headsForward(const real* F, int kind, int atom, int lane, int channel, real repulsion, GLOBAL const real* invariants,
        GLOBAL const real4* RESTRICT W,
        GLOBAL const real* RESTRICT plain, LOCAL_ARG real4* stage4, GLOBAL real* RESTRICT saved, GLOBAL mixed* RESTRICT energies,
        GLOBAL real* RESTRICT charges, GLOBAL real* RESTRICT dipoles, GLOBAL real* RESTRICT quadrupoles, GLOBAL real* RESTRICT softness,
        GLOBAL real* RESTRICT polarizability, GLOBAL mm_ulong* RESTRICT sums) {
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
    if (lane < PADDED_INVARIANTS-LAYERS*CHANNELS)
        stage[LAYERS*CHANNELS+lane] = 0;
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

/** Derivatives by the last layer's features, which are added to FGradient. */
DEVICE void headsBackward(const real* F, int kind, int atom, int lane, int channel, real energyGradient, GLOBAL const real4* RESTRICT W,
        GLOBAL const real* RESTRICT plain, LOCAL_ARG real4* stage4, GLOBAL const real* RESTRICT saved, GLOBAL const real* RESTRICT chargeGradients,
        GLOBAL const real* RESTRICT dipoleGradients, GLOBAL const real* RESTRICT quadrupoleGradients, GLOBAL const real* RESTRICT softnessGradients,
        GLOBAL const real* RESTRICT polarizabilityGradients, GLOBAL const mm_long* RESTRICT sums, GLOBAL real* invariantGradients, real* FGradient) {
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

/** Charges shifted to the total charge. */
KERNEL void projectCharges(GLOBAL real* RESTRICT charges, GLOBAL const mm_long* RESTRICT sums) {
    real shift = (real) ((((mixed) sums[0])*(1/CHARGE_SUM_SCALE)-TOTAL_CHARGE)/NUM_PARTICLES);
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE)
        charges[i] -= shift;
}

/** The sum of the derivatives by the charges, in fixed point so that it does not depend on the order. */
KERNEL void sumChargeGradients(GLOBAL const real* RESTRICT chargeGradients, GLOBAL mm_ulong* RESTRICT sums) {
    mm_long sum = 0;
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE)
        sum += (mm_long) (chargeGradients[i]*POTENTIAL_SUM_SCALE);
    ATOMIC_ADD(&sums[1], (mm_ulong) sum);
}

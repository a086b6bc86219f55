// PolarMPNet (openmm_polarmp/models/network.py) on a device. Each atom has LANES threads, one for each channel (surplus threads
// repeat the last channel and write nothing). They exchange numbers through LOCAL memory; SYNC_ATOM is a barrier for an atom's
// threads. Atoms are processed in the order of the cells (cells.cc), in which everything that the backward pass needs is saved.
//
// Weights are packed so that one load reads four of them: pack[k*columns+column] contains the rows 4k ... 4k+3.

/**
 * y[m] += sum_k W[k, column] x[m, k] for ROWS rows m at once; a row of x has `packs` groups of four numbers. y must be an array
 * of its own, not a part of a longer one, which PoCL 3.1 miscompiles. The compiler unrolls the loops of the layers and loads far
 * ahead, using all registers: on an H200 this was faster than more resident groups with fewer registers (0.80 and 1.24 ms for
 * the layers of 24,000 atoms of water, both passes).
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

// A loop that is divided among an atom's lanes. All lanes execute it equally often, `n` may lie beyond the end, and only what is
// written depends on it: PoCL miscompiles loops before a barrier that some threads leave earlier.
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

/** 1-28x^6+48x^7-21x^8, from 1 at x = 0 to 0 at x = 1, with its first two derivatives; in factors, so that no digits are lost there. */
DEVICE real smoothCutoff(real x) {
    real y = 1-x;
    return x < 1 ? y*y*y*(1+x*(3+x*(6+x*(10+x*(15+x*21))))) : 0;
}

DEVICE real smoothCutoffDerivative(real x) {
    real x2 = x*x;
    return x < 1 ? -168*x2*x2*x*(1-x)*(1-x) : 0;
}

/** B_n(d) = sin((n+1) pi d/cutoff) envelope(d), and their derivatives if `derivatives` is set. */
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
/** The receiver's half of the nuclear repulsion of a pair, and its derivative by the distance. */
DEVICE real zblEnergy(real d, GLOBAL const real* receiver, GLOBAL const real* sender, real* derivative) {
    real reach = receiver[KIND_RADIUS]+sender[KIND_RADIUS];
    *derivative = 0;
    if (d >= reach)
        return 0;
    const real exponents[4] = {ZBL_EXPONENTS}, coefficients[4] = {ZBL_COEFFICIENTS};
    real scale = (receiver[KIND_ZBL_POWER]+sender[KIND_ZBL_POWER])/ZBL_LENGTH, phi = 0, slope = 0;
    for (int i = 0; i < 4; i++) {
        real term = coefficients[i]*EXP(-exponents[i]*scale*d);
        phi += term;
        slope -= exponents[i]*scale*term;
    }
    real charge = 0.5f*COULOMB*receiver[KIND_NUMBER]*sender[KIND_NUMBER]/d, x = d/reach, cut = smoothCutoff(x);
    *derivative = charge*(slope*cut+phi*smoothCutoffDerivative(x)/reach-phi*cut/d);
    return charge*phi*cut;
}
#endif

/**
 * The rank of this lane among the atom's lanes with a neighbour, and their number in *count. Must be called by all lanes.
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

/** An image's lattice shift along each axis, in one integer. */
DEVICE int packImage(int x, int y, int z) {
    return (x+512)|((y+512)<<10)|((z+512)<<20);
}

DEVICE int floorDivide(int a, int b) {
    return a >= 0 ? a/b : -((b-1-a)/b);
}

// Integers of LOCAL memory with which an atom's lanes search for neighbours: of LANES cells the first place, the number of
// particles before it and the image; flags; the places of up to 2*LANES neighbours.
#define SEARCH_INTS (6*LANES+1)

GENERATED_FUNCTIONS

/** Returns the distance of a neighbour that the search has found, and the unit vector to it. */
DEVICE real directionOf(LOCAL_ARG const real* neighborVector, int pair, real* u) {
    for (int a = 0; a < 3; a++)
        u[a] = neighborVector[a*2*LANES+pair];
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
 * @param along      derivative of other energies by the distance
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

/** The sum of `value` over the atom's lanes, returned in every lane. */
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

/** Reads the numbers of one channel from an array [n][channels]. */
DEVICE void readChannel(GLOBAL const real* array, int count, int channel, real* values) {
    for (int n = 0; n < count; n++)
        values[n] = array[n*CHANNELS+channel];
}

DEVICE void writeChannel(const real* values, int count, int lane, GLOBAL real* array) {
    if (lane < CHANNELS)
        for (int n = 0; n < count; n++)
            array[n*CHANNELS+lane] = values[n];
}

#ifdef PER_SQUARED_LIMIT
/** Scales each degree of this channel's density so that its norm does not exceed the limit; returns the factors. */
DEVICE void limitDensity(real* A, real* factors) {
    for (int l = 0; l < MOST_DEGREES; l++) {
        real square = 0;
        for (int n = l*l; n < (l+1)*(l+1); n++)
            square += A[n]*A[n];
        factors[l] = 1/SQRT(1+square*PER_SQUARED_LIMIT);
        for (int n = l*l; n < (l+1)*(l+1); n++)
            A[n] *= factors[l];
    }
}

/** From derivatives by the limited density A to those by the density, in the same array: (g-A (A.g)/limit^2) times the factor. */
DEVICE void limitDensityBackward(const real* A, const real* factors, real* gradient) {
    for (int l = 0; l < MOST_DEGREES; l++) {
        real along = 0;
        for (int n = l*l; n < (l+1)*(l+1); n++)
            along += A[n]*gradient[n];
        for (int n = l*l; n < (l+1)*(l+1); n++)
            gradient[n] = factors[l]*(gradient[n]-along*PER_SQUARED_LIMIT*A[n]);
    }
}
#endif

/** Features F after the gate, from those before it, f, and the gate's scalars g. */
DEVICE void openGate(const real* f, const real* g, int features, real* F) {
    F[0] = silu(g[0]);
    for (int n = 1; n < features; n++)
        F[n] = f[n]*sigmoid(g[n < 4 ? 1 : 2]);
}

/** From derivatives by F to those by f, in the same array (except for the scalar), and to those by g. */
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

/** The gate's scalars g_l = linear(scalars) of each degree. */
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
    // All lanes write: PoCL compiles a branch on the lane wrong here.
    if (paddedRows > rows)
        stage[min(rows+lane, paddedRows-1)] = 0;
    SYNC_ATOM;
    real sum[1] = {0};
    mix1(W, CHANNELS, channel, stage4, paddedRows/4, sum);
    SYNC_ATOM;
    return sum[0];
}

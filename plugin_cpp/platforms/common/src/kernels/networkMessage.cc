// Messages between atoms (models/_layers.py, Message): sums over an atom's neighbours of what they send (scalars and vectors, SENT
// numbers) times the pair functions Y_lm B_n, of which there are FUNCTIONS. A work group of LANES threads processes one atom. The
// sums X[function][sent] and their derivatives are in global memory, one block for each work group.

#define FUNCTIONS (NUM_COMPONENTS*NUM_RADIAL)
// The functions are divided among lanes of the same number sent: CHUNK functions each, a multiple of four.
#define CHUNKS (LANES/SENT > 0 ? LANES/SENT : 1)
#define CHUNK (((FUNCTIONS+CHUNKS-1)/CHUNKS+3)/4*4)
#define FUNCTIONS_ROW (CHUNKS*CHUNK)
#define MIXED_ROW (NUM_RADIAL*MESSAGE_CHANNELS)
// Channels are mixed by several teams of lanes, among which the sum is divided.
#define TEAM ((CHANNELS+31)/32*32)
#define TEAMS (LANES/TEAM)

/** The functions Y_lm B_n of some of the neighbours, as rows; called by all lanes. */
DEVICE void pairFunctions(LOCAL_ARG const real* neighborVector, int begin, int batch, int lane, LOCAL_ARG real* factors, LOCAL_ARG real* rows) {
    const int present = min(PAIRS_AT_ONCE, batch-begin);
    real u[3], B[NUM_RADIAL], Y[NUM_COMPONENTS];
    real d = directionOf(neighborVector, begin+min(lane, present-1), u);
    radialFunctions(d, B, B, 0);
    harmonics(u, Y);
    for (int n = 0; n < NUM_RADIAL; n++)
        if (lane < present)
            factors[n*(PAIRS_AT_ONCE+1)+lane] = B[n];
    for (int n = 0; n < NUM_COMPONENTS; n++)
        if (lane < present)
            factors[(NUM_RADIAL+n)*(PAIRS_AT_ONCE+1)+lane] = Y[n];
    SYNC_ATOM;
    FOR_LANES(item, PAIRS_AT_ONCE*FUNCTIONS_ROW) {
        int pair = min(item/FUNCTIONS_ROW, PAIRS_AT_ONCE-1), function = min(item%FUNCTIONS_ROW, FUNCTIONS-1);
        real value = factors[(function%NUM_RADIAL)*(PAIRS_AT_ONCE+1)+pair]*factors[(NUM_RADIAL+function/NUM_RADIAL)*(PAIRS_AT_ONCE+1)+pair];
        if (item < PAIRS_AT_ONCE*FUNCTIONS_ROW)
            rows[item] = value;
    }
    SYNC_ATOM;
}

/** A message's rows of one degree: each team of lanes sums some of the packs, then the teams' sums are added. */
#define DEFINE_MIX_IN_TEAMS(NAME, ROWS)                                                                                          \
    DEVICE void NAME(GLOBAL const real4* RESTRICT W, int lane, LOCAL_ARG const real4* x, int packs, real* sum,                   \
            LOCAL_ARG real* partial, GLOBAL real* message) {                                                                    \
        int team = lane/TEAM, channel = min(lane%TEAM, CHANNELS-1);                                                             \
        for (int turn = 0; turn < (packs+TEAMS-1)/TEAMS; turn++) {                                                              \
            int k = min(turn*TEAMS+team, packs-1);                                                                              \
            real on = (turn*TEAMS+team < packs ? 1 : 0);                                                                        \
            real4 w = W[k*CHANNELS+channel];                                                                                    \
            for (int m = 0; m < ROWS; m++) {                                                                                    \
                real4 v = x[m*packs+k];                                                                                         \
                sum[m] += on*(v.x*w.x+v.y*w.y+v.z*w.z+v.w*w.w);                                                                 \
            }                                                                                                                   \
        }                                                                                                                       \
        for (int m = 0; m < ROWS; m++)                                                                                          \
            if (lane < TEAM*TEAMS)                                                                                              \
                partial[(team*ROWS+m)*TEAM+lane%TEAM] = sum[m];                                                                 \
        SYNC_ATOM;                                                                                                              \
        FOR_LANES(n, ROWS*CHANNELS) {                                                                                           \
            int item = min(n, ROWS*CHANNELS-1);                                                                                 \
            real value = 0;                                                                                                     \
            for (int other = 0; other < TEAMS; other++)                                                                         \
                value += partial[(other*ROWS+item/CHANNELS)*TEAM+item%CHANNELS];                                                \
            if (n < ROWS*CHANNELS)                                                                                              \
                message[n] = value;                                                                                             \
        }                                                                                                                       \
        SYNC_ATOM;                                                                                                              \
    }
DEFINE_MIX_IN_TEAMS(mixInTeams1, 1)
DEFINE_MIX_IN_TEAMS(mixInTeams3, 3)
DEFINE_MIX_IN_TEAMS(mixInTeams5, 5)

KERNEL void MESSAGE_FORWARD(GLOBAL const int* RESTRICT particles, GLOBAL const int* RESTRICT cellOf, GLOBAL const int* RESTRICT cellStart,
        GLOBAL const mixed* RESTRICT sortedPositions, GLOBAL const mixed* RESTRICT box, int sizeX, int sizeY, int sizeZ, int reachX, int reachY, int reachZ,
        GLOBAL const real4* RESTRICT W, GLOBAL const real* RESTRICT sent, GLOBAL real* sums, GLOBAL real* RESTRICT messages) {
    LOCAL real4 numbers4[MESSAGE_PACKS];
    LOCAL int search[SEARCH_SIZE];
    const int lane = LOCAL_ID, column = lane%SENT, chunk = min(lane/SENT, CHUNKS-1);
    LOCAL_ARG real4* rows4 = numbers4;
    LOCAL_ARG real4* stage4 = numbers4;
    LOCAL_ARG real* stage = (LOCAL_ARG real*) stage4;
    LOCAL_ARG real* neighborVector = stage+PAIRS_AT_ONCE*FUNCTIONS_ROW;
    LOCAL_ARG real* factors = neighborVector+6*LANES;
    LOCAL_ARG real* partial = stage+STAGE_SIZE;
    GLOBAL real* X = &sums[(mm_long) GROUP_ID*FUNCTIONS*SENT];
    for (int place = GROUP_ID; place < NUM_PARTICLES; place += NUM_GROUPS) {
        int atom = particles[place];
        real sum[CHUNK];
        for (int n = 0; n < CHUNK; n++)
            sum[n] = 0;
        SEARCH_AND_SUM_MESSAGES
        SYNC_ATOM;
        for (int n = 0; n < CHUNK; n++)
            if (lane < CHUNKS*SENT && chunk*CHUNK+n < FUNCTIONS)
                X[(chunk*CHUNK+n)*SENT+column] = sum[n];
        SYNC_ATOM;
        GLOBAL real* message = &messages[(mm_long) place*NUM_COMPONENTS*CHANNELS];
MESSAGE_MIXING
    }
}

KERNEL void MESSAGE_BACKWARD(GLOBAL const int* RESTRICT particles, GLOBAL const int* RESTRICT cellOf, GLOBAL const int* RESTRICT cellStart,
        GLOBAL const mixed* RESTRICT sortedPositions, GLOBAL const mixed* RESTRICT box, int sizeX, int sizeY, int sizeZ, int reachX, int reachY, int reachZ,
        GLOBAL const real4* RESTRICT W, GLOBAL const real* RESTRICT sent, GLOBAL real* sums, GLOBAL const real* RESTRICT messageGradients,
        GLOBAL mm_ulong* RESTRICT sentGradients, GLOBAL const int* RESTRICT atomOf, GLOBAL mm_ulong* RESTRICT forces) {
    LOCAL real4 numbers4[MESSAGE_PACKS];
    LOCAL int search[SEARCH_SIZE];
    const int lane = LOCAL_ID, column = lane%SENT, group = lane/SENT;
    LOCAL_ARG real4* rows4 = numbers4;
    LOCAL_ARG real4* stage4 = numbers4;
    LOCAL_ARG real* stage = (LOCAL_ARG real*) stage4;
    LOCAL_ARG real4* received4 = rows4+PAIRS_AT_ONCE*FUNCTIONS_ROW/4;
    LOCAL_ARG real* received = (LOCAL_ARG real*) received4;
    LOCAL_ARG real* gradients = received+PAIRS_AT_ONCE*SENT_ROW;
    LOCAL_ARG real* neighborVector = gradients+PAIRS_AT_ONCE*(FUNCTIONS+1);
    LOCAL_ARG real* factors = neighborVector+6*LANES;
    GLOBAL real* D = &sums[(mm_long) GROUP_ID*FUNCTIONS*SENT];
    for (int place = GROUP_ID; place < NUM_PARTICLES; place += NUM_GROUPS) {
        int atom = particles[place];
        FOR_LANES(item, NUM_COMPONENTS*PADDED_CHANNELS) {
            int component = min(item/PADDED_CHANNELS, NUM_COMPONENTS-1), c = item%PADDED_CHANNELS;
            real value = (c < CHANNELS ? messageGradients[((mm_long) place*NUM_COMPONENTS+component)*CHANNELS+min(c, CHANNELS-1)] : 0);
            if (item < NUM_COMPONENTS*PADDED_CHANNELS)
                stage[item] = value;
        }
        SYNC_ATOM;
        FOR_LANES(k, MIXED_ROW) {
            int item = min(k, MIXED_ROW-1);
            real d[PARTS*NUM_COMPONENTS] = {0};
MESSAGE_MIXING_BACKWARD
            if (k < MIXED_ROW)
                for (int part = 0; part < PARTS; part++)
                    for (int component = 0; component < NUM_COMPONENTS; component++)
                        D[(component*NUM_RADIAL+k/MESSAGE_CHANNELS)*SENT+part*MESSAGE_CHANNELS+k%MESSAGE_CHANNELS] = d[part*NUM_COMPONENTS+component];
        }
        SYNC_ATOM;
        real total[3] = {0, 0, 0};
        SEARCH_AND_SPLIT_GRADIENTS
        SYNC_ATOM;
        for (int a = 0; a < 3; a++) {
            real sum = sumOverLanes(total[a], lane, stage);
            if (lane == 0)
                ATOMIC_ADD(&forces[atomOf[atom]+a*PADDED_NUM_ATOMS], (mm_ulong) realToFixedPoint(FORCE_TO_OPENMM*sum));
        }
    }
}

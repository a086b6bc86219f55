// The reciprocal sum on a mesh (theory.md section 5). WIDTH window points along each axis, polynomials of DEGREE.
//
// A work group takes GROUP_ATOMS atoms at once, with a team of TEAM threads for each. A thread of a team has one of the
// window's points along z and one of PLANES neighbouring planes, and goes along y: so the threads of a team meet the mesh in
// PLANES runs of WIDTH neighbouring points. Atoms come sorted in space, so that groups at work at the same time touch the
// same part of the mesh.
#define PLANES (TEAM/WIDTH)
#define GROUP_SIZE (GROUP_ATOMS*TEAM)
#ifdef SPREAD_IN_PATCHES
#define SOURCE_SCALE 1
#else
#define SOURCE_SCALE FIXED_POINT_SCALE
#endif

// The compiler has to do with so few registers that enough threads run at a time to hide the latency of memory.
#ifdef __CUDACC_RTC__
#define GROUP_KERNEL KERNEL __launch_bounds__(GROUP_SIZE, THREADS_AT_A_TIME/GROUP_SIZE)
#else
#define GROUP_KERNEL KERNEL
#endif

/** The group's atoms. Where there are none left the last one is taken again: nothing changes when it is gathered for twice. */
DEVICE void takeAtoms(int first, GLOBAL const int* order, LOCAL_ARG int* atoms) {
    if (LOCAL_ID < GROUP_ATOMS)
        atoms[LOCAL_ID] = order[min(first+(int) LOCAL_ID, NUM_PARTICLES-1)];
}

/** Where a point's window begins along an axis, in units of the mesh. */
DEVICE mixed leftEdge(GLOBAL const mixed* r, GLOBAL const mixed* toFractional, int size) {
    mixed fraction = r[0]*toFractional[0]+r[1]*toFractional[1]+r[2]*toFractional[2];
    return (fraction-floor(fraction))*size-0.5f*WIDTH;
}

/** The first mesh point of a window, within the mesh also where a position is not a number. */
DEVICE int firstPoint(mixed left, int size) {
    int first = (int) floor(left)+1;
    first += (first < 0 ? size : 0);
    return first >= 0 && first < size ? first : 0;
}

/** The window at its p-th point with three derivatives; t: how far the first point is from the window's edge, less 1/2. */
DEVICE real4 windowWeights(GLOBAL const real* coefficients, int p, real t) {
    // Horner's rule; the derivatives over their factorials
    real v0 = coefficients[DEGREE*WIDTH+p], v1 = 0, v2 = 0, v3 = 0;
    for (int n = DEGREE-1; n >= 0; n--) {
        v3 = v3*t+v2;
        v2 = v2*t+v1;
        v1 = v1*t+v0;
        v0 = v0*t+coefficients[n*WIDTH+p];
    }
    return make_real4(v0, v1, 2*v2, 6*v3);
}

/** For each axis of each point: the first mesh point of its window, and the window's weights with three derivatives. */
DEVICE void findWindows(LOCAL_ARG const int* points, GLOBAL const mixed* positions, GLOBAL const mixed* toFractional,
        GLOBAL const real* coefficients, int sizeX, int sizeY, int sizeZ, LOCAL_ARG int* start, LOCAL_ARG real4* windows) {
    for (int begin = 0; begin < 3*WIDTH*GROUP_ATOMS; begin += GROUP_SIZE) {
        int index = begin+LOCAL_ID, slot = index/(3*WIDTH), axis = index/WIDTH-3*slot, p = index-(3*slot+axis)*WIDTH;
        if (slot < GROUP_ATOMS) {
            int size = (axis == 0 ? sizeX : axis == 1 ? sizeY : sizeZ);
            mixed left = leftEdge(&positions[3*points[slot]], &toFractional[3*axis], size);
            if (p == 0)
                start[3*slot+axis] = firstPoint(left, size);
            windows[index] = windowWeights(coefficients, p, (real) (left-floor(left)-0.5f));
        }
    }
}

/** Sources in units of the mesh, with the factors of 1/2 Q:grad grad inside and as fixed-point numbers take them. */
DEVICE void sourcesInGridUnits(LOCAL_ARG const real* moments, GLOBAL const real* derivativeTransform, LOCAL_ARG real* sources) {
    int slot = LOCAL_ID/10, i = LOCAL_ID-10*slot, order = orderOf(i), first = firstOfOrder(order);
    if (slot < GROUP_ATOMS) {
        real sum = 0;
        for (int n = 0; n < 6; n++)
            if (n < numberOfOrder(order)) {
                bool isDiagonal = (order == 2 && (n == 0 || n == 3 || n == 5));
                sum += (isDiagonal ? 0.5f : 1.0f)*moments[10*slot+first+n]*derivativeTransform[10*(first+n)+i-first];
            }
        sources[10*slot+i] = SOURCE_SCALE*sum;
    }
}

/** Fixed point, so that the sum does not depend on the order. */
DEVICE void spreadWindow(LOCAL_ARG const real* s, LOCAL_ARG const int* start, LOCAL_ARG const real4* window, int sizeX, int sizeY,
        int sizeZ, GLOBAL mm_ulong* mesh) {
    int lane = LOCAL_ID%TEAM, part = lane/WIDTH, k = lane-part*WIDTH;
    int column = start[2]+k;
    column -= (column >= sizeZ ? sizeZ : 0);
    for (int begin = 0; begin < WIDTH; begin += PLANES) {
        int i = begin+part;
        if (part < PLANES && i < WIDTH) {
            int plane = start[0]+i;
            plane -= (plane >= sizeX ? sizeX : 0);
            real4 x = window[i], z = window[2*WIDTH+k];
            // What multiplies the window along y and its derivatives
            real y0 = (s[0]*x.x+s[1]*x.y+s[4]*x.z)*z.x+(s[3]*x.x+s[6]*x.y)*z.y+s[9]*x.x*z.z;
            real y1 = (s[2]*x.x+s[5]*x.y)*z.x+s[8]*x.x*z.y;
            real y2 = s[7]*x.x*z.x;
            for (int j = 0; j < WIDTH; j++) {
                int row = start[1]+j;
                row -= (row >= sizeY ? sizeY : 0);
                real4 y = window[WIDTH+j];
                real value = y0*y.x+y1*y.y+y2*y.z;
                ATOMIC_ADD(&mesh[(plane*sizeY+row)*sizeZ+column], (mm_ulong) (mm_long) value);
            }
        }
    }
}

/** The permanent moments, from what the source gave. */
GROUP_KERNEL void spreadPermanent(int sizeX, int sizeY, int sizeZ, GLOBAL const real* RESTRICT charges, GLOBAL const real* RESTRICT dipoles,
        GLOBAL const real* RESTRICT quadrupoles, GLOBAL const int* RESTRICT order, GLOBAL const mixed* RESTRICT positions,
        GLOBAL const mixed* RESTRICT toFractional, GLOBAL const real* RESTRICT derivativeTransform, GLOBAL const real* RESTRICT coefficients,
        GLOBAL real* RESTRICT permanent, GLOBAL mm_ulong* RESTRICT mesh) {
    LOCAL int atoms[GROUP_ATOMS];
    LOCAL int start[3*GROUP_ATOMS];
    LOCAL real4 windows[3*WIDTH*GROUP_ATOMS];
    LOCAL real moments[10*GROUP_ATOMS];
    LOCAL real sources[10*GROUP_ATOMS];
    int slot = LOCAL_ID/TEAM;
    for (int first = GROUP_ID*GROUP_ATOMS; first < NUM_PARTICLES; first += NUM_GROUPS*GROUP_ATOMS) {
        takeAtoms(first, order, atoms);
        SYNC_THREADS;
        findWindows(atoms, positions, toFractional, coefficients, sizeX, sizeY, sizeZ, start, windows);
        if (LOCAL_ID < GROUP_ATOMS) {
            int atom = atoms[LOCAL_ID];
            real m[10];
            momentsOf(atom, charges, dipoles, quadrupoles, m);
            for (int n = 0; n < 10; n++)
                permanent[10*atom+n] = moments[10*LOCAL_ID+n] = m[n];
        }
        SYNC_THREADS;
        sourcesInGridUnits(moments, derivativeTransform, sources);
        SYNC_THREADS;
        if (first+slot < NUM_PARTICLES)
            spreadWindow(&sources[10*slot], &start[3*slot], &windows[3*WIDTH*slot], sizeX, sizeY, sizeZ, mesh);
        SYNC_THREADS;
    }
}

/** Any sources. */
GROUP_KERNEL void spreadSources(int sizeX, int sizeY, int sizeZ, GLOBAL const real* RESTRICT any, GLOBAL const int* RESTRICT order,
        GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT toFractional, GLOBAL const real* RESTRICT derivativeTransform,
        GLOBAL const real* RESTRICT coefficients, GLOBAL mm_ulong* RESTRICT mesh) {
    LOCAL int atoms[GROUP_ATOMS];
    LOCAL int start[3*GROUP_ATOMS];
    LOCAL real4 windows[3*WIDTH*GROUP_ATOMS];
    LOCAL real moments[10*GROUP_ATOMS];
    LOCAL real sources[10*GROUP_ATOMS];
    int slot = LOCAL_ID/TEAM;
    for (int first = GROUP_ID*GROUP_ATOMS; first < NUM_PARTICLES; first += NUM_GROUPS*GROUP_ATOMS) {
        takeAtoms(first, order, atoms);
        SYNC_THREADS;
        findWindows(atoms, positions, toFractional, coefficients, sizeX, sizeY, sizeZ, start, windows);
        if (LOCAL_ID < 10*GROUP_ATOMS)
            moments[LOCAL_ID] = any[10*atoms[LOCAL_ID/10]+LOCAL_ID%10];
        SYNC_THREADS;
        sourcesInGridUnits(moments, derivativeTransform, sources);
        SYNC_THREADS;
        if (first+slot < NUM_PARTICLES)
            spreadWindow(&sources[10*slot], &start[3*slot], &windows[3*WIDTH*slot], sizeX, sizeY, sizeZ, mesh);
        SYNC_THREADS;
    }
}

/** The fixed-point mesh is left empty for the next time. */
KERNEL void meshToReal(int size, GLOBAL mm_long* RESTRICT fixedMesh, GLOBAL real* RESTRICT mesh) {
    for (int i = GLOBAL_ID; i < size; i += GLOBAL_SIZE) {
        mesh[i] = ((real) fixedMesh[i])/FIXED_POINT_SCALE;
        fixedMesh[i] = 0;
    }
}

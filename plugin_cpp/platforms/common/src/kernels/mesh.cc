// The reciprocal sum on a mesh (theory.md section 5). WIDTH window points along each axis, polynomials of DEGREE.
//
// A work group processes GROUP_ATOMS atoms at once, with a team of TEAM threads for each. A thread of a team has one of the
// window's points along z and one of PLANES neighbouring planes, and loops over y: the threads of a team thus access the mesh in
// PLANES runs of WIDTH consecutive points. Atoms are sorted in space, so that groups that run at the same time access the same
// part of the mesh.
#define PLANES (TEAM/WIDTH)
#define GROUP_SIZE (GROUP_ATOMS*TEAM)

// Limits the registers, so that enough threads are resident to hide the latency of memory.
#ifdef __CUDACC_RTC__
#define GROUP_KERNEL KERNEL __launch_bounds__(GROUP_SIZE, RESIDENT_THREADS/GROUP_SIZE)
#else
#define GROUP_KERNEL KERNEL
#endif

/** The group's atoms. Beyond the end the last atom is repeated: gathering twice for an atom changes nothing. */
DEVICE void takeAtoms(int first, int count, GLOBAL const int* order, LOCAL_ARG int* atoms) {
    if (LOCAL_ID < GROUP_ATOMS)
        atoms[LOCAL_ID] = order[min(first+(int) LOCAL_ID, count-1)];
}

/** Where a point's window begins along an axis, in units of the mesh spacing. */
DEVICE mixed leftEdge(GLOBAL const mixed* r, GLOBAL const mixed* toFractional, int size) {
    mixed fraction = r[0]*toFractional[0]+r[1]*toFractional[1]+r[2]*toFractional[2];
    return (fraction-floor(fraction))*size-0.5f*WIDTH;
}

/** The first mesh point of a window: an index within the mesh even if a position is not a number. */
DEVICE int firstPoint(mixed left, int size) {
    int first = (int) floor(left)+1;
    first += (first < 0 ? size : 0);
    return first >= 0 && first < size ? first : 0;
}

/** The window at its p-th point and three derivatives; t: distance of the first point from the window's edge, minus 1/2. */
DEVICE real4 windowWeights(GLOBAL const real* coefficients, int p, real t) {
    // Horner's rule; v_n is the n-th derivative divided by n!
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

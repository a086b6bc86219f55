// Point charges around the atoms (theory.md section 11) on the mesh, with teams as in mesh.cc. They need neither the derivatives
// for spreading multipoles nor the higher ones for gathering at them.

/** For each axis of each charge: the first mesh point of its window, and the window's weights with their first derivative. */
DEVICE void findChargeWindows(LOCAL_ARG const int* points, GLOBAL const mixed* positions, GLOBAL const mixed* toFractional,
        GLOBAL const real* coefficients, int sizeX, int sizeY, int sizeZ, LOCAL_ARG int* start, LOCAL_ARG real2* windows) {
    for (int begin = 0; begin < 3*WIDTH*GROUP_ATOMS; begin += GROUP_SIZE) {
        int index = begin+LOCAL_ID, slot = index/(3*WIDTH), axis = index/WIDTH-3*slot, p = index-(3*slot+axis)*WIDTH;
        if (slot < GROUP_ATOMS) {
            int size = (axis == 0 ? sizeX : axis == 1 ? sizeY : sizeZ);
            mixed left = leftEdge(&positions[3*points[slot]], &toFractional[3*axis], size);
            if (p == 0)
                start[3*slot+axis] = firstPoint(left, size);
            real t = (real) (left-floor(left)-0.5f), value = coefficients[DEGREE*WIDTH+p], slope = 0;
            for (int n = DEGREE-1; n >= 0; n--) {
                slope = slope*t+value;
                value = value*t+coefficients[n*WIDTH+p];
            }
            windows[index] = make_real2(value, slope);
        }
    }
}

/** Spreads one charge, by its team. */
DEVICE void spreadChargeWindow(real charge, LOCAL_ARG const int* start, LOCAL_ARG const real2* window, int sizeX, int sizeY, int sizeZ,
        GLOBAL mm_ulong* mesh) {
    int lane = LOCAL_ID%TEAM, part = lane/WIDTH, k = lane-part*WIDTH;
    int column = start[2]+k;
    column -= (column >= sizeZ ? sizeZ : 0);
    for (int begin = 0; begin < WIDTH; begin += PLANES) {
        int i = begin+part;
        if (part < PLANES && i < WIDTH) {
            int plane = start[0]+i;
            plane -= (plane >= sizeX ? sizeX : 0);
            real xz = FIXED_POINT_SCALE*charge*window[i].x*window[2*WIDTH+k].x;
            for (int j = 0; j < WIDTH; j++) {
                int row = start[1]+j;
                row -= (row >= sizeY ? sizeY : 0);
                ATOMIC_ADD(&mesh[(plane*sizeY+row)*sizeZ+column], (mm_ulong) (mm_long) (xz*window[WIDTH+j].x));
            }
        }
    }
}

GROUP_KERNEL void spreadCharges(int sizeX, int sizeY, int sizeZ, int numCharges, GLOBAL const real* RESTRICT charges,
        GLOBAL const int* RESTRICT order, GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT toFractional,
        GLOBAL const real* RESTRICT coefficients, GLOBAL mm_ulong* RESTRICT mesh) {
    LOCAL int points[GROUP_ATOMS];
    LOCAL int start[3*GROUP_ATOMS];
    LOCAL real2 windows[3*WIDTH*GROUP_ATOMS];
    int slot = LOCAL_ID/TEAM;
    for (int first = GROUP_ID*GROUP_ATOMS; first < numCharges; first += NUM_GROUPS*GROUP_ATOMS) {
        takeAtoms(first, numCharges, order, points);
        SYNC_THREADS;
        findChargeWindows(points, positions, toFractional, coefficients, sizeX, sizeY, sizeZ, start, windows);
        SYNC_THREADS;
        if (first+slot < numCharges)
            spreadChargeWindow(charges[points[slot]], &start[3*slot], &windows[3*WIDTH*slot], sizeX, sizeY, sizeZ, mesh);
        SYNC_THREADS;
    }
}

/** A thread's sums over its planes and over y: the value, and its derivatives along x and y. */
DEVICE void gatherChargeWindow(LOCAL_ARG const int* start, LOCAL_ARG const real2* window, int sizeX, int sizeY, int sizeZ,
        GLOBAL const real* mesh, LOCAL_ARG real* sums) {
    int lane = LOCAL_ID%TEAM, part = lane/WIDTH, k = lane-part*WIDTH;
    int column = start[2]+k;
    column -= (column >= sizeZ ? sizeZ : 0);
    real value = 0, alongX = 0, alongY = 0;
    for (int begin = 0; begin < WIDTH; begin += PLANES) {
        int i = begin+part;
        if (part < PLANES && i < WIDTH) {
            int plane = start[0]+i;
            plane -= (plane >= sizeX ? sizeX : 0);
            real y0 = 0, y1 = 0;
            for (int j = 0; j < WIDTH; j++) {
                int row = start[1]+j;
                row -= (row >= sizeY ? sizeY : 0);
                real point = mesh[(plane*sizeY+row)*sizeZ+column];
                real2 y = window[WIDTH+j];
                y0 += point*y.x;
                y1 += point*y.y;
            }
            real2 x = window[i];
            value += x.x*y0;
            alongX += x.y*y0;
            alongY += x.x*y1;
        }
    }
    sums[lane] = value;
    sums[SUM_STRIDE+lane] = alongX;
    sums[2*SUM_STRIDE+lane] = alongY;
}

/** For each charge, 3 threads compute the derivative along one axis of the mesh each. */
DEVICE void sumChargeTeams(LOCAL_ARG const real2* windows, LOCAL_ARG const real* sums, LOCAL_ARG real* grid) {
    int slot = LOCAL_ID/3, axis = LOCAL_ID-3*slot;
    if (slot < GROUP_ATOMS) {
        LOCAL_ARG const real* row = &sums[(3*slot+(axis == 0 ? 1 : axis == 1 ? 2 : 0))*SUM_STRIDE];
        real total = 0;
        for (int k = 0; k < WIDTH; k++) {
            real sum = 0;
            for (int part = 0; part < PLANES; part++)
                sum += row[part*WIDTH+k];
            real2 z = windows[(3*slot+2)*WIDTH+k];
            total += sum*(axis == 2 ? z.y : z.x);
        }
        grid[LOCAL_ID] = total;
    }
}

/** The forces on the charges, from the potential that is on the mesh. */
GROUP_KERNEL void gatherForcesOnCharges(int sizeX, int sizeY, int sizeZ, int numCharges, GLOBAL const real* RESTRICT charges,
        GLOBAL const int* RESTRICT order, GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT toFractional,
        GLOBAL const real* RESTRICT derivativeTransform, GLOBAL const real* RESTRICT coefficients, GLOBAL const real* RESTRICT mesh,
        GLOBAL real* RESTRICT forces) {
    LOCAL int points[GROUP_ATOMS];
    LOCAL int start[3*GROUP_ATOMS];
    LOCAL real2 windows[3*WIDTH*GROUP_ATOMS];
    LOCAL real teamSums[3*SUM_STRIDE*GROUP_ATOMS];
    LOCAL real grid[3*GROUP_ATOMS];
    int slot = LOCAL_ID/TEAM;
    for (int first = GROUP_ID*GROUP_ATOMS; first < numCharges; first += NUM_GROUPS*GROUP_ATOMS) {
        takeAtoms(first, numCharges, order, points);
        SYNC_THREADS;
        findChargeWindows(points, positions, toFractional, coefficients, sizeX, sizeY, sizeZ, start, windows);
        SYNC_THREADS;
        gatherChargeWindow(&start[3*slot], &windows[3*WIDTH*slot], sizeX, sizeY, sizeZ, mesh, &teamSums[3*SUM_STRIDE*slot]);
        SYNC_THREADS;
        sumChargeTeams(windows, teamSums, grid);
        SYNC_THREADS;
        if (LOCAL_ID < 3*GROUP_ATOMS) {
            int index = LOCAL_ID/3, a = LOCAL_ID-3*index, m = points[index];
            real gradient = 0;
            for (int d = 0; d < 3; d++)
                gradient += derivativeTransform[10*(1+a)+d]*grid[3*index+d];
            forces[3*m+a] = -charges[m]*gradient;
        }
        SYNC_THREADS;
    }
}

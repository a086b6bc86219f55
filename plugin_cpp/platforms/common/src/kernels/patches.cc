// Spreading without atomic additions. Atoms are sorted by cells of edgeX x edgeY x edgeZ mesh points, by where their windows begin. A work group
// takes one cell at a time and adds up, in local memory, the patch of the mesh that the cell's windows reach. Then each point of
// the mesh collects what the patches around it hold. The order of every sum is that of the atoms' numbers and of the cells.

#define PATCH_TEAMS 4
#define PATCH_THREADS (PATCH_TEAMS*TEAM)

#ifdef __CUDACC_RTC__
#define PATCH_KERNEL KERNEL __launch_bounds__(PATCH_THREADS, 4)
#else
#define PATCH_KERNEL KERNEL
#endif

/** Windows that begin where findCells() has found them, from the patch's first point. */
DEVICE void findWindowsInPatch(LOCAL_ARG const int* atoms, GLOBAL const mixed* positions, GLOBAL const mixed* toFractional,
        GLOBAL const real* coefficients, GLOBAL const int* starts, int sizeX, int sizeY, int sizeZ, int cornerX, int cornerY, int cornerZ,
        LOCAL_ARG int* start, LOCAL_ARG real4* windows) {
    for (int begin = 0; begin < 3*WIDTH*PATCH_ATOMS; begin += PATCH_THREADS) {
        int index = begin+LOCAL_ID, slot = index/(3*WIDTH), axis = index/WIDTH-3*slot, p = index-(3*slot+axis)*WIDTH;
        if (slot < PATCH_ATOMS) {
            int size = (axis == 0 ? sizeX : axis == 1 ? sizeY : sizeZ);
            int first = starts[3*atoms[slot]+axis];
            mixed t = leftEdge(&positions[3*atoms[slot]], &toFractional[3*axis], size)-first+0.5f;
            t += (t < -0.5f*size ? size : 0);
            if (p == 0)
                start[3*slot+axis] = first-(axis == 0 ? cornerX : axis == 1 ? cornerY : cornerZ);
            windows[index] = windowWeights(coefficients, p, (real) t);
        }
    }
}

/** Sources in units of the mesh, with the factors of 1/2 Q:grad grad inside. */
DEVICE void sourcesInGridUnits(LOCAL_ARG const real* moments, GLOBAL const real* derivativeTransform, LOCAL_ARG real* sources) {
    int slot = LOCAL_ID/10, i = LOCAL_ID-10*slot, order = orderOf(i), first = firstOfOrder(order);
    if (slot < PATCH_ATOMS) {
        real sum = 0;
        for (int n = 0; n < 6; n++)
            if (n < numberOfOrder(order)) {
                bool isDiagonal = (order == 2 && (n == 0 || n == 3 || n == 5));
                sum += (isDiagonal ? 0.5f : 1.0f)*moments[10*slot+first+n]*derivativeTransform[10*(first+n)+i-first];
            }
        sources[10*slot+i] = sum;
    }
}

/**
 * For each point along z what multiplies the window along the other axes: with x times y, y', y'' and with x' times y; then with x' times y' and
 * with x'' times y.
 */
DEVICE void combineAlongZ(LOCAL_ARG const real* sources, LOCAL_ARG const real4* windows, LOCAL_ARG real4* rows) {
    for (int begin = 0; begin < WIDTH*PATCH_ATOMS; begin += PATCH_THREADS) {
        int index = begin+LOCAL_ID, slot = index/WIDTH, k = index-slot*WIDTH;
        if (slot < PATCH_ATOMS) {
            LOCAL_ARG const real* s = &sources[10*slot];
            real4 z = windows[(3*slot+2)*WIDTH+k];
            rows[2*index] = make_real4(s[0]*z.x+s[3]*z.y+s[9]*z.z, s[2]*z.x+s[8]*z.y, s[7]*z.x, s[1]*z.x+s[6]*z.y);
            rows[2*index+1] = make_real4(s[5]*z.x, s[4]*z.x, 0, 0);
        }
    }
}

#define ROWS_OF_THREAD ((WIDTH+PLANES-1)/PLANES)
#define PLANES_OF_TEAM ((WIDTH+PATCH_TEAMS-1)/PATCH_TEAMS)

/** One atom's window. Each team has every PATCH_TEAMS-th plane of the patch to itself. All weights are read before the patch is written. */
DEVICE void addWindow(LOCAL_ARG const int* start, LOCAL_ARG const real4* window, LOCAL_ARG const real4* rows, int patchY, int patchZ,
        LOCAL_ARG real* patch) {
    int lane = LOCAL_ID%TEAM, part = lane/WIDTH, k = lane-part*WIDTH;
    int firstPlane = (LOCAL_ID/TEAM-start[0])&(PATCH_TEAMS-1);
    LOCAL_ARG real* corner = &patch[((start[0]+firstPlane)*patchY+start[1]+part)*patchZ+start[2]+k];
    real4 a = rows[2*k], b = rows[2*k+1];
    real4 x[PLANES_OF_TEAM], y[ROWS_OF_THREAD];
    for (int n = 0; n < PLANES_OF_TEAM; n++)
        x[n] = window[min(n*PATCH_TEAMS+firstPlane, WIDTH-1)];
    for (int m = 0; m < ROWS_OF_THREAD; m++)
        y[m] = window[WIDTH+min(m*PLANES+part, WIDTH-1)];
    for (int m = 0; m < ROWS_OF_THREAD; m++)
        if (part < PLANES && m*PLANES+part < WIDTH) {
            real x0 = a.x*y[m].x+a.y*y[m].y+a.z*y[m].z, x1 = a.w*y[m].x+b.x*y[m].y, x2 = b.y*y[m].x;
            real value[PLANES_OF_TEAM];
            for (int n = 0; n < PLANES_OF_TEAM; n++)
                if (n*PATCH_TEAMS+firstPlane < WIDTH) {
                    value[n] = corner[(n*PATCH_TEAMS*patchY+m*PLANES)*patchZ];
                    value[n] += x0*x[n].x;
                    value[n] += x1*x[n].y;
                    value[n] += x2*x[n].z;
                }
            for (int n = 0; n < PLANES_OF_TEAM; n++)
                if (n*PATCH_TEAMS+firstPlane < WIDTH)
                    corner[(n*PATCH_TEAMS*patchY+m*PLANES)*patchZ] = value[n];
        }
}

/** The group's atoms, whose moments have been read. */
DEVICE void addAtoms(int number, int cornerX, int cornerY, int cornerZ, int sizeX, int sizeY, int sizeZ, int patchY, int patchZ,
        GLOBAL const mixed* positions, GLOBAL const mixed* toFractional, GLOBAL const real* derivativeTransform,
        GLOBAL const real* coefficients, GLOBAL const int* starts, LOCAL_ARG const int* atoms, LOCAL_ARG const real* moments,
        LOCAL_ARG int* start, LOCAL_ARG real4* windows, LOCAL_ARG real4* rows, LOCAL_ARG real* sources, LOCAL_ARG real* patch) {
    findWindowsInPatch(atoms, positions, toFractional, coefficients, starts, sizeX, sizeY, sizeZ, cornerX, cornerY, cornerZ, start, windows);
    sourcesInGridUnits(moments, derivativeTransform, sources);
    SYNC_THREADS;
    combineAlongZ(sources, windows, rows);
    SYNC_THREADS;
    for (int slot = 0; slot < PATCH_ATOMS; slot++) {
        if (slot < number)
            addWindow(&start[3*slot], &windows[3*WIDTH*slot], &rows[2*WIDTH*slot], patchY, patchZ, patch);
        SYNC_WARPS;
    }
    SYNC_THREADS;
}

DEVICE void clearPatch(int size, LOCAL_ARG real* patch) {
    for (int first = 0; first < size; first += PATCH_THREADS)
        if (first+LOCAL_ID < size)
            patch[first+LOCAL_ID] = 0;
}

DEVICE void writePatch(int size, LOCAL_ARG const real* patch, GLOBAL real* result) {
    SYNC_THREADS;
    for (int first = 0; first < size; first += PATCH_THREADS)
        if (first+LOCAL_ID < size)
            result[first+LOCAL_ID] = patch[first+LOCAL_ID];
    SYNC_THREADS;
}

/** The atoms of a cell came into it in any order; now in that of their numbers. */
DEVICE void sortCell(int begin, int end, GLOBAL const int* members, GLOBAL int* order) {
    for (int first = begin; first < end; first += PATCH_THREADS) {
        int atom = members[min(first+(int) LOCAL_ID, end-1)], place = begin;
        for (int i = begin; i < end; i++)
            place += (members[i] < atom ? 1 : 0);
        order[place] = atom;
    }
    SYNC_THREADS;
}

/** The permanent moments, from what the source gave. Comes first in a step and sorts the cells' atoms, too. */
PATCH_KERNEL void spreadPermanent(int sizeX, int sizeY, int sizeZ, int edgeX, int edgeY, int edgeZ, int cellsX, int cellsY, int cellsZ,
        GLOBAL const int* RESTRICT cellStart, GLOBAL const int* RESTRICT members, GLOBAL int* RESTRICT order,
        GLOBAL const int* RESTRICT starts,
        GLOBAL const real* RESTRICT charges, GLOBAL const real* RESTRICT dipoles, GLOBAL const real* RESTRICT quadrupoles,
        GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT toFractional, GLOBAL const real* RESTRICT derivativeTransform,
        GLOBAL const real* RESTRICT coefficients, GLOBAL real* RESTRICT permanent, GLOBAL real* RESTRICT patches) {
    LOCAL real patch[PATCH_SIZE];
    LOCAL int atoms[PATCH_ATOMS];
    LOCAL int start[3*PATCH_ATOMS];
    LOCAL real4 windows[3*WIDTH*PATCH_ATOMS];
    LOCAL real4 rows[2*WIDTH*PATCH_ATOMS];
    LOCAL real moments[10*PATCH_ATOMS];
    LOCAL real sources[10*PATCH_ATOMS];
    int patchY = edgeY+WIDTH-1, patchZ = edgeZ+WIDTH-1, size = (edgeX+WIDTH-1)*patchY*patchZ;
    for (int cell = GROUP_ID; cell < cellsX*cellsY*cellsZ; cell += NUM_GROUPS) {
        int column = cell/cellsZ, cx = column/cellsY, cy = column-cx*cellsY, cz = cell-column*cellsZ;
        int begin = cellStart[cell], end = cellStart[cell+1];
        clearPatch(size, patch);
        sortCell(begin, end, members, order);
        for (int first = begin; first < end; first += PATCH_ATOMS) {
            if (LOCAL_ID < PATCH_ATOMS) {
                int atom = order[min(first+(int) LOCAL_ID, end-1)];
                real m[10];
                momentsOf(atom, charges, dipoles, quadrupoles, m);
                for (int n = 0; n < 10; n++)
                    permanent[10*atom+n] = moments[10*LOCAL_ID+n] = m[n];
                atoms[LOCAL_ID] = atom;
            }
            SYNC_THREADS;
            addAtoms(end-first, cx*edgeX, cy*edgeY, cz*edgeZ, sizeX, sizeY, sizeZ, patchY, patchZ, positions, toFractional, derivativeTransform,
                    coefficients, starts, atoms, moments, start, windows, rows, sources, patch);
        }
        writePatch(size, patch, &patches[cell*size]);
    }
}

/** Any sources. */
PATCH_KERNEL void spreadSources(int sizeX, int sizeY, int sizeZ, int edgeX, int edgeY, int edgeZ, int cellsX, int cellsY, int cellsZ,
        GLOBAL const int* RESTRICT cellStart, GLOBAL const int* RESTRICT order, GLOBAL const int* RESTRICT starts,
        GLOBAL const real* RESTRICT any, GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT toFractional,
        GLOBAL const real* RESTRICT derivativeTransform, GLOBAL const real* RESTRICT coefficients, GLOBAL real* RESTRICT patches) {
    LOCAL real patch[PATCH_SIZE];
    LOCAL int atoms[PATCH_ATOMS];
    LOCAL int start[3*PATCH_ATOMS];
    LOCAL real4 windows[3*WIDTH*PATCH_ATOMS];
    LOCAL real4 rows[2*WIDTH*PATCH_ATOMS];
    LOCAL real moments[10*PATCH_ATOMS];
    LOCAL real sources[10*PATCH_ATOMS];
    int patchY = edgeY+WIDTH-1, patchZ = edgeZ+WIDTH-1, size = (edgeX+WIDTH-1)*patchY*patchZ;
    for (int cell = GROUP_ID; cell < cellsX*cellsY*cellsZ; cell += NUM_GROUPS) {
        int column = cell/cellsZ, cx = column/cellsY, cy = column-cx*cellsY, cz = cell-column*cellsZ;
        int end = cellStart[cell+1];
        clearPatch(size, patch);
        for (int first = cellStart[cell]; first < end; first += PATCH_ATOMS) {
            if (LOCAL_ID < 10*PATCH_ATOMS) {
                int slot = LOCAL_ID/10, n = LOCAL_ID-10*slot, atom = order[min(first+slot, end-1)];
                moments[LOCAL_ID] = any[10*atom+n];
                if (n == 0)
                    atoms[slot] = atom;
            }
            SYNC_THREADS;
            addAtoms(end-first, cx*edgeX, cy*edgeY, cz*edgeZ, sizeX, sizeY, sizeZ, patchY, patchZ, positions, toFractional, derivativeTransform,
                    coefficients, starts, atoms, moments, start, windows, rows, sources, patch);
        }
        writePatch(size, patch, &patches[cell*size]);
    }
}

/** A point lies in the patch of the cell that it is in, and in those of cells before, as far as windows reach. */
KERNEL void sumPatches(int sizeX, int sizeY, int sizeZ, int edgeX, int edgeY, int edgeZ, int cellsX, int cellsY, int cellsZ,
        GLOBAL const real* RESTRICT patches, GLOBAL real* RESTRICT mesh) {
    int patchX = edgeX+WIDTH-1, patchY = edgeY+WIDTH-1, patchZ = edgeZ+WIDTH-1;
    for (int point = GLOBAL_ID; point < sizeX*sizeY*sizeZ; point += GLOBAL_SIZE) {
        int row = point/sizeZ, z = point-row*sizeZ, x = row/sizeY, y = row-x*sizeY;
        real sum = 0;
        // Places within the patch; beyond the first cell comes the last one, by the length of the box further on.
        int cx = x/edgeX;
        for (int i = x-cx*edgeX; i < patchX; ) {
            int cy = y/edgeY;
            for (int j = y-cy*edgeY; j < patchY; ) {
                int cz = z/edgeZ;
                for (int k = z-cz*edgeZ; k < patchZ; ) {
                    sum += patches[((((cx*cellsY+cy)*cellsZ+cz)*patchX+i)*patchY+j)*patchZ+k];
                    k += (cz > 0 ? edgeZ : sizeZ-(cellsZ-1)*edgeZ);
                    cz = (cz > 0 ? cz : cellsZ)-1;
                }
                j += (cy > 0 ? edgeY : sizeY-(cellsY-1)*edgeY);
                cy = (cy > 0 ? cy : cellsY)-1;
            }
            i += (cx > 0 ? edgeX : sizeX-(cellsX-1)*edgeX);
            cx = (cx > 0 ? cx : cellsX)-1;
        }
        mesh[point] = sum;
    }
}

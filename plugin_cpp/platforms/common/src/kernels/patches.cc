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

KERNEL void findCells(int sizeX, int sizeY, int sizeZ, int edgeX, int edgeY, int edgeZ, int cellsY, int cellsZ,
        GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT toFractional, GLOBAL int* RESTRICT starts,
        GLOBAL int* RESTRICT cellOf, GLOBAL int* RESTRICT count) {
    for (int atom = GLOBAL_ID; atom < NUM_PARTICLES; atom += GLOBAL_SIZE) {
        int x = firstPoint(leftEdge(&positions[3*atom], &toFractional[0], sizeX), sizeX);
        int y = firstPoint(leftEdge(&positions[3*atom], &toFractional[3], sizeY), sizeY);
        int z = firstPoint(leftEdge(&positions[3*atom], &toFractional[6], sizeZ), sizeZ);
        starts[3*atom] = x;
        starts[3*atom+1] = y;
        starts[3*atom+2] = z;
        int cell = (x/edgeX*cellsY+y/edgeY)*cellsZ+z/edgeZ;
        cellOf[atom] = cell;
        ATOMIC_ADD(&count[cell], 1);
    }
}

/** Windows that begin where findCells() has found them, from the patch's first point. */
DEVICE void findWindowsInPatch(LOCAL_ARG const int* atoms, GLOBAL const mixed* positions, GLOBAL const mixed* toFractional,
        GLOBAL const real* coefficients, GLOBAL const int* starts, int sizeX, int sizeY, int sizeZ, int cornerX, int cornerY, int cornerZ,
        LOCAL_ARG int* start, LOCAL_ARG real4* windows) {
    for (int begin = 0; begin < 3*WIDTH*GROUP_ATOMS; begin += PATCH_THREADS) {
        int index = begin+LOCAL_ID, slot = index/(3*WIDTH), axis = index/WIDTH-3*slot, p = index-(3*slot+axis)*WIDTH;
        if (slot < GROUP_ATOMS) {
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

/**
 * For each point along z what multiplies the window along the other axes: with x times y, y', y'' and with x' times y; then with x' times y' and
 * with x'' times y.
 */
DEVICE void combineAlongZ(LOCAL_ARG const real* sources, LOCAL_ARG const real4* windows, LOCAL_ARG real4* rows) {
    for (int begin = 0; begin < WIDTH*GROUP_ATOMS; begin += PATCH_THREADS) {
        int index = begin+LOCAL_ID, slot = index/WIDTH, k = index-slot*WIDTH;
        if (slot < GROUP_ATOMS) {
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

PATCH_KERNEL void spreadInPatches(int sizeX, int sizeY, int sizeZ, int edgeX, int edgeY, int edgeZ, int cellsX, int cellsY, int cellsZ,
        GLOBAL const int* RESTRICT cellStart, GLOBAL const int* RESTRICT order, GLOBAL const int* RESTRICT starts,
        GLOBAL const real* RESTRICT any, GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT toFractional,
        GLOBAL const real* RESTRICT derivativeTransform, GLOBAL const real* RESTRICT coefficients, GLOBAL real* RESTRICT patches) {
    LOCAL real patch[PATCH_SIZE];
    LOCAL int atoms[GROUP_ATOMS];
    LOCAL int start[3*GROUP_ATOMS];
    LOCAL real4 windows[3*WIDTH*GROUP_ATOMS];
    LOCAL real4 rows[2*WIDTH*GROUP_ATOMS];
    LOCAL real moments[10*GROUP_ATOMS];
    LOCAL real sources[10*GROUP_ATOMS];
    int patchY = edgeY+WIDTH-1, patchZ = edgeZ+WIDTH-1, size = (edgeX+WIDTH-1)*patchY*patchZ;
    for (int cell = GROUP_ID; cell < cellsX*cellsY*cellsZ; cell += NUM_GROUPS) {
        int column = cell/cellsZ, cx = column/cellsY, cy = column-cx*cellsY, cz = cell-column*cellsZ;
        int begin = cellStart[cell], end = cellStart[cell+1];
        for (int first = 0; first < size; first += PATCH_THREADS)
            if (first+LOCAL_ID < size)
                patch[first+LOCAL_ID] = 0;
        for (int first = begin; first < end; first += GROUP_ATOMS) {
            if (LOCAL_ID < GROUP_ATOMS)
                atoms[LOCAL_ID] = order[min(first+(int) LOCAL_ID, end-1)];
            SYNC_THREADS;
            findWindowsInPatch(atoms, positions, toFractional, coefficients, starts, sizeX, sizeY, sizeZ, cx*edgeX, cy*edgeY, cz*edgeZ, start,
                    windows);
            if (LOCAL_ID < 10*GROUP_ATOMS)
                moments[LOCAL_ID] = any[10*atoms[LOCAL_ID/10]+LOCAL_ID%10];
            SYNC_THREADS;
            sourcesInGridUnits(moments, derivativeTransform, sources);
            SYNC_THREADS;
            combineAlongZ(sources, windows, rows);
            SYNC_THREADS;
            for (int slot = 0; slot < GROUP_ATOMS; slot++) {
                if (slot < end-first)
                    addWindow(&start[3*slot], &windows[3*WIDTH*slot], &rows[2*WIDTH*slot], patchY, patchZ, patch);
                SYNC_WARPS;
            }
            SYNC_THREADS;
        }
        SYNC_THREADS;
        for (int first = 0; first < size; first += PATCH_THREADS)
            if (first+LOCAL_ID < size)
                patches[cell*size+first+LOCAL_ID] = patch[first+LOCAL_ID];
        SYNC_THREADS;
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

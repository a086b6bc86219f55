// Particles are sorted by the cells of a grid over the periodic box, so that neighbours in space are close in memory. In a
// cluster there is one cell, which contains all particles in their original order. The result does not depend on the order of
// the threads: within a cell particles are sorted by their index.
//
// box[0..8]: the box vectors (rows, A); box[9..17]: the inverse, fractional coordinate d = sum_a r[a]*box[9+3*a+d].

/** Wraps a position into the box and returns its cell. */
DEVICE int cellOfPosition(const mixed* r, GLOBAL const mixed* box, const int* size, mixed* wrapped) {
    mixed whole[3];
    int cell = 0;
    for (int d = 0; d < 3; d++) {
        mixed s = r[0]*box[9+d]+r[1]*box[12+d]+r[2]*box[15+d];
        whole[d] = floor(s);
        s -= whole[d];
        // Valid also where a position is not a number, and where s is rounded to 1
        int place = (s >= 0 && s < 1 ? (int) (s*size[d]) : 0);
        cell = cell*size[d]+min(place, size[d]-1);
    }
    for (int a = 0; a < 3; a++)
        wrapped[a] = r[a]-(whole[0]*box[a]+whole[1]*box[3+a]+whole[2]*box[6+a]);
    return cell;
}

KERNEL void countInCells(GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT box, int sizeX, int sizeY, int sizeZ,
        GLOBAL int* RESTRICT cellOf, GLOBAL int* RESTRICT placeInCell, GLOBAL int* RESTRICT counts, GLOBAL mixed* RESTRICT wrappedPositions) {
    const int size[3] = {sizeX, sizeY, sizeZ};
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE) {
        mixed r[3] = {positions[3*i], positions[3*i+1], positions[3*i+2]}, wrapped[3];
        int cell = cellOfPosition(r, box, size, wrapped);
        cellOf[i] = cell;
        placeInCell[i] = ATOMIC_ADD(&counts[cell], 1);
        for (int a = 0; a < 3; a++)
            wrappedPositions[3*i+a] = wrapped[a];
    }
}

/** Computes where each cell begins, with a single work group. */
KERNEL void findCellStarts(int numCells, GLOBAL int* RESTRICT counts, GLOBAL int* RESTRICT start) {
    LOCAL int sums[SCAN_SIZE];
    int share = (numCells+SCAN_SIZE-1)/SCAN_SIZE;
    int first = min(numCells, (int) LOCAL_ID*share), last = min(numCells, first+share);
    int sum = 0;
    for (int cell = first; cell < last; cell++)
        sum += counts[cell];
    sums[LOCAL_ID] = sum;
    SYNC_THREADS;
    for (int step = 1; step < SCAN_SIZE; step *= 2) {
        int before = (LOCAL_ID >= step ? sums[LOCAL_ID-step] : 0);
        SYNC_THREADS;
        sums[LOCAL_ID] += before;
        SYNC_THREADS;
    }
    int position = sums[LOCAL_ID]-sum;
    for (int cell = first; cell < last; cell++) {
        start[cell] = position;
        position += counts[cell];
        counts[cell] = 0;  // for the next sort
    }
    if (LOCAL_ID == 0)
        start[numCells] = NUM_PARTICLES;
}

KERNEL void fillCells(GLOBAL const int* RESTRICT cellOf, GLOBAL const int* RESTRICT placeInCell, GLOBAL const int* RESTRICT start,
        GLOBAL int* RESTRICT unsorted) {
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE)
        unsorted[start[cellOf[i]]+placeInCell[i]] = i;
}

KERNEL void sortCells(GLOBAL const int* RESTRICT unsorted, GLOBAL const int* RESTRICT cellOf, GLOBAL const int* RESTRICT start,
        GLOBAL const mixed* RESTRICT wrappedPositions, GLOBAL int* RESTRICT particles, GLOBAL mixed* RESTRICT sortedPositions) {
    for (int k = GLOBAL_ID; k < NUM_PARTICLES; k += GLOBAL_SIZE) {
        int particle = unsorted[k], cell = cellOf[particle];
        int place = start[cell];
        for (int other = start[cell]; other < start[cell+1]; other++)
            place += (unsorted[other] < particle);
        particles[place] = particle;
        for (int a = 0; a < 3; a++)
            sortedPositions[3*place+a] = wrappedPositions[3*particle+a];
    }
}

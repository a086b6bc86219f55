// Points are sorted by their cells, and by their number within a cell. Before, each point's cell has been found, and the points
// of each cell counted.

/** One work group. Afterwards count[] holds the place of a cell's first point. */
KERNEL void findCellStarts(int numCells, int numPoints, GLOBAL int* RESTRICT count, GLOBAL int* RESTRICT cellStart) {
    LOCAL int sums[SCAN_SIZE];
    int share = (numCells+SCAN_SIZE-1)/SCAN_SIZE, first = LOCAL_ID*share;
    int sum = 0;
    for (int i = 0; i < share; i++)
        if (first+i < numCells)
            sum += count[first+i];
    sums[LOCAL_ID] = sum;
    SYNC_THREADS;
    for (int distance = 1; distance < SCAN_SIZE; distance *= 2) {
        int before = (LOCAL_ID >= distance ? sums[LOCAL_ID-distance] : 0);
        SYNC_THREADS;
        sums[LOCAL_ID] += before;
        SYNC_THREADS;
    }
    int start = sums[LOCAL_ID]-sum;
    for (int i = 0; i < share; i++)
        if (first+i < numCells) {
            int number = count[first+i];
            cellStart[first+i] = start;
            count[first+i] = start;
            start += number;
        }
    if (LOCAL_ID == 0)
        cellStart[numCells] = numPoints;
}

KERNEL void fillCells(int numPoints, GLOBAL const int* RESTRICT cellOf, GLOBAL int* RESTRICT next, GLOBAL int* RESTRICT members) {
    for (int point = GLOBAL_ID; point < numPoints; point += GLOBAL_SIZE)
        members[ATOMIC_ADD(&next[cellOf[point]], 1)] = point;
}

/** The points came into their cells in any order. The counters are left empty for the next time. */
KERNEL void sortCells(int numPoints, int numCells, GLOBAL const int* RESTRICT cellOf, GLOBAL const int* RESTRICT cellStart,
        GLOBAL const int* RESTRICT members, GLOBAL int* RESTRICT count, GLOBAL int* RESTRICT order) {
    for (int i = GLOBAL_ID; i < numPoints; i += GLOBAL_SIZE) {
        int point = members[i], cell = cellOf[point], first = cellStart[cell], end = cellStart[cell+1];
        int rank = 0;
        for (int j = first; j < end; j++)
            rank += (members[j] < point ? 1 : 0);
        order[first+rank] = point;
    }
    for (int cell = GLOBAL_ID; cell < numCells; cell += GLOBAL_SIZE)
        count[cell] = 0;
}

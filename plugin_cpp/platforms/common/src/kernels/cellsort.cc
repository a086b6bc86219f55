// Points are sorted by their cells. Before, each point's cell has been found, and the points of each cell counted.

/** One work group. The counters are left empty for the next time. */
KERNEL void findCellStarts(int numCells, int numPoints, GLOBAL int* RESTRICT count, GLOBAL int* RESTRICT cellStart, GLOBAL int* RESTRICT next) {
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
            next[first+i] = start;
            count[first+i] = 0;
            start += number;
        }
    if (LOCAL_ID == 0)
        cellStart[numCells] = numPoints;
}

/** The points of a cell come in any order. */
KERNEL void fillCells(int numPoints, GLOBAL const int* RESTRICT cellOf, GLOBAL int* RESTRICT next, GLOBAL int* RESTRICT members) {
    for (int point = GLOBAL_ID; point < numPoints; point += GLOBAL_SIZE)
        members[ATOMIC_ADD(&next[cellOf[point]], 1)] = point;
}

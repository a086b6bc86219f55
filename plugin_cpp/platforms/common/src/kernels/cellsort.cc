// Points are sorted by the cell of the box in which they lie, and by their number within a cell.
// The cells are counted along z first, then y, then x.

DEVICE int cellAlong(mixed fraction, int number) {
    fraction -= floor(fraction);
    int cell = (int) (fraction*number);
    return cell >= 0 && cell < number ? cell : 0;  // also where a position is not a number
}

KERNEL void countPoints(int numPoints, int cellsX, int cellsY, int cellsZ, GLOBAL const mixed* RESTRICT positions,
        GLOBAL const mixed* RESTRICT toFractional, GLOBAL int* RESTRICT cellOf, GLOBAL int* RESTRICT count) {
    for (int point = GLOBAL_ID; point < numPoints; point += GLOBAL_SIZE) {
        mixed x = positions[3*point], y = positions[3*point+1], z = positions[3*point+2];
        int cx = cellAlong(x*toFractional[0]+y*toFractional[1]+z*toFractional[2], cellsX);
        int cy = cellAlong(x*toFractional[3]+y*toFractional[4]+z*toFractional[5], cellsY);
        int cz = cellAlong(x*toFractional[6]+y*toFractional[7]+z*toFractional[8], cellsZ);
        int cell = (cx*cellsY+cy)*cellsZ+cz;
        cellOf[point] = cell;
        ATOMIC_ADD(&count[cell], 1);
    }
}

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

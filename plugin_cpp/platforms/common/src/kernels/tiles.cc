// Spreading without atomic operations: each work group owns a tile of the mesh and adds up what its points get from the atoms
// near it, in the atoms' sorted order.
//
// A thread owns TILE_X points along x. A warp's threads have 4 neighbouring points along y and 8 along z.
#define TILE_X 8
#define TILE_Y 16
#define TILE_Z 16
#define TILE_SIZE (TILE_Y*TILE_Z)

#if defined(__CUDACC_RTC__) && !defined(USE_DOUBLE_PRECISION)
#define TILE_KERNEL KERNEL __launch_bounds__(TILE_SIZE, TILE_BLOCKS)
#else
#define TILE_KERNEL KERNEL
#endif

// What is known of an atom before it is spread: window points along x, then along y with their derivatives; then two numbers of four for each
// point along z: what multiplies (y, y', y'') in the term with x and (y) in the term with x'; (y') in that with x', (y) in that with x''.
#define PREPARED (4*WIDTH)

DEVICE void prepareAlongZ(LOCAL_ARG const real* s, real4 z, GLOBAL real4* rows) {
    rows[0] = make_real4(s[0]*z.x+s[3]*z.y+s[9]*z.z, s[2]*z.x+s[8]*z.y, s[7]*z.x, s[1]*z.x+s[6]*z.y);
    rows[1] = make_real4(s[5]*z.x, s[4]*z.x, 0, 0);
}

/** The cells, counted on beyond the box, in which atoms may lie that reach a tile of points first to first+length-1; each cell once. */
DEVICE void cellsNear(int first, int length, int size, int cells, int* low, int* high) {
    // Positions from first-WIDTH/2 to first+length-1+WIDTH/2 in units of the mesh; the sum is not negative.
    *low = ((2*first-WIDTH+2*size)*cells)/(2*size)-cells;
    *high = ((2*(first+length-1)+WIDTH+2*size)*cells)/(2*size)-cells;
    if (*high-*low >= cells)
        *high = *low+cells-1;
}

TILE_KERNEL void spreadTiles(int sizeX, int sizeY, int sizeZ, int cellsX, int cellsY, int cellsZ, GLOBAL const int* RESTRICT cellStart,
        GLOBAL const int* RESTRICT starts, GLOBAL const real4* RESTRICT prepared, GLOBAL real* RESTRICT mesh) {
    LOCAL int2 startYZ[TILE_ATOMS];
    LOCAL real4 x[3*TILE_X/4*TILE_ATOMS];
    LOCAL real4 y[WIDTH*TILE_ATOMS];
    LOCAL real4 z[2*WIDTH*TILE_ATOMS];
    int tilesY = (sizeY+TILE_Y-1)/TILE_Y, tilesZ = (sizeZ+TILE_Z-1)/TILE_Z, tiles = (sizeX+TILE_X-1)/TILE_X*tilesY*tilesZ;
    int warp = LOCAL_ID/32, myY = 4*(warp%4)+(LOCAL_ID/8)%4, myZ = 8*(warp/4)+LOCAL_ID%8;
    for (int tile = GROUP_ID; tile < tiles; tile += NUM_GROUPS) {
        // Tiles lie by half a window off the cells, so that few cells are near one.
        int row = tile/tilesZ, tileX = row/tilesY;
        int firstX = TILE_X*tileX+WIDTH/2, firstY = TILE_Y*(row-tileX*tilesY)+WIDTH/2, firstZ = TILE_Z*(tile-row*tilesZ)+WIDTH/2;
        int lowX, highX, lowY, highY, lowZ, highZ;
        cellsNear(firstX, TILE_X, sizeX, cellsX, &lowX, &highX);
        cellsNear(firstY, TILE_Y, sizeY, cellsY, &lowY, &highY);
        cellsNear(firstZ, TILE_Z, sizeZ, cellsZ, &lowZ, &highZ);
        real sum[TILE_X];
        for (int q = 0; q < TILE_X; q++)
            sum[q] = 0;
        for (int cx = lowX; cx <= highX; cx++)
            for (int cy = lowY; cy <= highY; cy++)
                for (int cz = lowZ; cz <= highZ; ) {
                    // Cells that follow each other along z, up to the end of the box, hold atoms that follow each other.
                    int inBox = cz-(cz >= cellsZ ? cellsZ : 0)+(cz < 0 ? cellsZ : 0);
                    int run = min(highZ-cz+1, cellsZ-inBox);
                    cz += run;
                    int column = ((cx-(cx >= cellsX ? cellsX : 0)+(cx < 0 ? cellsX : 0))*cellsY
                                 +cy-(cy >= cellsY ? cellsY : 0)+(cy < 0 ? cellsY : 0))*cellsZ+inBox;
                    int end = cellStart[column+run];
                    for (int begin = cellStart[column]; begin < end; begin += TILE_ATOMS) {
                        int atoms = min(end-begin, TILE_ATOMS);
                        SYNC_THREADS;
                        for (int part = 0; part < TILE_ATOMS*(TILE_X+3*WIDTH); part += TILE_SIZE) {
                            int index = part+LOCAL_ID, atom = index/(TILE_X+3*WIDTH), n = index-atom*(TILE_X+3*WIDTH);
                            if (atom < atoms) {
                                GLOBAL const real4* source = &prepared[PREPARED*(begin+atom)];
                                if (n < TILE_X) {
                                    int k = firstX+n-starts[3*(begin+atom)];
                                    k += (k < 0 ? sizeX : 0);
                                    k -= (k >= sizeX ? sizeX : 0);
                                    real4 weight = (k < WIDTH ? source[k] : make_real4(0, 0, 0, 0));
                                    LOCAL_ARG real* packed = (LOCAL_ARG real*) &x[3*TILE_X/4*atom]+3*n;
                                    packed[0] = weight.x;
                                    packed[1] = weight.y;
                                    packed[2] = weight.z;
                                }
                                else if (n < TILE_X+WIDTH)
                                    y[WIDTH*atom+n-TILE_X] = source[WIDTH+n-TILE_X];
                                else
                                    z[2*WIDTH*atom+n-TILE_X-WIDTH] = source[WIDTH+n-TILE_X];
                            }
                        }
                        if (LOCAL_ID < atoms) {
                            // From the tile's corner, within the box
                            GLOBAL const int* start = &starts[3*(begin+LOCAL_ID)];
                            startYZ[LOCAL_ID] = make_int2((start[1]-firstY+2*sizeY)%sizeY, (start[2]-firstZ+2*sizeZ)%sizeZ);
                        }
                        SYNC_THREADS;
                        for (int atom = 0; atom < atoms; atom++) {
                            int2 start = startYZ[atom];
                            int j = myY-start.x, k = myZ-start.y;
                            j += (j < 0 ? sizeY : 0);
                            k += (k < 0 ? sizeZ : 0);
                            if (max(j, k) < WIDTH) {
                                real4 w = y[WIDTH*atom+j], a = z[2*(WIDTH*atom+k)], b = z[2*(WIDTH*atom+k)+1];
                                real x0 = a.x*w.x+a.y*w.y+a.z*w.z, x1 = a.w*w.x+b.x*w.y, x2 = b.y*w.x;
                                for (int q = 0; q < TILE_X; q += 4) {
                                    // Three weights for each of four points
                                    LOCAL_ARG const real4* v = &x[3*(TILE_X*atom+q)/4];
                                    real4 v0 = v[0], v1 = v[1], v2 = v[2];
                                    sum[q] += x0*v0.x;
                                    sum[q+1] += x0*v0.w;
                                    sum[q+2] += x0*v1.z;
                                    sum[q+3] += x0*v2.y;
                                    sum[q] += x1*v0.y;
                                    sum[q+1] += x1*v1.x;
                                    sum[q+2] += x1*v1.w;
                                    sum[q+3] += x1*v2.z;
                                    sum[q] += x2*v0.z;
                                    sum[q+1] += x2*v1.y;
                                    sum[q+2] += x2*v2.x;
                                    sum[q+3] += x2*v2.w;
                                }
                            }
                        }
                    }
                }
        if (firstY+myY < sizeY+WIDTH/2 && firstZ+myZ < sizeZ+WIDTH/2) {
            int pointY = (firstY+myY)%sizeY, pointZ = (firstZ+myZ)%sizeZ;
            for (int q = 0; q < TILE_X; q++)
                if (firstX+q < sizeX+WIDTH/2)
                    mesh[((firstX+q)%sizeX*sizeY+pointY)*sizeZ+pointZ] = sum[q];
        }
    }
}

GROUP_KERNEL void preparePermanent(int sizeX, int sizeY, int sizeZ, GLOBAL const real* RESTRICT charges, GLOBAL const real* RESTRICT dipoles,
        GLOBAL const real* RESTRICT quadrupoles, GLOBAL const int* RESTRICT order, GLOBAL const mixed* RESTRICT positions,
        GLOBAL const mixed* RESTRICT toFractional, GLOBAL const real* RESTRICT derivativeTransform, GLOBAL const real* RESTRICT coefficients,
        GLOBAL real* RESTRICT permanent, GLOBAL int* RESTRICT starts, GLOBAL real4* RESTRICT prepared) {
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
        int lane = LOCAL_ID%TEAM, place = first+slot;
        if (place < NUM_PARTICLES && lane < WIDTH) {
            prepared[PREPARED*place+lane] = windows[3*WIDTH*slot+lane];
            prepared[PREPARED*place+WIDTH+lane] = windows[(3*slot+1)*WIDTH+lane];
            prepareAlongZ(&sources[10*slot], windows[(3*slot+2)*WIDTH+lane], &prepared[PREPARED*place+2*WIDTH+2*lane]);
            if (lane < 3)
                starts[3*place+lane] = start[3*slot+lane];
        }
        SYNC_THREADS;
    }
}

GROUP_KERNEL void prepareSources(int sizeX, int sizeY, int sizeZ, GLOBAL const real* RESTRICT any, GLOBAL const int* RESTRICT order,
        GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT toFractional, GLOBAL const real* RESTRICT derivativeTransform,
        GLOBAL const real* RESTRICT coefficients, GLOBAL int* RESTRICT starts, GLOBAL real4* RESTRICT prepared) {
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
        int lane = LOCAL_ID%TEAM, place = first+slot;
        if (place < NUM_PARTICLES && lane < WIDTH) {
            prepared[PREPARED*place+lane] = windows[3*WIDTH*slot+lane];
            prepared[PREPARED*place+WIDTH+lane] = windows[(3*slot+1)*WIDTH+lane];
            prepareAlongZ(&sources[10*slot], windows[(3*slot+2)*WIDTH+lane], &prepared[PREPARED*place+2*WIDTH+2*lane]);
            if (lane < 3)
                starts[3*place+lane] = start[3*slot+lane];
        }
        SYNC_THREADS;
    }
}


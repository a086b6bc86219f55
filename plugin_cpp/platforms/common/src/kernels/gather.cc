// From the potential on the mesh to its derivatives at the atoms, with teams as in mesh.cc.

// Each thread's sums over its planes and over y, for 10 pairs of orders of derivative along x and y. Rows are one number longer
// than a team, so that threads that read the same column of different rows have no bank conflict.
#define SUM_STRIDE (TEAM+1)

DEVICE void gatherWindow(LOCAL_ARG const int* start, LOCAL_ARG const real4* window, int sizeX, int sizeY, int sizeZ,
        GLOBAL const real* mesh, LOCAL_ARG real* sums) {
    int lane = LOCAL_ID%TEAM, part = lane/WIDTH, k = lane-part*WIDTH;
    int column = start[2]+k;
    column -= (column >= sizeZ ? sizeZ : 0);
    // v[order of derivative along x][and along y]
    real v00 = 0, v01 = 0, v02 = 0, v03 = 0, v10 = 0, v11 = 0, v12 = 0, v20 = 0, v21 = 0, v30 = 0;
    for (int begin = 0; begin < WIDTH; begin += PLANES) {
        int i = begin+part;
        if (part < PLANES && i < WIDTH) {
            int plane = start[0]+i;
            plane -= (plane >= sizeX ? sizeX : 0);
            real y0 = 0, y1 = 0, y2 = 0, y3 = 0;
            for (int j = 0; j < WIDTH; j++) {
                int row = start[1]+j;
                row -= (row >= sizeY ? sizeY : 0);
                real value = mesh[(plane*sizeY+row)*sizeZ+column];
                real4 y = window[WIDTH+j];
                y0 += value*y.x;
                y1 += value*y.y;
                y2 += value*y.z;
                y3 += value*y.w;
            }
            real4 x = window[i];
            v00 += x.x*y0; v01 += x.x*y1; v02 += x.x*y2; v03 += x.x*y3;
            v10 += x.y*y0; v11 += x.y*y1; v12 += x.y*y2;
            v20 += x.z*y0; v21 += x.z*y1;
            v30 += x.w*y0;
        }
    }
    // Sorted by the sum of the two orders, then by the order along y
    sums[lane] = v00;
    sums[SUM_STRIDE+lane] = v10; sums[2*SUM_STRIDE+lane] = v01;
    sums[3*SUM_STRIDE+lane] = v20; sums[4*SUM_STRIDE+lane] = v11; sums[5*SUM_STRIDE+lane] = v02;
    sums[6*SUM_STRIDE+lane] = v30; sums[7*SUM_STRIDE+lane] = v21; sums[8*SUM_STRIDE+lane] = v12; sums[9*SUM_STRIDE+lane] = v03;
}

/** For each atom, 20 threads compute one derivative in grid units each. */
DEVICE void sumTeams(LOCAL_ARG const real4* windows, LOCAL_ARG const real* sums, LOCAL_ARG real* grid) {
    int slot = LOCAL_ID/20, n = LOCAL_ID-20*slot, order = orderOf(n), entry = n-firstOfOrder(order);
    if (slot < GROUP_ATOMS) {
        int z = axesZ(entry), y = axesNotX(entry)-z, xy = order-z;
        LOCAL_ARG const real* row = &sums[(10*slot+xy*(xy+1)/2+y)*SUM_STRIDE];
        LOCAL_ARG const real* weights = (LOCAL_ARG const real*) &windows[(3*slot+2)*WIDTH];
        real total = 0;
        for (int k = 0; k < WIDTH; k++) {
            real sum = 0;
            for (int part = 0; part < PLANES; part++)
                sum += row[part*WIDTH+k];
            total += sum*weights[4*k+z];
        }
        grid[LOCAL_ID] = total;
    }
}

DEVICE void toCartesian(LOCAL_ARG const int* atoms, LOCAL_ARG const real* grid, GLOBAL const real* derivativeTransform, LOCAL_ARG real* phi,
        GLOBAL real* result) {
    int slot = LOCAL_ID/20, n = LOCAL_ID-20*slot, order = orderOf(n), first = firstOfOrder(order);
    if (slot < GROUP_ATOMS) {
        real sum = 0;
        for (int i = 0; i < 10; i++)
            if (i < numberOfOrder(order))
                sum += derivativeTransform[10*n+i]*grid[20*slot+first+i];
        phi[LOCAL_ID] = sum;
        result[20*atoms[slot]+n] = sum;
    }
}

#ifdef EMBEDDED
/** Adds the potential of the point charges around the atoms to that of the multipoles. */
DEVICE void addPotentialOfCharges(LOCAL_ARG const int* atoms, GLOBAL const real* phiCharges, LOCAL_ARG real* phi, GLOBAL real* result) {
    int slot = LOCAL_ID/20, n = LOCAL_ID-20*slot;
    if (slot < GROUP_ATOMS) {
        phi[LOCAL_ID] += phiCharges[20*atoms[slot]+n];
        result[20*atoms[slot]+n] = phi[LOCAL_ID];
    }
}
#endif

/**
 * The induced moments, with one thread for each of the group's atoms, and what is spread for the second round: with point charges
 * around, which feel all moments, the permanent ones too.
 */
DEVICE void induceAtoms(LOCAL_ARG const int* atoms, LOCAL_ARG const real* phi, GLOBAL const mixed* positions, GLOBAL const real* permanent,
        GLOBAL const real* softness, GLOBAL const real* polarizability, GLOBAL const mixed* sums, mixed fieldX, mixed fieldY, mixed fieldZ,
        mixed inverseVolume, int inField, GLOBAL real* potential, GLOBAL real* electricField, GLOBAL real* induced, LOCAL_ARG real* moments) {
    int slot = LOCAL_ID;
    if (slot < GROUP_ATOMS) {
        int atom = atoms[slot];
        mixed scale = (inField ? latentScale(sums, inverseVolume) : 0);
        mixed field[3] = {scale*fieldX, scale*fieldY, scale*fieldZ};
        real p[4], m[10];
        for (int n = 0; n < 4; n++)
            p[n] = phi[20*slot+n];
        inducedMoment(p, atom, positions, permanent, softness, polarizability, sums, field, inField, m);
        writeInduced(p, atom, permanent, m, potential, electricField, induced);
        for (int n = 0; n < 10; n++)
#ifdef EMBEDDED
            moments[10*slot+n] = permanent[10*atom+n]+m[n];
#else
            moments[10*slot+n] = m[n];
#endif
    }
}

/** After the first round: computes an atom's potential and its induced moments, and spreads them at once for the second round. */
GROUP_KERNEL void gatherAndInduce(int sizeX, int sizeY, int sizeZ, GLOBAL const real* RESTRICT mesh, GLOBAL const int* RESTRICT order,
        GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT toFractional, GLOBAL const real* RESTRICT derivativeTransform,
        GLOBAL const real* RESTRICT coefficients, GLOBAL const real* RESTRICT permanent, GLOBAL const real* RESTRICT softness,
        GLOBAL const real* RESTRICT polarizability, GLOBAL const mixed* RESTRICT sums, mixed fieldX, mixed fieldY, mixed fieldZ,
        mixed inverseVolume, int inField, GLOBAL real* RESTRICT phi, GLOBAL real* RESTRICT potential, GLOBAL real* RESTRICT electricField,
        GLOBAL real* RESTRICT induced, GLOBAL mm_ulong* RESTRICT nextMesh
#ifdef EMBEDDED
        , GLOBAL const real* RESTRICT phiCharges
#endif
        ) {
    LOCAL int atoms[GROUP_ATOMS];
    LOCAL int start[3*GROUP_ATOMS];
    LOCAL real4 windows[3*WIDTH*GROUP_ATOMS];
    LOCAL real teamSums[10*SUM_STRIDE*GROUP_ATOMS];
    LOCAL real grid[20*GROUP_ATOMS];
    LOCAL real phiOf[20*GROUP_ATOMS];
    LOCAL real moments[10*GROUP_ATOMS];
    LOCAL real sources[10*GROUP_ATOMS];
    int slot = LOCAL_ID/TEAM;
    for (int first = GROUP_ID*GROUP_ATOMS; first < NUM_PARTICLES; first += NUM_GROUPS*GROUP_ATOMS) {
        takeAtoms(first, NUM_PARTICLES, order, atoms);
        SYNC_THREADS;
        findWindows(atoms, positions, toFractional, coefficients, sizeX, sizeY, sizeZ, start, windows);
        SYNC_THREADS;
        gatherWindow(&start[3*slot], &windows[3*WIDTH*slot], sizeX, sizeY, sizeZ, mesh, &teamSums[10*SUM_STRIDE*slot]);
        SYNC_THREADS;
        sumTeams(windows, teamSums, grid);
        SYNC_THREADS;
        toCartesian(atoms, grid, derivativeTransform, phiOf, phi);
        SYNC_THREADS;
#ifdef EMBEDDED
        addPotentialOfCharges(atoms, phiCharges, phiOf, phi);
        SYNC_THREADS;
#endif
        induceAtoms(atoms, phiOf, positions, permanent, softness, polarizability, sums, fieldX, fieldY, fieldZ, inverseVolume, inField, potential,
                electricField, induced, moments);
        SYNC_THREADS;
#if defined(INDUCES) && !defined(INDUCES_LATER)
        sourcesInGridUnits(moments, derivativeTransform, sources);
        SYNC_THREADS;
        if (first+slot < NUM_PARTICLES)
            spreadWindow(&sources[10*slot], &start[3*slot], &windows[3*WIDTH*slot], sizeX, sizeY, sizeZ, nextMesh);
        SYNC_THREADS;
#endif
    }
}

GROUP_KERNEL void gather(int sizeX, int sizeY, int sizeZ, GLOBAL const real* RESTRICT mesh, GLOBAL const int* RESTRICT order,
        GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT toFractional, GLOBAL const real* RESTRICT derivativeTransform,
        GLOBAL const real* RESTRICT coefficients, GLOBAL real* RESTRICT phi) {
    LOCAL int atoms[GROUP_ATOMS];
    LOCAL int start[3*GROUP_ATOMS];
    LOCAL real4 windows[3*WIDTH*GROUP_ATOMS];
    LOCAL real teamSums[10*SUM_STRIDE*GROUP_ATOMS];
    LOCAL real grid[20*GROUP_ATOMS];
    LOCAL real phiOf[20*GROUP_ATOMS];
    int slot = LOCAL_ID/TEAM;
    for (int first = GROUP_ID*GROUP_ATOMS; first < NUM_PARTICLES; first += NUM_GROUPS*GROUP_ATOMS) {
        takeAtoms(first, NUM_PARTICLES, order, atoms);
        SYNC_THREADS;
        findWindows(atoms, positions, toFractional, coefficients, sizeX, sizeY, sizeZ, start, windows);
        SYNC_THREADS;
        gatherWindow(&start[3*slot], &windows[3*WIDTH*slot], sizeX, sizeY, sizeZ, mesh, &teamSums[10*SUM_STRIDE*slot]);
        SYNC_THREADS;
        sumTeams(windows, teamSums, grid);
        SYNC_THREADS;
        toCartesian(atoms, grid, derivativeTransform, phiOf, phi);
        SYNC_THREADS;
    }
}

/** Only the potential, at any points. */
GROUP_KERNEL void gatherPotential(int sizeX, int sizeY, int sizeZ, int numPoints, GLOBAL const real* RESTRICT mesh,
        GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT toFractional, GLOBAL const real* RESTRICT coefficients,
        GLOBAL real* RESTRICT potential) {
    LOCAL int points[GROUP_ATOMS];
    LOCAL int start[3*GROUP_ATOMS];
    LOCAL real4 windows[3*WIDTH*GROUP_ATOMS];
    LOCAL real teamSums[10*SUM_STRIDE*GROUP_ATOMS];
    LOCAL real grid[20*GROUP_ATOMS];
    int slot = LOCAL_ID/TEAM;
    for (int first = GROUP_ID*GROUP_ATOMS; first < numPoints; first += NUM_GROUPS*GROUP_ATOMS) {
        if (LOCAL_ID < GROUP_ATOMS)
            points[LOCAL_ID] = min(first+(int) LOCAL_ID, numPoints-1);
        SYNC_THREADS;
        findWindows(points, positions, toFractional, coefficients, sizeX, sizeY, sizeZ, start, windows);
        SYNC_THREADS;
        gatherWindow(&start[3*slot], &windows[3*WIDTH*slot], sizeX, sizeY, sizeZ, mesh, &teamSums[10*SUM_STRIDE*slot]);
        SYNC_THREADS;
        sumTeams(windows, teamSums, grid);
        SYNC_THREADS;
        if (LOCAL_ID < GROUP_ATOMS)
            potential[points[LOCAL_ID]] = grid[20*LOCAL_ID];
        SYNC_THREADS;
    }
}

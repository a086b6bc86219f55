// From multipoles to the mesh, with teams as in mesh.cc. The mesh contains fixed-point numbers, whose sums do not depend on the order.

/** Sources in units of the mesh spacing, including the factors of 1/2 Q:grad grad. */
DEVICE void sourcesInGridUnits(LOCAL_ARG const real* moments, GLOBAL const real* derivativeTransform, LOCAL_ARG real* sources) {
    int slot = LOCAL_ID/10, i = LOCAL_ID-10*slot, order = orderOf(i), first = firstOfOrder(order);
    if (slot < GROUP_ATOMS) {
        real sum = 0;
        for (int n = 0; n < 6; n++)
            if (n < numberOfOrder(order)) {
                bool isDiagonal = (order == 2 && (n == 0 || n == 3 || n == 5));
                sum += (isDiagonal ? 0.5f : 1.0f)*moments[10*slot+first+n]*derivativeTransform[10*(first+n)+i-first];
            }
        sources[10*slot+i] = sum;
    }
}

/** Spreads one atom, by its team. */
DEVICE void spreadWindow(LOCAL_ARG const real* s, LOCAL_ARG const int* start, LOCAL_ARG const real4* window, int sizeX, int sizeY,
        int sizeZ, GLOBAL mm_ulong* mesh) {
    int lane = LOCAL_ID%TEAM, part = lane/WIDTH, k = lane-part*WIDTH;
    int column = start[2]+k;
    column -= (column >= sizeZ ? sizeZ : 0);
    for (int begin = 0; begin < WIDTH; begin += PLANES) {
        int i = begin+part;
        if (part < PLANES && i < WIDTH) {
            int plane = start[0]+i;
            plane -= (plane >= sizeX ? sizeX : 0);
            real4 x = window[i], z = window[2*WIDTH+k];
            // Factors of the window along y and of its derivatives
            x = make_real4(FIXED_POINT_SCALE*x.x, FIXED_POINT_SCALE*x.y, FIXED_POINT_SCALE*x.z, 0);
            real y0 = (s[0]*x.x+s[1]*x.y+s[4]*x.z)*z.x+(s[3]*x.x+s[6]*x.y)*z.y+s[9]*x.x*z.z;
            real y1 = (s[2]*x.x+s[5]*x.y)*z.x+s[8]*x.x*z.y;
            real y2 = s[7]*x.x*z.x;
            for (int j = 0; j < WIDTH; j++) {
                int row = start[1]+j;
                row -= (row >= sizeY ? sizeY : 0);
                real4 y = window[WIDTH+j];
                real value = y0*y.x+y1*y.y+y2*y.z;
                ATOMIC_ADD(&mesh[(plane*sizeY+row)*sizeZ+column], (mm_ulong) (mm_long) value);
            }
        }
    }
}

/** Reads the permanent moments from the source's arrays and spreads them. */
GROUP_KERNEL void spreadPermanent(int sizeX, int sizeY, int sizeZ, GLOBAL const real* RESTRICT charges, GLOBAL const real* RESTRICT dipoles,
        GLOBAL const real* RESTRICT quadrupoles, GLOBAL const int* RESTRICT order, GLOBAL const mixed* RESTRICT positions,
        GLOBAL const mixed* RESTRICT toFractional, GLOBAL const real* RESTRICT derivativeTransform, GLOBAL const real* RESTRICT coefficients,
        GLOBAL real* RESTRICT permanent, GLOBAL mm_ulong* RESTRICT mesh) {
    LOCAL int atoms[GROUP_ATOMS];
    LOCAL int start[3*GROUP_ATOMS];
    LOCAL real4 windows[3*WIDTH*GROUP_ATOMS];
    LOCAL real moments[10*GROUP_ATOMS];
    LOCAL real sources[10*GROUP_ATOMS];
    int slot = LOCAL_ID/TEAM;
    for (int first = GROUP_ID*GROUP_ATOMS; first < NUM_PARTICLES; first += NUM_GROUPS*GROUP_ATOMS) {
        takeAtoms(first, NUM_PARTICLES, order, atoms);
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
        if (first+slot < NUM_PARTICLES)
            spreadWindow(&sources[10*slot], &start[3*slot], &windows[3*WIDTH*slot], sizeX, sizeY, sizeZ, mesh);
        SYNC_THREADS;
    }
}

/** Spreads any sources. */
GROUP_KERNEL void spreadSources(int sizeX, int sizeY, int sizeZ, GLOBAL const real* RESTRICT allSources, GLOBAL const int* RESTRICT order,
        GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT toFractional, GLOBAL const real* RESTRICT derivativeTransform,
        GLOBAL const real* RESTRICT coefficients, GLOBAL mm_ulong* RESTRICT mesh) {
    LOCAL int atoms[GROUP_ATOMS];
    LOCAL int start[3*GROUP_ATOMS];
    LOCAL real4 windows[3*WIDTH*GROUP_ATOMS];
    LOCAL real moments[10*GROUP_ATOMS];
    LOCAL real sources[10*GROUP_ATOMS];
    int slot = LOCAL_ID/TEAM;
    for (int first = GROUP_ID*GROUP_ATOMS; first < NUM_PARTICLES; first += NUM_GROUPS*GROUP_ATOMS) {
        takeAtoms(first, NUM_PARTICLES, order, atoms);
        SYNC_THREADS;
        findWindows(atoms, positions, toFractional, coefficients, sizeX, sizeY, sizeZ, start, windows);
        if (LOCAL_ID < 10*GROUP_ATOMS)
            moments[LOCAL_ID] = allSources[10*atoms[LOCAL_ID/10]+LOCAL_ID%10];
        SYNC_THREADS;
        sourcesInGridUnits(moments, derivativeTransform, sources);
        SYNC_THREADS;
        if (first+slot < NUM_PARTICLES)
            spreadWindow(&sources[10*slot], &start[3*slot], &windows[3*WIDTH*slot], sizeX, sizeY, sizeZ, mesh);
        SYNC_THREADS;
    }
}

/** Converts the mesh to real numbers and clears the fixed-point mesh for the next time. */
KERNEL void meshToReal(int size, GLOBAL mm_long* RESTRICT fixedMesh, GLOBAL real* RESTRICT mesh) {
    for (int i = GLOBAL_ID; i < size; i += GLOBAL_SIZE) {
        mesh[i] = ((real) fixedMesh[i])/FIXED_POINT_SCALE;
        fixedMesh[i] = 0;
    }
}

// The reciprocal sum on a mesh (theory.md section 5). WIDTH window points along each axis, polynomials of DEGREE.
// Places on the mesh are prepared once a step: the first window point of each axis, and the window's weights
// weights[((point*3 + axis)*4 + order)*WIDTH + p] of all orders of derivative.
//
// Each of an atom's WIDTH window planes has its own thread. Atoms come in the order in which OpenMM has sorted them in space
// (order[]), so that threads at work at the same time touch the same part of the mesh.

KERNEL void placeOnMesh(int numPoints, GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT toGrid,
        GLOBAL const real* RESTRICT coefficients, GLOBAL int* RESTRICT start, GLOBAL real* RESTRICT weights) {
    const int size[3] = {MESH_X, MESH_Y, MESH_Z};
    for (int index = GLOBAL_ID; index < 3*numPoints; index += GLOBAL_SIZE) {
        int point = index/3, axis = index-3*point;
        mixed u = positions[3*point]*toGrid[3*axis]+positions[3*point+1]*toGrid[3*axis+1]+positions[3*point+2]*toGrid[3*axis+2];
        u -= size[axis]*floor(u/size[axis]);
        mixed left = u-0.5f*WIDTH;
        int first = ((int) floor(left)+1)%size[axis];
        real t = (real) (left-floor(left)-0.5f);
        start[index] = (first < 0 ? first+size[axis] : first);  // within the mesh even where a position is not a number
        for (int p = 0; p < WIDTH; p++) {
            // Horner's rule; the derivatives over their factorials
            real v0 = coefficients[DEGREE*WIDTH+p], v1 = 0, v2 = 0, v3 = 0;
            for (int n = DEGREE-1; n >= 0; n--) {
                v3 = v3*t+v2;
                v2 = v2*t+v1;
                v1 = v1*t+v0;
                v0 = v0*t+coefficients[n*WIDTH+p];
            }
            weights[(4*index)*WIDTH+p] = v0;
            weights[(4*index+1)*WIDTH+p] = v1;
            weights[(4*index+2)*WIDTH+p] = 2*v2;
            weights[(4*index+3)*WIDTH+p] = 6*v3;
        }
    }
}

/** Sources in grid units, with the factors of 1/2 Q:grad grad inside. */
DEVICE void sourceInGridUnits(const real* m, GLOBAL const mixed* toGrid, real* s) {
    s[0] = m[0];
    for (int d = 0; d < 3; d++) {
        s[1+d] = 0;
        for (int a = 0; a < 3; a++)
            s[1+d] += (real) toGrid[3*d+a]*m[1+a];
        for (int e = d; e < 3; e++) {
            real sum = 0;
            for (int a = 0; a < 3; a++)
                for (int b = 0; b < 3; b++)
                    sum += (real) toGrid[3*d+a]*m[4+second(a, b)]*(real) toGrid[3*e+b];
            s[4+second(d, e)] = (d == e ? 0.5f*sum : sum);
        }
    }
}

/** One of an atom's window planes. Fixed point, so that the sum does not depend on the order. */
DEVICE void spreadPlane(const real* m, int i, GLOBAL const mixed* toGrid, GLOBAL const int* start,
        GLOBAL const real* weights, GLOBAL mm_ulong* mesh) {
    real s[10];
    sourceInGridUnits(m, toGrid, s);
    GLOBAL const real* x = weights;
    GLOBAL const real* y = x+4*WIDTH;
    GLOBAL const real* z = x+8*WIDTH;
    int plane = start[0]+i;
    plane -= (plane >= MESH_X ? MESH_X : 0);
    // a_mn multiplies the m-th derivative along y and the n-th along z.
    real x0 = x[i], x1 = x[WIDTH+i], x2 = x[2*WIDTH+i];
    real a00 = s[0]*x0+s[1]*x1+s[4]*x2, a10 = s[2]*x0+s[5]*x1, a20 = s[7]*x0;
    real a01 = s[3]*x0+s[6]*x1, a11 = s[8]*x0, a02 = s[9]*x0;
    for (int j = 0; j < WIDTH; j++) {
        int row = start[1]+j;
        row -= (row >= MESH_Y ? MESH_Y : 0);
        real y0 = y[j], y1 = y[WIDTH+j], y2 = y[2*WIDTH+j];
        real z0 = a00*y0+a10*y1+a20*y2, z1 = a01*y0+a11*y1, z2 = a02*y0;
        for (int k = 0; k < WIDTH; k++) {
            int column = start[2]+k;
            column -= (column >= MESH_Z ? MESH_Z : 0);
            real value = z0*z[k]+z1*z[WIDTH+k]+z2*z[2*WIDTH+k];
            ATOMIC_ADD(&mesh[(plane*MESH_Y+row)*MESH_Z+column], (mm_ulong) (mm_long) (value*FIXED_POINT_SCALE));
        }
    }
}

/** The permanent moments, from what the source gave. */
KERNEL void spreadPermanent(GLOBAL const real* RESTRICT charges, GLOBAL const real* RESTRICT dipoles, GLOBAL const real* RESTRICT quadrupoles,
        GLOBAL const int* RESTRICT order, GLOBAL const mixed* RESTRICT toGrid, GLOBAL const int* RESTRICT start,
        GLOBAL const real* RESTRICT weights, GLOBAL real* RESTRICT permanent, GLOBAL mm_ulong* RESTRICT mesh) {
    for (int index = GLOBAL_ID; index < NUM_PARTICLES*WIDTH; index += GLOBAL_SIZE) {
        int atom = order[index/WIDTH], i = index%WIDTH;
        real m[10];
        momentsOf(atom, charges, dipoles, quadrupoles, m);
        if (i == 0)
            for (int n = 0; n < 10; n++)
                permanent[10*atom+n] = m[n];
        spreadPlane(m, i, toGrid, &start[3*atom], &weights[12*WIDTH*atom], mesh);
    }
}

/** Any sources. */
KERNEL void spreadSources(GLOBAL const real* RESTRICT sources, GLOBAL const int* RESTRICT order, GLOBAL const mixed* RESTRICT toGrid,
        GLOBAL const int* RESTRICT start, GLOBAL const real* RESTRICT weights, GLOBAL mm_ulong* RESTRICT mesh) {
    for (int index = GLOBAL_ID; index < NUM_PARTICLES*WIDTH; index += GLOBAL_SIZE) {
        int atom = order[index/WIDTH];
        real m[10];
        for (int n = 0; n < 10; n++)
            m[n] = sources[10*atom+n];
        spreadPlane(m, index%WIDTH, toGrid, &start[3*atom], &weights[12*WIDTH*atom], mesh);
    }
}

/** The fixed-point mesh is left empty for the next time. */
KERNEL void meshToReal(GLOBAL mm_long* RESTRICT fixedMesh, GLOBAL real* RESTRICT mesh) {
    for (int i = GLOBAL_ID; i < MESH_X*MESH_Y*MESH_Z; i += GLOBAL_SIZE) {
        mesh[i] = ((real) fixedMesh[i])/FIXED_POINT_SCALE;
        fixedMesh[i] = 0;
    }
}

KERNEL void convolve(GLOBAL real2* RESTRICT spectrum, GLOBAL const real* RESTRICT influence) {
    for (int i = GLOBAL_ID; i < MESH_X*MESH_Y*(MESH_Z/2+1); i += GLOBAL_SIZE) {
        real2 value = spectrum[i];
        real g = influence[i];
        spectrum[i] = make_real2(value.x*g, value.y*g);
    }
}

/** What one window plane contributes to the derivatives in grid units. */
DEVICE void gatherPlane(GLOBAL const real* mesh, int i, GLOBAL const int* start, GLOBAL const real* weights, real* grid) {
    GLOBAL const real* x = weights;
    GLOBAL const real* y = x+4*WIDTH;
    GLOBAL const real* z = x+8*WIDTH;
    int plane = start[0]+i;
    plane -= (plane >= MESH_X ? MESH_X : 0);
    // v[order along y][order along z]
    real v00 = 0, v01 = 0, v02 = 0, v03 = 0, v10 = 0, v11 = 0, v12 = 0, v20 = 0, v21 = 0, v30 = 0;
    for (int j = 0; j < WIDTH; j++) {
        int row = start[1]+j;
        row -= (row >= MESH_Y ? MESH_Y : 0);
        GLOBAL const real* line = &mesh[(plane*MESH_Y+row)*MESH_Z];
        real z0 = 0, z1 = 0, z2 = 0, z3 = 0;
        for (int k = 0; k < WIDTH; k++) {
            int column = start[2]+k;
            column -= (column >= MESH_Z ? MESH_Z : 0);
            real value = line[column];
            z0 += value*z[k];
            z1 += value*z[WIDTH+k];
            z2 += value*z[2*WIDTH+k];
            z3 += value*z[3*WIDTH+k];
        }
        real y0 = y[j], y1 = y[WIDTH+j], y2 = y[2*WIDTH+j], y3 = y[3*WIDTH+j];
        v00 += y0*z0; v01 += y0*z1; v02 += y0*z2; v03 += y0*z3;
        v10 += y1*z0; v11 += y1*z1; v12 += y1*z2;
        v20 += y2*z0; v21 += y2*z1;
        v30 += y3*z0;
    }
    real x0 = x[i], x1 = x[WIDTH+i], x2 = x[2*WIDTH+i], x3 = x[3*WIDTH+i];
    grid[0] = x0*v00;
    grid[1] = x1*v00; grid[2] = x0*v10; grid[3] = x0*v01;
    grid[4] = x2*v00; grid[5] = x1*v10; grid[6] = x1*v01; grid[7] = x0*v20; grid[8] = x0*v11; grid[9] = x0*v02;
    grid[10] = x3*v00; grid[11] = x2*v10; grid[12] = x2*v01; grid[13] = x1*v20; grid[14] = x1*v11; grid[15] = x1*v02;
    grid[16] = x0*v30; grid[17] = x0*v21; grid[18] = x0*v12; grid[19] = x0*v03;
}

/** The n-th derivative along Cartesian axes from all those in grid units. T[3 d + a] = d(grid coordinate d)/d(Cartesian a). */
DEVICE real toCartesian(int n, LOCAL_ARG const real* grid, GLOBAL const mixed* T) {
    // Tensors of each order are stored by the number of axes that are not x, then by the number of z (see tensors.cc).
    int order = (n >= 1)+(n >= 4)+(n >= 10), entry = n-(order == 3 ? 10 : order == 2 ? 4 : order);
    int notX = (entry >= 1)+(entry >= 3)+(entry >= 6), z = entry-notX*(notX+1)/2;
    int a = (0 < order-notX ? 0 : 0 < order-z ? 1 : 2);
    int b = (1 < order-notX ? 0 : 1 < order-z ? 1 : 2);
    int c = (2 < order-notX ? 0 : 2 < order-z ? 1 : 2);
    real sum = 0;
    for (int d = 0; d < 3; d++) {
        real Ta = (real) T[3*d+a];
        if (order == 1)
            sum += Ta*grid[1+d];
        else
            for (int e = 0; e < 3; e++) {
                real Tab = Ta*(real) T[3*e+b];
                if (order == 2)
                    sum += Tab*grid[4+second(d, e)];
                else
                    for (int f = 0; f < 3; f++)
                        sum += Tab*(real) T[3*f+c]*grid[10+third(d, e, f)];
            }
    }
    return order == 0 ? grid[0] : sum;
}

// A work group of GROUP_SIZE = GROUP_ATOMS*WIDTH threads gathers for GROUP_ATOMS atoms at once.
#define GROUP_SIZE (GROUP_ATOMS*WIDTH)

/**
 * The group's planes are added up, then its threads share the derivatives of their atom. All threads have to come here, and
 * all go through the loops equally often: PoCL gets loops before a barrier wrong that end earlier in some threads.
 */
DEVICE void gatherInGroup(int atom, int slot, int i, GLOBAL const real* mesh, GLOBAL const mixed* toGrid,
        GLOBAL const int* start, GLOBAL const real* weights, LOCAL_ARG real* byPlane, LOCAL_ARG real* grid,
        LOCAL_ARG real* phi, GLOBAL real* result) {
    real mine[20];
    if (atom >= 0)
        gatherPlane(mesh, i, &start[3*atom], &weights[12*WIDTH*atom], mine);
    for (int n = 0; n < 20; n++)
        byPlane[(slot*WIDTH+i)*20+n] = (atom >= 0 ? mine[n] : 0);
    SYNC_THREADS;
    for (int part = 0; part < 20; part += WIDTH) {
        int n = part+i;
        if (n < 20) {
            real sum = 0;
            for (int p = 0; p < WIDTH; p++)
                sum += byPlane[(slot*WIDTH+p)*20+n];
            grid[slot*20+n] = sum;
        }
    }
    SYNC_THREADS;
    for (int part = 0; part < 20; part += WIDTH) {
        int n = part+i;
        if (n < 20)
            phi[slot*20+n] = toCartesian(n, &grid[slot*20], toGrid);
        if (n < 20 && atom >= 0)
            result[20*atom+n] = phi[slot*20+n];
    }
    SYNC_THREADS;
}

/** After the first round: induced moments as soon as an atom's potential is there, and spread right away for the second round. */
KERNEL void gatherAndInduce(GLOBAL const real* RESTRICT mesh, GLOBAL const int* RESTRICT order, GLOBAL const mixed* RESTRICT toGrid,
        GLOBAL const int* RESTRICT start, GLOBAL const real* RESTRICT weights, GLOBAL const mixed* RESTRICT positions,
        GLOBAL const real* RESTRICT permanent, GLOBAL const real* RESTRICT softness, GLOBAL const real* RESTRICT polarizability,
        GLOBAL const mixed* RESTRICT sums, mixed fieldX, mixed fieldY, mixed fieldZ, mixed inverseVolume, int inField,
        GLOBAL real* RESTRICT phi, GLOBAL real* RESTRICT potential, GLOBAL real* RESTRICT electricField, GLOBAL real* RESTRICT induced,
        GLOBAL mm_ulong* RESTRICT nextMesh) {
    LOCAL real byPlane[20*GROUP_SIZE];
    LOCAL real grid[20*GROUP_ATOMS];
    LOCAL real phiOf[20*GROUP_ATOMS];
    mixed scale = (inField ? latentScale(sums, inverseVolume) : 0);
    mixed field[3] = {scale*fieldX, scale*fieldY, scale*fieldZ};
    int slot = LOCAL_ID/WIDTH, i = LOCAL_ID%WIDTH;
    for (int first = GROUP_ID*GROUP_ATOMS; first < NUM_PARTICLES; first += NUM_GROUPS*GROUP_ATOMS) {
        int atom = (first+slot < NUM_PARTICLES ? order[first+slot] : -1);
        gatherInGroup(atom, slot, i, mesh, toGrid, start, weights, byPlane, grid, phiOf, phi);
        if (atom >= 0) {
            // Each of the atom's threads needs all of its induced moment; the first one writes it.
            real p[4], m[10];
            for (int n = 0; n < 4; n++)
                p[n] = phiOf[20*slot+n];
            inducedMoment(p, atom, positions, permanent, softness, polarizability, sums, field, inField, m);
            if (i == 0)
                writeInduced(p, atom, permanent, m, potential, electricField, induced);
#ifdef INDUCES
            spreadPlane(m, i, toGrid, &start[3*atom], &weights[12*WIDTH*atom], nextMesh);
#endif
        }
        SYNC_THREADS;
    }
}

KERNEL void gather(GLOBAL const real* RESTRICT mesh, GLOBAL const int* RESTRICT order, GLOBAL const mixed* RESTRICT toGrid,
        GLOBAL const int* RESTRICT start, GLOBAL const real* RESTRICT weights, GLOBAL real* RESTRICT phi) {
    LOCAL real byPlane[20*GROUP_SIZE];
    LOCAL real grid[20*GROUP_ATOMS];
    LOCAL real phiOf[20*GROUP_ATOMS];
    int slot = LOCAL_ID/WIDTH, i = LOCAL_ID%WIDTH;
    for (int first = GROUP_ID*GROUP_ATOMS; first < NUM_PARTICLES; first += NUM_GROUPS*GROUP_ATOMS) {
        int atom = (first+slot < NUM_PARTICLES ? order[first+slot] : -1);
        gatherInGroup(atom, slot, i, mesh, toGrid, start, weights, byPlane, grid, phiOf, phi);
        SYNC_THREADS;
    }
}

KERNEL void gatherPotential(int numPoints, GLOBAL const real* RESTRICT mesh, GLOBAL const int* RESTRICT start,
        GLOBAL const real* RESTRICT weights, GLOBAL real* RESTRICT potential) {
    for (int point = GLOBAL_ID; point < numPoints; point += GLOBAL_SIZE) {
        potential[point] = 0;
        for (int i = 0; i < WIDTH; i++) {
            real grid[20];
            gatherPlane(mesh, i, &start[3*point], &weights[12*WIDTH*point], grid);
            potential[point] += grid[0];
        }
    }
}

// The reciprocal sum on a mesh (theory.md section 5). WIDTH window points along each axis, polynomials of DEGREE.
// Places on the mesh are prepared once a step: the first window point of each axis, and the window's weights
// weights[((point*3 + axis)*4 + order)*WIDTH + p] of all orders of derivative.

KERNEL void placeOnMesh(int numPoints, GLOBAL const mixed* RESTRICT positions, GLOBAL const mixed* RESTRICT toGrid,
        GLOBAL const real* RESTRICT coefficients, GLOBAL int* RESTRICT start, GLOBAL real* RESTRICT weights) {
    const int size[3] = {MESH_X, MESH_Y, MESH_Z};
    for (int index = GLOBAL_ID; index < 3*numPoints; index += GLOBAL_SIZE) {
        int point = index/3, axis = index-3*point;
        mixed u = positions[3*point]*toGrid[3*axis]+positions[3*point+1]*toGrid[3*axis+1]+positions[3*point+2]*toGrid[3*axis+2];
        u -= size[axis]*floor(u/size[axis]);
        mixed left = u-0.5f*WIDTH;
        int first = (int) floor(left)+1;
        real t = (real) (left-floor(left)-0.5f);
        start[index] = (first+2*size[axis])%size[axis];
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
DEVICE void sourceInGridUnits(GLOBAL const real* RESTRICT m, GLOBAL const mixed* RESTRICT toGrid, real* s) {
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

/** One thread for each of an atom's window planes. Fixed point, so that the sum does not depend on the order. */
KERNEL void spread(GLOBAL const real* RESTRICT sources, GLOBAL const mixed* RESTRICT toGrid, GLOBAL const int* RESTRICT start,
        GLOBAL const real* RESTRICT weights, GLOBAL mm_ulong* RESTRICT mesh) {
    for (int index = GLOBAL_ID; index < NUM_PARTICLES*WIDTH; index += GLOBAL_SIZE) {
        int atom = index/WIDTH, i = index-atom*WIDTH;
        real s[10];
        sourceInGridUnits(&sources[10*atom], toGrid, s);
        GLOBAL const real* x = &weights[12*WIDTH*atom];
        GLOBAL const real* y = x+4*WIDTH;
        GLOBAL const real* z = x+8*WIDTH;
        int plane = start[3*atom]+i;
        plane -= (plane >= MESH_X ? MESH_X : 0);
        // a_mn multiplies the m-th derivative along y and the n-th along z.
        real x0 = x[i], x1 = x[WIDTH+i], x2 = x[2*WIDTH+i];
        real a00 = s[0]*x0+s[1]*x1+s[4]*x2, a10 = s[2]*x0+s[5]*x1, a20 = s[7]*x0;
        real a01 = s[3]*x0+s[6]*x1, a11 = s[8]*x0, a02 = s[9]*x0;
        for (int j = 0; j < WIDTH; j++) {
            int row = start[3*atom+1]+j;
            row -= (row >= MESH_Y ? MESH_Y : 0);
            real y0 = y[j], y1 = y[WIDTH+j], y2 = y[2*WIDTH+j];
            real z0 = a00*y0+a10*y1+a20*y2, z1 = a01*y0+a11*y1, z2 = a02*y0;
            for (int k = 0; k < WIDTH; k++) {
                int column = start[3*atom+2]+k;
                column -= (column >= MESH_Z ? MESH_Z : 0);
                real value = z0*z[k]+z1*z[WIDTH+k]+z2*z[2*WIDTH+k];
                ATOMIC_ADD(&mesh[(plane*MESH_Y+row)*MESH_Z+column], (mm_ulong) (mm_long) (value*FIXED_POINT_SCALE));
            }
        }
    }
}

KERNEL void meshToReal(GLOBAL const mm_long* RESTRICT fixedMesh, GLOBAL real* RESTRICT mesh) {
    for (int i = GLOBAL_ID; i < MESH_X*MESH_Y*MESH_Z; i += GLOBAL_SIZE)
        mesh[i] = ((real) fixedMesh[i])/FIXED_POINT_SCALE;
}

KERNEL void convolve(GLOBAL real2* RESTRICT spectrum, GLOBAL const real* RESTRICT influence) {
    for (int i = GLOBAL_ID; i < MESH_X*MESH_Y*(MESH_Z/2+1); i += GLOBAL_SIZE) {
        real2 value = spectrum[i];
        real g = influence[i];
        spectrum[i] = make_real2(value.x*g, value.y*g);
    }
}

/** Derivatives in grid units at one place. */
DEVICE void gatherOne(GLOBAL const real* RESTRICT mesh, GLOBAL const int* RESTRICT start, GLOBAL const real* RESTRICT weights, real* grid) {
    GLOBAL const real* x = weights;
    GLOBAL const real* y = x+4*WIDTH;
    GLOBAL const real* z = x+8*WIDTH;
    for (int n = 0; n < 20; n++)
        grid[n] = 0;
    for (int i = 0; i < WIDTH; i++) {
        int plane = start[0]+i;
        plane -= (plane >= MESH_X ? MESH_X : 0);
        // byY[order along y][order along z]
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
        grid[0] += x0*v00;
        grid[1] += x1*v00; grid[2] += x0*v10; grid[3] += x0*v01;
        grid[4] += x2*v00; grid[5] += x1*v10; grid[6] += x1*v01; grid[7] += x0*v20; grid[8] += x0*v11; grid[9] += x0*v02;
        grid[10] += x3*v00; grid[11] += x2*v10; grid[12] += x2*v01; grid[13] += x1*v20; grid[14] += x1*v11; grid[15] += x1*v02;
        grid[16] += x0*v30; grid[17] += x0*v21; grid[18] += x0*v12; grid[19] += x0*v03;
    }
}

KERNEL void gather(GLOBAL const real* RESTRICT mesh, GLOBAL const mixed* RESTRICT toGrid, GLOBAL const int* RESTRICT start,
        GLOBAL const real* RESTRICT weights, GLOBAL real* RESTRICT phi) {
    real T[9];
    for (int i = 0; i < 9; i++)
        T[i] = (real) toGrid[i];
    for (int atom = GLOBAL_ID; atom < NUM_PARTICLES; atom += GLOBAL_SIZE) {
        real grid[20];
        gatherOne(mesh, &start[3*atom], &weights[12*WIDTH*atom], grid);
        GLOBAL real* result = &phi[20*atom];
        result[0] = grid[0];
        // One index after the other from grid units to Cartesian.
        for (int a = 0; a < 3; a++) {
            result[1+a] = T[a]*grid[1]+T[3+a]*grid[2]+T[6+a]*grid[3];
            for (int b = a; b < 3; b++) {
                real sum = 0;
                for (int d = 0; d < 3; d++)
                    for (int e = 0; e < 3; e++)
                        sum += T[3*d+a]*T[3*e+b]*grid[4+second(d, e)];
                result[4+second(a, b)] = sum;
                real partial[3];
                for (int f = 0; f < 3; f++) {
                    partial[f] = 0;
                    for (int d = 0; d < 3; d++)
                        for (int e = 0; e < 3; e++)
                            partial[f] += T[3*d+a]*T[3*e+b]*grid[10+third(d, e, f)];
                }
                for (int c = b; c < 3; c++)
                    result[10+third(a, b, c)] = T[c]*partial[0]+T[3+c]*partial[1]+T[6+c]*partial[2];
            }
        }
    }
}

KERNEL void gatherPotential(int numPoints, GLOBAL const real* RESTRICT mesh, GLOBAL const int* RESTRICT start,
        GLOBAL const real* RESTRICT weights, GLOBAL real* RESTRICT potential) {
    for (int point = GLOBAL_ID; point < numPoints; point += GLOBAL_SIZE) {
        real grid[20];
        gatherOne(mesh, &start[3*point], &weights[12*WIDTH*point], grid);
        potential[point] = grid[0];
    }
}

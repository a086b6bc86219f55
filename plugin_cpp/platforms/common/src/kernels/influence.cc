// What depends on the box: the transformation from positions to the mesh, and the influence function (theory.md sections 2 and 5).

/** toFractional[3 d + a] = d(fractional coordinate d)/d(Cartesian coordinate a), in 1/A. */
KERNEL void setBox(int sizeX, int sizeY, int sizeZ, mixed xx, mixed xy, mixed xz, mixed yx, mixed yy, mixed yz, mixed zx, mixed zy, mixed zz,
        GLOBAL mixed* RESTRICT toFractional, GLOBAL real* RESTRICT derivativeTransform) {
    const mixed F[9] = {xx, xy, xz, yx, yy, yz, zx, zy, zz};
    const mixed G[9] = {sizeX*xx, sizeX*xy, sizeX*xz, sizeY*yx, sizeY*yy, sizeY*yz, sizeZ*zx, sizeZ*zy, sizeZ*zz};
    if (GLOBAL_ID == 0)
        for (int n = 0; n < 9; n++)
            toFractional[n] = F[n];
    // derivativeTransform[10 n + i]: the coefficient of the i-th derivative in grid units, of the same order, in the n-th Cartesian one.
    for (int index = GLOBAL_ID; index < 200; index += GLOBAL_SIZE) {
        int n = index/10, i = index-10*n, order = orderOf(n), entry = n-firstOfOrder(order);
        int notX = axesNotX(entry), z = axesZ(entry);
        int a = (0 < order-notX ? 0 : 0 < order-z ? 1 : 2);
        int b = (1 < order-notX ? 0 : 1 < order-z ? 1 : 2);
        int c = (2 < order-notX ? 0 : 2 < order-z ? 1 : 2);
        mixed sum = (order == 0 && i == 0 ? 1 : 0);
        for (int d = 0; d < 3; d++) {
            if (order == 1 && i == d)
                sum += G[3*d+a];
            for (int e = 0; e < 3; e++) {
                if (order == 2 && i == second(d, e))
                    sum += G[3*d+a]*G[3*e+b];
                for (int f = 0; f < 3; f++)
                    if (order == 3 && i == third(d, e, f))
                        sum += G[3*d+a]*G[3*e+b]*G[3*f+c];
            }
        }
        derivativeTransform[index] = (real) sum;
    }
}

/**
 * g(k)/V / |W^(k)|^2 for [sizeX][sizeY][sizeZ/2+1], 0 at k = 0 and beyond a hard cutoff. The same formula as in openmmapi/src/MeshChoice.cpp.
 *
 * deconvolution: 1/W^ for the frequencies of each axis, one axis after the other
 * scale: 4 pi k_e / V      kMaxSquared: 0 without a hard cutoff
 */
KERNEL void setInfluence(int sizeX, int sizeY, int sizeZ, GLOBAL const mixed* RESTRICT toFractional, GLOBAL const real* RESTRICT deconvolution,
        mixed scale, mixed halfSigmaSquared, mixed kMaxSquared, GLOBAL real* RESTRICT influence) {
    const mixed TWO_PI = (mixed) 0.5*FOUR_PI;
    int rowSize = sizeZ/2+1;
    mixed F[9];
    for (int n = 0; n < 9; n++)
        F[n] = TWO_PI*toFractional[n];
    for (int index = GLOBAL_ID; index < sizeX*sizeY*rowSize; index += GLOBAL_SIZE) {
        int row = index/rowSize, l = index-row*rowSize, i = row/sizeY, j = row-i*sizeY;
        int frequencyX = (i <= sizeX/2 ? i : i-sizeX), frequencyY = (j <= sizeY/2 ? j : j-sizeY);
        // The highest frequency of an even size stands for both of its signs (see MeshChoice.cpp).
        int signsX = (2*i == sizeX ? 2 : 1), signsY = (2*j == sizeY ? 2 : 1), signsZ = (2*l == sizeZ ? 2 : 1);
        real sum = 0;
        for (int x = 0; x < signsX; x++)
            for (int y = 0; y < signsY; y++)
                for (int z = 0; z < signsZ; z++) {
                    mixed nX = (x == 1 ? -i : frequencyX), nY = (y == 1 ? -j : frequencyY), nZ = (z == 1 ? -l : l), k2 = 0;
                    for (int a = 0; a < 3; a++) {
                        mixed k = nX*F[a]+nY*F[3+a]+nZ*F[6+a];
                        k2 += k*k;
                    }
                    bool isInside = (index > 0 && (kMaxSquared == 0 || k2 <= kMaxSquared));
                    sum += (isInside ? (real) (scale/k2)*EXP(-(real) (halfSigmaSquared*k2)) : 0);
                }
        real w = deconvolution[i]*deconvolution[sizeX+j]*deconvolution[sizeX+sizeY+l];
        influence[index] = sum/(signsX*signsY*signsZ)*w*w;
    }
}

KERNEL void convolve(int size, GLOBAL const real* RESTRICT influence, GLOBAL real2* RESTRICT spectrum) {
    for (int i = GLOBAL_ID; i < size; i += GLOBAL_SIZE) {
        real2 value = spectrum[i];
        real g = influence[i];
        spectrum[i] = make_real2(value.x*g, value.y*g);
    }
}

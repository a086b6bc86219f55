// Symmetric tensors are stored as xx xy xz yy yz zz, and xxx xxy xxz xyy xyz xzz yyy yyz yzz zzz. A potential with its
// derivatives consists of 20 numbers: value, 3 first, 6 second, 10 third. A multipole has 10: charge, 3 dipole, 6 quadrupole.

DEVICE int second(int a, int b) {
    int low = min(a, b), high = max(a, b);
    return low*(5-low)/2+high;
}

DEVICE int third(int a, int b, int c) {
    // The six components that begin with x are in the order of second(), followed by those of y and z only.
    int y = (a == 1)+(b == 1)+(c == 1), z = (a == 2)+(b == 2)+(c == 2);
    int notX = y+z;
    return notX*(notX+1)/2+z;
}

/** The order of the n-th of the 20 derivatives. */
DEVICE int orderOf(int n) {
    return (n >= 1)+(n >= 4)+(n >= 10);
}

/** The number of derivatives of lower order, that is the index of the first one of this order. */
DEVICE int firstOfOrder(int order) {
    return order*(order+1)*(order+2)/6;
}

DEVICE int numberOfOrder(int order) {
    return (order+1)*(order+2)/2;
}

/** How many axes of the entry-th derivative of its order are not x; axesZ(): how many are z. */
DEVICE int axesNotX(int entry) {
    return (entry >= 1)+(entry >= 3)+(entry >= 6);
}

DEVICE int axesZ(int entry) {
    int notX = axesNotX(entry);
    return entry-notX*(notX+1)/2;
}

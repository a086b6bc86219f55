// Induced moments that feel each other (theory.md section 9): the vectors of conjugate gradients. Four numbers an atom: a
// potential and its gradient (what atoms feel), or a charge and a dipole (what they take up). A multipole has ten numbers.

/** What induced moments (10 numbers an atom) make the other atoms feel: their potential without each atom's own part. */
DEVICE real feltOf(GLOBAL const real* phiInduced, GLOBAL const real* induced, int i, int n) {
    return phiInduced[20*i+n]-(n == 0 ? OWN_CHARGE : OWN_DIPOLE)*induced[10*i+n];
}

/** Keeps what the permanent moments make atoms feel, and adds to it what the induced ones are expected to. */
KERNEL void startMutual(int known, mixed w0, mixed w1, mixed w2, mixed w3, mixed w4, int first, GLOBAL const real* RESTRICT history,
        GLOBAL real* RESTRICT potential, GLOBAL real* RESTRICT electricField, GLOBAL real* RESTRICT permanentFelt,
        GLOBAL real* RESTRICT guess) {
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE)
        for (int n = 0; n < 4; n++) {
            real felt = (n == 0 ? potential[i] : -electricField[3*i+n-1]);
            permanentFelt[4*i+n] = felt;
            mixed expected = 0;
            for (int step = 0; step < known; step++) {
                mixed weight = (step == 0 ? w0 : step == 1 ? w1 : step == 2 ? w2 : step == 3 ? w3 : w4);
                expected += weight*history[4*NUM_PARTICLES*((first+step)%PREDICTOR_STEPS)+4*i+n];
            }
            guess[4*i+n] = (real) expected;
            felt += (real) expected;
            if (n == 0)
                potential[i] = felt;
            else
                electricField[3*i+n-1] = -felt;
        }
}

/** The moments that what the atoms feel induces, in a field, with what has flowed; products: y R y of each atom. */
KERNEL void respondInField(GLOBAL const mixed* RESTRICT positions, GLOBAL const real* RESTRICT softness,
        GLOBAL const real* RESTRICT polarizability, GLOBAL const real* RESTRICT flowCharges, GLOBAL const mixed* RESTRICT sums,
        mixed fieldX, mixed fieldY, mixed fieldZ, mixed inverseVolume, int inField, GLOBAL const real* RESTRICT potential,
        GLOBAL const real* RESTRICT electricField, GLOBAL real* RESTRICT induced, GLOBAL mixed* RESTRICT products
#ifdef CONSTRAINED
        , GLOBAL const int* RESTRICT groupOf, GLOBAL const mixed* RESTRICT levels
#endif
        ) {
    mixed scale = (inField ? latentScale(sums, inverseVolume) : 0);
    mixed field[3] = {scale*fieldX, scale*fieldY, scale*fieldZ};
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE) {
        real m[4] = {0, 0, 0, 0};
        mixed product = 0;
#ifdef HAS_SOFTNESS
        mixed felt = potential[i];
        int isConstrained = 0;
#ifdef GROUPS
        isConstrained = (groupOf[i] >= 0);
#endif
        if (inField)
            felt = potentialInField(felt, &positions[3*i], sums, field, isConstrained);
#ifdef CONSTRAINED
        if (groupOf[i] >= 0)
            felt += levels[groupOf[i]];
#endif
        m[0] = -softness[i]*(real) felt;
        product = -m[0]*felt;
#endif
#ifdef CONDUCTS
        m[0] += flowCharges[i];
        product += fabs(flowCharges[i]*potential[i]);
#endif
#ifdef HAS_POLARIZABILITY
        GLOBAL const real* alpha = &polarizability[9*i];
        for (int a = 0; a < 3; a++) {
            for (int b = 0; b < 3; b++)
                m[1+a] += 0.5f*(alpha[3*a+b]+alpha[3*b+a])*(electricField[3*i+b]+(real) field[b]);
            product += m[1+a]*(electricField[3*i+a]+field[a]);
        }
#endif
        for (int n = 0; n < 10; n++)
            induced[10*i+n] = (n < 4 ? m[n] : 0);
        products[i] = product;
    }
}

/** The residual of the guess, and the solution as it is so far. */
KERNEL void firstResidual(GLOBAL const real* RESTRICT guess, GLOBAL const real* RESTRICT phiInduced, GLOBAL const real* RESTRICT induced,
        GLOBAL real* RESTRICT residual, GLOBAL real* RESTRICT solution, GLOBAL real* RESTRICT directionFelt, GLOBAL real* RESTRICT flowPotential) {
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE)
        for (int n = 0; n < 4; n++) {
            real r = guess[4*i+n]-feltOf(phiInduced, induced, i, n);
            residual[4*i+n] = r;
            solution[4*i+n] = induced[10*i+n];
            directionFelt[4*i+n] = 0;
            if (n == 0)
                flowPotential[i] = -r;
        }
}

/** R applied to the residual; products: of the two. Means: of groups, within which charges of the sum zero are induced. */
KERNEL void precondition(GLOBAL const real* RESTRICT softness, GLOBAL const real* RESTRICT polarizability,
        GLOBAL const real* RESTRICT flowCharges, GLOBAL const real* RESTRICT residual, GLOBAL real* RESTRICT preconditioned,
        GLOBAL mixed* RESTRICT products
#ifdef GROUPS
        , GLOBAL const int* RESTRICT groupOf, GLOBAL const mixed* RESTRICT means
#endif
        ) {
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE) {
        real z[4] = {0, 0, 0, 0};
#ifdef HAS_SOFTNESS
        z[0] = softness[i]*residual[4*i];
#ifdef GROUPS
        if (groupOf[i] >= 0)
            z[0] -= softness[i]*(real) means[groupOf[i]];
#endif
#endif
#ifdef CONDUCTS
        z[0] += flowCharges[i];
#endif
#ifdef HAS_POLARIZABILITY
        GLOBAL const real* alpha = &polarizability[9*i];
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++)
                z[1+a] += 0.5f*(alpha[3*a+b]+alpha[3*b+a])*residual[4*i+1+b];
#endif
        mixed product = 0;
        for (int n = 0; n < 4; n++) {
            preconditioned[4*i+n] = z[n];
            product += (mixed) z[n]*residual[4*i+n];
        }
        products[i] = product;
    }
}

/** The sum of the products, by one work group. */
KERNEL void sumProducts(GLOBAL const mixed* RESTRICT products, GLOBAL mixed* RESTRICT result, int place) {
    LOCAL mixed buffer[REDUCTION_SIZE];
    mixed sum = 0;
    for (int i = LOCAL_ID; i < NUM_PARTICLES; i += LOCAL_SIZE)
        sum += products[i];
    reduceSum(sum, buffer, &result[place]);
}

/** The next direction, in what is felt and in what is taken up. */
KERNEL void nextDirection(mixed beta, GLOBAL const real* RESTRICT residual, GLOBAL const real* RESTRICT preconditioned,
        GLOBAL real* RESTRICT directionFelt, GLOBAL real* RESTRICT direction) {
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE)
        for (int n = 0; n < 4; n++) {
            directionFelt[4*i+n] = residual[4*i+n]+(real) beta*directionFelt[4*i+n];
            direction[10*i+n] = preconditioned[4*i+n]+(real) beta*direction[10*i+n];
        }
}

/** (R^-1 + T) applied to the direction; products: of the two. */
KERNEL void applyMatrix(GLOBAL const real* RESTRICT directionFelt, GLOBAL const real* RESTRICT phiInduced, GLOBAL const real* RESTRICT direction,
        GLOBAL real* RESTRICT applied, GLOBAL mixed* RESTRICT products) {
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE) {
        mixed product = 0;
        for (int n = 0; n < 4; n++) {
            real value = directionFelt[4*i+n]+feltOf(phiInduced, direction, i, n);
            applied[4*i+n] = value;
            product += (mixed) value*direction[10*i+n];
        }
        products[i] = product;
    }
}

/** A step along the direction; sums[1]: of residual and preconditioned residual, [2]: of direction and matrix times direction. */
KERNEL void stepAlong(GLOBAL const mixed* RESTRICT sums, GLOBAL const real* RESTRICT direction, GLOBAL const real* RESTRICT applied,
        GLOBAL real* RESTRICT solution, GLOBAL real* RESTRICT residual, GLOBAL real* RESTRICT flowPotential) {
    real length = (real) (sums[2] > 0 ? sums[1]/sums[2] : 0);
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE)
        for (int n = 0; n < 4; n++) {
            solution[4*i+n] += length*direction[10*i+n];
            real r = residual[4*i+n]-length*applied[4*i+n];
            residual[4*i+n] = r;
            if (n == 0)
                flowPotential[i] = -r;
        }
}

KERNEL void writeSolution(GLOBAL const real* RESTRICT solution, GLOBAL real* RESTRICT induced) {
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE)
        for (int n = 0; n < 10; n++)
            induced[10*i+n] = (n < 4 ? solution[4*i+n] : 0);
}

/** What the atoms feel of everything, and of the induced moments, which are kept for the next steps' guess. */
KERNEL void endMutual(int place, GLOBAL const real* RESTRICT permanentFelt, GLOBAL const real* RESTRICT phiInduced,
        GLOBAL const real* RESTRICT induced, GLOBAL real* RESTRICT history, GLOBAL real* RESTRICT potential, GLOBAL real* RESTRICT electricField) {
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE)
        for (int n = 0; n < 4; n++) {
            real fromInduced = feltOf(phiInduced, induced, i, n);
            history[4*NUM_PARTICLES*place+4*i+n] = fromInduced;
            real felt = permanentFelt[4*i+n]+fromInduced;
            if (n == 0)
                potential[i] = felt;
            else
                electricField[3*i+n-1] = -felt;
        }
}

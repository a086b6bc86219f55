// Induced moments, energy and derivatives (theory.md sections 3, 4 and 6), with one thread per atom.

/** An atom's multipole from the source's arrays, with the symmetric traceless part of the quadrupole. */
DEVICE void momentsOf(int i, GLOBAL const real* charges, GLOBAL const real* dipoles, GLOBAL const real* quadrupoles,
        real* m) {
    GLOBAL const real* Q = &quadrupoles[9*i];
    real average = (Q[0]+Q[4]+Q[8])/3;
    m[0] = charges[i];
    for (int a = 0; a < 3; a++) {
        m[1+a] = dipoles[3*i+a];
        for (int b = a; b < 3; b++)
            m[4+second(a, b)] = 0.5f*(Q[3*a+b]+Q[3*b+a])-(a == b ? average : 0);
    }
}

KERNEL void readMoments(GLOBAL const real* RESTRICT charges, GLOBAL const real* RESTRICT dipoles, GLOBAL const real* RESTRICT quadrupoles,
        GLOBAL real* RESTRICT permanent) {
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE) {
        real m[10];
        momentsOf(i, charges, dipoles, quadrupoles, m);
        for (int n = 0; n < 10; n++)
            permanent[10*i+n] = m[n];
    }
}

// Sums over all atoms that an external field needs, sums[0]: sum tr(alpha)/3 with that of flows, [1]: sum kappa, [2-4]: sum kappa r, [5]: sum dq.
// Atoms whose group has a given charge are not in the latter: the origin of the field's potential does not matter to them.

/** The sum over one work group; called only with a field. */
DEVICE void reduceSum(mixed value, LOCAL_ARG mixed* buffer, GLOBAL mixed* result) {
    buffer[LOCAL_ID] = value;
    SYNC_THREADS;
    for (int offset = REDUCTION_SIZE/2; offset > 0; offset /= 2) {
        if (LOCAL_ID < offset)
            buffer[LOCAL_ID] += buffer[LOCAL_ID+offset];
        SYNC_THREADS;
    }
    if (LOCAL_ID == 0)
        result[0] = buffer[0];
    SYNC_THREADS;
}

KERNEL void sumForField(GLOBAL const mixed* RESTRICT positions, GLOBAL const real* RESTRICT softness,
        GLOBAL const real* RESTRICT polarizability, GLOBAL const real* RESTRICT flowPolarizability, GLOBAL mixed* RESTRICT sums
#ifdef GROUPS
        , GLOBAL const int* RESTRICT groupOf
#endif
        ) {
    LOCAL mixed buffer[REDUCTION_SIZE];
    mixed alpha = 0, kappa = 0, x = 0, y = 0, z = 0;
    for (int i = LOCAL_ID; i < NUM_PARTICLES; i += LOCAL_SIZE) {
#ifdef HAS_POLARIZABILITY
        alpha += (polarizability[9*i]+polarizability[9*i+4]+polarizability[9*i+8])/3;
#endif
#ifdef CONDUCTS
        alpha += flowPolarizability[i];
#endif
#ifdef HAS_SOFTNESS
#ifdef GROUPS
        if (groupOf[i] >= 0)
            continue;
#endif
        kappa += softness[i];
        x += softness[i]*positions[3*i];
        y += softness[i]*positions[3*i+1];
        z += softness[i]*positions[3*i+2];
#endif
    }
    reduceSum(alpha, buffer, &sums[0]);
    reduceSum(kappa, buffer, &sums[1]);
    reduceSum(x, buffer, &sums[2]);
    reduceSum(y, buffer, &sums[3]);
    reduceSum(z, buffer, &sums[4]);
}

KERNEL void sumInducedCharges(GLOBAL const real* RESTRICT induced, GLOBAL mixed* RESTRICT sums
#ifdef GROUPS
        , GLOBAL const int* RESTRICT groupOf
#endif
        ) {
    LOCAL mixed buffer[REDUCTION_SIZE];
    mixed sum = 0;
    for (int i = LOCAL_ID; i < NUM_PARTICLES; i += LOCAL_SIZE)
#ifdef GROUPS
        if (groupOf[i] < 0)
#endif
            sum += induced[10*i];
    reduceSum(sum, buffer, &sums[5]);
}

/** s, the scale of an external field */
DEVICE mixed latentScale(GLOBAL const mixed* sums, mixed inverseVolume) {
    mixed screening = EPS_INF;
#ifdef PERIODIC
    mixed chi = FOUR_PI*COULOMB*sums[0]*inverseVolume;
#ifdef ONE_STEP
    screening *= 1-chi;
#else
    screening /= 1+chi;
#endif
#endif
    return sqrt(screening);
}

/** Phi' with the potential of the field: in a cluster -E.(r - r_c), r_c = sum kappa r / sum kappa, or -E.r in a group of given charge. */
DEVICE mixed potentialInField(mixed potential, GLOBAL const mixed* r, GLOBAL const mixed* sums, const mixed* field, int isConstrained) {
#ifndef PERIODIC
    for (int a = 0; a < 3; a++)
        if (isConstrained)
            potential -= field[a]*r[a];
        else if (sums[1] > 0)
            potential -= field[a]*(r[a]-sums[2+a]/sums[1]);
#endif
    return potential;
}

/** E' = -(grad Phi without the atom's own part) */
DEVICE real fieldAt(const real* p, GLOBAL const real* m, int a) {
    return OWN_DIPOLE*m[1+a]-p[1+a];
}

/** dq = -kappa Phi', dmu = alpha E' from the potential p and its gradient at atom i. */
DEVICE void inducedMoment(const real* p, int i, GLOBAL const mixed* positions, GLOBAL const real* permanent,
        GLOBAL const real* softness, GLOBAL const real* polarizability, GLOBAL const mixed* sums,
        const mixed* field, int inField, real* induced) {
    GLOBAL const real* m = &permanent[10*i];
    for (int n = 0; n < 10; n++)
        induced[n] = 0;
#ifdef HAS_SOFTNESS
    mixed total = p[0]-OWN_CHARGE*m[0];
    if (inField)
        total = potentialInField(total, &positions[3*i], sums, field, 0);
    induced[0] = -softness[i]*(real) total;
#endif
#ifdef HAS_POLARIZABILITY
    GLOBAL const real* alpha = &polarizability[9*i];
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            induced[1+a] += 0.5f*(alpha[3*a+b]+alpha[3*b+a])*(fieldAt(p, m, b)+(real) field[b]);
#endif
}

DEVICE void writeInduced(const real* p, int i, GLOBAL const real* permanent, const real* moment, GLOBAL real* potential,
        GLOBAL real* electricField, GLOBAL real* induced) {
    GLOBAL const real* m = &permanent[10*i];
    potential[i] = p[0]-OWN_CHARGE*m[0];
    for (int a = 0; a < 3; a++)
        electricField[3*i+a] = fieldAt(p, m, a);
    for (int n = 0; n < 10; n++)
        induced[10*i+n] = moment[n];
}

#ifdef EMBEDDED
/** Adds the potential of the point charges around the atoms to that of the permanent moments. */
KERNEL void addCharges(GLOBAL const real* RESTRICT phiCharges, GLOBAL real* RESTRICT phi) {
    for (int i = GLOBAL_ID; i < 20*NUM_PARTICLES; i += GLOBAL_SIZE)
        phi[i] += phiCharges[i];
}

/** From the potential of permanent and induced moments to that of the induced ones; phi: of the permanent ones and the charges. */
KERNEL void removePermanent(GLOBAL const real* RESTRICT phi, GLOBAL const real* RESTRICT phiCharges, GLOBAL real* RESTRICT phiInduced) {
    for (int i = GLOBAL_ID; i < 20*NUM_PARTICLES; i += GLOBAL_SIZE)
        phiInduced[i] -= phi[i]-phiCharges[i];
}
#endif

KERNEL void induce(GLOBAL const mixed* RESTRICT positions, GLOBAL const real* RESTRICT permanent, GLOBAL const real* RESTRICT softness,
        GLOBAL const real* RESTRICT polarizability, GLOBAL const mixed* RESTRICT sums,
        mixed fieldX, mixed fieldY, mixed fieldZ, mixed inverseVolume, int inField, GLOBAL const real* RESTRICT phi,
        GLOBAL real* RESTRICT potential, GLOBAL real* RESTRICT electricField, GLOBAL real* RESTRICT induced) {
    mixed scale = (inField ? latentScale(sums, inverseVolume) : 0);
    mixed field[3] = {scale*fieldX, scale*fieldY, scale*fieldZ};
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE) {
        real p[4], m[10];
        for (int n = 0; n < 4; n++)
            p[n] = phi[20*i+n];
        inducedMoment(p, i, positions, permanent, softness, polarizability, sums, field, inField, m);
        writeInduced(p, i, permanent, m, potential, electricField, induced);
    }
}

/** Adds to the induced charges what has flowed between neighbours. */
KERNEL void addFlows(GLOBAL const real* RESTRICT flowCharges, GLOBAL real* RESTRICT induced) {
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE)
        induced[10*i] += flowCharges[i];
}

/** force -= M[grad Phi] */
DEVICE void addGradientOf(const real* m, GLOBAL const real* p, real* force) {
    for (int a = 0; a < 3; a++) {
        force[a] -= m[0]*p[1+a];
        for (int b = 0; b < 3; b++) {
            force[a] -= m[1+b]*p[4+second(a, b)];
            for (int c = 0; c < 3; c++)
                force[a] -= 0.5f*m[4+second(b, c)]*p[10+third(a, b, c)];
        }
    }
}

KERNEL void differentiate(GLOBAL const mixed* RESTRICT positions, GLOBAL const real* RESTRICT permanent, GLOBAL const real* RESTRICT softness,
        GLOBAL const real* RESTRICT polarizability, GLOBAL const real* RESTRICT phi, GLOBAL const real* RESTRICT phiInduced,
        GLOBAL const real* RESTRICT potential, GLOBAL const real* RESTRICT electricField, GLOBAL const real* RESTRICT induced,
        GLOBAL const mixed* RESTRICT sums, mixed fieldX, mixed fieldY, mixed fieldZ, mixed inverseVolume, int inField,
        GLOBAL mixed* RESTRICT energies, GLOBAL real* RESTRICT forces, GLOBAL real* RESTRICT chargeGradients,
        GLOBAL real* RESTRICT dipoleGradients, GLOBAL real* RESTRICT quadrupoleGradients, GLOBAL real* RESTRICT softnessGradients,
        GLOBAL real* RESTRICT polarizabilityGradients
#ifdef EMBEDDED
        , GLOBAL const real* RESTRICT phiCharges
#endif
#ifdef FLOWS
        , GLOBAL const real* RESTRICT localCharges, GLOBAL const real* RESTRICT flowCharges, GLOBAL const real* RESTRICT flowEnergies
#endif
#ifdef CONSTRAINED
        , GLOBAL const int* RESTRICT groupOf, GLOBAL const mixed* RESTRICT levels, GLOBAL const mixed* RESTRICT shares
#endif
        ) {
    mixed scale = (inField ? latentScale(sums, inverseVolume) : 0);
    mixed field[3] = {scale*fieldX, scale*fieldY, scale*fieldZ};
    for (int i = GLOBAL_ID; i < NUM_PARTICLES; i += GLOBAL_SIZE) {
        GLOBAL const real* p = &phi[20*i];
        real m[10], total[10], own[10];
        for (int n = 0; n < 10; n++) {
            m[n] = permanent[10*i+n];
            total[n] = m[n]+induced[10*i+n];
            // The potential of the atom's own smeared multipole, permanent and induced
            own[n] = (n == 0 ? OWN_CHARGE : n < 4 ? OWN_DIPOLE : OWN_QUADRUPOLE)*total[n];
        }
        // U_perm = 1/2 M[Phi'], without the own-atom part of the permanent moments
        mixed energy = 0.5f*m[0]*(p[0]-OWN_CHARGE*m[0]);
        for (int a = 0; a < 3; a++) {
            energy += 0.5f*m[1+a]*(p[1+a]-OWN_DIPOLE*m[1+a]);
            for (int b = 0; b < 3; b++)
                energy += 0.25f*m[4+second(a, b)]*(p[4+second(a, b)]-OWN_QUADRUPOLE*m[4+second(a, b)]);
        }
#ifdef EMBEDDED
        // Of the energy in the charges' potential, M[Phi_c], the lines above have half.
        GLOBAL const real* pc = &phiCharges[20*i];
        for (int n = 0; n < 4; n++)
            energy += 0.5f*m[n]*pc[n];
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++)
                energy += 0.25f*m[4+second(a, b)]*pc[4+second(a, b)];
#endif
        // Forces from raw potentials: the own-atom parts cancel between the two terms (theory.md section 4).
        real force[3] = {0, 0, 0};
        addGradientOf(total, p, force);
        real lambda[10];
        for (int n = 0; n < 10; n++)
            lambda[n] = p[n]-own[n];
#ifdef INDUCES
        GLOBAL const real* pInduced = &phiInduced[20*i];
        addGradientOf(m, pInduced, force);
        for (int n = 0; n < 10; n++)
            lambda[n] += pInduced[n];
#endif
#ifdef MUTUAL
        // The induced moments feel each other, which has half of the energy in their potential with the opposite sign.
        real mInduced[10];
        for (int n = 0; n < 10; n++)
            mInduced[n] = induced[10*i+n];
        addGradientOf(mInduced, pInduced, force);
        for (int n = 0; n < 4; n++)
            energy -= 0.5f*mInduced[n]*(pInduced[n]-(n == 0 ? OWN_CHARGE : OWN_DIPOLE)*mInduced[n]);
#endif
        real average = (lambda[4]+lambda[7]+lambda[9])/3;
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++)
                quadrupoleGradients[9*i+3*a+b] = 0.5f*(lambda[4+second(a, b)]-(a == b ? average : 0));
        mixed kappaGradient = 0;
        int isConstrained = 0;
#ifdef GROUPS
        isConstrained = (groupOf[i] >= 0);
#endif
#ifdef HAS_SOFTNESS
        mixed phiTotal = potential[i];
        if (inField)
            phiTotal = potentialInField(phiTotal, &positions[3*i], sums, field, isConstrained);
#ifdef CONSTRAINED
        if (groupOf[i] >= 0) {
            mixed level = levels[groupOf[i]];
            phiTotal += level;
            lambda[0] += (real) level;
            energy += level*(m[0]-shares[groupOf[i]]);
        }
#endif
        kappaGradient = -0.5f*phiTotal*phiTotal;
        energy += softness[i]*kappaGradient;
#endif
#ifdef HAS_POLARIZABILITY
        real E[3];
        for (int a = 0; a < 3; a++)
            E[a] = electricField[3*i+a]+(real) field[a];
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++) {
                polarizabilityGradients[9*i+3*a+b] = -0.5f*E[a]*E[b];
                energy -= 0.5f*E[a]*polarizability[9*i+3*a+b]*E[b];
            }
#endif
        real localCharge = m[0], flowed = 0;
#ifdef FLOWS
        // What neighbours have exchanged meets the field in their flows.
        localCharge = localCharges[i];
        energy += flowEnergies[i];
#endif
#ifdef CONDUCTS
        flowed = flowCharges[i];
#endif
        if (inField) {
            for (int a = 0; a < 3; a++) {
                energy -= field[a]*(localCharge*positions[3*i+a]+m[1+a]);
                lambda[1+a] -= (real) field[a];
                force[a] += (m[0]+flowed)*(real) field[a];
            }
#ifndef PERIODIC
            mixed work = 0, workFromCenter = 0;
            for (int a = 0; a < 3; a++)
                work += field[a]*positions[3*i+a];
            lambda[0] -= (real) work;
#ifdef HAS_SOFTNESS
            if (isConstrained)
                for (int a = 0; a < 3; a++)
                    force[a] += (real) (field[a]*(induced[10*i]-flowed));
            // r_c moves with the atoms and with their softness.
            else if (sums[1] > 0) {
                for (int a = 0; a < 3; a++) {
                    workFromCenter += field[a]*(positions[3*i+a]-sums[2+a]/sums[1]);
                    force[a] += (real) (field[a]*(induced[10*i]-flowed-softness[i]*sums[5]/sums[1]));
                }
                kappaGradient += sums[5]/sums[1]*workFromCenter;
            }
#endif
#endif
        }
        energies[i] = energy;
        chargeGradients[i] = lambda[0];
        softnessGradients[i] = (real) kappaGradient;
        for (int a = 0; a < 3; a++) {
            dipoleGradients[3*i+a] = lambda[1+a];
            forces[3*i+a] = force[a];
        }
    }
}

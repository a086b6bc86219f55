// Given total charges of groups of atoms in the response of charges (theory.md section 9). One work group sums over one group of atoms
// at a time, whose atoms are members[firstOf[g]] to members[firstOf[g+1]-1].

/** What softness of each group there is, and what charge it lacks; `fault` becomes 1 where there is none to take the charge up. */
KERNEL void sumGroups(GLOBAL const int* RESTRICT members, GLOBAL const int* RESTRICT firstOf, GLOBAL const real* RESTRICT charges,
        GLOBAL const real* RESTRICT softness, GLOBAL const mixed* RESTRICT givenCharges, GLOBAL mixed* RESTRICT softnessOf,
        GLOBAL mixed* RESTRICT lacking, GLOBAL mixed* RESTRICT fault) {
    LOCAL mixed buffer[REDUCTION_SIZE];
    for (int g = GROUP_ID; g < NUM_CHARGE_GROUPS; g += NUM_GROUPS) {
        mixed kappa = 0, charge = 0;
        for (int start = firstOf[g]; start < firstOf[g+1]; start += LOCAL_SIZE)
            if (start+LOCAL_ID < firstOf[g+1]) {
                int i = members[start+LOCAL_ID];
                kappa += softness[i];
                charge += charges[i];
            }
        reduceSum(kappa, buffer, &softnessOf[g]);
        reduceSum(charge, buffer, &lacking[g]);
        if (LOCAL_ID == 0) {
            lacking[g] = givenCharges[g]-lacking[g];
            if (softnessOf[g] == 0 && fabs(lacking[g]) > NEGLIGIBLE_CHARGE)
                fault[0] = 1;
        }
    }
}

/** The levels with which -softness (potential + level) gives each group the charge that it lacks. */
KERNEL void findLevels(GLOBAL const int* RESTRICT members, GLOBAL const int* RESTRICT firstOf, GLOBAL const mixed* RESTRICT positions,
        GLOBAL const real* RESTRICT softness, GLOBAL const real* RESTRICT potential, GLOBAL const mixed* RESTRICT sums,
        mixed fieldX, mixed fieldY, mixed fieldZ, mixed inverseVolume, int inField, GLOBAL const mixed* RESTRICT softnessOf,
        GLOBAL const mixed* RESTRICT lacking, GLOBAL mixed* RESTRICT levels) {
    LOCAL mixed buffer[REDUCTION_SIZE];
    mixed scale = (inField ? latentScale(sums, inverseVolume) : 0);
    mixed field[3] = {scale*fieldX, scale*fieldY, scale*fieldZ};
    for (int g = GROUP_ID; g < NUM_CHARGE_GROUPS; g += NUM_GROUPS) {
        mixed sum = 0;
        for (int start = firstOf[g]; start < firstOf[g+1]; start += LOCAL_SIZE)
            if (start+LOCAL_ID < firstOf[g+1]) {
                int i = members[start+LOCAL_ID];
                mixed felt = potential[i];
                if (inField)
                    felt = potentialInField(felt, &positions[3*i], sums, field, 1);
                sum += softness[i]*felt;
            }
        reduceSum(sum, buffer, &levels[g]);
        if (LOCAL_ID == 0)
            levels[g] = (softnessOf[g] > 0 ? -(lacking[g]+levels[g])/softnessOf[g] : 0);
    }
}

/** Each group's mean of a residual (four numbers an atom), weighted by the softness. */
KERNEL void findMeans(GLOBAL const int* RESTRICT members, GLOBAL const int* RESTRICT firstOf, GLOBAL const real* RESTRICT softness,
        GLOBAL const real* RESTRICT residual, GLOBAL const mixed* RESTRICT softnessOf, GLOBAL mixed* RESTRICT means) {
    LOCAL mixed buffer[REDUCTION_SIZE];
    for (int g = GROUP_ID; g < NUM_CHARGE_GROUPS; g += NUM_GROUPS) {
        mixed sum = 0;
        for (int start = firstOf[g]; start < firstOf[g+1]; start += LOCAL_SIZE)
            if (start+LOCAL_ID < firstOf[g+1]) {
                int i = members[start+LOCAL_ID];
                sum += softness[i]*residual[4*i];
            }
        reduceSum(sum, buffer, &means[g]);
        if (LOCAL_ID == 0)
            means[g] = (softnessOf[g] > 0 ? means[g]/softnessOf[g] : 0);
    }
}

// The processing of neighbours: each part replaces PROCESS_NEIGHBORS in networkSearch.cc for one kernel. Lanes without a neighbour
// repeat the last one and write nothing (see FOR_LANES).
// ---- density
                    int mine = min(lane, batch-1), otherKind = kinds[particles[neighborPlace[mine]]];
                    real u[3], B[NUM_RADIAL], Y[NUM_COMPONENTS];
                    real d = directionOf(neighborVector, mine, u);
                    radialFunctions(d, B, B, 0);
                    harmonics(u, Y);
#ifdef ZBL
                    real slope;
                    real energy = zblEnergy(d, &plain[KIND_TABLE+kind*KIND_ENTRIES], &plain[KIND_TABLE+otherKind*KIND_ENTRIES], &slope);
                    repulsion += (lane < batch ? energy : 0);
#endif
                    if (lane < batch)
                        pairKind[lane] = otherKind;
                    for (int n = 0; n < NUM_RADIAL; n++)
                        if (lane < batch)
                            pairRadial[n*(LANES+1)+lane] = B[n];
                    for (int n = 0; n < NUM_COMPONENTS; n++)
                        if (lane < batch)
                            pairHarmonics[n*(LANES+1)+lane] = Y[n];
                    SYNC_ATOM;
                    for (int pair = 0; pair < batch; pair++) {
                        int kindOfPair = pairKind[pair];
                        for (int item = 0; item < DENSITY_ITEMS; item++) {
                            int n = min(lane+item*LANES, NUM_COMPONENTS*NUM_RADIAL-1), component = n/NUM_RADIAL, radial = n%NUM_RADIAL;
                            real value = pairHarmonics[component*(LANES+1)+pair]*pairRadial[radial*(LANES+1)+pair];
#ifdef SUMS_IN_REGISTERS
                            for (int k = 0; k < NUM_SPECIES; k++)
                                densitySums[k*DENSITY_ITEMS+item] += (k == kindOfPair ? value : 0);
#else
                            if (lane+item*LANES < NUM_COMPONENTS*NUM_RADIAL)
                                density[component*DENSITY_ROW+radial*NUM_SPECIES+kindOfPair] += value;
#endif
                        }
                    }
                    SYNC_ATOM;
// ---- forces
                    int mine = min(lane, batch-1), otherAtom = particles[neighborPlace[mine]], otherKind = kinds[otherAtom];
                    real u[3], along = 0, gradient[3];
                    real d = directionOf(neighborVector, mine, u);
#ifdef ZBL
                    zblEnergy(d, &plain[KIND_TABLE+kind*KIND_ENTRIES], &plain[KIND_TABLE+otherKind*KIND_ENTRIES], &along);
                    along *= energyGradient;
#endif
                    pairGradient(u, d, &density[otherKind], DENSITY_ROW, NUM_SPECIES, along, gradient);
                    for (int a = 0; a < 3; a++)
                        if (lane < batch) {
                            total[a] += gradient[a];
                            ATOMIC_ADD(&forces[atomOf[otherAtom]+a*PADDED_NUM_ATOMS], (mm_ulong) realToFixedPoint(-FORCE_TO_OPENMM*gradient[a]));
                        }
                    SYNC_ATOM;
// ---- messages
                    for (int begin = 0; begin < batch; begin += PAIRS_AT_ONCE) {
                        pairFunctions(neighborVector, begin, batch, lane, factors, stage);
                        int last = min(PAIRS_AT_ONCE, batch-begin);
                        for (int pair = 0; pair < last; pair++) {
                            real value = sent[(mm_long) neighborPlace[begin+pair]*SENT+column];
                            for (int n = 0; n < CHUNK/4; n++) {
                                real4 v = rows4[(pair*FUNCTIONS_ROW+chunk*CHUNK)/4+n];
                                sum[4*n] += v.x*value;
                                sum[4*n+1] += v.y*value;
                                sum[4*n+2] += v.z*value;
                                sum[4*n+3] += v.w*value;
                            }
                        }
                        SYNC_ATOM;
                    }
// ---- gradients of messages
                    for (int begin = 0; begin < batch; begin += PAIRS_AT_ONCE) {
                        int last = min(PAIRS_AT_ONCE, batch-begin);
                        FOR_LANES(item, PAIRS_AT_ONCE*SENT_ROW) {
                            int pair = min(item/SENT_ROW, last-1), n = item%SENT_ROW;
                            real value = (n < SENT ? sent[(mm_long) neighborPlace[begin+max(pair, 0)]*SENT+min(n, SENT-1)] : 0);
                            if (item < PAIRS_AT_ONCE*SENT_ROW)
                                received[item] = value;
                        }
                        pairFunctions(neighborVector, begin, batch, lane, factors, stage);
                        // Derivatives by the pair functions: one lane for each function, with its row of D
                        FOR_LANES(n, FUNCTIONS) {
                            real row[SENT_ROW];
                            for (int s = 0; s < SENT_ROW; s++)
                                row[s] = (s < SENT ? D[min(n, FUNCTIONS-1)*SENT+min(s, SENT-1)] : 0);
                            for (int pair = 0; pair < last; pair++) {
                                real value = 0;
                                for (int s = 0; s < SENT_ROW/4; s++) {
                                    real4 v = received4[pair*SENT_ROW/4+s];
                                    value += v.x*row[4*s]+v.y*row[4*s+1]+v.z*row[4*s+2]+v.w*row[4*s+3];
                                }
                                if (n < FUNCTIONS)
                                    gradients[pair*(FUNCTIONS+1)+n] = value;
                            }
                        }
                        // Derivatives by what was sent: one lane for each number, with its column of D; the pairs are divided among groups of lanes
                        {
                            real entries[FUNCTIONS_ROW];
                            for (int n = 0; n < FUNCTIONS_ROW; n++)
                                entries[n] = (n < FUNCTIONS ? D[min(n, FUNCTIONS-1)*SENT+column] : 0);
                            for (int first = 0; first < last; first += CHUNKS) {
                                int pair = min(first+group, last-1);
                                real value = 0;
                                for (int n = 0; n < FUNCTIONS_ROW/4; n++) {
                                    real4 v = rows4[pair*FUNCTIONS_ROW/4+n];
                                    value += v.x*entries[4*n]+v.y*entries[4*n+1]+v.z*entries[4*n+2]+v.w*entries[4*n+3];
                                }
                                if (lane < CHUNKS*SENT && first+group < last)
                                    ATOMIC_ADD(&sentGradients[(mm_long) neighborPlace[begin+pair]*SENT+column], (mm_ulong) (mm_long) (value*GRADIENT_SCALE));
                            }
                        }
                        SYNC_ATOM;
                        int mine = min(lane, last-1), otherAtom = particles[neighborPlace[begin+mine]];
                        real u[3], gradient[3];
                        real d = directionOf(neighborVector, begin+mine, u);
                        pairGradient(u, d, &gradients[mine*(FUNCTIONS+1)], NUM_RADIAL, 1, 0, gradient);
                        for (int a = 0; a < 3; a++)
                            if (lane < last) {
                                total[a] += gradient[a];
                                ATOMIC_ADD(&forces[atomOf[otherAtom]+a*PADDED_NUM_ATOMS], (mm_ulong) realToFixedPoint(-FORCE_TO_OPENMM*gradient[a]));
                            }
                        SYNC_ATOM;
                    }

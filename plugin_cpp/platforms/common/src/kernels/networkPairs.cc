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
// ---- exchange
                    int mine = min(lane, batch-1), otherPlace = neighborPlace[mine], otherKind = kinds[particles[otherPlace]];
                    real u[3], B[NUM_RADIAL], slope, root;
                    real d = directionOf(neighborVector, mine, u);
                    radialFunctions(d, B, B, 0);
                    GLOBAL const real* other = &edgeNumbers[(mm_long) otherPlace*EDGE_STRIDE];
#ifdef TRANSFERS
                    real transfer = transferOf(own, other, EDGE_TRANSFER_TABLE, B, &slope);
                    received += (lane < batch ? transfer : 0);
#endif
#ifdef CONDUCTS
                    real conductance = conductanceOf(own[EDGE_SOFT+1], other[EDGE_SOFT+1], EDGE_CONDUCTANCE_TABLE, B, &root, &slope);
                    response += (lane < batch ? conductance*d*d : 0);
#endif
                    SYNC_ATOM;
// ---- flow
                    int mine = min(lane, batch-1), otherPlace = neighborPlace[mine], otherAtom = particles[otherPlace], otherKind = kinds[otherAtom];
                    real u[3], B[NUM_RADIAL], slope, root, on = (lane < batch ? 1 : 0);
                    real d = directionOf(neighborVector, mine, u);
                    radialFunctions(d, B, B, 0);
                    GLOBAL const real* other = &edgeNumbers[(mm_long) otherPlace*EDGE_STRIDE];
                    real work = d*(fieldX*u[0]+fieldY*u[1]+fieldZ*u[2]);  // -E.d_ij, whose vector is minus the displacement
#ifdef TRANSFERS
                    energy += on*0.5f*work*transferOf(own, other, EDGE_TRANSFER_TABLE, B, &slope);
#endif
#ifdef CONDUCTS
                    real conductance = conductanceOf(own[EDGE_SOFT+1], other[EDGE_SOFT+1], EDGE_CONDUCTANCE_TABLE, B, &root, &slope);
                    real drop = potentialHere-potential[otherAtom]+work, flowed = (responds ? -on*conductance*drop : 0);
                    charge += flowed;
                    energy += 0.25f*flowed*drop;
#endif
                    SYNC_ATOM;
// ---- derivatives of exchange
                    int mine = min(lane, batch-1), otherPlace = neighborPlace[mine], otherAtom = particles[otherPlace], otherKind = kinds[otherAtom];
                    real u[3], B[NUM_RADIAL], slopes[NUM_RADIAL], slope, root, on = (lane < batch ? 1 : 0), along = 0;
                    real d = directionOf(neighborVector, mine, u);
                    radialFunctions(d, B, slopes, 1);
                    GLOBAL const real* other = &edgeNumbers[(mm_long) otherPlace*EDGE_STRIDE];
#ifdef TRANSFERS
                    GLOBAL const real* transferTable = EDGE_TRANSFER_TABLE;
                    transferOf(own, other, transferTable, B, &slope);
                    real byTransfer = gradientHere-chargeGradients[otherAtom]+d*(transferFieldX*u[0]+transferFieldY*u[1]+transferFieldZ*u[2]);
                    byTransfer *= on*slope*TRANSFER_UNIT;
                    for (int n = 0; n < NUM_RADIAL; n++) {
                        byOwn[n] += byTransfer*B[n]*other[NUM_RADIAL+n];
                        byOwn[NUM_RADIAL+n] -= byTransfer*B[n]*other[n];
                        along += byTransfer*slopes[n]*mixedNumbers(own, other, transferTable, n);
                    }
#endif
#ifdef CONDUCTS
                    GLOBAL const real* conductanceTable = EDGE_CONDUCTANCE_TABLE;
                    conductanceOf(own[EDGE_SOFT+1], other[EDGE_SOFT+1], conductanceTable, B, &root, &slope);
                    real drop = potentialHere-potential[otherAtom]+d*(fieldX*u[0]+fieldY*u[1]+fieldZ*u[2]);
                    real byConductance = (responds ? -on*0.5f*drop*drop*slope*CONDUCTANCE_UNIT : 0);
                    byOwn[EDGE_SOFT] += byConductance*root*root*other[EDGE_SOFT+1];
                    real byRoot = byConductance*2*root*own[EDGE_SOFT+1]*other[EDGE_SOFT+1];
                    for (int n = 0; n < NUM_RADIAL; n++)
                        along += byRoot*slopes[n]*conductanceTable[n];
#endif
                    for (int a = 0; a < 3; a++)
                        total[a] += along*u[a];
                    SYNC_ATOM;
// ---- list
                    int mine = min(lane, batch-1), otherPlace = neighborPlace[mine], otherAtom = particles[otherPlace], otherKind = kinds[otherAtom];
                    real u[3], B[NUM_RADIAL], slope, root, transfer = 0, conductance = 0;
                    real d = directionOf(neighborVector, mine, u);
                    radialFunctions(d, B, B, 0);
                    GLOBAL const real* other = &edgeNumbers[(mm_long) otherPlace*EDGE_STRIDE];
#ifdef TRANSFERS
                    transfer = transferOf(own, other, EDGE_TRANSFER_TABLE, B, &slope);
#endif
#ifdef CONDUCTS
                    conductance = conductanceOf(own[EDGE_SOFT+1], other[EDGE_SOFT+1], EDGE_CONDUCTANCE_TABLE, B, &root, &slope);
#endif
                    if (writes && lane < batch) {
                        int entry = first+numListed+lane;
                        pairs[2*entry] = atom;
                        pairs[2*entry+1] = otherAtom;
                        for (int a = 0; a < 3; a++)
                            values[5*(mm_long) entry+a] = -d*u[a];
                        values[5*(mm_long) entry+3] = 0.5f*transfer;
                        values[5*(mm_long) entry+4] = 0.5f*conductance;
                    }
                    numListed += batch;
                    SYNC_ATOM;

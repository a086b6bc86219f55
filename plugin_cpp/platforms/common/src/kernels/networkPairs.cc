// What a lane does with its neighbour: two parts, one for each pass, that replace PROCESS_NEIGHBORS in networkSearch.cc.
// ---- density
                    if (lane < batch) {
                        int otherKind = kinds[particles[foundPlace[lane]]];
                        real v[3], B[NUM_RADIAL], Y[NUM_COMPONENTS];
                        for (int a = 0; a < 3; a++)
                            v[a] = foundVector[a*2*LANES+lane];
                        real d = SQRT(v[0]*v[0]+v[1]*v[1]+v[2]*v[2]);
                        for (int a = 0; a < 3; a++)
                            v[a] /= d;
                        radialFunctions(d, B, B, 0);
                        harmonics(v, Y);
                        pairKind[lane] = otherKind;
                        for (int n = 0; n < NUM_RADIAL; n++)
                            pairRadial[n*(LANES+1)+lane] = B[n];
                        for (int n = 0; n < NUM_COMPONENTS; n++)
                            pairHarmonics[n*(LANES+1)+lane] = Y[n];
#ifdef ZBL
                        real slope;
                        repulsion += zblEnergy(d, &plain[KIND_TABLE+kind*KIND_ENTRIES], &plain[KIND_TABLE+otherKind*KIND_ENTRIES], &slope);
#endif
                    }
                    SYNC_ATOM;
                    FOR_LANES(n, NUM_COMPONENTS*NUM_RADIAL) {
                        int component = min(n/NUM_RADIAL, NUM_COMPONENTS-1), radial = n%NUM_RADIAL;
                        LOCAL_ARG real* row = &density[component*DENSITY_ROW+radial*NUM_SPECIES];
                        for (int pair = 0; pair < batch; pair++)
                            if (n < NUM_COMPONENTS*NUM_RADIAL)
                                row[pairKind[pair]] += pairHarmonics[component*(LANES+1)+pair]*pairRadial[radial*(LANES+1)+pair];
                    }
                    SYNC_ATOM;
// ---- forces
                    if (lane < batch) {
                        int otherAtom = particles[foundPlace[lane]], otherKind = kinds[otherAtom];
                        real v[3], B[NUM_RADIAL], slopes[NUM_RADIAL], Y[NUM_COMPONENTS], YGradient[NUM_COMPONENTS], vGradient[3];
                        for (int a = 0; a < 3; a++)
                            v[a] = foundVector[a*2*LANES+lane];
                        real d = SQRT(v[0]*v[0]+v[1]*v[1]+v[2]*v[2]);
                        for (int a = 0; a < 3; a++)
                            v[a] /= d;
                        radialFunctions(d, B, slopes, 1);
                        harmonics(v, Y);
                        real along = 0;  // the derivative by the distance
                        for (int component = 0; component < NUM_COMPONENTS; component++) {
                            real sum = 0, slopeSum = 0;
                            for (int n = 0; n < NUM_RADIAL; n++) {
                                real gradient = density[component*DENSITY_ROW+n*NUM_SPECIES+otherKind];
                                sum += gradient*B[n];
                                slopeSum += gradient*slopes[n];
                            }
                            YGradient[component] = sum;
                            along += slopeSum*Y[component];
                        }
#ifdef ZBL
                        real slope;
                        zblEnergy(d, &plain[KIND_TABLE+kind*KIND_ENTRIES], &plain[KIND_TABLE+otherKind*KIND_ENTRIES], &slope);
                        along += energyGradient*slope;
#endif
                        harmonicsBackward(v, YGradient, vGradient);
                        real radialPart = vGradient[0]*v[0]+vGradient[1]*v[1]+vGradient[2]*v[2];
                        for (int a = 0; a < 3; a++) {
                            real gradient = v[a]*along+(vGradient[a]-radialPart*v[a])/d;
                            total[a] += gradient;
                            ATOMIC_ADD(&forces[atomOf[otherAtom]+a*PADDED_NUM_ATOMS], (mm_ulong) realToFixedPoint(-FORCE_TO_OPENMM*gradient));
                        }
                    }
                    SYNC_ATOM;

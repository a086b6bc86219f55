        // All neighbours within the cutoff. The lanes go through the cells around the atom's cell, LANES particles at a time, and
        // collect the neighbours; whenever there are at least LANES of them, each lane processes one.
        {
        int home = cellOf[atom], homeZ = home%sizeZ, homeY = (home/sizeZ)%sizeY, homeX = home/(sizeZ*sizeY);
        int widthX = 2*reachX+1, widthY = 2*reachY+1, widthZ = 2*reachZ+1, numCells = widthX*widthY*widthZ;
        mixed center[3] = {sortedPositions[3*place], sortedPositions[3*place+1], sortedPositions[3*place+2]};
        LOCAL_ARG int* cellFirst = search;
        LOCAL_ARG int* cellBefore = search+LANES;
        LOCAL_ARG int* cellImage = search+2*LANES+1;
        LOCAL_ARG int* flags = search+3*LANES+1;
        LOCAL_ARG int* neighborPlace = search+4*LANES+1;
        int numNeighbors = 0;
        for (int firstCell = 0; firstCell < numCells; firstCell += LANES) {
            int neighborCell = firstCell+lane, particlesInCell = 0;
            if (neighborCell < numCells) {
                int x = homeX+neighborCell/(widthY*widthZ)-reachX, y = homeY+(neighborCell/widthZ)%widthY-reachY, z = homeZ+neighborCell%widthZ-reachZ;
                int imageX = floorDivide(x, sizeX), imageY = floorDivide(y, sizeY), imageZ = floorDivide(z, sizeZ);
                int cell = ((x-imageX*sizeX)*sizeY+y-imageY*sizeY)*sizeZ+z-imageZ*sizeZ;
                cellFirst[lane] = cellStart[cell];
                cellImage[lane] = packImage(imageX, imageY, imageZ);
                particlesInCell = cellStart[cell+1]-cellStart[cell];
            }
            cellBefore[lane+1] = particlesInCell;
            if (lane == 0)
                cellBefore[0] = 0;
            SYNC_ATOM;
            int before = 0;
            for (int other = 0; other < LANES; other++)
                before += (other <= lane ? cellBefore[other+1] : 0);
            SYNC_ATOM;
            cellBefore[lane+1] = before;
            SYNC_ATOM;
            int numCandidates = cellBefore[LANES];
            for (int first = 0; first < numCandidates; first += LANES) {
                int candidate = first+lane, isNeighbor = 0, otherPlace = 0;
                real vector[3] = {0, 0, 0};
                if (candidate < numCandidates) {
                    int c = 0;
                    for (int step = LANES_POWER_OF_TWO/2; step > 0; step /= 2)
                        if (c+step < LANES && cellBefore[c+step] <= candidate)
                            c += step;
                    otherPlace = cellFirst[c]+candidate-cellBefore[c];
                    int image = cellImage[c];
                    mixed delta[3];
                    for (int a = 0; a < 3; a++)
                        delta[a] = sortedPositions[3*otherPlace+a]-center[a];
                    if (image != packImage(0, 0, 0))
                        for (int a = 0; a < 3; a++)
                            delta[a] += ((image&1023)-512)*box[a]+(((image>>10)&1023)-512)*box[3+a]+((image>>20)-512)*box[6+a];
                    for (int a = 0; a < 3; a++)
                        vector[a] = (real) delta[a];
                    real squared = vector[0]*vector[0]+vector[1]*vector[1]+vector[2]*vector[2];
                    isNeighbor = (squared < CUTOFF*CUTOFF && (otherPlace != place || image != packImage(0, 0, 0)) ? 1 : 0);
                }
                int numNew;
                int entry = numNeighbors+rankAmongLanes(lane, isNeighbor, flags, &numNew);
                if (isNeighbor) {
                    neighborPlace[entry] = otherPlace;
                    for (int a = 0; a < 3; a++)
                        neighborVector[a*2*LANES+entry] = vector[a];
                }
                numNeighbors += numNew;
                SYNC_ATOM;
                if (numNeighbors >= LANES) {
                    int batch = LANES;
                    PROCESS_NEIGHBORS
                    int rest = numNeighbors-LANES;
                    if (lane < rest) {
                        neighborPlace[lane] = neighborPlace[LANES+lane];
                        for (int a = 0; a < 3; a++)
                            neighborVector[a*2*LANES+lane] = neighborVector[a*2*LANES+LANES+lane];
                    }
                    numNeighbors = rest;
                    SYNC_ATOM;
                }
            }
        }
        if (numNeighbors > 0) {
            int batch = numNeighbors;
            PROCESS_NEIGHBORS
        }
        }

#include "PairList.h"
#include "Matrix3.h"
#include "openmm_polarmp/internal/BoxDensity.h"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <sstream>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

// Finer bins approximate the sphere better, but there are more to visit.
const double BINS_PER_CUTOFF = 2;
// A, far from every atom; its square can be represented in single precision.
const double FAR_AWAY = 1e15;

} // namespace

PairList::PairList(int numAtoms, double cutoff, double skin, WorkerThreads* threads)
        : numAtoms(numAtoms), cutoff(cutoff), skin(skin), threads(threads) {
}

void PairList::share(long count, const function<void(long, long, int)>& work) const {
    if (threads == nullptr)
        work(0, count, 0);
    else {
        const long n = threads->getNumThreads();
        threads->executeParts([&](int part) { work(count * part / n, count * (part + 1) / n, part); });
    }
}

bool PairList::update(const double* positions, const double* cell) {
    bool sameBox = built && periodic == (cell != nullptr) && (cell == nullptr || equal(cell, cell + 9, box));
    bool search = !sameBox || !follow(positions);
    if (search)
        rebuild(positions, cell);
    else
        placeSites();
    return search;
}

/** Updates the positions, which an integrator may have wrapped by box vectors; false if an atom has moved too far. */
bool PairList::follow(const double* positions) {
    vector<char> tooFar(threads == nullptr ? 1 : threads->getNumThreads());
    share(numAtoms, [&](long first, long last, int thread) {
        double largest = 0;
        for (long i = 3 * first; i < 3 * last; i += 3) {
            double moved[3], wraps[3], shift[3] = {0, 0, 0};
            for (int a = 0; a < 3; a++)
                moved[a] = positions[i + a] - start[i + a];
            if (periodic) {
                times(moved, inverse, wraps);
                for (int a = 0; a < 3; a++)
                    wraps[a] = round(wraps[a]);
                times(wraps, box, shift);
            }
            double square = 0;
            for (int a = 0; a < 3; a++) {
                path[i + a] = positions[i + a] - shift[a];
                square += (moved[a] - shift[a]) * (moved[a] - shift[a]);
            }
            largest = max(largest, square);
        }
        tooFar[thread] = !(largest <= skin * skin / 4);
    });
    return none_of(tooFar.begin(), tooFar.end(), [](char c) { return c; });
}

void PairList::placeSites() {
    share(getNumSites(), [&](long first, long last, int) {
        for (long site = first; site < last; site++) {
            const double* from = &path[3 * particleOf[atomOf[site]]];
            const int* n = &shiftOf[3 * site];
            for (int a = 0; a < 3; a++)
                points[4 * site + a] = from[a] + (periodic ? n[0] * box[a] + n[1] * box[3 + a] + n[2] * box[6 + a] : 0.0);
        }
    });
}

void PairList::rebuild(const double* positions, const double* cell) {
    built = false;  // stays so if an exception is thrown
    if (cell != nullptr) {
        const Vec3 box[3] = {Vec3(cell[0], cell[1], cell[2]), Vec3(cell[3], cell[4], cell[5]), Vec3(cell[6], cell[7], cell[8])};
        checkDensity(numAtoms, cutoff, box);
    }
    periodic = (cell != nullptr);
    path.assign(positions, positions + 3 * numAtoms);
    setBox(cell);
    vector<Image> images = wrapAndRepeat(positions);
    sortIntoBins(images);
    start = path;
    pointMemory.assign(4 * images.size() + 12, 0.0);
    points = (double*) (((uintptr_t) pointMemory.data() + 31) / 32 * 32);
    fill(points + 4 * images.size(), points + 4 * images.size() + 3, FAR_AWAY);
    fill(points + 4 * images.size() + 4, points + 4 * images.size() + 7, -FAR_AWAY);
    placeSites();
    search();
    built = true;
}

void PairList::setBox(const double* cell) {
    fill(origin, origin + 3, 0.0);
    if (periodic)
        copy(cell, cell + 9, box);
    else {
        fill(box, box + 9, 0.0);
        for (int a = 0; a < 3; a++) {
            double low = path[a], high = path[a];
            for (int i = 0; i < numAtoms; i++) {
                low = min(low, path[3 * i + a]);
                high = max(high, path[3 * i + a]);
            }
            origin[a] = low;
            box[4 * a] = high - low + cutoff;
        }
    }
    invert(box, inverse);
    for (int d = 0; d < 3; d++)
        reach[d] = (cutoff + skin) / height(inverse, d);
}

/** Moves atoms into the box and adds the images that are near enough to it to be neighbours of an atom. */
vector<PairList::Image> PairList::wrapAndRepeat(const double* positions) {
    vector<Image> images;
    for (int i = 0; i < numAtoms; i++) {
        double s[3], shift[3], relative[3];
        for (int a = 0; a < 3; a++)
            relative[a] = positions[3 * i + a] - origin[a];
        times(relative, inverse, s);
        if (!periodic) {
            images.push_back({{s[0], s[1], s[2]}, i, {0, 0, 0}});
            continue;
        }
        double wraps[3] = {floor(s[0]), floor(s[1]), floor(s[2])};
        times(wraps, box, shift);
        int low[3], high[3], n[3];
        for (int a = 0; a < 3; a++) {
            path[3 * i + a] -= shift[a];
            s[a] -= wraps[a];
            // An image lies within [-reach, 1 + reach], up to rounding.
            low[a] = ceil(-reach[a] - s[a] - 1e-9);
            high[a] = floor(1 + reach[a] - s[a] + 1e-9);
        }
        for (n[0] = low[0]; n[0] <= high[0]; n[0]++)
            for (n[1] = low[1]; n[1] <= high[1]; n[1]++)
                for (n[2] = low[2]; n[2] <= high[2]; n[2]++)
                    images.push_back({{s[0] + n[0], s[1] + n[1], s[2] + n[2]}, i, {n[0], n[1], n[2]}});
    }
    return images;
}

void PairList::sortIntoBins(const vector<Image>& images) {
    const int numSites = images.size();
    double number[3], perBin[3];
    for (int d = 0; d < 3; d++)
        number[d] = max(1.0, floor(BINS_PER_CUTOFF * (1 + 2 * reach[d]) / reach[d]));
    while (number[0] * number[1] * number[2] > 2.0 * numSites + 64) {  // in a dilute gas most bins would be empty
        double& most = *max_element(number, number + 3);
        most = ceil(most / 2);
    }
    for (int d = 0; d < 3; d++) {
        bins[d] = number[d];
        perBin[d] = bins[d] / (1 + 2 * reach[d]);
    }
    vector<int> bin(numSites);
    auto alongAxis = [&](const Image& image, int d) { return min(bins[d] - 1, max(0, (int) ((image.position[d] + reach[d]) * perBin[d]))); };
    firstInBin.assign(bins[0] * bins[1] * bins[2] + 1, 0);
    for (int k = 0; k < numSites; k++) {
        bin[k] = (alongAxis(images[k], 0) * bins[1] + alongAxis(images[k], 1)) * bins[2] + alongAxis(images[k], 2);
        firstInBin[bin[k] + 1]++;
    }
    partial_sum(firstInBin.begin(), firstInBin.end(), firstInBin.begin());
    vector<int> next(firstInBin.begin(), firstInBin.end() - 1), order(numSites);
    for (int k = 0; k < numSites; k++)
        order[next[bin[k]]++] = k;

    atomOf.resize(numSites);
    binOf.resize(3 * numSites);
    shiftOf.resize(3 * numSites);
    particleOf.clear();
    siteOf.clear();
    vector<int> atomOfParticle(numAtoms);
    for (int site = 0; site < numSites; site++) {
        const Image& image = images[order[site]];
        for (int d = 0; d < 3; d++) {
            shiftOf[3 * site + d] = image.shift[d];
            binOf[3 * site + d] = alongAxis(image, d);
        }
        if (image.shift[0] == 0 && image.shift[1] == 0 && image.shift[2] == 0) {
            atomOfParticle[image.particle] = particleOf.size();
            particleOf.push_back(image.particle);
            siteOf.push_back(site);
        }
    }
    firstSite.assign(numAtoms + 1, 0);
    for (int site = 0; site < numSites; site++) {
        atomOf[site] = atomOfParticle[images[order[site]].particle];
        firstSite[atomOf[site] + 1]++;
    }
    partial_sum(firstSite.begin(), firstSite.end(), firstSite.begin());
    sites.resize(numSites);
    next.assign(firstSite.begin(), firstSite.end() - 1);
    for (int site = 0; site < numSites; site++)
        sites[next[atomOf[site]]++] = site;
}

void PairList::search() {
    vector<vector<int>> ofThread(threads == nullptr ? 1 : threads->getNumThreads());
    vector<long> firstAtom(ofThread.size() + 1, numAtoms);
    firstNeighbor.assign(numAtoms + 1, 0);
    share(numAtoms, [&](long first, long last, int thread) {
        firstAtom[thread] = first;
        for (int atom = first; atom < last; atom++) {
            searchAtom(atom, ofThread[thread]);
            firstNeighbor[atom + 1] = ofThread[thread].size();
        }
    });
    neighbors.clear();
    for (size_t t = 0; t < ofThread.size(); t++) {
        for (long atom = firstAtom[t]; atom < firstAtom[t + 1]; atom++)
            firstNeighbor[atom + 1] += neighbors.size();
        neighbors.insert(neighbors.end(), ofThread[t].begin(), ofThread[t].end());
    }
}

void PairList::searchAtom(int atom, vector<int>& result) const {
    const int self = siteOf[atom];
    const double *center = getPosition(self), limit = (cutoff + skin) * (cutoff + skin);
    int low[3], high[3];
    for (int d = 0; d < 3; d++) {
        int around = ceil(reach[d] * bins[d] / (1 + 2 * reach[d]));
        low[d] = max(0, binOf[3 * self + d] - around);
        high[d] = min(bins[d] - 1, binOf[3 * self + d] + around);
    }
    for (int x = low[0]; x <= high[0]; x++)
        for (int y = low[1]; y <= high[1]; y++) {
            const int row = (x * bins[1] + y) * bins[2];
            const int begin = firstInBin[row + low[2]], end = firstInBin[row + high[2] + 1];
            // Without a branch, which the processor could not predict.
            size_t count = result.size();
            result.resize(count + end - begin);
            for (int site = begin; site < end; site++) {
                const double* r = getPosition(site);
                const double dx = r[0] - center[0], dy = r[1] - center[1], dz = r[2] - center[2];
                result[count] = site;
                count += (dx * dx + dy * dy + dz * dz < limit) & (site != self);
            }
            result.resize(count);
        }
}

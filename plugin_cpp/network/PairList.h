#pragma once
#include "openmm_polarmp/MultipoleSource.h"
#include <functional>
#include <vector>

namespace PolarMPPlugin {

/**
 * Which atoms are near each other, along a trajectory. Pairs are searched within cutoff + skin and kept until an atom has
 * moved by more than skin/2 or the box has changed.
 *
 * Every place where an atom or an image of it can be met is a site: pairs name sites, so nobody has to think of shifts.
 * Sites that are near each other have numbers near each other. Atoms are numbered in the order of their sites ("atom"), which
 * differs from the order of the force's particles ("particle").
 */
class PairList {
public:
    /**
     * @param cutoff, skin  A
     * @param threads       may be null
     */
    PairList(int numAtoms, double cutoff, double skin, WorkerThreads* threads);
    /**
     * Announces positions [N,3] in A, which must be finite numbers, and the box (null: a cluster).
     *
     * @return whether the pairs were searched anew, so that atoms have new numbers
     */
    bool update(const double* positions, const double* cell);

    /** Pairs as far apart as this are found, A. */
    double getRange() const {
        return cutoff + skin;
    }
    int getNumAtoms() const {
        return particleOf.size();
    }
    int getNumSites() const {
        return atomOf.size();
    }
    int getParticle(int atom) const {
        return particleOf[atom];
    }
    int getAtom(int site) const {
        return atomOf[site];
    }
    const int* getAtoms() const {
        return atomOf.data();
    }
    const double* getPositions() const {
        return points;
    }
    /** The site of an atom itself, of which the others are images. */
    int getSite(int atom) const {
        return siteOf[atom];
    }
    /**
     * Position of a site, 4 numbers of which the last is zero; at a multiple of 32 bytes. The sites of numbers getNumSites()
     * and getNumSites() + 1 are far from all others and from each other: they can fill up tables.
     */
    const double* getPosition(int site) const {
        return points + 4 * (size_t) site;
    }
    /** The sites that are or were within the cutoff of an atom, [begin, end). */
    const int* beginNeighbors(int atom) const {
        return neighbors.data() + firstNeighbor[atom];
    }
    const int* endNeighbors(int atom) const {
        return neighbors.data() + firstNeighbor[atom + 1];
    }
    /** The images of each atom with the atom itself: sites grouped by atom. */
    const int* beginSites(int atom) const {
        return sites.data() + firstSite[atom];
    }
    const int* endSites(int atom) const {
        return sites.data() + firstSite[atom + 1];
    }
    const int* getFirstSites() const {
        return firstSite.data();
    }
    const int* getSitesOfAtoms() const {
        return sites.data();
    }
    /** Calls work(first, last, part) for as many parts of [0, count) as there are threads, in all threads. */
    void share(long count, const std::function<void(long first, long last, int part)>& work) const;

private:
    struct Image {
        double position[3];
        int particle, shift[3];
    };
    bool follow(const double* positions);
    void placeSites();
    void rebuild(const double* positions, const double* cell);
    void setBox(const double* cell);
    std::vector<Image> wrapAndRepeat(const double* positions);
    void sortIntoBins(const std::vector<Image>& images);
    void search();
    void searchAtom(int atom, std::vector<int>& found) const;

    const int numAtoms;
    const double cutoff, skin;
    WorkerThreads* const threads;
    // the box, or one around a cluster: rows are vectors, columns of the inverse give fractional coordinates
    bool built = false, periodic = false;
    double box[9], inverse[9], origin[3], reach[3];  // reach: cutoff + skin in fractional coordinates
    // bins of sites in fractional coordinates from -reach to 1 + reach
    int bins[3];
    std::vector<int> firstInBin, binOf;  // binOf: three numbers for each site

    std::vector<int> particleOf, atomOf, siteOf, firstSite, sites, firstNeighbor, neighbors;
    std::vector<int> shiftOf;        // whole cells of each site, three numbers
    std::vector<double> start, path;  // of each particle: wrapped when the pairs were searched, and where it went from there
    std::vector<double> pointMemory;
    double* points = nullptr;
};

} // namespace PolarMPPlugin

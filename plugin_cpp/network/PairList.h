#pragma once
#include "openmm_polarmp/MultipoleSource.h"
#include <functional>
#include <vector>

namespace PolarMPPlugin {

/**
 * A Verlet list: pairs are searched within cutoff + skin and kept until an atom has moved by more than skin/2 or the box has
 * changed.
 *
 * An atom or one of its periodic images is a site. Neighbours are sites, so that no code that uses them needs lattice shifts.
 * Sites are sorted in space. "atom" is an index in the order of the sites, "particle" one in the order of the force.
 */
class PairList {
public:
    /**
     * @param cutoff, skin  A
     * @param threads       may be null
     */
    PairList(int numAtoms, double cutoff, double skin, WorkerThreads* threads);
    /**
     * Sets positions [N,3] in A, which must be finite numbers, and the box (null: a cluster).
     *
     * @return whether the pairs were searched anew: atoms and sites have new indices then
     */
    bool update(const double* positions, const double* cell);

    /** The distance within which the list contains all pairs when it is new, A. */
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
    /** The site of the atom itself; its other sites are images. */
    int getSite(int atom) const {
        return siteOf[atom];
    }
    /**
     * Position of a site: 4 numbers, of which the last is zero, aligned to 32 bytes. The sites getNumSites() and
     * getNumSites() + 1 are far from all others and from each other: they pad tables.
     */
    const double* getPosition(int site) const {
        return points + 4 * (size_t) site;
    }
    /** The neighbours of an atom, [begin, end): all sites within the cutoff, and some beyond it. */
    const int* beginNeighbors(int atom) const {
        return neighbors.data() + firstNeighbor[atom];
    }
    const int* endNeighbors(int atom) const {
        return neighbors.data() + firstNeighbor[atom + 1];
    }
    /** The sites of an atom and its images, [begin, end). */
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
    /** Divides [0, count) into as many parts as there are threads and calls work(first, last, part) for each, in parallel. */
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
    void searchAtom(int atom, std::vector<int>& result) const;

    const int numAtoms;
    const double cutoff, skin;
    WorkerThreads* const threads;
    // the box, or one around a cluster: rows are vectors, columns of the inverse yield fractional coordinates
    bool built = false, periodic = false;
    double box[9], inverse[9], origin[3], reach[3];  // reach: cutoff + skin in fractional coordinates
    // bins of sites in fractional coordinates from -reach to 1 + reach
    int bins[3];
    std::vector<int> firstInBin, binOf;  // binOf: three indices for each site

    std::vector<int> particleOf, atomOf, siteOf, firstSite, sites, firstNeighbor, neighbors;
    std::vector<int> shiftOf;        // lattice shift of each site, three numbers
    std::vector<double> start, path;  // of each particle: position at the last search, wrapped, and the present one without later wraps
    std::vector<double> pointMemory;
    double* points = nullptr;
};

} // namespace PolarMPPlugin

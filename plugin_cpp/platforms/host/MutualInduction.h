#pragma once
#include "Multipole.h"
#include <deque>
#include <functional>
#include <vector>

namespace PolarMPPlugin {

/** A potential (V) at every atom and its gradient (V/A). */
struct Felt {
    std::vector<double> potential;
    std::vector<OpenMM::Vec3> gradient;
    explicit Felt(size_t n = 0) : potential(n), gradient(n) {
    }
    size_t size() const {
        return potential.size();
    }
};

/**
 * Induced moments that feel each other (theory.md section 9): conjugate gradients for (R^-1 + T) m = -V, with R as the
 * preconditioner. With y = R^-1 m = -V - T m no inverse is needed, so that a guess is one of T m, the potential of the
 * induced moments, extrapolated from earlier steps.
 */
class MutualInduction {
public:
    /** R: from a potential with the opposite sign to the moments that it induces. */
    using Respond = std::function<void(const Felt& felt, std::vector<Multipole>& induced)>;
    /** T: from induced moments to what they make the other atoms feel. */
    using Interact = std::function<void(const std::vector<Multipole>& induced, Felt& felt)>;

    /**
     * @param tolerance      of the residual over the driving potential, in the norm that R defines
     * @param maxIterations  more are an error
     */
    MutualInduction(double tolerance, int maxIterations, Respond respond, Interact interact);
    /** The potential of the induced moments that earlier steps suggest; zero without any. */
    Felt predict(size_t n) const;
    /**
     * @param guess    the potential of the induced moments, to which `induced` is the response
     * @param scale    y R y, eV
     * @param induced  in: R y for y = -V - guess; out: the solution
     */
    void solve(const Felt& guess, double scale, std::vector<Multipole>& induced);
    /** Keeps the solution's potential for the next step's guess. */
    void remember(const Felt& potential);
    /** Forgets earlier steps, which say nothing about the next one. */
    void forget() {
        history.clear();
    }
    /** Of the last solution. */
    int getIterations() const {
        return iterations;
    }

private:
    const double tolerance;
    const int maxIterations;
    const Respond respond;
    const Interact interact;
    std::deque<Felt> history;  // the newest first
    int iterations = 0;
};

} // namespace PolarMPPlugin

#pragma once
#include <cstddef>
#include <vector>

namespace PolarMPPlugin {

/** What a kernel and a source of charges that flow between neighbours exchange, a number for each particle (theory.md section 8). */
enum FlowValue { LOCAL_CHARGE, FLOW_POLARIZABILITY, FLOW_POTENTIAL, FLOW_CHARGE, FLOW_ENERGY, NUM_FLOW_VALUES };

struct FlowValueProperties {
    const char* name;    // of one particle's value, in error messages
    const char* plural;  // of all particles', in Python
    bool mayBeNegative;
};
constexpr FlowValueProperties FLOW_VALUES[NUM_FLOW_VALUES] = {
    {"local charge", "local_charges", true},                // source -> kernel, by forward(): q0, e
    {"flow polarizability", "flow_polarizability", false},  // source -> kernel, by forward(): the pairs' shares of sum f_ij d_ij^2 / 3, e^2 A^2/eV
    {"potential", "flow_potential", true},                  // kernel -> source, before flow(): Phi', V
    {"flowing charge", "flow_charges", true},               // source -> kernel, by flow(): dq, e
    {"flow energy", "flow_energies", true},                 // source -> kernel, by flow(): see SourceEvaluation::flow(), eV
};

/** The pairs of neighbours between which charge flows. A pair may stand in several entries, of which it has the sum. */
struct PairFlows {
    std::vector<int> pairs;            // [P,2] i and j, in the order of the force's particles
    std::vector<double> vectors;       // [P,3] d_ij = r_i - r_j between the images that are meant, A
    std::vector<double> charges;       // [P] t_ij, what j has given to i, e
    std::vector<double> conductances;  // [P] f_ij, e^2/eV
    std::vector<double> induced;       // [P] p_ij, what has flowed from j to i, e
    void add(int i, int j, const double vector[3], double charge, double conductance) {
        pairs.insert(pairs.end(), {i, j});
        vectors.insert(vectors.end(), vector, vector + 3);
        charges.push_back(charge);
        conductances.push_back(conductance);
    }
    /** Sets the p_ij from Phi' (V) and the latent field (V/A). */
    void respond(const std::vector<double>& potential, const double field[3]) {
        induced.clear();
        for (size_t k = 0; k < charges.size(); k++) {
            double drop = potential[pairs[2 * k]] - potential[pairs[2 * k + 1]];
            for (int a = 0; a < 3; a++)
                drop -= field[a] * vectors[3 * k + a];
            induced.push_back(-conductances[k] * drop);
        }
    }
};

} // namespace PolarMPPlugin

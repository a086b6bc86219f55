#pragma once
#include "ReferenceLayers.h"

namespace PolarMPPlugin {

/** The heads of pairs (models/edge_heads.py): what an atom, the receiver, has from one of its neighbours, the sender. */
class ReferenceEdges {
public:
    explicit ReferenceEdges(const NetworkParameters& p);
    struct Values {
        double transfer = 0, conductance = 0;  // t_ij, e; f_ij, e^2/eV
    };
    /** One of the two atoms: its kind and its numbers u_n, v_n, s, as the last map gives them. */
    struct Atom {
        int kind;
        const Array& numbers;
    };
    /** @param B  radial functions of the pair */
    Values forward(Atom receiver, Atom sender, const Array& B) const;
    /** From the derivatives by the values: adds to those by the receiver's numbers, and sets those by the radial functions. */
    void backward(Atom receiver, Atom sender, const Array& B, Values gradient, Array& byReceiver, Array& byB) const;

private:
    /** The values before they are bounded, and what they consist of. */
    struct Parts {
        double transfer = 0, root = 0, softness = 0, conductance = 0;  // softness: s_i s_j
    };
    Parts evaluate(Atom receiver, Atom sender, const Array& B) const;
    /** sum_n B_n of this is the transfer in its unit. */
    double mixed(Atom receiver, Atom sender, int n) const;
    double soft(Atom atom) const;

    const NetworkParameters& p;
    const double transferUnit, conductanceUnit;  // of radial functions with their scale
    const Array *transferTable = nullptr, *conductanceTable = nullptr;  // [kind of the receiver][kind of the sender][n]
};

} // namespace PolarMPPlugin

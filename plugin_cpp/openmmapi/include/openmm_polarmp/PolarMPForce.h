#pragma once
#include "MultipoleSource.h"
#include "openmm/Context.h"
#include "openmm/Force.h"
#include "openmm/Vec3.h"
#include <memory>
#include <string>
#include <vector>

namespace PolarMPPlugin {

/** Results of the last evaluation, in the model's units and in the order of the force's particles. */
struct StepData {
    int numParticles = 0;
    int iterations = 0;       // of mutual induction
    double sourceEnergy = 0;  // eV
    double fieldScale = 1;    // s of theory.md section 6
    MomentArrays moments;       // quadrupoles symmetric and traceless, polarizabilities symmetric; zeros where a moment is absent
    MomentArrays gradients;     // derivatives of the electrostatic energy by the moments, theory.md section 4
    std::vector<double> inducedCharges, inducedDipoles;  // [N] e, [N,3] e A
    std::vector<double> localCharges;  // [N] e, before neighbours exchange some; the charges of a source without flows
    std::vector<double> fermiLevels;   // V, of each group with a given charge, or the level that is given
    std::vector<double> embeddingPotential, embeddingField;  // of the embedding charges, [N] V, [N,3] V/A; empty without charges
};

/**
 * Long-range electrostatics of atomic multipoles with charges and dipoles that are induced in one shot
 * (theory.md). The permanent moments and the response coefficients come from a MultipoleSource at each step.
 *
 * Lengths are in nm, energies in kJ/mol and charges in e, as everywhere in OpenMM. Moments that go into a source,
 * and StepData, are in the model's units (A, e, eV).
 */
class PolarMPForce : public OpenMM::Force {
public:
    enum NonbondedMethod {
        /** A cluster: all pairs, no periodicity. */
        NoCutoff = 0,
        /** Periodic in all directions. */
        PME = 1
    };
    enum PolarizationType {
        /** Charges and dipoles are induced by the permanent moments alone. */
        Direct = 0,
        /** Softness, polarizability and the conductance between neighbours are ignored. */
        NoPolarization = 1,
        /** Induced charges and dipoles feel each other, too (theory.md section 9). */
        Mutual = 2
    };
    enum Boundary {
        /** A box with others around it in a conductor: k = 0 is left out. */
        Conducting = 0,
        /** A slab with vacuum above and below, normal to z (theory.md section 10). */
        SlabZ = 1,
        /** A large sphere of neutral boxes in vacuum. */
        Vacuum = 2
    };
    enum EmbeddingKernel {
        /** Embedding charges act through the multipoles' pair kernel erf(r / (sqrt(2) sigma)) / r, smeared as the multipoles are. */
        Smeared = 0,
        /** Embedding charges are points: multipoles meet them with erf(r / sigma) / r. */
        Point = 1
    };

    PolarMPForce();
    explicit PolarMPForce(std::shared_ptr<MultipoleSource> source);
    PolarMPForce(const PolarMPForce&) = delete;
    ~PolarMPForce() override;
    /** Whether an address is that of a PolarMPForce that exists, so that Python can tell one whose System is gone. */
    static bool exists(const OpenMM::Force* address);

    /** The source, or null if the force was read from XML and has not been used yet. */
    std::shared_ptr<MultipoleSource> getSource() const {
        return source;
    }
    void setSource(std::shared_ptr<MultipoleSource> source);
    /** The source; created from its description if the force does not have it yet. */
    std::shared_ptr<MultipoleSource> requireSource() const;
    /** How the source is written to XML. An empty kind means that it cannot be. */
    const SourceDescription& getSourceDescription() const {
        return description;
    }
    void setSourceDescription(const SourceDescription& description);

    /** The particles that the source describes; empty means all of the System's. */
    const std::vector<int>& getParticles() const {
        return particles;
    }
    void setParticles(const std::vector<int>& particles);

    NonbondedMethod getNonbondedMethod() const {
        return nonbondedMethod;
    }
    void setNonbondedMethod(NonbondedMethod method);
    PolarizationType getPolarizationType() const {
        return polarizationType;
    }
    void setPolarizationType(PolarizationType type);

    /** With Mutual: the residual over the driving potential, in the norm of the responses, where the iteration ends. */
    double getMutualInducedTargetEpsilon() const {
        return mutualInducedTargetEpsilon;
    }
    void setMutualInducedTargetEpsilon(double epsilon);
    /** With Mutual: more iterations than these are an error. */
    int getMutualInducedMaxIterations() const {
        return mutualInducedMaxIterations;
    }
    void setMutualInducedMaxIterations(int iterations);

    /**
     * With Mutual: the total charge, permanent and induced, of all particles of the force, or of groups of them. Softness takes up
     * what the charges of a group lack, and induced charges move within their group only (theory.md section 9).
     *
     * @param charges  one for each group, e; one for all particles if there are no groups; empty: nothing is constrained
     * @param groups   particles of the System, all among the force's, none of them in two groups; the induced charges of particles
     *                 in no group are free
     */
    void setTotalChargeConstraint(const std::vector<double>& charges, const std::vector<std::vector<int>>& groups = {});
    const std::vector<double>& getConstrainedCharges() const {
        return constrainedCharges;
    }
    const std::vector<std::vector<int>>& getConstrainedGroups() const {
        return constrainedGroups;
    }
    /**
     * With Mutual: the energy of an electron in the reservoir with which the softness of all particles exchanges charge, kJ/mol.
     * The energy is then U + level * (total charge). It cannot be combined with given total charges.
     */
    void setFermiLevel(double level);
    void removeFermiLevel();
    bool hasFermiLevel() const {
        return isLevelGiven;
    }
    double getFermiLevel() const {
        return fermiLevel;
    }

    /** The width of the pair kernel erf(r / (sqrt(2) sigma)) / r, in nm. */
    double getSigma() const {
        return sigma;
    }
    void setSigma(double sigma);
    /** The largest error of the forces, relative to their root mean square, that the mesh may make. */
    double getEwaldErrorTolerance() const {
        return ewaldErrorTolerance;
    }
    void setEwaldErrorTolerance(double tolerance);
    /** Number of mesh points per box vector; zeros (the default) leave the choice to the error tolerance. */
    void getPMEParameters(int& nx, int& ny, int& nz) const;
    void setPMEParameters(int nx, int ny, int nz);
    /**
     * A hard cutoff of the reciprocal sum in 1/nm, which reproduces a model trained with one. 0: none. The energy
     * jumps when the box changes across a cutoff: do not combine it with a barostat.
     */
    double getKMax() const {
        return kMax;
    }
    void setKMax(double kMax);
    /** What surrounds a periodic box. */
    Boundary getBoundary() const {
        return boundary;
    }
    void setBoundary(Boundary boundary);
    /** The high-frequency dielectric constant that scales how an external field acts (theory.md section 6). */
    double getEpsInf() const {
        return epsInf;
    }
    void setEpsInf(double epsInf);

    /** The particles of the System, not the source's, whose charges act on the multipoles and are acted on (theory.md section 11). */
    const std::vector<int>& getEmbeddingParticles() const {
        return embeddingParticles;
    }
    /** Their charges in e, without the scale. */
    const std::vector<double>& getEmbeddingCharges() const {
        return embeddingCharges;
    }
    /** The embedding charges' energy among themselves is left to other forces. */
    void setEmbeddingCharges(const std::vector<int>& particles, const std::vector<double>& charges);
    /** The factor s_emb of the embedding charges. */
    double getEmbeddingScale() const {
        return embeddingScale;
    }
    void setEmbeddingScale(double scale);
    EmbeddingKernel getEmbeddingKernel() const {
        return embeddingKernel;
    }
    void setEmbeddingKernel(EmbeddingKernel kernel);

    /** The mesh that a Context uses; zeros where it uses none. */
    void getPMEParametersInContext(OpenMM::Context& context, int& nx, int& ny, int& nz) const;
    /** The moments and their derivatives at the Context's present positions. Evaluates the force if that is necessary. */
    void getStepData(OpenMM::Context& context, StepData& data) const;
    /** The pairs between which charge flows at the Context's present positions; none if charges stay with their atoms. */
    void getPairFlows(OpenMM::Context& context, PairFlows& flows) const;
    /**
     * SourceEvaluation::chargeTransfer() at the Context's present positions: the part of the Born charges of permanent charges
     * that depend on their surroundings.
     *
     * @return whether the source can compute it
     */
    bool getChargeTransfer(OpenMM::Context& context, std::vector<double>& transfer) const;
    /** The potential (V) of the permanent and induced moments at points (nm), through the pair kernel, latent scale. */
    void getElectrostaticPotential(OpenMM::Context& context, const std::vector<OpenMM::Vec3>& points, std::vector<double>& potential) const;
    /**
     * Sends what has been changed since a Context was created: the source, the polarization type, given total charges and Fermi
     * level, sigma, the error tolerance, the mesh, kMax, epsInf, and the embedding charges with their scale and kernel. The nonbonded method, the particles and
     * those with embedding charges cannot be changed in a Context: an exception says so, and the Context stays as it was.
     * Reinitialize the Context for these.
     */
    void updateParametersInContext(OpenMM::Context& context) const;

    bool usesPeriodicBoundaryConditions() const override {
        return nonbondedMethod == PME;
    }
    /** Context parameters: the components of a uniform external field in V/nm. */
    static const std::string& FieldX();
    static const std::string& FieldY();
    static const std::string& FieldZ();

protected:
    OpenMM::ForceImpl* createImpl() const override;

private:
    mutable std::shared_ptr<MultipoleSource> source;
    SourceDescription description;
    std::vector<int> particles;
    NonbondedMethod nonbondedMethod = NoCutoff;
    PolarizationType polarizationType = Direct;
    double sigma = 0.1, ewaldErrorTolerance = 5e-4, kMax = 0, epsInf = 1;
    int nx = 0, ny = 0, nz = 0;
    double mutualInducedTargetEpsilon = 1e-5;
    int mutualInducedMaxIterations = 60;
    std::vector<double> constrainedCharges;
    std::vector<std::vector<int>> constrainedGroups;
    bool isLevelGiven = false;
    double fermiLevel = 0;
    std::vector<int> embeddingParticles;
    std::vector<double> embeddingCharges;
    double embeddingScale = 1;
    EmbeddingKernel embeddingKernel = Smeared;
    Boundary boundary = Conducting;
};

} // namespace PolarMPPlugin

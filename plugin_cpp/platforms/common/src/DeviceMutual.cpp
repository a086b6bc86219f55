#include "DeviceMutual.h"
#include "KernelSources.h"
#include "openmm_polarmp/internal/MutualErrors.h"
#include "openmm_polarmp/internal/Predictor.h"
#include <algorithm>
#include <cmath>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {
/** Places in the array of sums. */
enum { IMPOSSIBLE_CHARGE = 0, RESIDUAL_SIZE = 1, CURVATURE = 2, DRIVING_SIZE = 3, NUM_SUMS = 4 };
} // namespace

DeviceMutual::DeviceMutual(ComputeContext& cc, const PolarMPForce& force, SourceArrays& source, ResponseArrays& response, bool conducts,
                           DeviceConstraint* constraint, map<string, string> defines)
        : cc(cc), response(response), numParticles(source.moments[CHARGE].getSize()), maxIterations(force.getMutualInducedMaxIterations()),
          tolerance(force.getMutualInducedTargetEpsilon()), conducts(conducts), constraint(constraint),
          hasGroups(constraint != nullptr && constraint->hasGroups()) {
    const int real = elementSize(cc, false), mixed = elementSize(cc, true);
    for (ComputeArray* array : {&permanentFelt, &guess, &residual, &preconditioned, &solution, &directionFelt, &applied})
        array->initialize(cc, 4 * numParticles, real, "polarmpMutual");
    history.initialize(cc, 4 * numParticles * PREDICTOR_STEPS, real, "polarmpMutualHistory");
    products.initialize(cc, numParticles, mixed, "polarmpMutualProducts");
    sums.initialize(cc, NUM_SUMS, mixed, "polarmpMutualSums");
    cc.clearBuffer(history);
    cc.clearBuffer(sums);
    defines["PREDICTOR_STEPS"] = cc.intToString(PREDICTOR_STEPS);
    defines["REDUCTION_SIZE"] = cc.intToString(REDUCTION_SIZE);
    ComputeProgram program = cc.compileProgram(KernelSources::tensors + KernelSources::response + KernelSources::mutual, defines);
    ResponseArrays& r = response;
    ComputeArray &softness = source.moments[SOFTNESS], &polarizability = source.moments[POLARIZABILITY];
    ComputeArray &potential = source.flows[FLOW_POTENTIAL], &flowCharges = source.flows[FLOW_CHARGE];
    ArrayInterface* later = nullptr;
    start = createKernel(program, "startMutual",
                         {later, later, later, later, later, later, later, &history, &potential, &r.electricField, &permanentFelt, &guess});
    vector<ArrayInterface*> ofResponse = {&source.positions, &softness, &polarizability, &flowCharges, &r.sums, later, later, later, later, later,
                                          &potential, &r.electricField, &r.induced, &products};
    vector<ArrayInterface*> ofPreconditioner = {&softness, &polarizability, &flowCharges, &residual, &preconditioned, &products};
    if (constraint != nullptr)
        ofResponse.insert(ofResponse.end(), {&constraint->groupOf, &constraint->levels});
    if (hasGroups)
        ofPreconditioner.insert(ofPreconditioner.end(), {&constraint->groupOf, &constraint->means});
    respond = createKernel(program, "respondInField", ofResponse);
    firstResidual =
        createKernel(program, "firstResidual", {&guess, &r.phiInduced, &r.induced, &residual, &solution, &directionFelt, &potential});
    precondition = createKernel(program, "precondition", ofPreconditioner);
    sumProducts = createKernel(program, "sumProducts", {&products, &sums, later});
    nextDirection = createKernel(program, "nextDirection", {later, &residual, &preconditioned, &directionFelt, &r.induced});
    applyMatrix = createKernel(program, "applyMatrix", {&directionFelt, &r.phiInduced, &r.induced, &applied, &products});
    stepAlong = createKernel(program, "stepAlong", {&sums, &r.induced, &applied, &solution, &residual, &potential});
    writeSolution = createKernel(program, "writeSolution", {&solution, &r.induced});
    end = createKernel(program, "endMutual", {later, &permanentFelt, &r.phiInduced, &r.induced, &history, &potential, &r.electricField});
}

void DeviceMutual::sum(int place) {
    sumProducts->setArg(2, place);
    sumProducts->execute(REDUCTION_SIZE, REDUCTION_SIZE);
}

double DeviceMutual::downloadedSum(int place) {
    vector<double> values;
    sums.download(values, true);
    return values[place];
}

void DeviceMutual::startFromPrediction() {
    start->setArg(0, known);
    for (int step = 0; step < (int) PREDICTOR_STEPS; step++)
        setMixedArg(cc, start, 1 + step, step < known ? predictorWeight(known, step) : 0);
    start->setArg(6, newest);
    start->execute(numParticles);
}

bool DeviceMutual::solve(DevicePotential& potential, const FieldArguments& field, const Flow& flow) {
    startFromPrediction();
    if (hasGroups) {
        cc.clearBuffer(sums);
        constraint->setMoments(sums);
        constraint->findLevels(field);
    }
    if (conducts)
        flow(true);
    field.setArgs(cc, respond, 5);
    respond->execute(numParticles);
    sum(DRIVING_SIZE);
    potential.potentialOfInduced();
    firstResidual->execute(numParticles);
    double last = 1, enough = 0;
    for (iterations = 0;; iterations++) {
        if (conducts)
            flow(false);
        if (hasGroups)
            constraint->findMeans(residual);
        precondition->execute(numParticles);
        sum(RESIDUAL_SIZE);
        vector<double> values;
        sums.download(values, true);
        const double size = values[RESIDUAL_SIZE];
        if (values[IMPOSSIBLE_CHARGE] != 0) {
            forget();
            constraint->throwImpossible();
        }
        if (!isfinite(size) || !isfinite(values[DRIVING_SIZE])) {
            forget();
            return false;
        }
        if (iterations > 0 && !(values[CURVATURE] > 0))
            throwCatastropheOfDirection();
        if (iterations == 0)
            enough = tolerance * tolerance * values[DRIVING_SIZE];
        if (size <= enough)
            break;
        if (iterations == maxIterations) {
            forget();
            throwNoConvergence(maxIterations, sqrt(size / values[DRIVING_SIZE]), tolerance);
        }
        setMixedArg(cc, nextDirection, 0, iterations == 0 ? 0 : size / last);
        nextDirection->execute(numParticles);
        potential.potentialOfInduced();
        applyMatrix->execute(numParticles);
        sum(CURVATURE);
        stepAlong->execute(numParticles);
        last = size;
    }
    writeSolution->execute(numParticles);
    potential.potentialOfInduced();
    newest = (newest + (int) PREDICTOR_STEPS - 1) % (int) PREDICTOR_STEPS;
    end->setArg(0, newest);
    end->execute(numParticles);
    if (hasGroups)
        constraint->findLevels(field);
    known = min(known + 1, (int) PREDICTOR_STEPS);
    return true;
}

void DeviceMutual::throwCatastropheOfDirection() {
    forget();
    vector<double> direction, lengths(numParticles);
    response.induced.download(direction, true);
    for (int i = 0; i < numParticles; i++) {
        const double* m = &direction[10 * i];
        lengths[i] = fabs(m[0]) + sqrt(m[1] * m[1] + m[2] * m[2] + m[3] * m[3]);
    }
    throwCatastrophe(lengths);
}

#pragma once
#include <exception>
#include <memory>
#include <nanobind/nanobind.h>

namespace PolarMPPlugin {

/**
 * A Python exception on its way through C++ code, which arrives in Python as itself, with its type and traceback.
 *
 * The extension module's own functions restore it (registerPythonErrors). OpenMM's wrappers replace every C++ exception by an
 * openmm.OpenMMException that keeps the text alone. They do so in a catch block: they read what(), set the new exception, and
 * at the end of the block destroy this object, whose destructor then puts the original in the place of the OpenMMException.
 * It does so only if no exception was set in the same thread when what() was read, and an OpenMMException is now.
 */
class PythonError : public std::exception {
public:
    /** Takes over a Python error; the GIL must be held. */
    explicit PythonError(nanobind::python_error& error);
    /** The exception's type and text. */
    const char* what() const noexcept override;
    /** Sets the original exception in Python; the GIL must be held. */
    void restore() const noexcept;

private:
    class Original;
    std::shared_ptr<Original> original;  // shared by the copies that throwing may create
};

/** Lets nanobind's wrappers restore the original of a PythonError. */
void registerPythonErrors();

} // namespace PolarMPPlugin

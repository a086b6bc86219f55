#pragma once
#include <nanobind/nanobind.h>
#include <exception>
#include <memory>
#include <string>

namespace PolarMPPlugin {

/**
 * A Python exception on its way through OpenMM's C++ code. OpenMM's wrappers turn every C++ exception into an
 * OpenMMException that keeps the text alone. They do so inside a catch block, at whose end this object is destroyed;
 * there it puts the original Python exception, with its type and traceback, in the place of that OpenMMException.
 */
class PythonError : public std::exception {
public:
    /** Takes over the Python error that is set; the GIL must be held. */
    explicit PythonError(nanobind::python_error& error);
    const char* what() const noexcept override;

private:
    struct Original;
    std::shared_ptr<Original> original;  // shared by the copies that throwing may make
};

} // namespace PolarMPPlugin

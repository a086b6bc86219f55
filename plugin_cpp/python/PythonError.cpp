#include "PythonError.h"
#include <nanobind/stl/string.h>
#include <string>

namespace nb = nanobind;
using namespace PolarMPPlugin;

class PythonError::Original {
public:
    Original(nb::object exception, std::string message)
            : exception(exception), openmmException(nb::module_::import_("openmm").attr("OpenMMException")), message(message) {
    }
    Original(const Original&) = delete;
    ~Original() {
        if (!Py_IsInitialized()) {
            exception.release();
            openmmException.release();
            return;
        }
        nb::gil_scoped_acquire gil;
        if (reader == PyThreadState_Get() && PyErr_Occurred() == openmmException.ptr()) {
            PyErr_Clear();
            restore();
        }
        // Released here, where the GIL is held. What this runs must not see the exception that is set.
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        exception.reset();
        openmmException.reset();
        PyErr_Restore(type, value, traceback);
    }
    const char* read() noexcept {
        reader = nullptr;
        if (Py_IsInitialized()) {
            nb::gil_scoped_acquire gil;  // without effect where it is held; whether it is, the stable ABI cannot tell
            if (PyErr_Occurred() == nullptr)
                reader = PyThreadState_Get();
        }
        return message.c_str();
    }
    void restore() const noexcept {
        PyObject* value = exception.ptr();
        PyObject* type = (PyObject*) Py_TYPE(value);
        Py_INCREF(type);
        Py_INCREF(value);
        PyErr_Restore(type, value, PyException_GetTraceback(value));
    }

private:
    nb::object exception, openmmException;
    const std::string message;
    PyThreadState* reader = nullptr;  // the thread that has read what() while no exception was set in it
};

PythonError::PythonError(nb::python_error& error) {
    nb::object value = nb::borrow(error.value());
    std::string text = nb::cast<std::string>(nb::str(value));
    std::string name = nb::cast<std::string>(error.type().attr("__name__"));
    // A reference to the traceback itself would keep its frames alive, and with them what the source holds on a device.
    nb::object traceback = nb::steal(PyException_GetTraceback(value.ptr()));
    if (!traceback.is_valid() && error.traceback().is_valid())
        PyException_SetTraceback(value.ptr(), error.traceback().ptr());
    original = std::make_shared<Original>(value, name + ": " + text);
}

const char* PythonError::what() const noexcept {
    return original->read();
}

void PythonError::restore() const noexcept {
    original->restore();
}

void PolarMPPlugin::registerPythonErrors() {
    nb::register_exception_translator([](const std::exception_ptr& exception, void*) {
        try {
            std::rethrow_exception(exception);
        }
        catch (const PythonError& error) {
            error.restore();
        }
    });
}

#include "PythonError.h"
#include <nanobind/stl/string.h>

namespace nb = nanobind;
using namespace PolarMPPlugin;

struct PythonError::Original {
    PyObject* exception;
    std::string message;
    Original(PyObject* exception, const std::string& message) : exception(exception), message(message) {
    }
    Original(const Original&) = delete;
    ~Original();
};

PythonError::Original::~Original() {
    if (!Py_IsInitialized())
        return;
    if (!PyGILState_Check()) {
        nb::gil_scoped_acquire gil;
        Py_XDECREF(exception);
        return;
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    bool replaced = false;
    if (type != nullptr) {
        // Is the error that is being raised the one that OpenMM made of us?
        PyErr_NormalizeException(&type, &value, &traceback);
        PyObject* text = PyObject_Str(value);
        const char* utf8 = text == nullptr ? nullptr : PyUnicode_AsUTF8(text);
        replaced = utf8 != nullptr && message == utf8 && std::string(((PyTypeObject*) type)->tp_name) == "OpenMMException";
        Py_XDECREF(text);
        PyErr_Clear();
    }
    if (replaced) {
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(traceback);
        Py_INCREF(Py_TYPE(exception));
        PyErr_Restore((PyObject*) Py_TYPE(exception), exception, PyException_GetTraceback(exception));
    }
    else {
        Py_XDECREF(exception);
        PyErr_Restore(type, value, traceback);
    }
}

PythonError::PythonError(nb::python_error& error) {
    nb::object value = nb::borrow(error.value());
    std::string text = nb::cast<std::string>(nb::str(value));
    std::string name = nb::cast<std::string>(error.type().attr("__name__"));
    // A reference to the traceback that stayed would keep all of its frames alive, and what the source holds on a device.
    nb::object traceback = nb::steal(PyException_GetTraceback(value.ptr()));
    if (!traceback.is_valid() && error.traceback().is_valid())
        PyException_SetTraceback(value.ptr(), error.traceback().ptr());
    original = std::make_shared<Original>(value.release().ptr(), name + ": " + text);
}

const char* PythonError::what() const noexcept {
    return original->message.c_str();
}

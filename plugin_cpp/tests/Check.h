#pragma once
#include <cmath>
#include <exception>
#include <functional>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// What the tests need of a framework. Each file is an executable that returns the number of its tests that have failed.

inline void failCheck(const std::string& what, const char* file, int line) {
    std::stringstream message;
    message << file << ":" << line << ": " << what;
    throw std::runtime_error(message.str());
}

#define CHECK(condition) \
    do { \
        if (!(condition)) \
            failCheck(#condition, __FILE__, __LINE__); \
    } while (false)

/** Whether two numbers differ by at most `tolerance`; also fails if one is not a number. */
#define CHECK_CLOSE(value, expected, tolerance) \
    do { \
        const double a_ = (value), b_ = (expected); \
        if (!(std::fabs(a_ - b_) <= (tolerance))) { \
            std::stringstream what_; \
            what_.precision(17); \
            what_ << #value << " is " << a_ << ", expected " << b_; \
            failCheck(what_.str(), __FILE__, __LINE__); \
        } \
    } while (false)

/** Whether an expression throws an exception whose message contains `text`. */
#define CHECK_THROWS(expression, text) \
    do { \
        std::string message_; \
        try { \
            expression; \
        } \
        catch (const std::exception& exception_) { \
            message_ = exception_.what(); \
        } \
        if (message_.find(text) == std::string::npos) \
            failCheck(#expression " throws '" + message_ + "'", __FILE__, __LINE__); \
    } while (false)

inline int runTests(const std::vector<std::pair<const char*, std::function<void()>>>& tests) {
    int failures = 0;
    for (const auto& [name, test] : tests) {
        try {
            test();
            std::cout << "passed " << name << std::endl;
        }
        catch (const std::exception& exception) {
            std::cout << "FAILED " << name << ": " << exception.what() << std::endl;
            failures++;
        }
    }
    return failures;
}

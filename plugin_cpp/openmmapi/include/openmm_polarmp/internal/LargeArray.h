#pragma once
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>
#ifdef __linux__
#include <sys/mman.h>
#endif

namespace PolarMPPlugin {

constexpr size_t CACHE_LINE = 64;  // bytes

/** Arrays begin at a cache line; large ones ask the operating system for huge pages, which need fewer TLB entries. */
template <class T>
struct LargeAllocator {
    using value_type = T;
    LargeAllocator() = default;
    template <class U>
    LargeAllocator(const LargeAllocator<U>&) {
    }

    T* allocate(size_t n) {
        const size_t hugePage = 2 << 20, bytes = n * sizeof(T);
        const size_t alignment = bytes >= hugePage ? hugePage : CACHE_LINE;
        const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
        void* memory = std::aligned_alloc(alignment, rounded);
        if (memory == nullptr)
            throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
        if (alignment == hugePage)
            madvise(memory, rounded, MADV_HUGEPAGE);
#endif
        return static_cast<T*>(memory);
    }
    void deallocate(T* memory, size_t) {
        std::free(memory);
    }
    bool operator==(const LargeAllocator&) const {
        return true;
    }
    bool operator!=(const LargeAllocator&) const {
        return false;
    }
};

template <class T>
using LargeArray = std::vector<T, LargeAllocator<T>>;

/** An uninitialized array: the operating system provides memory only for the parts that are written to. */
template <class T>
class UntouchedArray {
public:
    void allocate(size_t n) {
        memory.reset();  // frees the old array before the new one is allocated
        memory.reset(LargeAllocator<T>().allocate(n));
    }
    T* data() const {
        return memory.get();
    }

private:
    struct Free {
        void operator()(T* memory) const {
            std::free(memory);
        }
    };
    std::unique_ptr<T, Free> memory;
};

} // namespace PolarMPPlugin

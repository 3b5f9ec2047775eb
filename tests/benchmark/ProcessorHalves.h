#pragma once

#include <array>
#include <cstddef>
#include <sched.h>

namespace HangDetection::Benchmark {

class ProcessorHalves
/// Has this thread, and every process and thread that it starts from then on, run on one half
/// of the processors: two machines in one, each of which leaves the other's processors alone.
/// With a single processor there is nothing to halve.
{
public:
    enum class Half : std::size_t
    {
        first,
        second
    };

    ProcessorHalves();
    ~ProcessorHalves();
    /// Gives this thread all processors back.

    ProcessorHalves(const ProcessorHalves&) = delete;
    ProcessorHalves& operator=(const ProcessorHalves&) = delete;

    void use(Half half) const;
    /// Throws std::system_error.

private:
    cpu_set_t _all{};
    std::array<cpu_set_t, 2> _halves{};
};

} // namespace HangDetection::Benchmark

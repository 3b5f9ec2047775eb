#include "ProcessorHalves.h"

#include <cerrno>
#include <system_error>

namespace HangDetection::Benchmark {

ProcessorHalves::ProcessorHalves()
{
    sched_getaffinity(0, sizeof _all, &_all);
    const int count = CPU_COUNT(&_all);
    if (count == 1) {
        _halves.fill(_all);
        return;
    }
    int seen = 0;
    for (std::size_t processor = 0; processor < CPU_SETSIZE; ++processor) {
        if (CPU_ISSET(processor, &_all))
            CPU_SET(processor, &_halves.at(seen++ < count / 2 ? 0 : 1));
    }
}

ProcessorHalves::~ProcessorHalves()
{
    sched_setaffinity(0, sizeof _all, &_all);
}

void ProcessorHalves::use(Half half) const
{
    if (sched_setaffinity(0, sizeof _all, &_halves.at(static_cast<std::size_t>(half))) != 0)
        throw std::system_error(errno, std::generic_category(), "processors cannot be chosen");
}

} // namespace HangDetection::Benchmark

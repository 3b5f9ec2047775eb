#include "SchedulerFigures.h"

#include <cstdlib>

namespace HangDetection::Benchmark {

namespace {

double valueOf(const std::string& name, const std::string& section)
{
    const auto at = section.find("\t" + name + ": ");
    return at == std::string::npos ? 0 : std::strtod(section.c_str() + at + name.size() + 3, nullptr);
}

} // namespace

SchedulerFigures SchedulerFigures::read(const std::string& sdiag)
{
    const auto backfillAt = sdiag.find("Backfilling stats");
    const std::string main = sdiag.substr(0, backfillAt);
    const std::string backfill = backfillAt == std::string::npos ? "" : sdiag.substr(backfillAt);
    return {.mainCycle = valueOf("Mean cycle", main),
            .backfillCycle = valueOf("Mean cycle", backfill),
            .mainCycles = static_cast<int>(valueOf("Total cycles", main)),
            .backfillCycles = static_cast<int>(valueOf("Total cycles", backfill)),
            .queueLength = static_cast<int>(valueOf("Last queue length", main))};
}

} // namespace HangDetection::Benchmark

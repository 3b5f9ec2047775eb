#include "Contender.h"

#include "CoderSide.h"
#include "PluginDetector.h"
#include "PsqlFloor.h"

#include <algorithm>

namespace HangDetection::Benchmark {

std::unique_ptr<Contender> makeContender(Side side, const std::string& connectionString, int mostJobs)
{
    const int limit = std::max(mostJobs, 1);
    switch (side) {
    case Side::detector:
        return std::make_unique<PluginDetector>(connectionString, limit);
    case Side::statements2023:
        return std::make_unique<CoderSide>(connectionString, CoderSide::Era::year2023, limit);
    case Side::statements2026:
        return std::make_unique<CoderSide>(connectionString, CoderSide::Era::year2026, limit);
    case Side::psql:
        break;
    }
    return std::make_unique<PsqlFloor>(connectionString,
                                       mostJobs == 0 ? PsqlFloor::Task::search : PsqlFloor::Task::terminate);
}

} // namespace HangDetection::Benchmark

#pragma once

#include <string>

namespace HangDetection::Benchmark {

struct SchedulerFigures
/// What sdiag tells of the two schedulers of slurmctld, since its last reset.
{
    double mainCycle = 0;
    double backfillCycle = 0;
    /// The mean of a cycle, in microseconds.
    int mainCycles = 0;
    int backfillCycles = 0;
    int queueLength = 0;
    /// The jobs that the last cycle of the main scheduler had to look at.

    static SchedulerFigures read(const std::string& sdiag);
    /// From the output of sdiag. A mean is missing there before the first cycle: then it is 0.
};

} // namespace HangDetection::Benchmark

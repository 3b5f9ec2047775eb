#pragma once

#include "Report.h"

namespace HangDetection::Benchmark {

Report measureScheduler(int rounds, bool isDatabaseHere);
/// What Slurm's scheduler and sbatch feel of a detector that is busy all the time. A slurmctld
/// with 5,000 jobs in its queue is measured in three settings, which take turns: alone; with
/// the detector in a process beside it; with the plugin in it. The second has all that the
/// database and the detector take of the machine, so the third shows what the plugin adds by
/// being inside.
///
/// The database and all that works with it have half of the processors, and Slurm the other, unless
/// the database is here, where all share all processors.
///
/// Starts Slurm and PostgreSQL. Throws std::runtime_error with what is missing.

} // namespace HangDetection::Benchmark

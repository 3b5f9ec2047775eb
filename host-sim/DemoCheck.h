#pragma once

#include "DemoCluster.h"

#include <map>
#include <string>
#include <vector>

namespace HangDetection::Sim {

struct Effect
/// One line of the demo's summary: in how many jobs, or Slurm jobs, an effect was expected and found.
{
    std::string description;
    int expected = 0;
    int found = 0;

    bool isComplete() const { return expected > 0 && expected == found; }
    /// A check that looked at no job has found nothing out.
};

using NotificationsByJob = std::map<std::string, std::vector<std::string>>;
/// The payloads that arrived, by job.

std::vector<Effect> checkEffects(const DemoCluster& cluster, JobDatabase& database,
                                 const NotificationsByJob& notifications,
                                 const std::vector<SimulatedJob>& slurmJobs);
/// Looks at every job of the demo and at the Slurm jobs that there are now, compares them with what
/// they were before the plugin came, and that and the notifications that arrived with the detector's
/// contract.

} // namespace HangDetection::Sim

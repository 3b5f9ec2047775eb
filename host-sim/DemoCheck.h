#pragma once

#include "DemoCluster.h"

#include <map>
#include <string>
#include <vector>

namespace HangDetection::Sim {

struct Effect
/// One line of the demo's summary: in how many jobs an effect was expected and found.
{
    std::string description;
    int expected = 0;
    int found = 0;

    bool isComplete() const { return expected == found; }
};

using NotificationsByJob = std::map<std::string, std::vector<std::string>>;
/// The payloads that arrived, by job.

std::vector<Effect> checkEffects(const DemoCluster& cluster, JobDatabase& database,
                                 const NotificationsByJob& notifications);
/// Looks at every job of the demo, and at the notifications that arrived for it, and
/// compares with what the detector has to do according to its contract.

} // namespace HangDetection::Sim

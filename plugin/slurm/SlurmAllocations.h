#pragma once

#include "detection/Allocations.h"

namespace HangDetection {

class SlurmAllocations : public Allocations
/// Asks slurmctld by its public API, as a client would, although in the same process: the requests
/// go through its port, and no lock is held meanwhile. Slurm bounds them by its MessageTimeout.
{
public:
    std::vector<Allocation> marked() override;

    void release(const Allocation& allocation, const std::string& reason) override;
};

} // namespace HangDetection

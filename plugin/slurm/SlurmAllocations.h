#pragma once

#include "detection/Allocations.h"

#include <chrono>
#include <future>
#include <string>
#include <vector>

namespace HangDetection {

class SlurmAllocations : public Allocations
/// Asks slurmctld by its public API, as a client would, although in the same process: the requests
/// go through its port, and no lock is held meanwhile.
{
public:
    std::vector<Allocation> marked() override;
    /// Slurm itself waits for minutes where the active controller is another one and does not
    /// answer. So the question has a thread of its own, which is left behind after some patience.

    bool release(const Allocation& allocation, const std::string& reason) override;

    static constexpr std::chrono::seconds patience{10};

private:
    struct Answer
    {
        std::vector<Allocation> allocations;
        std::string error;
        /// Empty when Slurm did answer.
    };

    static Answer ask();

    std::future<Answer> _answer;
    /// Of the question that is still open.
};

} // namespace HangDetection

#pragma once

#include "ChildProcess.h"
#include "CleanDebian.h"
#include "TemporaryDirectory.h"

#include <cstddef>

namespace HangDetection::Test {

class CleanController
/// munged and slurmctld of a CleanDebian, which has to outlive the object. Both are ended
/// with it. Used by one thread.
{
public:
    CleanController(const CleanDebian& debian, const std::string& settings);
    /// Writes /etc/slurm/slurm.conf with these lines in it, starts both, and returns when
    /// slurmctld answers. Throws std::runtime_error with its log when it does not.

    CleanController(const CleanController&) = delete;
    CleanController& operator=(const CleanController&) = delete;

    void waitForLog(const std::string& text) const;
    /// Throws std::runtime_error with the log when no line of it holds the text in time.

    std::string log() const;

private:
    const CleanDebian& _debian;
    const TemporaryDirectory _output;
    std::optional<ChildProcess> _munged;
    std::optional<ChildProcess> _slurmctld;
};

} // namespace HangDetection::Test

#pragma once

#include "DatabaseFixture.h"

#include <chrono>
#include <future>
#include <stop_token>

namespace HangDetection::Test {

class BackgroundRunFixture : public DatabaseFixture
/// Runs of the detector in a thread of their own.
{
public:
    void tearDown() override;
    /// Whatever holds a run has to be released before.

protected:
    using Clock = std::chrono::steady_clock;

    void startRun();

    void requestStop() { _stop.request_stop(); }

    void forgetStop() { _stop = {}; }
    /// The next run is not stopped.

    void runWithASlowSearch();
    /// One that takes so long that the detector asks itself whether an index is missing, which it
    /// does once an hour.

    RunStatistics endOfRun();
    /// Does not wait for ever, so that a run that nothing ends fails its test.

private:
    std::future<RunStatistics> _running;
    std::stop_source _stop;
};

} // namespace HangDetection::Test

#pragma once

#include "DatabaseFixture.h"

#include <chrono>
#include <future>
#include <stop_token>

namespace HangDetection::Test {

class BackgroundRunFixture : public DatabaseFixture
/// Runs of the detector in a thread of their own, which something cuts short.
{
public:
    void tearDown() override;
    /// Whatever holds a run has to be released before.

protected:
    void startRun();

    void requestStop() { _stop.request_stop(); }

    void runWithASlowSearch();
    /// One that takes so long that the detector asks itself whether an index is missing, which it
    /// does once an hour.

    RunStatistics endOfRun();
    /// Does not wait for ever, so that a run that nothing ends fails its test.

    void useShortRunTimeout() { settings().runTimeout = shortRunTimeout; }
    /// Before the first run.

    void expectTimeout(std::chrono::milliseconds atMost);
    /// A run that ends with that RunTimeout, and in time.

    void expectStopped(std::chrono::milliseconds atMost = promptly);
    /// The run that was started is asked to stop, and does so in time.

    static constexpr std::chrono::seconds shortRunTimeout{2};
    /// Long enough for a run on a slow machine that nothing holds.

    static constexpr std::chrono::milliseconds promptly{4500};
    /// Two seconds are promised after a stop. The rest is for a slow machine; after five
    /// seconds a wait for a lock would end by itself.

private:
    std::future<RunStatistics> _running;
    std::stop_source _stop;
};

} // namespace HangDetection::Test

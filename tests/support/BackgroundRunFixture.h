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

    void expectTimeout();
    /// A run that ends with that RunTimeout, and not with the end of a wait for a lock.

    void expectStopped(std::chrono::milliseconds atMost = promptly);
    /// The run that was started is asked to stop, and does so in time. The next one is not.

    static constexpr std::chrono::seconds shortRunTimeout{2};
    /// Long enough for a run on a slow machine that nothing holds.

    static constexpr std::chrono::milliseconds promptly{4500};
    /// Two seconds are promised after a stop. The rest is for a slow machine; after five
    /// seconds a wait for a lock would end by itself.

    static constexpr std::chrono::seconds inSilence{9};
    /// The same where a second of the two is for the server's answer; after ten a connect would end.

private:
    std::future<RunStatistics> _running;
    std::stop_source _stop;
};

} // namespace HangDetection::Test

#pragma once

#include "DatabaseFaults.h"

#include <chrono>
#include <cstddef>

namespace HangDetection::Test {

struct StopRow
/// A fault, and when the plugin is asked to stop.
{
    std::string fault;
    std::string variant = {};
    std::string interval = "1";
    bool isMadeAtWork = false;
    /// After a run.
    std::size_t failures = 1;
    /// Of runs, before the stop, where the fault makes them fail.
    bool isOver = false;
    /// The stop comes when the fault has ended.
};

const std::vector<StopRow>& stopsUnderFault();

class StopUnderFault
/// The course of a stop, for a suite that says how the plugin is started and stopped.
{
public:
    virtual ~StopUnderFault() = default;

protected:
    void prepare(const StopRow& row, Sim::ThrowawayPostgres& server, TestDatabase& database);
    /// Before the first stop.

    std::chrono::milliseconds stop();
    /// Makes the fault, stops the plugin when it has met it, and ends the fault. Returns how long the
    /// stop took.

private:
    virtual void start(const std::string& options, const std::string& interval) = 0;
    /// The options come last in the connection string.

    virtual void awaitWork() = 0;
    /// Returns when a run has finished.

    virtual std::string log() const = 0;

    virtual void awaitLog(const std::string& text, std::size_t lines) = 0;

    virtual std::chrono::milliseconds expectStopOfHeldRun(bool isAnswered) = 0;
    /// Of a run that the fault holds; whether the server answers a cancel.

    virtual std::chrono::milliseconds expectStop() = 0;

    StopRow _row;
    std::optional<FaultSite> _site;
};

} // namespace HangDetection::Test

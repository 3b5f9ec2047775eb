#pragma once

#include "JobDatabase.h"

#include <stop_token>
#include <string>
#include <thread>

namespace HangDetection::Benchmark {

class HungJobFeeder
/// A thread that keeps hung jobs coming, so that a detector always has a full run to do.
{
public:
    explicit HungJobFeeder(const std::string& connectionString);
    /// Returns when there are as many as two runs take.

    static constexpr int jobsPerRun = 10000;
    /// The most that the detector can be told to take.

private:
    void feed(const std::stop_token& stop);
    bool isEnough();

    Sim::JobDatabase _database;
    std::jthread _thread;
};

} // namespace HangDetection::Benchmark

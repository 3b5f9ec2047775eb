#include "HungJobFeeder.h"

#include <chrono>
#include <exception>
#include <iostream>

namespace HangDetection::Benchmark {

HungJobFeeder::HungJobFeeder(const std::string& connectionString) : _database(connectionString)
{
    _database.addJobs(2 * jobsPerRun);
    _thread = std::jthread([this](const std::stop_token& stop) {
        try {
            feed(stop);
        } catch (const std::exception& exception) {
            std::cerr << "no more hung jobs: " << exception.what() << '\n';
        }
    });
}

void HungJobFeeder::feed(const std::stop_token& stop)
{
    // A run of so many jobs takes longer, and each look costs the server a little.
    constexpr std::chrono::milliseconds pause{200};
    while (!stop.stop_requested()) {
        if (isEnough())
            std::this_thread::sleep_for(pause);
        else
            _database.addJobs(jobsPerRun);
    }
}

bool HungJobFeeder::isEnough()
{
    return _database
        .value("SELECT 1 FROM provisioner_jobs WHERE started_at IS NOT NULL AND completed_at IS NULL"
               " OFFSET " +
               std::to_string(2 * jobsPerRun - 1) + " LIMIT 1")
        .has_value();
}

} // namespace HangDetection::Benchmark

#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

struct pg_conn;

namespace HangDetection::Sim {

struct BuildLogNotification
/// What everybody who follows a build log receives.
{
    std::string jobId;
    std::string payload;
};

class NotificationListener
/// Follows build logs by a connection of its own, as a Coder server does. Used by one
/// thread.
{
public:
    explicit NotificationListener(const std::string& connectionString);
    /// Throws std::runtime_error when it cannot connect.

    void follow(const std::string& jobId);
    /// Listens on the channel of one job.

    std::optional<BuildLogNotification> next(std::chrono::milliseconds atMost);
    /// The next notification; waits for it at most so long.

private:
    void execute(const std::string& sql);

    std::unique_ptr<pg_conn, void (*)(pg_conn*)> _connection;
};

} // namespace HangDetection::Sim

#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

struct pg_conn;

namespace HangDetection::Sim {

struct BuildLogNotification
/// What everybody receives who follows a build log.
{
    std::string jobId;
    std::string payload;
};

class NotificationListener
/// Follows build logs over a connection of its own, as a Coder server does. Used by one thread.
{
public:
    explicit NotificationListener(const std::string& connectionString);
    /// Throws std::runtime_error when it cannot connect.

    void follow(const std::string& jobId);
    /// Listens on the channel of one job.

    std::optional<BuildLogNotification> next(std::chrono::milliseconds atMost);
    /// Waits for the next notification. Nothing when the time is over, or the connection is lost.

private:
    void execute(const std::string& sql);

    std::unique_ptr<pg_conn, void (*)(pg_conn*)> _connection;
};

} // namespace HangDetection::Sim

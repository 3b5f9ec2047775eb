#include "NotificationListener.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>

namespace HangDetection::Sim {

namespace {

constexpr std::string_view channelPrefix = "provisioner-log-logs:";

} // namespace

NotificationListener::NotificationListener(const std::string& connectionString)
    : _connection(PQconnectdb(connectionString.c_str()), &PQfinish)
{
    if (PQstatus(_connection.get()) != CONNECTION_OK)
        throw std::runtime_error(PQerrorMessage(_connection.get()));
}

void NotificationListener::follow(const std::string& jobId)
{
    execute("LISTEN \"" + std::string(channelPrefix) + jobId + "\"");
}

std::optional<BuildLogNotification> NotificationListener::next(std::chrono::milliseconds atMost)
{
    using Clock = std::chrono::steady_clock;
    const auto until = Clock::now() + atMost;
    while (true) {
        PQconsumeInput(_connection.get());
        const std::unique_ptr<PGnotify, void (*)(void*)> notification(PQnotifies(_connection.get()),
                                                                      &PQfreemem);
        if (notification) {
            const std::string channel = notification->relname;
            return BuildLogNotification{channel.substr(std::min(channelPrefix.size(), channel.size())),
                                        notification->extra};
        }
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
        if (left.count() <= 0 || PQstatus(_connection.get()) != CONNECTION_OK)
            return std::nullopt;
        pollfd request{PQsocket(_connection.get()), POLLIN, 0};
        poll(&request, 1, static_cast<int>(left.count()));
    }
}

void NotificationListener::execute(const std::string& sql)
{
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(_connection.get(), sql.c_str()),
                                                               &PQclear);
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK)
        throw std::runtime_error(PQerrorMessage(_connection.get()));
}

} // namespace HangDetection::Sim

#pragma once

#include "ThrowawayPostgres.h"

#include <string>

namespace HangDetection::Test {

class Outage
/// A server that is stopped, until it is started again, at the latest with the end of
/// the object.
{
public:
    explicit Outage(Sim::ThrowawayPostgres& server, const std::string& mode = "fast");
    /// Stops it in one of the modes of ThrowawayPostgres::stop.

    ~Outage();

    Outage(const Outage&) = delete;
    Outage& operator=(const Outage&) = delete;

    void end();
    /// Starts the server, unless that was done before.

private:
    Sim::ThrowawayPostgres& _server;
    bool _isOver = false;
};

} // namespace HangDetection::Test

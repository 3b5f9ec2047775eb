#pragma once

#include "ThrowawayPostgres.h"

#include <exception>
#include <iostream>
#include <string>
#include <utility>

namespace HangDetection::Test {

class Outage
/// A server that is stopped, until it is started again, at the latest with the end of
/// the object.
{
public:
    explicit Outage(Sim::ThrowawayPostgres& server, const std::string& mode = "fast") : _server(server)
    /// Stops it in one of the modes of ThrowawayPostgres::stop.
    {
        _server.stop(mode);
    }

    ~Outage()
    {
        try {
            end();
        } catch (const std::exception& exception) {
            std::cerr << "the server of the tests did not start again: " << exception.what() << '\n';
        }
    }

    Outage(const Outage&) = delete;
    Outage& operator=(const Outage&) = delete;

    void end()
    /// Starts the server, unless that was done before.
    {
        if (!std::exchange(_isOver, true))
            _server.start();
    }

private:
    Sim::ThrowawayPostgres& _server;
    bool _isOver = false;
};

} // namespace HangDetection::Test

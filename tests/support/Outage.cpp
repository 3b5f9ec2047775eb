#include "Outage.h"

#include <exception>
#include <iostream>

namespace HangDetection::Test {

Outage::Outage(Sim::ThrowawayPostgres& server, const std::string& mode) : _server(server)
{
    _server.stop(mode);
}

Outage::~Outage()
{
    try {
        end();
    } catch (const std::exception& exception) {
        std::cerr << "the server of the tests did not start again: " << exception.what() << '\n';
    }
}

void Outage::end()
{
    if (_isOver)
        return;
    _isOver = true;
    _server.start();
}

} // namespace HangDetection::Test

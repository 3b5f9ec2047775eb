#pragma once

#include "LogLine.h"

#include <Poco/AutoPtr.h>
#include <Poco/Logger.h>
#include <Poco/NObserver.h>
#include <Poco/NotificationCenter.h>

#include <exception>
#include <functional>
#include <string>
#include <utility>

namespace HangDetection {

template <typename N>
class Subscription
/// Calls a handler for every notification of type N that is posted to a center, while the subscription lives.
///
/// A NotificationCenter calls its observers one after the other in the thread that posts. An exception of one
/// would skip the observers after it and end the run. So an exception is logged here, and ends only this call
/// of the handler.
{
public:
    using Handler = std::function<void(const N&)>;

    /// Failures of the handler are logged with the name.
    Subscription(Poco::NotificationCenter& center, std::string name, Poco::Logger& logger, Handler handler)
        : _center(center), _name(std::move(name)), _logger(logger), _handler(std::move(handler))
    {
        _center.addObserver(observer());
    }

    ~Subscription() { _center.removeObserver(observer()); }

    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;

private:
    Poco::NObserver<Subscription, N> observer() { return {*this, &Subscription::handle}; }

    void handle(const Poco::AutoPtr<N>& notification)
    {
        try {
            try {
                _handler(*notification);
            } catch (const std::exception& exception) {
                // Only the name of a Poco exception, as its text may quote a connection string.
                _logger.error("observer " + _name + " failed: " + shortened(exception.what()));
            } catch (...) {
                _logger.error("observer " + _name + " failed: unknown exception");
            }
        } catch (...) {
            // Logging failed, too.
        }
    }

    Poco::NotificationCenter& _center;
    const std::string _name;
    Poco::Logger& _logger;
    const Handler _handler;
};

} // namespace HangDetection

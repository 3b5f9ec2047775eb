#pragma once

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
/// Calls a handler for every notification of type N that is posted to a center, for
/// as long as the subscription lives.
///
/// A NotificationCenter calls its observers one after the other in the thread that
/// posts, and an exception of one would silence those after it and end the run that
/// posted. Here it ends nothing but the handler's own call: it is logged.
{
public:
    using Handler = std::function<void(const N&)>;

    /// The name is what a failure of the handler is logged under.
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
            _handler(*notification);
        } catch (const std::exception& exception) {
            // Of Poco's exceptions this is the name only; their texts may quote a connection string.
            _logger.error("observer " + _name + " failed: " + exception.what());
        } catch (...) {
            _logger.error("observer " + _name + " failed: unknown exception");
        }
    }

    Poco::NotificationCenter& _center;
    const std::string _name;
    Poco::Logger& _logger;
    const Handler _handler;
};

} // namespace HangDetection

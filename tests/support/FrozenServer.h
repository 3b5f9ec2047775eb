#pragma once

#include "ThrowawayPostgres.h"

#include <string>

namespace HangDetection::Test {

class FrozenServer
/// A server whose processes are all stopped, until it is thawed, at the latest with the
/// end of the object: it accepts connections, as the kernel does that for it, and answers
/// nothing.
{
public:
    explicit FrozenServer(const Sim::ThrowawayPostgres& server);
    /// Throws std::runtime_error when it does not run.

    ~FrozenServer() { thaw(); }

    FrozenServer(const FrozenServer&) = delete;
    FrozenServer& operator=(const FrozenServer&) = delete;

    void thaw() noexcept;
    /// May come more than once.

private:
    void signalTo(const std::string& signal) const;

    const std::string _postmaster;
};

} // namespace HangDetection::Test

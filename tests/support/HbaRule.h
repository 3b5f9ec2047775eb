#pragma once

#include "ThrowawayPostgres.h"

#include <filesystem>
#include <string>

namespace HangDetection::Test {

class HbaRule
/// A line in front of those of a server's pg_hba.conf, where the first match counts,
/// until it is taken out, at the latest with the end of the object. It must not be
/// about the server's superuser. Sessions that are open are not touched by it.
{
public:
    HbaRule(const Sim::ThrowawayPostgres& server, const std::string& line);
    /// Returns when it is in force.

    ~HbaRule();

    HbaRule(const HbaRule&) = delete;
    HbaRule& operator=(const HbaRule&) = delete;

    void end();
    /// Takes the line out, unless that was done before, and returns when it is out of force.

private:
    void write(const std::string& rules) const;

    const std::string _connectionString;
    const std::filesystem::path _file;
    const std::string _before;
    bool _isOver = false;
};

} // namespace HangDetection::Test

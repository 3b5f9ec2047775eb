#pragma once

#include "Eventually.h"
#include "JobDatabase.h"
#include "ThrowawayPostgres.h"

#include <chrono>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace HangDetection::Test {

class HbaRule
/// A line in front of those of a server's pg_hba.conf, where the first match counts,
/// until it is taken out, at the latest with the end of the object. It must not be
/// about the server's superuser. Sessions that are open are not touched by it.
{
public:
    HbaRule(const Sim::ThrowawayPostgres& server, const std::string& line, const std::string& options = "")
        : _connectionString(server.connectionString("postgres") + options),
          _file(server.directory() / "data/pg_hba.conf")
    /// Returns when it is in force. The options are for the connection to the server.
    {
        std::ifstream stream(_file);
        _before.assign(std::istreambuf_iterator<char>(stream), {});
        write(line + '\n' + _before);
    }

    ~HbaRule()
    {
        try {
            end();
        } catch (const std::exception& exception) {
            std::cerr << "the line stays in " << _file << ": " << exception.what() << '\n';
        }
    }

    HbaRule(const HbaRule&) = delete;
    HbaRule& operator=(const HbaRule&) = delete;

    void end()
    /// Takes the line out, unless that was done before, and returns when it is out of force.
    {
        if (_isOver)
            return;
        _isOver = true;
        write(_before);
    }

private:
    void write(const std::string& rules) const
    {
        std::ofstream(_file) << rules;
        Sim::JobDatabase session(_connectionString);
        const auto before = session.value("SELECT clock_timestamp()::text");
        session.execute("SELECT pg_reload_conf()");
        // The process that makes all sessions passes its time on to them, and reads both files in one go.
        const bool isRead = eventually(std::chrono::seconds(20), [&] {
            return Sim::JobDatabase(_connectionString)
                .isTrue("SELECT pg_conf_load_time() > $1::timestamptz", before.value());
        });
        if (!isRead)
            throw std::runtime_error("the server does not read its pg_hba.conf again");
    }

    const std::string _connectionString;
    const std::filesystem::path _file;
    std::string _before;
    bool _isOver = false;
};

} // namespace HangDetection::Test

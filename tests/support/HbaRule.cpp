#include "HbaRule.h"

#include "Eventually.h"
#include "JobDatabase.h"

#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>

namespace HangDetection::Test {

namespace {

std::string textOf(const std::filesystem::path& file)
{
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), {}};
}

} // namespace

HbaRule::HbaRule(const Sim::ThrowawayPostgres& server, const std::string& line)
    : _connectionString(server.connectionString("postgres")),
      _file(server.directory() / "data/pg_hba.conf"),
      _before(textOf(_file))
{
    write(line + '\n' + _before);
}

HbaRule::~HbaRule()
{
    try {
        end();
    } catch (const std::exception& exception) {
        std::cerr << "the line stays in " << _file << ": " << exception.what() << '\n';
    }
}

void HbaRule::end()
{
    if (_isOver)
        return;
    _isOver = true;
    write(_before);
}

void HbaRule::write(const std::string& rules) const
{
    std::ofstream(_file) << rules;
    Sim::JobDatabase session(_connectionString);
    const auto before = session.value("SELECT clock_timestamp()::text WHERE $1 = ''", "");
    session.execute("SELECT pg_reload_conf()");
    // A new session has the time from the process that makes all sessions, and reads both files in one go.
    const bool isRead = eventually(std::chrono::seconds(20), [&] {
        return Sim::JobDatabase(_connectionString)
            .isTrue("SELECT pg_conf_load_time() > $1::timestamptz", before.value());
    });
    if (!isRead)
        throw std::runtime_error("the server does not read its pg_hba.conf again");
}

} // namespace HangDetection::Test

#pragma once

#include <Poco/Logger.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace HangDetection {

class MetricsFile
/// The file that node_exporter's textfile collector reads. A reader sees one whole text or the
/// next, as each is written beside the file and then takes its place. It stays when the
/// object goes: its age tells that nobody writes it.
///
/// An error is logged once, then when it is another one or over; it has no other consequence.
/// A disk that hangs makes write() hang. Used by one thread, while another process may
/// write the same file, as slurmctld's successor does for a moment.
{
public:
    explicit MetricsFile(Poco::Logger& logger) : _logger(logger) {}
    /// No file yet.

    void moveTo(const std::filesystem::path& path);
    /// An absolute path, or an empty one for no file. When that is new, the old file is removed.

    void write(std::string_view text);
    /// Does nothing when there is no path.

private:
    void remove();
    void tellFailure(const char* what, std::error_code reason);

    Poco::Logger& _logger;
    std::filesystem::path _path;
    std::error_code _failure;
    /// Of the last write.
};

} // namespace HangDetection

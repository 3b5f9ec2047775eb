#pragma once

#include <Poco/Logger.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace HangDetection {

class MetricsFile
/// The file that node_exporter's textfile collector reads. Each text is written to a file beside it and then
/// takes its place, so a reader never sees half a text. The file stays when the object is destroyed: its age
/// shows that it is not written any more.
///
/// An error is logged when it is new and when it is over, and has no other effect. If the disk hangs, write()
/// hangs. Used by one thread. Another process may write the same file, as the next slurmctld does for a
/// moment.
{
public:
    explicit MetricsFile(Poco::Logger& logger) : _logger(logger) {}
    /// No file yet.

    void moveTo(const std::filesystem::path& path);
    /// Takes an absolute path, or an empty one for no file. If the path is new, removes the old file.

    void write(std::string_view text);
    /// Does nothing when there is no path.

private:
    void remove();
    void tellFailure(const char* what, std::error_code reason);

    Poco::Logger& _logger;
    std::filesystem::path _path;
    std::error_code _failure;
    /// The error of the last write.
};

} // namespace HangDetection

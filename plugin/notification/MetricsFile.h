#pragma once

#include <Poco/Logger.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <system_error>

namespace HangDetection {

class MetricsFile
/// The file that node_exporter's textfile collector reads. Each text is written to a file beside it and then
/// takes its place, so a reader never sees half a text. The file stays when the object is destroyed: its age
/// shows that it is not written any more.
///
/// An error is logged when it is new and when it is over, and has no other effect. If the disk hangs, write()
/// hangs. Used by one thread. Another process may write the same file, as the next slurmctld does for a
/// moment; then one of the two texts is left out.
{
public:
    explicit MetricsFile(Poco::Logger& logger) : _logger(logger) {}
    /// No file yet.

    void moveTo(const std::filesystem::path& path);
    /// Takes an absolute path, or an empty one for no file. If the path is new, removes the old file, unless
    /// somebody else has written it since.

    void write(std::string_view text);
    /// Does nothing when there is no path.

    struct Id
    /// Of a file with its text.
    {
        dev_t device;
        ino_t inode;
        std::chrono::nanoseconds written;

        bool operator==(const Id&) const = default;
    };

private:
    void remove();
    void tellFailure(const char* what, std::error_code reason);

    Poco::Logger& _logger;
    std::filesystem::path _path;
    std::optional<Id> _written;
    /// The file of the last write.
    std::error_code _failure;
    /// The error of the last write.
};

} // namespace HangDetection

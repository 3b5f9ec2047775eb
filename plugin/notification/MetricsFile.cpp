#include "MetricsFile.h"

#include "LogLine.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>

namespace HangDetection {

namespace {

std::error_code lastError()
{
    return {errno, std::generic_category()};
}

class Temporary
/// The next text, in a file beside the one that it replaces. Its name does not end in .prom, so node_exporter
/// does not read it.
{
public:
    Temporary(std::string path, int flags)
        : _path(std::move(path)),
          _descriptor(open(_path.c_str(), flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, mode))
    {
        if (_descriptor < 0)
            throw std::system_error(lastError());
    }

    ~Temporary() { close(_descriptor); }

    Temporary(const Temporary&) = delete;
    Temporary& operator=(const Temporary&) = delete;

    bool lock() const
    /// False when another process is writing it, or has just moved or removed it.
    {
        if (flock(_descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
            return false;
        struct stat named = {};
        return stat(_path.c_str(), &named) == 0 && idOf(named) == idOf(status());
    }

    MetricsFile::Id replace(const std::filesystem::path& file, std::string_view text) const
    {
        const std::error_code error = tryToReplace(file, text);
        if (error) {
            unlink(_path.c_str());
            throw std::system_error(error);
        }
        return idOf(status());
    }

    static MetricsFile::Id idOf(const struct stat& status)
    {
        return {status.st_dev, status.st_ino,
                std::chrono::seconds(status.st_mtim.tv_sec) +
                    std::chrono::nanoseconds(status.st_mtim.tv_nsec)};
    }

private:
    /// Everybody can read it, whatever the umask is.
    static constexpr mode_t mode = 0644;

    struct stat status() const
    {
        struct stat status = {};
        fstat(_descriptor, &status);
        return status;
    }

    std::error_code tryToReplace(const std::filesystem::path& file, std::string_view text) const
    {
        if (fchmod(_descriptor, mode) != 0)
            return lastError();
        while (!text.empty()) {
            const ssize_t written = ::write(_descriptor, text.data(), text.size());
            if (written < 0)
                return lastError();
            text.remove_prefix(static_cast<std::size_t>(written));
        }
        if (std::rename(_path.c_str(), file.c_str()) != 0)
            return lastError();
        return {};
    }

    const std::string _path;
    const int _descriptor;
};

bool removeLeftover(const std::string& path)
/// A crash may have left a temporary file, or somebody else may have put something in its place. False when
/// another process is writing it.
{
    std::optional<Temporary> leftover; // stays locked until it is removed
    try {
        leftover.emplace(path, O_RDONLY);
        if (!leftover->lock())
            return false;
    } catch (const std::system_error& error) {
        if (error.code() == std::errc::no_such_file_or_directory)
            return true;
        // No process of this plugin makes a link, or a file that cannot be read.
        if (error.code() != std::errc::too_many_symbolic_link_levels &&
            error.code() != std::errc::permission_denied)
            throw;
    }
    if (unlink(path.c_str()) != 0)
        throw std::system_error(lastError());
    return true;
}

const char* adviceFor(std::error_code error)
{
    switch (error.value()) {
    case EACCES:
    case EPERM:
        return "let slurmctld's user write to the directory, or give MetricsFile another one";
    case ENOENT:
    case ENOTDIR:
        return "make the directory, or give MetricsFile another one";
    case EISDIR:
        return "a directory has this path, or this path with .tmp; give MetricsFile the path of a file";
    case ENAMETOOLONG:
    case ELOOP:
        return "give MetricsFile another path";
    case ENOSPC:
    case EDQUOT:
        return "free space on that disk";
    case EFBIG:
        return "raise slurmctld's limit for the size of a file (LimitFSIZE)";
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return "slurmctld is short of memory or of file descriptors; see its limits (LimitNOFILE)";
    default:
        return "check the disk, or give MetricsFile another place";
    }
}

} // namespace

void MetricsFile::moveTo(const std::filesystem::path& path)
{
    if (path == _path)
        return;
    remove();
    _written.reset();
    _path = path;
    _failure.clear();
}

void MetricsFile::write(std::string_view text)
{
    if (_path.empty())
        return;
    try {
        const std::string path = _path.string() + ".tmp";
        if (!removeLeftover(path))
            return;
        const Temporary temporary(path, O_WRONLY | O_CREAT | O_EXCL);
        if (!temporary.lock())
            return;
        _written = temporary.replace(_path, text);
        if (_failure)
            _logger.information(LogLine("metrics file is written again").add("path", _path.string()).text());
        _failure.clear();
    } catch (const std::system_error& error) {
        // Another process has made the temporary file meanwhile, and writes it.
        if (error.code() == std::errc::file_exists)
            return;
        if (error.code() != _failure)
            tellFailure("metrics file cannot be written", error.code());
        _failure = error.code();
    }
}

void MetricsFile::remove()
/// Another file may stand in its place by now: that of the next slurmctld, or of somebody else.
{
    if (!_written)
        return;
    struct stat status = {};
    const bool isThere = lstat(_path.c_str(), &status) == 0;
    if (isThere && Temporary::idOf(status) != _written)
        return;
    if ((!isThere || unlink(_path.c_str()) != 0) && errno != ENOENT)
        tellFailure("metrics file cannot be removed", lastError());
}

void MetricsFile::tellFailure(const char* what, std::error_code reason)
{
    _logger.error(LogLine(what)
                      .add("path", _path.string())
                      .add("error", reason.message())
                      .add("advice", adviceFor(reason))
                      .text());
}

} // namespace HangDetection

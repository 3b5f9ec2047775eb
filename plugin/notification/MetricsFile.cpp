#include "MetricsFile.h"

#include "LogLine.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace HangDetection {

namespace {

std::error_code lastError()
{
    return {errno, std::generic_category()};
}

class Temporary
/// The next text, in a file beside the one that it replaces. Its name does not end in .prom, so node_exporter
/// does not read it. A file that a crash left is used again.
{
public:
    explicit Temporary(const std::filesystem::path& file)
        : _path(file.string() + ".tmp"),
          _descriptor(open(_path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, mode))
    {
        if (_descriptor < 0)
            throw std::system_error(lastError());
    }

    ~Temporary() { close(_descriptor); }

    Temporary(const Temporary&) = delete;
    Temporary& operator=(const Temporary&) = delete;

    bool lock() const
    /// False when another process is writing, or has just moved the file to its place.
    {
        if (flock(_descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
            return false;
        struct stat opened = {};
        struct stat named = {};
        return fstat(_descriptor, &opened) == 0 && stat(_path.c_str(), &named) == 0 &&
               opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
    }

    void replace(const std::filesystem::path& file, std::string_view text) const
    {
        const std::error_code error = tryToReplace(file, text);
        if (error) {
            unlink(_path.c_str());
            throw std::system_error(error);
        }
    }

private:
    /// Everybody can read it, whatever the umask is.
    static constexpr mode_t mode = 0644;

    std::error_code tryToReplace(const std::filesystem::path& file, std::string_view text) const
    {
        if (ftruncate(_descriptor, 0) != 0 || fchmod(_descriptor, mode) != 0)
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

    const std::filesystem::path _path;
    const int _descriptor;
};

const char* adviceFor(std::error_code error)
{
    if (error == std::errc::permission_denied || error == std::errc::operation_not_permitted ||
        error == std::errc::read_only_file_system)
        return "let slurmctld's user write to the directory, or give MetricsFile another one";
    if (error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory)
        return "make the directory, or give MetricsFile another one";
    if (error == std::errc::no_space_on_device)
        return "free space on that disk";
    if (error == std::errc::is_a_directory)
        return "give MetricsFile the path of a file";
    return "check the disk, or give MetricsFile another place";
}

} // namespace

void MetricsFile::moveTo(const std::filesystem::path& path)
{
    if (path == _path)
        return;
    remove();
    _path = path;
    _failure.clear();
}

void MetricsFile::write(std::string_view text)
{
    if (_path.empty())
        return;
    try {
        const Temporary temporary(_path);
        if (!temporary.lock())
            return;
        temporary.replace(_path, text);
        if (_failure)
            _logger.information(LogLine("metrics file is written again").add("path", _path.string()).text());
        _failure.clear();
    } catch (const std::system_error& error) {
        if (error.code() != _failure)
            tellFailure("metrics file cannot be written", error.code());
        _failure = error.code();
    }
}

void MetricsFile::remove()
{
    if (_path.empty() || unlink(_path.c_str()) == 0)
        return;
    const std::error_code reason = lastError();
    // No error when the file was never written.
    std::error_code ignored;
    if (std::filesystem::is_regular_file(_path, ignored))
        tellFailure("metrics file cannot be removed", reason);
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

#include "SettingsFile.h"

#include "notification/LogLine.h"

#include <Poco/Ascii.h>
#include <Poco/String.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <sstream>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace HangDetection {

namespace {

using Poco::Ascii;

/// In bytes. A settings file has some twenty short lines; a larger file means a wrong path.
constexpr std::size_t largestFile = 65536;

[[noreturn]] void throwUnreadable(const std::filesystem::path& file, int error)
{
    const std::string reason =
        shortened(file.string()) + ": cannot be read: " + std::generic_category().message(error);
    if (error != ENOENT && error != ENOTDIR && error != EACCES)
        throw UnreadableSettings(reason);
    throw SettingsError(reason + "; it belongs beside slurm.conf, and slurmctld reads it as SlurmUser: chown "
                                 "root:slurm and chmod 0640");
}

constexpr const char* ownerAdvice = "; run chown root:slurm and chmod 0640 on it";

bool isKey(const std::string& text)
{
    return !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    });
}

} // namespace

SettingsFile SettingsFile::read(const std::filesystem::path& file)
{
    SettingsFile result(shortened(file.string()));

    // O_NONBLOCK: open() must not wait for a writer if the path is a pipe.
    const int descriptor = open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0)
        throwUnreadable(file, errno);
    const std::unique_ptr<const int, void (*)(const int*)> closer(&descriptor,
                                                                  [](const int* d) { close(*d); });

    struct stat status = {};
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode))
        throw SettingsError(result.error("is not a regular file"));
    result.checkOwner(status);
    result._readableByOthers = (status.st_mode & S_IROTH) != 0;

    std::string text(largestFile + 1, '\0');
    std::size_t size = 0;
    for (ssize_t count = 1; count > 0 && size < text.size(); size += static_cast<std::size_t>(count)) {
        count = ::read(descriptor, text.data() + size, text.size() - size);
        if (count < 0)
            throwUnreadable(file, errno);
    }
    if (size > largestFile)
        throw SettingsError(result.error("is larger than 64 KiB, so it is not a settings file"));
    text.resize(size);
    result.parse(text);
    return result;
}

void SettingsFile::checkOwner(const struct stat& status)
{
    const auto find = [&](const std::string& error) {
        _errors.push_back(_name + ": " + error + ownerAdvice);
    };
    if ((status.st_mode & S_IWOTH) != 0)
        find("can be written by everybody");
    if ((status.st_mode & S_IWGRP) != 0 && status.st_gid != 0 && status.st_gid != getegid())
        find("can be written by the group with the number " + std::to_string(status.st_gid) +
             ", which is neither root's nor SlurmUser's");
    if (status.st_uid != 0 && status.st_uid != geteuid())
        find("belongs to the user with the number " + std::to_string(status.st_uid) +
             ", who is neither root nor SlurmUser");
}

void SettingsFile::parse(const std::string& text)
{
    // Editors of Windows begin a file with a byte order mark.
    constexpr std::string_view byteOrderMark = "\xef\xbb\xbf";
    std::istringstream lines(text.starts_with(byteOrderMark) ? text.substr(byteOrderMark.size()) : text);
    std::string raw;
    for (int number = 1; std::getline(lines, raw); ++number) {
        const std::string line = Poco::trim(raw);
        if (line.empty() || line.front() == '#')
            continue;
        try {
            _entries.push_back(entryIn(line, number));
        } catch (const SettingsError& error) {
            _errors.emplace_back(error.what());
        }
    }
}

SettingsEntry SettingsFile::entryIn(const std::string& line, int number) const
{
    const auto equals = line.find('=');
    SettingsEntry entry{Poco::trim(line.substr(0, equals)), "", number};
    if (equals == std::string::npos || !isKey(entry.key))
        throw SettingsError(_name + ":" + std::to_string(number) +
                            ": not a setting; a line is Key=Value, or a comment that starts with #");
    entry.value = valueIn(line, equals + 1, entry);
    if (std::ranges::any_of(entry.value, [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
        throw SettingsError(
            errorOf(entry, "holds a control character; allowed are printable characters and blanks"));
    return entry;
}

std::string SettingsFile::valueIn(const std::string& line, std::size_t begin,
                                  const SettingsEntry& entry) const
/// The value after the `=`, without quotes and comment.
{
    while (begin < line.size() && Ascii::isSpace(line[begin]))
        ++begin;
    if (begin < line.size() && line[begin] == '"') {
        const auto end = line.find('"', begin + 1);
        if (end == std::string::npos)
            throw SettingsError(errorOf(entry, "has no closing quote"));
        const std::string rest = Poco::trim(line.substr(end + 1));
        if (!rest.empty() && (rest.front() != '#' || !Ascii::isSpace(line[end + 1])))
            throw SettingsError(
                errorOf(entry, "has text after the closing quote; only a blank and a comment may follow"));
        return line.substr(begin + 1, end - begin - 1);
    }
    auto end = begin;
    while (end < line.size() && !(line[end] == '#' && Ascii::isSpace(line[end - 1])))
        ++end;
    return Poco::trim(line.substr(begin, end - begin));
}

std::string SettingsFile::errorOf(const SettingsEntry& entry, const std::string& reason) const
{
    return _name + ":" + std::to_string(entry.line) + ": " + shortened(entry.key) + ": " + reason;
}

} // namespace HangDetection

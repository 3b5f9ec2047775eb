#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace HangDetection {

class SettingsError : public std::runtime_error
/// What is wrong with hang_detector.conf (or with slurm.conf, where its place is
/// looked up), as one line for the operator: file, line, key, reason, and what
/// is allowed. Holds no value of the key Connection.
{
public:
    using std::runtime_error::runtime_error;
};

struct SettingsEntry
/// One `Key=Value` of the file, in the place where it was written.
{
    std::string key; /// as written, in any case
    std::string value;
    int line; /// counted from 1
};

class SettingsFile
/// The text of hang_detector.conf as a list of entries, before anything is known
/// about the meaning of a key.
///
/// The syntax is that of Slurm's own files: one `Key=Value` in a line, blanks
/// around both ignored. `#` starts a comment at the start of a line or after a
/// blank; elsewhere it belongs to the value. A value in double quotes may hold any
/// printable character but a double quote.
{
public:
    static SettingsFile read(const std::filesystem::path& file);
    /// Throws SettingsError when the file is not there, not readable, no regular
    /// file, larger than 64 KiB, or has a line that is not `Key=Value`.

    const std::vector<SettingsEntry>& entries() const { return _entries; }

    bool readableByOthers() const { return _readableByOthers; }
    /// True when the file's mode lets everybody read it.

    [[noreturn]] void refuse(const SettingsEntry& entry, const std::string& reason) const;
    /// Throws `FILE:LINE: Key: reason`.

    [[noreturn]] void refuse(const std::string& reason) const;
    /// Throws `FILE: reason`, for what is wrong with the file as a whole.

private:
    explicit SettingsFile(std::filesystem::path file) : _file(std::move(file)) {}

    void parse(const std::string& text);
    std::string valueIn(const std::string& line, std::size_t begin, const SettingsEntry& entry) const;

    std::filesystem::path _file;
    std::vector<SettingsEntry> _entries;
    bool _readableByOthers = false;
};

} // namespace HangDetection

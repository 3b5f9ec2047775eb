#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

struct stat;

namespace HangDetection {

class SettingsError : public std::runtime_error
/// An error in hang_detector.conf, or in slurm.conf, which says where that file is. One line for the
/// operator: file, line, key, reason, and what is allowed. Never holds the value of Connection.
{
public:
    using std::runtime_error::runtime_error;
};

class UnreadableSettings : public SettingsError
/// The file could not be read for a reason that is not in it, such as a lack of file descriptors.
{
public:
    using SettingsError::SettingsError;
};

struct SettingsEntry
/// One `Key=Value` of the file.
{
    std::string key; /// as written, in any case
    std::string value;
    int line; /// counted from 1
};

class SettingsFile
/// hang_detector.conf as a list of entries. Does not know what the keys mean.
///
/// The syntax is that of Slurm's own files: one `Key=Value` in a line; blanks around key and value are
/// ignored. `#` starts a comment at the start of a line or after a blank; elsewhere it belongs to the value.
/// A value in double quotes may hold any printable character except a double quote.
{
public:
    static SettingsFile read(const std::filesystem::path& file);
    /// Throws SettingsError when the file is missing, cannot be read, is not a regular file, or is larger
    /// than 64 KiB.

    const std::vector<SettingsEntry>& entries() const { return _entries; }
    /// Without the lines that are errors.

    const std::vector<std::string>& errors() const { return _errors; }
    /// A line that is not `Key=Value`. Also when the file belongs to anybody but root and the user that runs
    /// the process, or when anybody but these two and their groups can write it: it says where slurmctld
    /// sends a password.

    bool readableByOthers() const { return _readableByOthers; }
    /// True when the file's mode lets everybody read it.

    std::string errorOf(const SettingsEntry& entry, const std::string& reason) const;
    /// `FILE:LINE: Key: reason`

    std::string error(const std::string& reason) const { return _name + ": " + reason; }
    /// `FILE: reason`, for an error of the whole file.

private:
    explicit SettingsFile(std::string name) : _name(std::move(name)) {}

    void checkOwner(const struct stat& status);
    void parse(const std::string& text);
    SettingsEntry entryIn(const std::string& line, int number) const;
    std::string valueIn(const std::string& line, std::size_t begin, const SettingsEntry& entry) const;

    std::string _name;
    /// The path, for errors.
    std::vector<SettingsEntry> _entries;
    std::vector<std::string> _errors;
    bool _readableByOthers = false;
};

} // namespace HangDetection

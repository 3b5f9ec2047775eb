#pragma once

#include "Screen.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace HangDetection::Sim {

struct ListedJob
/// A job that runs or waits.
{
    std::string id;
    std::string type;
    std::string state;
    /// hung, silent, running, pending or waiting.
    std::chrono::seconds silent{0};
    std::string workspaceId = {};
    /// Empty when it builds none.
    std::string workspace = {};
    std::string owner = {};
    std::string templateName = {};
    std::string daemon = {};
    /// Names, as far as the role may read them.
};

std::string roughly(std::chrono::seconds time);
/// For people: in whole seconds, minutes or hours, whichever says enough.

class SetupReport
/// What the check of a setup has found. Used by one thread.
{
public:
    enum class Form
    {
        lines, /// for people: a line for each finding, at once
        json   /// one object, at the end
    };

    explicit SetupReport(Form form) : _form(form) {}

    void ok(const std::string& subject, const std::string& text);
    void note(const std::string& subject, const std::string& text);
    /// Works, but the operator should know it.
    void problem(const std::string& subject, const std::string& text);
    /// Does not work.

    void list(std::vector<ListedJob> jobs, std::int64_t left);
    /// The jobs that a run would see, and how many of them are left out.

    bool end();
    /// Prints the jobs, and the number of problems. True when there is none, and all of it could be printed.

private:
    struct Finding
    {
        std::string verdict;
        std::string subject;
        std::string text;
    };

    void add(Finding finding, Screen::Colour colour);
    void printJobs();
    void printJson() const;

    const Form _form;
    Screen _screen;
    std::vector<Finding> _findings;
    std::vector<ListedJob> _jobs;
    std::int64_t _left = 0;
    int _notes = 0;
    int _problems = 0;
};

} // namespace HangDetection::Sim

#include "Metrics.h"

#include "data/Words.h"

#include <array>
#include <charconv>
#include <concepts>
#include <string_view>

namespace HangDetection {

namespace {

class Exposition
/// Text in Prometheus' format, one metric after the other.
{
public:
    explicit Exposition(std::string_view commonLabel) : _commonLabel(commonLabel) {}

    Exposition& gauge(std::string_view name, std::string_view help) { return begin(name, "gauge", help); }

    Exposition& counter(std::string_view name, std::string_view help) { return begin(name, "counter", help); }

    template <typename Number>
    Exposition& sample(Number value)
    {
        return sample("", value);
    }

    Exposition& sample(std::string_view labels, std::integral auto value)
    {
        return append(labels, std::to_string(value));
    }

    Exposition& sample(std::string_view labels, double value)
    {
        // to_chars does not depend on slurmctld's locale.
        std::array<char, 32> digits{};
        const char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
        return append(labels, std::string_view(digits.data(), end));
    }

    template <typename Counters>
    Exposition& samples(const Counters& counters)
    {
        for (const auto& [labels, value] : counters)
            sample(labels, value);
        return *this;
    }

    const std::string& text() const { return _text; }

private:
    Exposition& begin(std::string_view name, std::string_view type, std::string_view help)
    {
        _name = "hangdetector_";
        _name += name;
        ((_text += "# HELP ") += _name) += ' ';
        (_text += help) += '\n';
        ((_text += "# TYPE ") += _name) += ' ';
        (_text += type) += '\n';
        return *this;
    }

    Exposition& append(std::string_view labels, std::string_view value)
    {
        ((_text += _name) += '{') += _commonLabel;
        if (!labels.empty())
            (_text += ',') += labels;
        ((_text += "} ") += value) += '\n';
        return *this;
    }

    std::string_view _commonLabel;
    std::string _text;
    std::string _name;
};

std::string label(std::string_view name, std::string_view value)
{
    std::string text(name);
    text += "=\"";
    for (const char c : value) {
        if (c == '\\' || c == '"')
            text += '\\';
        if (c == '\n')
            text += "\\n";
        else
            text += c;
    }
    return text += '"';
}

std::string reasonAndType(Reason reason, std::string_view type)
{
    return label("reason", nameOf(reason)) + ',' + label("type", type);
}

} // namespace

Metrics::Metrics(Poco::NotificationCenter& center, Poco::Logger& logger, std::string_view cluster)
    : _cluster(label("cluster", cluster)),
      _file(logger),
      _onTerminated(center, "Metrics", logger, [this](const JobTerminated& n) { onJobTerminated(n.job); }),
      _onCanceled(center, "Metrics", logger, [this](const JobCanceled&) { ++_canceled; }),
      _onSkipped(center, "Metrics", logger,
                 [this](const JobSkipped& n) { ++_skipped[label("cause", nameOf(n.job.outcome))]; }),
      _onFailed(center, "Metrics", logger, [this](const JobFailed&) { ++_jobErrors; }),
      _onRevived(center, "Metrics", logger,
                 [this](const JobRevived& n) { ++_revived[label("since_then", n.job.sinceThen())]; }),
      _onReleased(center, "Metrics", logger,
                  [this](const AllocationReleased&) { ++_allocations[label("result", "cancelled")]; }),
      _onKept(center, "Metrics", logger,
              [this](const AllocationKept&) { ++_allocations[label("result", "failed")]; }),
      _onFinished(center, "Metrics", logger, [this](const RunFinished& n) { onRunFinished(n.statistics); })
{
    for (const char* const result : {"success", "error", "stopped"})
        _runs[label("result", result)] = 0;
    for (const Word<Reason>& reason : words<Reason>) {
        for (const char* const type :
             {"template_version_import", "workspace_build", "template_version_dry_run"})
            _terminated[reasonAndType(reason.value, type)] = 0;
    }
    for (const Word<Outcome>& outcome : words<Outcome>) {
        if (outcome.effect == Effect::skipped)
            _skipped[label("cause", outcome.word)] = 0;
    }
    for (const bool hasSucceeded : {true, false})
        _revived[label("since_then", RevivedJob{"", hasSucceeded}.sinceThen())] = 0;
    for (const char* const result : {"cancelled", "failed"})
        _allocations[label("result", result)] = 0;
}

void Metrics::onJobTerminated(const Termination& job)
{
    const auto known = _terminated.find(reasonAndType(job.reason, job.type));
    // A later schema may add a type. Its name is text from the database, which no label may have.
    if (known == _terminated.end())
        ++_terminated[reasonAndType(job.reason, "other")];
    else
        ++known->second;
}

void Metrics::onRunFinished(const RunStatistics& run)
{
    ++_runs[label("result", run.stopped ? "stopped" : run.error ? "error" : "success")];
    if (!run.stopped && !run.error)
        _lastSuccess = std::chrono::system_clock::now();
    _duration = run.duration;
    _isDryRun = run.dryRun;
    if (run.hasSearched) {
        _jobs = run.jobs;
        _isHeld = run.held;
        _areStallsHeld = run.areStallsHeld;
        _isDatabaseUp = true;
    }
    if (run.dryRun || !run.mayAskScheduler) {
        _leftover.reset();
        _withoutAllocation.reset();
    }
    if (run.leftover)
        _leftover = run.leftover;
    if (run.withoutAllocation)
        _withoutAllocation = run.withoutAllocation;
    if (run.error && run.error->isDatabaseError)
        _isDatabaseUp = false;
    _file.write(text());
}

std::string Metrics::text() const
{
    using Seconds = std::chrono::duration<double>;
    Exposition out(_cluster);
    out.gauge("build_info", "The version of the plugin.").sample(label("version", HANG_DETECTOR_VERSION), 1);
    out.gauge("last_success_timestamp_seconds", "When the last run that succeeded ended; 0 before the first.")
        .sample(std::chrono::duration_cast<std::chrono::seconds>(_lastSuccess.time_since_epoch()).count());
    out.counter("runs_total", "Runs, by how they ended.").samples(_runs);
    out.gauge("run_duration_seconds", "How long the last run took.").sample(Seconds(_duration).count());
    if (_jobs) {
        out.gauge("jobs_running", "Running provisioner jobs at the last search.").sample(_jobs->running);
        out.gauge("jobs_hung", "Hung jobs at the last search: the whole backlog.").sample(_jobs->hung);
        if (_jobs->pending)
            out.gauge("jobs_pending", "Jobs that waited too long at the last search.")
                .sample(*_jobs->pending);
        if (_jobs->stalled)
            out.gauge("jobs_stalled", "Jobs that reported but did not move at the last search.")
                .sample(*_jobs->stalled);
        out.gauge("oldest_hung_age_seconds",
                  "How long the hung job that is silent longest was silent; 0 when none was hung.")
            .sample(_jobs->oldestHung.count());
        out.gauge("mass_hang_hold",
                  "1 while nothing is terminated because too many jobs fell silent at once.")
            .sample(static_cast<int>(_isHeld));
        if (_jobs->stalled)
            out.gauge("mass_stall_hold",
                      "1 while nothing is canceled because too many jobs are stalled at once.")
                .sample(static_cast<int>(_areStallsHeld));
    }
    if (_leftover)
        out.gauge("allocations_leftover",
                  "Slurm jobs whose provisioner job was over long ago, when Slurm was asked last.")
            .sample(*_leftover);
    if (_withoutAllocation)
        out.gauge("jobs_without_allocation",
                  "Running provisioner jobs whose Slurm jobs have ended, when Slurm was asked last.")
            .sample(*_withoutAllocation);
    out.counter("jobs_terminated_total", "Jobs terminated, by reason and type.").samples(_terminated);
    out.counter("jobs_canceled_total", "Stalled jobs canceled.").sample(_canceled);
    out.counter("jobs_skipped_total", "Jobs left as they were, by cause.").samples(_skipped);
    out.counter("job_errors_total", "Terminations and cancels that failed because of the job itself.")
        .sample(_jobErrors);
    out.counter("jobs_revived_total",
                "Terminated jobs whose workers reported or succeeded afterwards: jobs terminated wrongly.")
        .samples(_revived);
    if (_isDatabaseUp)
        out.gauge("database_up", "Whether the database could be used in the last run.")
            .sample(static_cast<int>(*_isDatabaseUp));
    out.counter("allocations_released_total",
                "Attempts to cancel the Slurm jobs of terminated jobs, by their result.")
        .samples(_allocations);
    out.gauge("settings_valid", "0 while hang_detector.conf is wrong, and older settings are in force.")
        .sample(static_cast<int>(_areSettingsValid));
    out.gauge("dry_run", "1 when nothing is changed, because of DryRun.").sample(static_cast<int>(_isDryRun));
    return out.text();
}

} // namespace HangDetection

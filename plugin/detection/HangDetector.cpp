#include "HangDetector.h"

#include "Run.h"

#include <utility>

namespace HangDetection {

namespace {

MassHang::Limits limitsIn(const Settings& settings, std::chrono::seconds hold)
{
    return {settings.massHangRatio, settings.massHangMinJobs, hold};
}

JobAllocations::Rules rulesIn(const Settings& settings)
{
    JobAllocations::Rules rules{.isAsked = settings.releaseAllocations ||
                                           settings.endedJobDuration.count() > 0 ||
                                           settings.stalledJobDuration.count() > 0,
                                .areReleased = settings.releaseAllocations};
    for (const TrustedUser& user : settings.trustedUsers)
        rules.trusted.insert(user.number);
    return rules;
}

} // namespace

HangDetector::HangDetector(const Settings& settings, Poco::NotificationCenter& notifications,
                           std::unique_ptr<Scheduler>&& scheduler, std::chrono::milliseconds looksApart)
    : _memory{.settings = settings,
              .store = std::make_unique<JobStore>(settings.connection, settings.runTimeout),
              .notifications = notifications,
              .allocations = JobAllocations(std::move(scheduler), notifications),
              .workerEnds = WorkerEnds(notifications),
              .looks = EarlierLooks(looksApart),
              .massHang = MassHang(limitsIn(settings, settings.hungJobDuration)),
              .massStall = MassHang(limitsIn(settings, settings.stalledJobDuration)),
              .terminatedJobs = TerminatedJobs(notifications),
              .indexAdvice = IndexAdvice(notifications),
              .lockedJobs = LockedJobs(notifications),
              .canceledJobs = CanceledJobs(notifications)}
{
    _memory.allocations.use(rulesIn(settings));
}

void HangDetector::use(Settings settings)
{
    if (settings.connection != _memory.settings.connection ||
        settings.runTimeout != _memory.settings.runTimeout) {
        _memory.store = std::make_unique<JobStore>(settings.connection, settings.runTimeout);
        _memory.clockLag = {};
        _memory.looks.expectNewSession();
        if (settings.connection != _memory.settings.connection) {
            _memory.lostAnswers.forget();
            _memory.canceledJobs.forget();
            _memory.isConnectionTold = false;
            _memory.unknownDaemons = {};
            _memory.unknownStalls = {};
            _memory.pausedStalls = {};
            _memory.stalled.reset();
            _memory.looks.missed(EarlierLooks::Clock::now());
        }
        _memory.indexAdvice.reset();
    }
    _memory.looks.forget();
    const auto rules = rulesIn(settings);
    if (rules.trusted != rulesIn(_memory.settings).trusted)
        _memory.workerEnds.forget();
    _memory.allocations.use(rules);
    _memory.massHang.setLimits(limitsIn(settings, settings.hungJobDuration));
    if (settings.stalledJobDuration.count() > 0)
        _memory.massStall.setLimits(limitsIn(settings, settings.stalledJobDuration));
    if (!settings.dryRun) {
        _memory.previewedJobs.clear();
        _memory.previewedCancels.clear();
    }
    _memory.settings = std::move(settings);
}

RunStatistics HangDetector::run(const std::stop_token& stop)
{
    return Run(_memory, stop).carryOut();
}

} // namespace HangDetection

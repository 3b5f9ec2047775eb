#include "SlurmLogChannel.h"

#include "notification/LogLine.h"

#include <Poco/AutoPtr.h>

#include <slurm/slurm.h>
#include <slurm/spank.h>

#include <string>

namespace HangDetection {

void SlurmLogChannel::log(const Poco::Message& message)
{
    const std::string line = "job_submit/hang_detector: " + escaped(message.getText());

    switch (message.getPriority()) {
    case Poco::Message::PRIO_FATAL:
    case Poco::Message::PRIO_CRITICAL:
    case Poco::Message::PRIO_ERROR:
    case Poco::Message::PRIO_WARNING:
        slurm_error("%s", line.c_str());
        break;
    case Poco::Message::PRIO_NOTICE:
    case Poco::Message::PRIO_INFORMATION:
        slurm_info("%s", line.c_str());
        break;
    case Poco::Message::PRIO_DEBUG:
        slurm_debug("%s", line.c_str());
        break;
    case Poco::Message::PRIO_TRACE:
        slurm_debug2("%s", line.c_str());
        break;
    }
}

Poco::Logger& slurmLogger()
{
    // Made once: the thread of a plugin that was unloaded may still log while init runs again.
    static Poco::Logger& logger = []() -> Poco::Logger& {
        Poco::Logger& created = Poco::Logger::get("job_submit/hang_detector");
        // Never released: a thread that exit() no longer waits for may log when Poco's static objects are
        // gone.
        created.duplicate();
        created.setChannel(Poco::AutoPtr<SlurmLogChannel>(new SlurmLogChannel));
        created.setLevel(Poco::Message::PRIO_TRACE);
        return created;
    }();
    return logger;
}

} // namespace HangDetection

#pragma once

#include "DatabaseFixture.h"
#include "RecordingLogger.h"
#include "TemporaryDirectory.h"
#include "detection/Service.h"

namespace HangDetection::Test {

class ServiceFixture : public DatabaseFixture
/// A detector at work on the test's database, as a hang_detector.conf of its own says, and its log.
{
public:
    void tearDown() override;
    /// Stops the service first.

protected:
    void writeSettings(const std::string& connection, const std::string& settings);
    /// A hang_detector.conf with this connection string.

    void writeSettings(const std::string& settings)
    {
        writeSettings(connectionString(detectorRole), settings);
    }

    const std::filesystem::path& settingsFile() const { return _file; }

    void makeService() { _service.emplace(_file, _log.logger(), "test"); }
    /// Reads hang_detector.conf, and starts nothing yet.

    void startService()
    {
        makeService();
        service().start();
    }

    Service& service() { return _service.value(); }

    void stopService();
    /// For who needs it stopped before the end of the test.

    std::vector<RecordedLine> recorded() const { return _log.recorded(); }

    std::string log() const override;
    /// Each line as "priority: text", with a line end before it.

    bool logContains(const std::string& text) const { return contains(text, log()); }

    void awaitLine(const std::string& start);
    /// Returns when a line of the log starts so.

    void awaitTerminated(const std::string& job);
    /// Returns when the job is terminated and the log says so.

    void awaitRunsFinished(std::size_t count);
    /// Returns when the log has so many finished runs.

    void expectNoMoreRunsThan(std::size_t count, std::chrono::milliseconds time);
    /// Takes the time, as nothing tells that nothing happens.

    std::size_t runsFinished() const;

private:
    const TemporaryDirectory _directory;
    const std::filesystem::path _file = _directory.path() / "hang_detector.conf";
    RecordingLogger _log;
    std::optional<Service> _service;
};

} // namespace HangDetection::Test

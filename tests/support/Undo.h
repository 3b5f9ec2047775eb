#pragma once

#include <exception>
#include <functional>
#include <iostream>
#include <utility>

namespace HangDetection::Test {

class Undo
/// Undoes something once: when it is asked to, or with the end of the object, which only prints an error.
{
public:
    explicit Undo(std::function<void()> action) : _action(std::move(action)) {}

    ~Undo()
    {
        try {
            now();
        } catch (const std::exception& exception) {
            std::cerr << "the tests cannot undo what they did: " << exception.what() << '\n';
        }
    }

    Undo(const Undo&) = delete;
    Undo& operator=(const Undo&) = delete;

    void now()
    {
        if (const auto action = std::exchange(_action, nullptr))
            action();
    }

private:
    std::function<void()> _action;
};

} // namespace HangDetection::Test

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace HangDetection::Test {

void fuzz(std::string_view input);
/// What each fuzzer defines: works on an input that libFuzzer made up, and requires
/// what has to be true whatever that is. An exception that leaves it is a finding.

void require(bool holds, std::string_view what);
/// Ends the fuzzer when something does not hold, and libFuzzer then keeps the input.

std::vector<std::string> partsOf(std::string_view input, char separator);
/// The texts between the separators, at least one.

bool tellsSecret(std::string_view text);
/// Whether the text holds most of the word geheim, which is the password in the inputs of the corpus.

} // namespace HangDetection::Test

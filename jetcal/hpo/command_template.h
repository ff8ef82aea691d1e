// SPDX-License-Identifier: Apache-2.0
// Commands and files with ${name} in place of values.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

namespace jetcal::hpo {

/// Texts by name.
using Substitutions = std::map<std::string, std::string>;

/// Returns the names between "${" and "}" ("$${" is a plain "${"). Katib's
/// "${trialParameters.lr}" is the same as "${lr}". Throws InvalidArgument for one that does not
/// end.
std::set<std::string> names_in(const std::string& text);

/// Puts the values in. Throws InvalidArgument naming what has no value.
std::string substitute(const std::string& text, const Substitutions& values);

/// Quotes a value for the shell.
std::string shell_quoted(const std::string& text);

}  // namespace jetcal::hpo

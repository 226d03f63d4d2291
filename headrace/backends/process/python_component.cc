#include "headrace/backends/process/python_component.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace headrace::process {
namespace {

constexpr std::string_view kPipBefore =
    "\nif ! [ -x \"$(command -v pip)\" ]; then\n"
    "    python3 -m ensurepip || python3 -m ensurepip --user || apt-get install python3-pip\n"
    "fi\n\n"
    "PIP_DISABLE_PIP_VERSION_CHECK=1 ";
constexpr std::string_view kPipAfter = " && \"$0\" \"$@\"\n";
constexpr std::string_view kRun =
    "program_path=$(mktemp -d) printf \"%s\" \"$0\" > \"$program_path/ephemeral_component.py\" "
    "_KFP_RUNTIME=true python3 -m kfp.dsl.executor_main --component_module_path "
    "\"$program_path/ephemeral_component.py\" \"$@\" ";
// With use_venv, before the last pip command.
constexpr std::string_view kVenv =
    "export PIP_DISABLE_PIP_VERSION_CHECK=1\n"
    "tmp=$(mktemp -d)\n"
    "python3 -m venv \"$tmp/venv\" --system-site-packages\n"
    ". \"$tmp/venv/bin/activate\"\n";

bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// Runs of white space as one space each.
std::string Collapse(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (!IsSpace(c)) {
      out += c;
    } else if (out.empty() || out.back() != ' ') {
      out += ' ';
    }
  }
  return out;
}

// Words as a POSIX shell splits them, from text that quotes but does not expand. Nothing when it does more: $, `, ;, |,
// &, < or > outside single quotes.
std::optional<std::vector<std::string>> SplitWords(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  for (size_t i = 0; i < text.size(); i++) {
    const char c = text[i];
    if (IsSpace(c)) {
      if (in_word) words.push_back(std::move(word));
      word.clear();
      in_word = false;
      continue;
    }
    in_word = true;
    if (c == '\'') {
      const size_t end = text.find('\'', i + 1);
      if (end == std::string_view::npos) return std::nullopt;
      word += text.substr(i + 1, end - i - 1);
      i = end;
    } else if (c == '"') {
      for (i++; i < text.size() && text[i] != '"'; i++) {
        if (text[i] == '$' || text[i] == '`') return std::nullopt;
        if (text[i] == '\\' && i + 1 < text.size() &&
            std::string_view("\"\\$`").find(text[i + 1]) != std::string_view::npos)
          i++;
        word += text[i];
      }
      if (i == text.size()) return std::nullopt;
    } else if (std::string_view("$`;|&<>\\()").find(c) != std::string_view::npos) {
      return std::nullopt;
    } else {
      word += c;
    }
  }
  if (in_word) words.push_back(std::move(word));
  return words;
}

// "python3 -m pip install --quiet --no-warn-script-location …" without its beginning.
std::optional<std::vector<std::string>> PipArguments(std::string_view command) {
  auto words = SplitWords(command);
  if (!words) return std::nullopt;
  static const std::vector<std::string> kStart = {"python3", "-m", "pip", "install"};
  if (words->size() <= kStart.size() || !std::equal(kStart.begin(), kStart.end(), words->begin())) return std::nullopt;
  std::vector<std::string> out;
  for (size_t i = kStart.size(); i < words->size(); i++)
    if ((*words)[i] != "--quiet" && (*words)[i] != "--no-warn-script-location") out.push_back((*words)[i]);
  return out;
}

// The position of " && " outside quotes, or npos.
size_t FindAnd(std::string_view text) {
  char quote = 0;
  for (size_t i = 0; i + 1 < text.size(); i++) {
    if (quote != 0) {
      if (text[i] == quote) quote = 0;
    } else if (text[i] == '\'' || text[i] == '"') {
      quote = text[i];
    } else if (text[i] == '&' && text[i + 1] == '&') {
      return i;
    }
  }
  return std::string_view::npos;
}

std::optional<std::vector<std::vector<std::string>>> MatchPip(std::string_view script) {
  if (!script.starts_with(kPipBefore) || !script.ends_with(kPipAfter)) return std::nullopt;
  script.remove_prefix(kPipBefore.size());
  script.remove_suffix(kPipAfter.size());
  std::vector<std::vector<std::string>> installs;
  while (true) {
    const size_t end = FindAnd(script);
    std::string_view command = script.substr(0, end);
    if (const size_t venv = command.find(kVenv); venv != std::string_view::npos)
      command.remove_prefix(venv + kVenv.size());
    auto arguments = PipArguments(command);
    if (!arguments) return std::nullopt;
    installs.push_back(*std::move(arguments));
    if (end == std::string_view::npos) return installs;
    script.remove_prefix(end + 2);
  }
}

}  // namespace

std::optional<PythonComponent> MatchPythonComponent(const std::vector<std::string>& command) {
  PythonComponent out;
  size_t at = 0;
  if (command.size() > 3 && command[0] == "sh" && command[1] == "-c") {
    auto installs = MatchPip(command[2]);
    if (!installs) return std::nullopt;
    out.pip_installs = *std::move(installs);
    at = 3;
  }
  if (command.size() < at + 4 || command[at] != "sh" || command[at + 1] != "-ec") return std::nullopt;
  if (Collapse(command[at + 2]) != kRun) return std::nullopt;
  out.source = command[at + 3];
  out.args.assign(command.begin() + static_cast<std::ptrdiff_t>(at) + 4, command.end());
  return out;
}

}  // namespace headrace::process

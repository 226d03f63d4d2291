// The command line that the kfp SDK gives a Python function component
// (https://github.com/kubeflow/pipelines, sdk/python/kfp/dsl/component_factory.py):
//   sh -c PIP sh -ec RUN SOURCE --executor_input … --function_to_execute f
// taken apart, so that its packages are installed once and not in each task.
#pragma once
#include <optional>
#include <string>
#include <vector>

namespace headrace::process {

struct PythonComponent {
  // The arguments after `pip install`, command by command in order, quoting undone; without --quiet and
  // --no-warn-script-location.
  std::vector<std::vector<std::string>> pip_installs;
  std::string source;             // the module
  std::vector<std::string> args;  // for kfp.dsl.executor_main
};

// Nothing when `command` is not exactly of that form.
std::optional<PythonComponent> MatchPythonComponent(const std::vector<std::string>& command);

}  // namespace headrace::process

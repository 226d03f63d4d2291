// The components that pipelines are built from: each a KFP v2 container component that runs as
// `headrace component NAME --executor_input JSON`.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/status.h"
#include "headrace/components/executor_io.h"
#include "headrace/core/engine.h"
#include "headrace/core/query_engine.h"

namespace headrace::components {

// What components work with; the program wires in the backends. Everything outlives the run.
struct Services {
  QueryEngine* query = nullptr;
  std::vector<Engine*> engines;  // the first that recognises a model's files runs it
  std::function<std::optional<std::string>(std::string_view name)> environment;  // variables of the process
  std::function<void(const std::string& text)> print;  // what people read in the task's log; ends with a newline
};

struct Port {
  std::string_view name;
  std::string_view type;
  std::string_view text;
};

// Stateless, thread-safe.
class Component {
 public:
  virtual ~Component() = default;
  virtual std::string_view name() const = 0;     // "ExampleGen"
  virtual std::string_view summary() const = 0;  // one sentence
  virtual std::vector<Port> inputs() const = 0;
  virtual std::vector<Port> parameters() const = 0;
  virtual std::vector<Port> outputs() const = 0;
  // Writes the output artifacts at their URIs and describes them in `output`. A gate that says no is not an error but
  // ExecutorOutput::Refuse. kInvalidArgument, kNotFound, kFailedPrecondition: the task was asked for something wrong;
  // other codes: the machine failed.
  virtual Status Run(const ExecutorInput& input, const Services& services, ExecutorOutput& output) const = 0;
};

// Every component, sorted by the order in which a pipeline uses them.
const std::vector<const Component*>& AllComponents();
// Null when there is none of that name.
const Component* FindComponent(std::string_view name);
// "NAME: summary", inputs, parameters and outputs.
std::string HelpText(const Component& component);

// Each component lives in the file of its name.
const Component& ExampleGen();
const Component& StatisticsGen();
const Component& SchemaGen();
const Component& ExampleValidator();
const Component& Transform();
const Component& Assemble();
const Component& Evaluator();
const Component& Pusher();

}  // namespace headrace::components

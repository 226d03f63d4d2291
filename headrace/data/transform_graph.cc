#include "headrace/data/transform_graph.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "headrace/base/json.h"
#include "headrace/data/onnx_graph.h"

namespace headrace::data {
namespace {

using onnx::TensorProto;

constexpr int64_t kMissingInteger = std::numeric_limits<int64_t>::min();
// What the operators used here need: any runtime of the last years has them, and any model's opset from here on up can
// be merged with them, since they mean the same in every later one. Comparing texts needs a later one.
constexpr int64_t kOpset = 15;
constexpr int64_t kOpsetWithTexts = 19;
constexpr int64_t kMlOpset = 2;

class Builder {
 public:
  explicit Builder(const std::vector<FittedFeature>& features) : features_(features) {}

  std::string Build() {
    for (const auto& feature : features_) {
      auto [kind, added] = inputs_.try_emplace(feature.column, feature.input);
      if (added) order_.push_back(feature.column);
      // A column that is a number here and a category there is taken as a whole number.
      if (kind->second == InputKind::kNumber && feature.input == InputKind::kInteger)
        kind->second = InputKind::kInteger;
    }
    for (const auto& column : order_) graph_.AddInput(column, TypeOf(inputs_.at(column)));
    std::vector<std::string> columns;
    columns.reserve(features_.size());
    for (const auto& feature : features_) columns.push_back(Feature(feature));
    const std::string matrix = graph_.Node("Concat", columns);
    graph_.SetInt("axis", 1);
    graph_.NameIt(matrix, std::string(kFeaturesOutput));
    const auto names = FeatureNames(features_);
    graph_.AddOutput(std::string(kFeaturesOutput), TensorProto::FLOAT, static_cast<int64_t>(names.size()));
    graph_.SetOpsets(compares_texts_ ? kOpsetWithTexts : kOpset, kMlOpset);
    graph_.SetMetadata(kFeatureNamesKey, ToJson(json::value(json::array(names.begin(), names.end()))));
    return SerializeModel(graph_.model());
  }

 private:
  static TensorProto::DataType TypeOf(InputKind kind) {
    switch (kind) {
      case InputKind::kNumber: return TensorProto::FLOAT;
      case InputKind::kInteger: return TensorProto::INT64;
      case InputKind::kText: return TensorProto::STRING;
    }
    return TensorProto::UNDEFINED;
  }

  // The name of a [rows, k] matrix.
  std::string Feature(const FittedFeature& feature) {
    std::string value = feature.column;
    if (feature.input == InputKind::kNumber && inputs_.at(feature.column) == InputKind::kInteger) value = Number(value);
    for (const auto& step : feature.steps) value = Apply(feature, step, value);
    const StepKind last = feature.steps.back().step.kind;
    if (last == StepKind::kOneHot) return value;
    if (last == StepKind::kBucketize || last == StepKind::kVocabulary || last == StepKind::kHash)
      value = graph_.Cast(value, TensorProto::FLOAT);
    return graph_.Node("Unsqueeze", {value, graph_.Ints({1}, {1})});
  }

  // A whole number as a float, NaN where it is missing.
  std::string Number(const std::string& value) {
    const std::string missing = graph_.Node("Equal", {value, graph_.Ints({kMissingInteger}, {})});
    const std::string number = graph_.Cast(value, TensorProto::FLOAT);
    return graph_.Node("Where", {missing, Scalar(std::numeric_limits<float>::quiet_NaN()), number});
  }

  std::string Scalar(float value) { return graph_.Floats({value}, {}); }

  std::string Apply(const FittedFeature& feature, const FittedStep& step, const std::string& value) {
    switch (step.step.kind) {
      case StepKind::kPassthrough: return value;
      case StepKind::kImpute: return feature.input == InputKind::kText ? ImputeText(step, value) : Impute(step, value);
      case StepKind::kZScore:
      case StepKind::kMinMax: {
        const std::string centred = graph_.Node("Sub", {value, Scalar(step.value)});
        return graph_.Node("Div", {centred, Scalar(step.scale)});
      }
      case StepKind::kLog1p: {
        // Max would turn NaN into 0 on some machines; a comparison keeps it.
        const std::string negative = graph_.Node("Less", {value, Scalar(0)});
        const std::string positive = graph_.Node("Where", {negative, Scalar(0), value});
        return graph_.Node("Log", {graph_.Node("Add", {positive, Scalar(1)})});
      }
      case StepKind::kClip: return Clip(step.step, value);
      case StepKind::kBucketize: return Bucketize(step, value);
      case StepKind::kVocabulary: return Vocabulary(step, value);
      case StepKind::kHash: return Hash(step, value);
      case StepKind::kOneHot: return OneHot(step, value);
    }
    return value;
  }

  std::string Impute(const FittedStep& step, const std::string& value) {
    return graph_.Node("Where", {graph_.Node("IsNaN", {value}), Scalar(step.value), value});
  }

  std::string ImputeText(const FittedStep& step, const std::string& value) {
    compares_texts_ = true;
    const std::string missing = graph_.Node("Equal", {value, graph_.Text("")});
    return graph_.Node("Where", {missing, graph_.Text(step.text), value});
  }

  std::string Clip(const Step& step, std::string value) {
    if (step.min) {
      const std::string low = Scalar(static_cast<float>(*step.min));
      value = graph_.Node("Where", {graph_.Node("Less", {value, low}), low, value});
    }
    if (step.max) {
      const std::string high = Scalar(static_cast<float>(*step.max));
      value = graph_.Node("Where", {graph_.Node("Greater", {value, high}), high, value});
    }
    return value;
  }

  // How many boundaries are at or below the value; one index more for NaN.
  std::string Bucketize(const FittedStep& step, const std::string& value) {
    const auto count = static_cast<int64_t>(step.boundaries.size());
    const std::string column = graph_.Node("Unsqueeze", {value, graph_.Ints({1}, {1})});
    const std::string reached = graph_.Node("GreaterOrEqual", {column, graph_.Floats(step.boundaries, {1, count})});
    const std::string ones = graph_.Cast(reached, TensorProto::INT64);
    const std::string bucket = graph_.Node("ReduceSum", {ones, graph_.Ints({1}, {1})});
    graph_.SetInt("keepdims", 0);
    const std::string missing = graph_.Node("IsNaN", {value});
    return graph_.Node("Where", {missing, graph_.Ints({count + 1}, {}), bucket});
  }

  std::string Vocabulary(const FittedStep& step, const std::string& value) {
    std::vector<int64_t> indexes;
    for (int64_t i = 0; i + 1 < step.size; i++) indexes.push_back(i);
    std::string index = graph_.Node("LabelEncoder", {value}, "ai.onnx.ml");
    if (step.words.empty())
      graph_.SetInts("keys_int64s", step.numbers);
    else
      graph_.SetStrings("keys_strings", step.words);
    graph_.SetInts("values_int64s", indexes).SetInt("default_int64", step.size - 1);
    return index;
  }

  std::string Hash(const FittedStep& step, const std::string& value) {
    const std::string hash = graph_.Node("MurmurHash3", {value}, "com.microsoft");
    graph_.SetInt("positive", 1).SetInt("seed", 0);
    return graph_.Node("Mod", {graph_.Cast(hash, TensorProto::INT64), graph_.Ints({step.size}, {})});
  }

  std::string OneHot(const FittedStep& step, const std::string& value) {
    std::string out = graph_.Node("OneHot", {value, graph_.Ints({step.size}, {}), graph_.Floats({0, 1}, {2})});
    graph_.SetInt("axis", 1);
    return out;
  }

  const std::vector<FittedFeature>& features_;
  OnnxGraph graph_{"transform"};
  std::map<std::string, InputKind> inputs_;  // by column
  std::vector<std::string> order_;           // of the columns' first use
  bool compares_texts_ = false;
};

}  // namespace

std::string BuildTransformGraph(const std::vector<FittedFeature>& features) { return Builder(features).Build(); }

std::vector<std::string> FeatureNames(const std::vector<FittedFeature>& features) {
  std::vector<std::string> names;
  std::set<std::string> taken;
  for (const auto& feature : features) {
    for (const auto& name : feature.OutputNames()) {
      std::string unique = name;
      for (int i = 2; !taken.insert(unique).second; i++) unique = name + "_" + std::to_string(i);
      names.push_back(std::move(unique));
    }
  }
  return names;
}

}  // namespace headrace::data

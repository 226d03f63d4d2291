#include "headrace/data/assemble.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "headrace/backends/duckdb/duckdb_engine.h"
#include "headrace/backends/onnxruntime/onnx_engine.h"
#include "headrace/base/files.h"
#include "headrace/data/inference.h"
#include "headrace/data/onnx_graph.h"
#include "headrace/data/transform_graph.h"

namespace headrace::data {
namespace {

using onnx::AttributeProto;
using onnx::TensorProto;
using testing::ElementsAre;
using testing::HasSubstr;

AttributeProto* Attribute(onnx::NodeProto* node, const char* name, AttributeProto::AttributeType type) {
  auto* attribute = node->add_attribute();
  attribute->set_name(name);
  attribute->set_type(type);
  return attribute;
}

onnx::NodeProto* Node(onnx::GraphProto* graph, const char* op, const char* domain, std::vector<std::string> inputs,
                      std::vector<std::string> outputs) {
  auto* node = graph->add_node();
  node->set_op_type(op);
  node->set_domain(domain);
  for (const auto& input : inputs) node->add_input(input);
  for (const auto& output : outputs) node->add_output(output);
  return node;
}

onnx::ValueInfoProto Value(const std::string& name, int32_t type, std::optional<int64_t> columns) {
  onnx::ValueInfoProto value;
  value.set_name(name);
  auto* tensor = value.mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(type);
  tensor->mutable_shape()->add_dim()->set_dim_param("N");
  if (columns) tensor->mutable_shape()->add_dim()->set_dim_value(*columns);
  return value;
}

// As skl2onnx writes classifiers: an input "features", the outputs label and probabilities, by ZipMap if asked for.
// Class c scores coefficients[c] · x.
onnx::ModelProto Classifier(const std::vector<std::vector<float>>& coefficients, bool zip_map, int64_t opset = 15) {
  onnx::ModelProto model;
  model.set_ir_version(7);
  auto* import = model.add_opset_import();
  import->set_domain("");
  import->set_version(opset);
  import = model.add_opset_import();
  import->set_domain("ai.onnx.ml");
  import->set_version(1);
  auto* graph = model.mutable_graph();
  graph->set_name("classifier");
  const auto features = static_cast<int64_t>(coefficients[0].size());
  const auto classes = static_cast<int64_t>(coefficients.size());
  *graph->add_input() = Value("features", TensorProto::FLOAT, features);
  auto* node = Node(graph, "LinearClassifier", "ai.onnx.ml", {"features"}, {"label", "scores"});
  auto* weights = Attribute(node, "coefficients", AttributeProto::FLOATS);
  auto* intercepts = Attribute(node, "intercepts", AttributeProto::FLOATS);
  auto* labels = Attribute(node, "classlabels_ints", AttributeProto::INTS);
  for (int64_t i = 0; i < classes; i++) {
    for (const float value : coefficients[static_cast<size_t>(i)]) weights->add_floats(value);
    intercepts->add_floats(0);
    labels->add_ints(i);
  }
  Attribute(node, "post_transform", AttributeProto::STRING)->set_s("SOFTMAX");
  *graph->add_output() = Value("label", TensorProto::INT64, std::nullopt);
  if (!zip_map) {
    Node(graph, "Identity", "", {"scores"}, {"probabilities"});
    *graph->add_output() = Value("probabilities", TensorProto::FLOAT, classes);
    return model;
  }
  auto* zip = Node(graph, "ZipMap", "ai.onnx.ml", {"scores"}, {"output_probability"});
  auto* keys = Attribute(zip, "classlabels_int64s", AttributeProto::INTS);
  for (int64_t i = 0; i < classes; i++) keys->add_ints(i);
  auto* output = graph->add_output();
  output->set_name("output_probability");
  auto* map = output->mutable_type()->mutable_sequence_type()->mutable_elem_type()->mutable_map_type();
  map->set_key_type(TensorProto::INT64);
  map->mutable_value_type()->mutable_tensor_type()->set_elem_type(TensorProto::FLOAT);
  return model;
}

class AssembleTest : public testing::Test {
 protected:
  void SetUp() override {
    // x (a number) as it is, s (a text) as its place in [b, a].
    FittedFeature number{"x", "x", InputKind::kNumber, {FittedStep{}}};
    FittedStep vocabulary{.step = {.kind = StepKind::kVocabulary}};
    vocabulary.words = {"b", "a"};
    vocabulary.size = 3;
    FittedFeature text{"s", "s", InputKind::kText, {vocabulary}};
    transform_ = BuildTransformGraph({number, text});
  }

  // The values of the assembled model's only output over a few rows.
  std::vector<float> Answer(const std::string& merged) {
    const Status written = WriteFileAtomically(dir_.path() / "model.onnx", merged);
    EXPECT_TRUE(written.ok());
    const auto model = LoadModel({engine_.get()}, dir_.path());
    EXPECT_TRUE(model.has_value()) << model.error().ToString();
    if (!model) return {};
    signature_ = (*model)->signatures().front();
    std::vector<float> out;
    const Status status =
        RunModel(*query_, **model, {"(VALUES (1.0, 'a'), (-2.0, 'b'), (0.5, 'z')) AS t(x, s)", {}, {}},
                 [&out](const RecordBatch&, int64_t, std::span<const Tensor> outputs) {
                   const auto values = outputs[0].values<float>();
                   out.assign(values.begin(), values.end());
                   return OkStatus();
                 });
    EXPECT_TRUE(status.ok()) << status.ToString();
    return out;
  }

  std::string ErrorOf(const onnx::ModelProto& model, const AssembleOptions& options = {}) {
    const auto merged = AssembleModel(transform_, SerializeModel(model), options);
    return merged ? "" : merged.error().message();
  }

  static auto Near(double value) { return testing::FloatNear(static_cast<float>(value), 1e-6F); }
  static double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

  TempDir dir_;
  std::string transform_;
  Signature signature_;
  std::unique_ptr<QueryEngine> query_ = duckdb::MakeQueryEngine();
  std::unique_ptr<Engine> engine_ = onnxruntime::MakeEngine();
};

TEST_F(AssembleTest, ServesTheSecondClassOfABinaryClassifier) {
  // The scores of class 1 are x + s: 1 + 1, -2 + 0, 0.5 + 2.
  for (const bool zip_map : {false, true}) {
    const auto merged = AssembleModel(transform_, SerializeModel(Classifier({{0, 0}, {1, 1}}, zip_map)));
    ASSERT_TRUE(merged.has_value()) << merged.error().ToString();
    EXPECT_THAT(Answer(*merged), ElementsAre(Near(Sigmoid(2)), Near(Sigmoid(-2)), Near(Sigmoid(2.5))));
    ASSERT_EQ(signature_.inputs.size(), 2U);
    EXPECT_EQ(signature_.inputs[0].name, "x");
    EXPECT_EQ(signature_.inputs[0].type, DataType::kFloat32);
    EXPECT_EQ(signature_.inputs[0].shape, (Shape{-1}));
    EXPECT_EQ(signature_.inputs[1].name, "s");
    EXPECT_EQ(signature_.inputs[1].type, DataType::kString);
    ASSERT_EQ(signature_.outputs.size(), 1U);
    EXPECT_EQ(signature_.outputs[0].name, "probability");
    EXPECT_EQ(signature_.outputs[0].shape, (Shape{-1}));
  }
}

TEST_F(AssembleTest, ServesEveryClassOfSeveral) {
  const auto merged = AssembleModel(transform_, SerializeModel(Classifier({{0, 0}, {1, 1}, {0, 0}}, false)));
  ASSERT_TRUE(merged.has_value());
  const auto answer = Answer(*merged);
  ASSERT_EQ(answer.size(), 9U);
  EXPECT_THAT(answer[1], Near(std::exp(2) / (std::exp(2) + 2)));
  EXPECT_EQ(signature_.outputs[0].name, "probabilities");
}

TEST_F(AssembleTest, ServesOneColumnUnderItsOwnName) {
  onnx::ModelProto model = Classifier({{0, 0}, {1, 1}}, false);
  auto* graph = model.mutable_graph();
  auto* one = graph->add_initializer();
  one->set_name("x");  // as a column of the transform: names must not meet
  one->set_data_type(TensorProto::INT64);
  one->add_dims(1);
  one->add_int64_data(1);
  auto* gather = Node(graph, "Gather", "", {"probabilities", "x"}, {"late"});
  Attribute(gather, "axis", AttributeProto::INT)->set_i(1);
  graph->clear_output();
  *graph->add_output() = Value("late", TensorProto::FLOAT, 1);
  const auto merged = AssembleModel(transform_, SerializeModel(model));
  ASSERT_TRUE(merged.has_value()) << merged.error().ToString();
  EXPECT_THAT(Answer(*merged), ElementsAre(Near(Sigmoid(2)), Near(Sigmoid(-2)), Near(Sigmoid(2.5))));
  EXPECT_EQ(signature_.outputs[0].name, "late");
}

TEST_F(AssembleTest, JoinsModelsOfOlderAndNewerOpsets) {
  for (const int64_t opset : {9, 17, 21}) {
    const auto merged = AssembleModel(transform_, SerializeModel(Classifier({{0, 0}, {1, 1}}, false, opset)));
    ASSERT_TRUE(merged.has_value()) << opset << merged.error().ToString();
    EXPECT_EQ(Answer(*merged).size(), 3U) << opset;
  }
}

TEST_F(AssembleTest, RefusesWithWhatToDo) {
  EXPECT_THAT(ErrorOf(Classifier({{0, 0, 0}, {1, 1, 1}}, false)),
              HasSubstr("the model takes 3 features, the transform yields 2"));
  EXPECT_THAT(ErrorOf(Classifier({{0, 0}, {1, 1}}, false), {.output = "nope"}),
              HasSubstr("not an output: nope; the model's outputs are \"label\", \"probabilities\""));
  onnx::ModelProto two = Classifier({{0, 0}, {1, 1}}, false);
  *two.mutable_graph()->add_input() = Value("more", TensorProto::FLOAT, 1);
  EXPECT_THAT(ErrorOf(two), HasSubstr("it takes 2 inputs: \"features\", \"more\""));
  onnx::ModelProto old = Classifier({{0, 0}, {1, 1}}, false, 12);
  Node(old.mutable_graph(), "Softmax", "", {"scores"}, {"unused"});
  EXPECT_THAT(ErrorOf(old),
              HasSubstr("(Softmax) changed its meaning in opset 13: the model has opset 12, its partner 15"));
  EXPECT_EQ(AssembleModel(transform_, "not a model").error().code(), Code::kDataLoss);
  EXPECT_EQ(AssembleModel("", SerializeModel(old)).error().code(), Code::kDataLoss);
}

TEST_F(AssembleTest, MakesTheSameBytesAgain) {
  const std::string model = SerializeModel(Classifier({{0, 0}, {1, 1}}, true));
  EXPECT_EQ(*AssembleModel(transform_, model), *AssembleModel(transform_, model));
}

}  // namespace
}  // namespace headrace::data

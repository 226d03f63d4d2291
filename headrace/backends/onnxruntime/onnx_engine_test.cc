#include "headrace/backends/onnxruntime/onnx_engine.h"

#include "headrace/backends/onnxruntime/ort_api.h"
#include "tests/conformance/engine_conformance.h"
#include "tests/conformance/onnx_models.h"

namespace headrace {
namespace {

// dir/model.ort, converted by the runtime itself.
void WriteOrtTestModel(const EngineTestModel& wanted, const std::filesystem::path& dir) {
  using onnxruntime::Api;
  const TempDir source;
  WriteOnnxTestModel(wanted, source.path());
  OrtEnv* env = nullptr;
  OrtSessionOptions* options = nullptr;
  OrtSession* session = nullptr;
  const auto convert = [&]() -> Status {
    HR_RETURN_IF_ORT(Api()->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "test", &env));
    HR_RETURN_IF_ORT(Api()->CreateSessionOptions(&options));
    HR_RETURN_IF_ORT(Api()->SetSessionGraphOptimizationLevel(options, ORT_ENABLE_BASIC));
    HR_RETURN_IF_ORT(Api()->SetOptimizedModelFilePath(options, (dir / "model.ort").c_str()));
    HR_RETURN_IF_ORT(Api()->AddSessionConfigEntry(options, "session.save_model_format", "ORT"));
    return onnxruntime::FromOrt(Api()->CreateSession(env, (source.path() / "model.onnx").c_str(), options, &session));
  };
  EXPECT_EQ(convert(), OkStatus());
  Api()->ReleaseSession(session);
  Api()->ReleaseSessionOptions(options);
  Api()->ReleaseEnv(env);
}

void WriteWithWeightsApart(const EngineTestModel& wanted, const std::filesystem::path& dir) {
  OnnxTestModel(wanted).WriteWithWeightsApart(dir / "model.onnx", "model.onnx.data");
}

const std::vector<DataType> kTypes = {DataType::kBool,    DataType::kInt8,    DataType::kInt16,    DataType::kInt32,
                                      DataType::kInt64,   DataType::kUint8,   DataType::kUint16,   DataType::kUint32,
                                      DataType::kUint64,  DataType::kFloat16, DataType::kBfloat16, DataType::kFloat32,
                                      DataType::kFloat64, DataType::kString};

INSTANTIATE_TEST_SUITE_P(
    OnnxRuntime, EngineConformance,
    testing::Values(EngineUnderTest{"onnx", onnxruntime::MakeEngine, WriteOnnxTestModel, "model.onnx", kTypes},
                    EngineUnderTest{"weights_apart", onnxruntime::MakeEngine, WriteWithWeightsApart, "model.onnx",
                                    kTypes},
                    EngineUnderTest{"ort", onnxruntime::MakeEngine, WriteOrtTestModel, "model.ort", kTypes}),
    EngineName);

class OnnxEngineTest : public testing::Test {
 protected:
  std::unique_ptr<Servable> Load(const OnnxModelBuilder& model) {
    model.Write(dir_.path() / "model.onnx");
    auto servable = engine_->Load(dir_.path(), {});
    EXPECT_TRUE(servable.has_value()) << servable.error().ToString();
    return servable ? *std::move(servable) : nullptr;
  }

  InferResponse Ask(Servable& servable, Tensor input, std::vector<uint32_t> outputs) {
    InferRequest request;
    request.signature = &servable.signatures()[0];
    request.inputs.push_back(std::move(input));
    request.outputs.assign(outputs.begin(), outputs.end());
    InferResponse response;
    servable.Infer(request, &response, [](Status status) { EXPECT_EQ(status, OkStatus()); });
    return response;
  }

  // A ZipMap of x [n,3] with `keys` as its classes, as skl2onnx writes classifiers.
  static OnnxModelBuilder ZipMap(bool string_keys) {
    OnnxModelBuilder model;
    model.Input("x", DataType::kFloat32, {-1, 3});
    auto* node = model.Node("ZipMap", {"x"}, {"probability"}, "ai.onnx.ml");
    auto* classes = node->add_attribute();
    classes->set_name(string_keys ? "classlabels_strings" : "classlabels_int64s");
    classes->set_type(string_keys ? onnx::AttributeProto::STRINGS : onnx::AttributeProto::INTS);
    if (string_keys)
      for (const char* name : {"late", "early", "on time"}) classes->add_strings(name);
    else
      for (const int64_t key : {30, 10, 20}) classes->add_ints(key);
    auto* map = model.AnyOutput("probability")->mutable_type()->mutable_sequence_type()->mutable_elem_type();
    map->mutable_map_type()->set_key_type(string_keys ? 8 : 7);
    map->mutable_map_type()->mutable_value_type()->mutable_tensor_type()->set_elem_type(1);
    return model;
  }

  TempDir dir_;
  std::unique_ptr<Engine> engine_ = onnxruntime::MakeEngine();
};

TEST_F(OnnxEngineTest, MapsBecomeATensorOfValuesAndOneOfKeysInTheOrderOfTheKeys) {
  const auto servable = Load(ZipMap(true));
  const auto& outputs = servable->signatures()[0].outputs;
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_EQ(outputs[0].name, "probability");
  EXPECT_EQ(outputs[0].type, DataType::kFloat32);
  EXPECT_EQ(outputs[1].name, "probability_keys");
  EXPECT_EQ(outputs[1].type, DataType::kString);
  const Tensor x = Tensor::Of<float>(Shape{2, 3}, {0.1f, 0.2f, 0.7f, 0.5f, 0.4f, 0.1f});
  const auto response = Ask(*servable, x, {0, 1});
  EXPECT_EQ(response.outputs[0].shape(), (Shape{2, 3}));
  EXPECT_THAT(response.outputs[0].values<float>(), testing::ElementsAre(0.2f, 0.1f, 0.7f, 0.4f, 0.5f, 0.1f));
  EXPECT_THAT(response.outputs[1].strings(),
              testing::ElementsAre("early", "late", "on time", "early", "late", "on time"));
}

TEST_F(OnnxEngineTest, MapsWithIntegerKeysTooAndKeysAlone) {
  const auto servable = Load(ZipMap(false));
  const auto response = Ask(*servable, Tensor::Of<float>(Shape{1, 3}, {0.3f, 0.1f, 0.2f}), {1});
  ASSERT_EQ(response.outputs.size(), 1u);
  EXPECT_THAT(response.outputs[0].values<int64_t>(), testing::ElementsAre(10, 20, 30));
}

TEST_F(OnnxEngineTest, SequencesOfEqualTensorsAreStacked) {
  OnnxModelBuilder model;
  model.Input("x", DataType::kFloat32, {2}).Node("SequenceConstruct", {"x", "x", "x"}, {"all"});
  auto* tensor = model.AnyOutput("all")->mutable_type()->mutable_sequence_type()->mutable_elem_type();
  tensor->mutable_tensor_type()->set_elem_type(1);
  const auto servable = Load(model);
  const auto response = Ask(*servable, Tensor::Of<float>(Shape{2}, {1, 2}), {0});
  EXPECT_EQ(response.outputs[0].shape(), (Shape{3, 2}));
  EXPECT_THAT(response.outputs[0].values<float>(), testing::ElementsAre(1, 2, 1, 2, 1, 2));
}

TEST_F(OnnxEngineTest, AFileByAnotherNameIsFoundWhenItIsTheOnlyOne) {
  OnnxModelBuilder model;
  model.Input("x", DataType::kFloat32, {1}).Output("y", DataType::kFloat32, {1}).Node("Identity", {"x"}, {"y"});
  model.Write(dir_.path() / "flights.onnx");
  EXPECT_TRUE(engine_->Load(dir_.path(), {}).has_value());
  model.Write(dir_.path() / "other.onnx");
  EXPECT_THAT(engine_->Load(dir_.path(), {}).error().message(), testing::HasSubstr("2 model files"));
  model.Write(dir_.path() / "model.onnx");
  EXPECT_TRUE(engine_->Load(dir_.path(), {}).has_value());
}

TEST_F(OnnxEngineTest, WeightsThatLieApartAndAreNotWholeAreAnError) {
  WriteWithWeightsApart({}, dir_.path());
  const auto data = dir_.path() / "model.onnx.data";
  std::filesystem::resize_file(data, std::filesystem::file_size(data) - 1);
  const auto cut = engine_->Load(dir_.path(), {});
  ASSERT_FALSE(cut.has_value());
  EXPECT_EQ(cut.error().code(), Code::kInvalidArgument);
  std::filesystem::remove(data);
  const auto loaded = engine_->Load(dir_.path(), {});
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code(), Code::kInvalidArgument);
  EXPECT_THAT(loaded.error().message(), testing::HasSubstr("model.onnx.data"));
}

TEST_F(OnnxEngineTest, WeightsOutsideTheModelsFolderAreRefused) {
  const auto folder = dir_.path() / "1";
  std::filesystem::create_directory(folder);
  OnnxTestModel({}).WriteWithWeightsApart(folder / "model.onnx", "../weights");
  const auto loaded = engine_->Load(folder, {});
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code(), Code::kInvalidArgument) << loaded.error().ToString();
}

TEST_F(OnnxEngineTest, ASizeThatIsAValueDecidesHowLongARunTakesAndOneOfAShapeDoesNot) {
  OnnxModelBuilder of_value, of_shape;
  of_value.Input("n", DataType::kInt64, {1}).Output("y", DataType::kFloat32, {-1});
  of_value.Node("Identity", {"n"}, {"same"});
  of_value.Node("ConstantOfShape", {"same"}, {"y"});
  EXPECT_TRUE(Load(of_value)->runtime_depends_on_values());
  of_shape.Input("x", DataType::kInt64, {-1}).Output("y", DataType::kFloat32, {-1});
  of_shape.Node("Shape", {"x"}, {"size"});
  of_shape.Node("ConstantOfShape", {"size"}, {"y"});
  EXPECT_FALSE(Load(of_shape)->runtime_depends_on_values());
}

TEST_F(OnnxEngineTest, AnUnknownOperatorIsNamed) {
  OnnxModelBuilder model;
  model.Input("x", DataType::kFloat32, {1}).Output("y", DataType::kFloat32, {1}).Node("NoSuchOperator", {"x"}, {"y"});
  model.Write(dir_.path() / "model.onnx");
  const auto loaded = engine_->Load(dir_.path(), {});
  ASSERT_FALSE(loaded.has_value());
  EXPECT_THAT(loaded.error().message(), testing::HasSubstr("NoSuchOperator"));
}

}  // namespace
}  // namespace headrace

#include "headrace/data/inference.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>

namespace headrace::data {
namespace {

struct ColumnCast {
  DataType type;
  std::string_view sql_type;
  std::string_view missing;
};

constexpr ColumnCast kCasts[] = {
    {DataType::kFloat32, "FLOAT", "'nan'"},       {DataType::kFloat64, "DOUBLE", "'nan'"},
    {DataType::kString, "VARCHAR", "''"},         {DataType::kInt64, "BIGINT", "-9223372036854775808"},
    {DataType::kInt32, "INTEGER", "-2147483648"}, {DataType::kInt16, "SMALLINT", "-32768"},
    {DataType::kInt8, "TINYINT", "-128"},         {DataType::kUint64, "UBIGINT", "0"},
    {DataType::kUint32, "UINTEGER", "0"},         {DataType::kUint16, "USMALLINT", "0"},
    {DataType::kUint8, "UTINYINT", "0"},          {DataType::kBool, "BOOLEAN", "false"},
};

// A tensor of `column`, which holds what InputExpression selects. It keeps `batch` alive.
Tensor ToTensor(const RecordBatch& batch, const Column& column, const TensorSpec& spec) {
  Shape shape{column.size()};
  if (spec.shape.size() == 2) shape.push_back(1);
  const auto rows = static_cast<size_t>(column.size());
  if (spec.type == DataType::kString) {
    auto texts =
        std::make_shared<std::pair<RecordBatch, std::vector<std::string_view>>>(batch, std::vector<std::string_view>());
    texts->second.reserve(rows);
    for (int64_t row = 0; row < column.size(); row++) texts->second.push_back(column.String(row));
    const std::string_view* views = texts->second.data();
    return Tensor(std::move(shape), views, std::move(texts));
  }
  if (spec.type == DataType::kBool) {  // Arrow packs eight into a byte
    auto flags = std::make_shared<std::vector<uint8_t>>();
    flags->reserve(rows);
    for (int64_t row = 0; row < column.size(); row++) flags->push_back(column.Bool(row) ? 1 : 0);
    const void* data = flags->data();
    return Tensor(DataType::kBool, std::move(shape), data, std::move(flags));
  }
  const void* data = nullptr;
  switch (DataTypeSize(spec.type)) {
    case 1: data = column.values<int8_t>().data(); break;
    case 2: data = column.values<int16_t>().data(); break;
    case 4: data = column.values<int32_t>().data(); break;
    default: data = column.values<int64_t>().data(); break;
  }
  return Tensor(spec.type, std::move(shape), data, batch.owner());
}

Status Infer(Servable& model, const InferRequest& request, InferResponse& response) {
  std::promise<Status> done;
  std::future<Status> status = done.get_future();
  model.Infer(request, &response, [&done](Status result) { done.set_value(std::move(result)); });
  return status.get();
}

Status SelectOutputs(const Signature& signature, const std::vector<std::string>& names, InferRequest& request) {
  for (const auto& name : names) {
    const int index = signature.OutputIndex(name);
    if (index < 0) return InvalidArgument("the model has no output \"{}\"", name);
    request.outputs.push_back(static_cast<uint32_t>(index));
  }
  if (names.empty())
    for (uint32_t i = 0; i < signature.outputs.size(); i++) request.outputs.push_back(i);
  return OkStatus();
}

Status CheckColumns(QueryEngine& engine, const std::string& relation, const Signature& signature) {
  std::vector<std::string> names;
  HR_RETURN_IF_ERROR(ForEachRow(engine, "SELECT column_name FROM (DESCRIBE SELECT * FROM " + relation + ")",
                                [&names](const RecordBatch& batch, int64_t row) {
                                  names.emplace_back(batch.column(0).String(row));
                                  return OkStatus();
                                }));
  for (const auto& input : signature.inputs)
    if (std::ranges::find(names, input.name) == names.end())
      return InvalidArgument("the model takes the column \"{}\", which the examples lack; they have {}", input.name,
                             fmt::join(names, ", "));
  return OkStatus();
}

}  // namespace

Result<std::unique_ptr<Servable>> LoadModel(const std::vector<Engine*>& engines, const std::filesystem::path& folder) {
  for (Engine* engine : engines)
    if (engine->Recognizes(folder)) return engine->Load(folder, EngineOptions{});
  std::vector<std::string_view> names;
  names.reserve(engines.size());
  for (const Engine* engine : engines) names.push_back(engine->name());
  return std::unexpected(InvalidArgument("{}: no engine recognises a model there (built in: {})", folder.string(),
                                         fmt::join(names, ", ")));
}

Result<std::string> InputExpression(const TensorSpec& input) {
  for (const auto& cast : kCasts)
    if (cast.type == input.type)
      return fmt::format("coalesce(CAST({0} AS {1}), CAST({2} AS {1}))", QuoteName(input.name), cast.sql_type,
                         cast.missing);
  return std::unexpected(
      Unimplemented("input \"{}\": no column becomes a tensor of {}", input.name, DataTypeName(input.type)));
}

Status RunModel(QueryEngine& engine, Servable& model, const InferenceRequest& request, const InferenceBatch& consume) {
  const Signature* signature = model.FindSignature("serving_default");
  if (signature == nullptr) signature = &model.signatures().front();
  InferRequest inference;
  inference.signature = signature;
  HR_RETURN_IF_ERROR(SelectOutputs(*signature, request.outputs, inference));
  HR_RETURN_IF_ERROR(CheckColumns(engine, request.relation, *signature));
  std::vector<std::string> columns;
  for (const auto& input : signature->inputs) {
    HR_ASSIGN_OR_RETURN(std::string expression, InputExpression(input));
    columns.push_back(std::move(expression));
  }
  columns.insert(columns.end(), request.extras.begin(), request.extras.end());
  const auto inputs = static_cast<int64_t>(signature->inputs.size());
  const std::string sql = fmt::format("SELECT {} FROM {}", fmt::join(columns, ", "), request.relation);
  return engine.Query(sql, [&](const RecordBatch& batch) -> Status {
    InferRequest now = inference;
    for (int64_t i = 0; i < inputs; i++)
      now.inputs.push_back(ToTensor(batch, batch.column(i), signature->inputs[static_cast<size_t>(i)]));
    for (size_t i = 0; i < now.inputs.size(); i++) HR_RETURN_IF_ERROR(signature->inputs[i].Check(now.inputs[i]));
    InferResponse response;
    HR_RETURN_IF_ERROR(Infer(model, now, response));
    return consume(batch, inputs, {response.outputs.data(), response.outputs.size()});
  });
}

}  // namespace headrace::data

// RecordBatch::Make and Export: the producer's side of the Arrow C data interface.
#include <cstring>

#include "headrace/core/record_batch.h"

namespace headrace {
namespace {

constexpr const char* kFormats[] = {"l", "g", "f", "i", "U"};  // by index in ColumnData::values

// The memory of a batch that Make built, and the structs that describe it.
struct Built {
  struct Child {
    ColumnData data;
    std::vector<uint8_t> validity;
    std::vector<int64_t> offsets;  // of strings
    std::string bytes;             // of strings, one after another
    int64_t length = 0;
    int64_t null_count = 0;
    const void* buffers[3] = {};
    ArrowArray array = {};
    ArrowSchema schema = {};
  };
  std::vector<Child> children;
  std::vector<ArrowArray*> arrays;
  std::vector<ArrowSchema*> schemas;
  const void* no_validity[1] = {nullptr};
  ArrowSchema schema = {};
};

void LayOutValues(Built::Child& child) {
  if (auto* strings = std::get_if<std::vector<std::string>>(&child.data.values)) {
    child.offsets.reserve(strings->size() + 1);
    child.offsets.push_back(0);
    for (const auto& text : *strings) {
      child.bytes += text;
      child.offsets.push_back(static_cast<int64_t>(child.bytes.size()));
    }
    strings->clear();
    child.buffers[1] = child.offsets.data();
    child.buffers[2] = child.bytes.data();
    return;
  }
  std::visit([&](const auto& values) { child.buffers[1] = values.data(); }, child.data.values);
}

void LayOutValidity(Built::Child& child) {
  const auto& valid = child.data.valid;
  if (valid.empty()) return;
  child.validity.assign((valid.size() + 7) / 8, 0);
  for (size_t i = 0; i < valid.size(); i++) {
    if (valid[i])
      child.validity[i / 8] |= static_cast<uint8_t>(1U << (i % 8));
    else
      child.null_count++;
  }
  child.buffers[0] = child.validity.data();
}

void LayOut(Built::Child& child) {
  const size_t type = child.data.values.index();
  LayOutValidity(child);
  LayOutValues(child);
  child.array = {.length = child.length,
                 .null_count = child.null_count,
                 .offset = 0,
                 .n_buffers = kFormats[type][0] == 'U' ? 3 : 2,
                 .n_children = 0,
                 .buffers = child.buffers,
                 .children = nullptr,
                 .dictionary = nullptr,
                 .release = nullptr,
                 .private_data = nullptr};
  child.schema.format = kFormats[type];
  child.schema.name = child.data.name.c_str();
  child.schema.flags = ARROW_FLAG_NULLABLE;
  child.schema.release = [](ArrowSchema* schema) { schema->release = nullptr; };  // its memory is the parent's
}

void ReleaseSchema(ArrowSchema* schema) {
  delete static_cast<std::shared_ptr<Built>*>(schema->private_data);
  schema->release = nullptr;
}

void ReleaseArray(ArrowArray* array) {
  delete static_cast<std::shared_ptr<Built>*>(array->private_data);
  array->release = nullptr;
}

// One exported array. Each holds the owner for itself, since a consumer may move children away from their parent.
struct Exported {
  std::shared_ptr<const void> owner;
  std::vector<std::unique_ptr<ArrowArray>> children;
  std::vector<ArrowArray*> pointers;
};

void ReleaseExported(ArrowArray* array) {
  auto* exported = static_cast<Exported*>(array->private_data);
  for (const auto& child : exported->children)
    if (child->release != nullptr) child->release(child.get());
  delete exported;
  array->release = nullptr;
}

ArrowArray ExportArray(const ArrowArray& source, const std::shared_ptr<const void>& owner) {
  auto* exported = new Exported{owner, {}, {}};
  for (int64_t i = 0; i < source.n_children; i++) {
    exported->children.push_back(std::make_unique<ArrowArray>(ExportArray(*source.children[i], owner)));
    exported->pointers.push_back(exported->children.back().get());
  }
  ArrowArray out = source;
  out.children = exported->pointers.empty() ? nullptr : exported->pointers.data();
  out.private_data = exported;
  out.release = ReleaseExported;
  return out;
}

}  // namespace

Result<RecordBatch> RecordBatch::Make(std::vector<ColumnData> columns) {
  auto built = std::make_shared<Built>();
  built->children.resize(columns.size());
  int64_t rows = 0;
  for (size_t i = 0; i < columns.size(); i++) {
    Built::Child& child = built->children[i];
    child.data = std::move(columns[i]);
    child.length =
        std::visit([](const auto& values) { return static_cast<int64_t>(values.size()); }, child.data.values);
    if (i == 0) rows = child.length;
    const bool fits = child.data.valid.empty() || static_cast<int64_t>(child.data.valid.size()) == child.length;
    if (child.length != rows || !fits)
      return std::unexpected(InvalidArgument("column \"{}\" has {} values and {} validity flags; expected {} rows",
                                             child.data.name, child.length, child.data.valid.size(), rows));
    LayOut(child);
    built->arrays.push_back(&child.array);
    built->schemas.push_back(&child.schema);
  }
  ArrowSchema schema = {};
  schema.format = "+s";
  schema.name = "";
  schema.n_children = static_cast<int64_t>(columns.size());
  schema.children = built->schemas.data();
  schema.private_data = new std::shared_ptr<Built>(built);
  schema.release = ReleaseSchema;
  ArrowArray array = {};
  array.length = rows;
  array.n_buffers = 1;
  array.buffers = built->no_validity;
  array.n_children = schema.n_children;
  array.children = built->arrays.data();
  array.private_data = new std::shared_ptr<Built>(built);
  array.release = ReleaseArray;
  return RecordBatch(Own(schema), array);
}

ArrowArray RecordBatch::Export() const { return ExportArray(*array_, array_); }

}  // namespace headrace

// bench_floor_http PORT MODEL: what an HTTP model server in C++ cannot avoid. One thread, Boost.Beast, simdjson, ONNX
// Runtime; any POST is an inference of the one model, in the Open Inference Protocol's JSON or, with
// Inference-Header-Content-Length, its binary form, or as TensorFlow Serving's {"instances": [[...]]}. No versions,
// checks, metrics, limits or errors.
#include <simdjson.h>

#include <boost/asio.hpp>
#include <boost/beast.hpp>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "bench/serving/native/model.h"

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

template <class T>
void AppendNumbers(std::string& out, const T* numbers, size_t count) {
  const size_t start = out.size();
  out.resize(start + count * 25);
  char* at = out.data() + start;
  for (size_t i = 0; i < count; i++) {
    if (i > 0) *at++ = ',';
    at = std::to_chars(at, at + 24, numbers[i]).ptr;
  }
  out.resize(static_cast<size_t>(at - out.data()));
}

void AppendValues(std::string& out, const bench::Output& output) {
  if (output.is_int64)
    AppendNumbers(out, output.value.GetTensorData<int64_t>(), output.count);
  else
    AppendNumbers(out, output.value.GetTensorData<float>(), output.count);
}

// Reads a request, runs the model and writes the answer; one for each connection, so that its buffers are used again.
class Exchange {
 public:
  explicit Exchange(bench::Model& model) : model_(model) {}

  // The length of the JSON in front of a binary answer; 0 for an answer that is all JSON.
  size_t Answer(std::string& body, size_t json_length, std::string& out) {
    const bool binary = json_length != 0;
    shape_.clear();
    x_.clear();
    body.reserve(body.size() + simdjson::SIMDJSON_PADDING);
    auto document = parser_.iterate(body.data(), binary ? json_length : body.size(), body.capacity());
    simdjson::ondemand::object object = document.get_object();
    const bool rows = !binary && ReadRequest(object, binary);
    if (binary) {
      ReadRequest(object, true);
      x_.resize((body.size() - json_length) / sizeof(float));
      std::memcpy(x_.data(), body.data() + json_length, x_.size() * sizeof(float));
    }
    auto values = model_.Run(x_, shape_);
    return rows ? WriteRows(values, out) : WriteOutputs(values, binary, out);
  }

 private:
  // True for TensorFlow Serving's form.
  bool ReadRequest(simdjson::ondemand::object& object, bool binary) {
    for (auto field : object) {
      const std::string_view key = field.unescaped_key();
      if (key == "instances") {
        ReadNested(field.value(), 0);
        return true;
      }
      if (key != "inputs") continue;
      for (auto input : field.value().get_array()) {
        for (int64_t dimension : input["shape"]) shape_.push_back(dimension);
        if (binary) continue;
        for (double number : input["data"]) x_.push_back(static_cast<float>(number));
      }
    }
    return false;
  }

  void ReadNested(simdjson::ondemand::value value, size_t depth) {
    if (shape_.size() == depth) shape_.push_back(0);
    int64_t count = 0;
    for (auto item : value.get_array()) {
      count++;
      simdjson::ondemand::value inner = item.value();
      if (inner.type() == simdjson::ondemand::json_type::array)
        ReadNested(inner, depth + 1);
      else
        x_.push_back(static_cast<float>(double(inner)));
    }
    shape_[depth] = count;
  }

  size_t WriteRows(std::vector<Ort::Value>& values, std::string& out) {
    out = R"({"predictions":[{)";
    for (size_t i = 0; i < values.size(); i++) {
      const auto output = model_.Describe(i, values[i]);
      out.append(i ? ",\"" : "\"").append(output.name).append("\":[");
      AppendValues(out, output);
      out += ']';
    }
    out += "}]}";
    return 0;
  }

  size_t WriteOutputs(std::vector<Ort::Value>& values, bool binary, std::string& out) {
    out = R"({"model_name":"m","outputs":[)";
    for (size_t i = 0; i < values.size(); i++) {
      const auto output = model_.Describe(i, values[i]);
      out.append(i ? ",{\"name\":\"" : "{\"name\":\"").append(output.name);
      out.append(R"(","datatype":")").append(output.is_int64 ? "INT64" : "FP32").append(R"(","shape":[)");
      AppendNumbers(out, output.shape.data(), output.shape.size());
      if (binary) {
        out.append(R"(],"parameters":{"binary_data_size":)").append(std::to_string(output.bytes())).append("}}");
      } else {
        out += R"(],"data":[)";
        AppendValues(out, output);
        out += "]}";
      }
    }
    out += "]}";
    if (!binary) return 0;
    const size_t head = out.size();
    for (size_t i = 0; i < values.size(); i++) {
      const auto output = model_.Describe(i, values[i]);
      out.append(static_cast<const char*>(output.data()), output.bytes());
    }
    return head;
  }

  bench::Model& model_;
  simdjson::ondemand::parser parser_;
  std::vector<int64_t> shape_;
  std::vector<float> x_;
};

constexpr char kHeaderLength[] = "Inference-Header-Content-Length";

asio::awaitable<void> Serve(tcp::socket socket, bench::Model& model) {
  socket.set_option(tcp::no_delay(true));
  beast::flat_buffer buffer;
  buffer.reserve(64 * 1024);
  Exchange exchange(model);
  boost::system::error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  while (!error) {
    http::request_parser<http::string_body> parser;
    parser.body_limit(64 << 20);
    co_await http::async_read_header(socket, buffer, parser, token);
    if (error) break;
    auto& request = parser.get();
    if (const auto length = parser.content_length()) request.body().reserve(*length + simdjson::SIMDJSON_PADDING);
    co_await http::async_read(socket, buffer, parser, token);
    if (error) break;
    const auto field = request[kHeaderLength];
    size_t json_length = 0;
    std::from_chars(field.data(), field.data() + field.size(), json_length);
    http::response<http::string_body> response(http::status::ok, 11);
    const size_t head = exchange.Answer(request.body(), json_length, response.body());
    response.set(http::field::content_type, head ? "application/octet-stream" : "application/json");
    if (head) response.set(kHeaderLength, std::to_string(head));
    response.keep_alive(request.keep_alive());
    response.prepare_payload();
    co_await http::async_write(socket, response, token);
  }
}

asio::awaitable<void> Accept(tcp::acceptor& acceptor, bench::Model& model) {
  for (;;) {
    auto socket = co_await acceptor.async_accept(asio::use_awaitable);
    asio::co_spawn(acceptor.get_executor(), Serve(std::move(socket), model), asio::detached);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  bench::Model model(argv[2]);
  asio::io_context loop(1);
  const auto port = static_cast<unsigned short>(std::atoi(argv[1]));
  tcp::acceptor acceptor(loop, {asio::ip::make_address("127.0.0.1"), port});
  asio::co_spawn(loop, Accept(acceptor, model), asio::detached);
  loop.run();
}

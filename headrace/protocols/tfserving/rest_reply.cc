#include "headrace/protocols/tfserving/rest_reply.h"

#include "headrace/protocols/common/json_text.h"

namespace headrace::tfserving {

void SendError(const Status& status, net::HttpResponder responder) {
  std::string& body = responder.body();
  body = "{ \"error\": ";
  AppendJsonString(&body, status.message());
  body += " }";
  responder.Send(HttpStatus(status.code()), kJsonType);
}

void SendJson(Result<std::string> text, net::HttpResponder responder) {
  if (!text) return SendError(text.error(), std::move(responder));
  responder.body() = std::move(*text);
  responder.Send(200, kJsonType);
}

}  // namespace headrace::tfserving

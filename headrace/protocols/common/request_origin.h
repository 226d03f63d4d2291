// Where a prediction comes from, as the prediction log has it.
#pragma once
#include "headrace/net/grpc_call.h"
#include "headrace/net/http.h"
#include "headrace/serving/predictor.h"

namespace headrace {

// Points into `trace_id` and `client`, which must stay until the prediction has been answered.
inline serving::RequestOrigin OriginOf(std::string_view trace_id, const net::ClientName& client) {
  return {.trace_id = trace_id, .client = net::TextOf(client), .request_id = {}};
}

// When a request that came at `arrived` is to have its answer; a limit of zero is none.
inline Deadline DeadlineOf(Deadline arrived, Duration limit) {
  return limit > Duration::zero() ? arrived + limit : Deadline::max();
}

// Points into the request, which lives until it is answered.
inline serving::RequestOrigin OriginOf(const net::HttpRequest& request) {
  return OriginOf(request.trace_id(), request.client());
}
inline serving::RequestOrigin OriginOf(const net::GrpcCall& call) { return OriginOf(call.trace_id(), call.client()); }

}  // namespace headrace

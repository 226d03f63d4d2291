// What web pages of other origins may do on the model server's REST door (the Fetch Standard's CORS protocol).
#pragma once
#include <string_view>

#include "headrace/base/status.h"
#include "headrace/net/http.h"

namespace headrace::app {

struct CrossOriginRules {
  bool any_origin = false;   // pages of any origin may read the answers of what changes nothing: predictions, metadata
  bool guarded = false;      // they may change nothing, as CheckOrigin has it: for servers without a password
  bool on_loopback = false;  // with `guarded`: CheckOrigin's `loopback`
};

// Whether a request changes what is served or how: what needs the right to administer.
bool ChangesServer(std::string_view method, std::string_view path);

// kPermissionDenied for what `rules` forbid.
Status CheckPage(const CrossOriginRules& rules, const net::HttpRequest& request);
// Whether the page that asks, if one does, may read the answer, or send what its preflight (OPTIONS) asks for.
bool MayRead(const CrossOriginRules& rules, const net::HttpRequest& request);
// The headers that say so.
void AllowReading(net::HttpResponder* responder);
void AnswerPreflight(const net::HttpRequest& request, net::HttpResponder responder);

}  // namespace headrace::app
